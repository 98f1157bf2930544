#!/usr/bin/env python3
"""A disk whose calls hang for seconds, or fail until it is well again, under the real daemon: reads, progress and server.info
are answered meanwhile, changes wait and are acknowledged, health says what is wrong and is ok again by itself.

    check_ill_disk.py PERSISTD ILL_DISK"""
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ILL_DISK = sys.argv.pop()
PERSISTD = sys.argv.pop()
PROMPT = 0.5  # seconds within which what does not need the disk is answered, on a busy machine


class IllDisk(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.top = Path(self.scratch.name)
        self.daemon = None
        self.start()
        self.call('job.save', job={'id': 'a', 'status': 'running', 'payload': {'v': 0}})

    def tearDown(self):
        self.well()
        if self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.scratch.cleanup()

    def start(self):
        with (self.top / 'stderr').open('ab') as log:
            self.daemon = subprocess.Popen([PERSISTD, '--socket', self.top / 'socket', '--state-dir', self.top / 'state'],
                                           stderr=log, env={**os.environ, 'LD_PRELOAD': ILL_DISK,
                                                            'ILL_DISK': str(self.top / 'order')})
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.call('server.ping')
                return
            except OSError:
                time.sleep(0.02)
        self.fail(self.log())

    def log(self):
        return (self.top / 'stderr').read_text()

    def ill(self, call, how):
        (self.top / 'order.new').write_text(f'{call} {how}', encoding='ascii')
        (self.top / 'order.new').rename(self.top / 'order')

    def well(self):
        (self.top / 'order').unlink(missing_ok=True)

    def reply(self, method, **params):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.top / 'socket'))
            s.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}).encode() + b'\n')
            return json.loads(s.makefile('rb').readline())

    def call(self, method, **params):
        reply = self.reply(method, **params)
        self.assertNotIn('error', reply)
        return reply['result']

    def prompt(self, method, **params):
        begun = time.monotonic()
        result = self.call(method, **params)
        self.assertLess(time.monotonic() - begun, PROMPT, method)
        return result

    def background(self, method, **params):
        """Returns a function that waits for the reply."""
        got = []

        def ask():
            try:
                got.append(self.reply(method, **params))
            except (OSError, ValueError) as failure:
                got.append({'no reply': str(failure)})
        thread = threading.Thread(target=ask)
        thread.start()

        def wait():
            thread.join(60)
            self.assertTrue(got, self.log())
            return got[0]
        wait.is_answered = lambda: bool(got)
        return wait

    def wait_for_health(self, health, seconds=30):
        until = time.monotonic() + seconds
        while (info := self.prompt('server.info'))['health'] != health:
            self.assertLess(time.monotonic(), until, self.log())
            time.sleep(0.05)
        return info['degraded']

    def served_meanwhile(self, value):
        self.assertEqual(self.prompt('job.get', id='a')['payload']['v'], value)
        self.assertEqual(self.prompt('job.list')['total'], 1)
        self.assertEqual(self.prompt('job.update_progress', id='a', progress={'current': value, 'total': 10})['id'], 'a')

    def restart(self, how=signal.SIGKILL):
        self.daemon.send_signal(how)
        self.daemon.wait(60)
        self.start()

    def test_calls_that_hang_hold_up_whoever_reads_or_lose_what_waits(self):
        for value, call in enumerate(('fsync', 'renameat', 'openat', 'writev')):
            with self.subTest(call):
                self.ill(call, 'hang')
                saved = self.background('job.save', job={'id': 'a', 'payload': {'v': value + 1}})
                for _ in range(10):
                    self.served_meanwhile(value)
                    time.sleep(0.05)
                self.assertFalse(saved.is_answered())
                self.well()
                self.assertEqual(saved()['result']['payload']['v'], value + 1)
        self.restart()
        self.assertEqual(self.call('job.get', id='a')['payload']['v'], 4)

    def test_a_disk_that_does_not_answer_for_seconds_is_not_told_of(self):
        self.ill('fsync', 'hang')
        saved = self.background('job.save', job={'id': 'a', 'payload': {'v': 1}})
        degraded = self.wait_for_health('degraded')
        self.assertRegex(degraded['reason'], r'^the disk has not answered for [5-9] s: commit \d+ waits for it$')
        self.assertIn('wait', degraded['meaning'])
        self.served_meanwhile(0)
        time.sleep(0.8)
        self.assertIn('changes wait, reads go on', self.log())
        self.assertFalse(saved.is_answered())
        self.well()
        self.assertIn('result', saved())
        self.assertIsNone(self.wait_for_health('ok'))
        self.assertIn('sound again', self.log())

    def test_a_stop_while_a_call_hangs_loses_what_waits(self):
        self.ill('fsync', 'hang')
        saved = self.background('job.save', job={'id': 'b', 'payload': {}})
        time.sleep(0.3)
        self.daemon.send_signal(signal.SIGTERM)
        time.sleep(1)
        self.assertIsNone(self.daemon.poll(), 'it has left while a change was on its way')
        self.well()
        self.assertIn('result', saved())
        self.assertEqual(self.daemon.wait(60), 0)
        self.start()
        self.assertEqual(self.call('job.get', id='b')['id'], 'b')

    def test_a_second_signal_ends_what_a_disk_that_hangs_for_good_would_hold_up(self):
        self.ill('fsync', 'hang')
        saved = self.background('job.save', job={'id': 'b', 'payload': {}})
        time.sleep(0.3)
        self.daemon.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        self.daemon.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(20), 1)
        self.assertIn('no reply', saved())
        self.well()
        self.start()
        self.assertEqual(self.call('job.get', id='a')['id'], 'a')

    def fails_and_recovers(self, call, number, kind, reason):
        """No change comes afterwards that would show that the disk is well: the daemon finds out."""
        self.ill(call, int(number))
        error = self.reply('job.save', job={'id': 'b', 'payload': {'pad': 'x' * 20000}})['error']
        self.assertEqual(error['data']['kind'], kind)
        degraded = self.wait_for_health('degraded', 0.5)
        self.assertRegex(degraded['reason'], reason)
        self.served_meanwhile(0)
        time.sleep(2.5)
        self.assertEqual(self.prompt('server.info')['health'], 'degraded')
        self.well()
        self.assertIsNone(self.wait_for_health('ok'))
        self.assertIn('error', self.reply('job.get', id='b'))
        self.restart()
        self.assertIn('error', self.reply('job.get', id='b'))
        self.assertEqual(self.call('job.save', job={'id': 'b'})['id'], 'b')

    def test_a_full_disk_is_said_to_be_well_or_stays_ill_for_ever(self):
        self.fails_and_recovers('writev', errno.ENOSPC, 'not_durable', r'^write journal/.*: No space left on device$')

    def test_no_descriptors_are_said_to_be_well_or_stay_ill_for_ever(self):
        self.fails_and_recovers('openat', errno.EMFILE, 'not_durable', r'^open journal/.*: Too many open files$')

    def test_a_failing_fsync_is_said_to_be_well_or_stays_ill_for_ever(self):
        self.fails_and_recovers('fsync', errno.EIO, 'not_durable', r'^fsync journal/.*|fdatasync journal/.*: Input/output error$')

    def test_a_failing_rename_is_said_to_be_well_or_stays_ill_for_ever(self):
        self.fails_and_recovers('renameat', errno.EIO, 'outcome_unknown', r'^rename journal/.*: Input/output error$')


if __name__ == '__main__':
    unittest.main(verbosity=2)
