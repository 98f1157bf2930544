#!/usr/bin/env python3
"""A wall clock that jumps by a year, backwards and forwards, while the daemon runs and between its lives, and a daemon that
is stopped (SIGSTOP) for seconds: times, order, ids and retention stay sane.

    check_clock.py PERSISTD JUMPING_CLOCK"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CLOCK = sys.argv.pop()
PERSISTD = sys.argv.pop()
DAY, YEAR = 86400, 365 * 86400


class Clock(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.top = Path(self.scratch.name)
        self.daemon = None
        self.jump(0)

    def tearDown(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        self.scratch.cleanup()

    def jump(self, seconds):
        new = self.top / 'offset.new'
        new.write_text(str(seconds), encoding='ascii')
        new.rename(self.top / 'offset')

    def start(self, *flags):
        self.daemon = subprocess.Popen(
            [PERSISTD, '--socket', self.top / 'socket', '--state-dir', self.top / 'state', *flags], stderr=subprocess.DEVNULL,
            env={**os.environ, 'LD_PRELOAD': CLOCK, 'CLOCK_OFFSET': str(self.top / 'offset')})
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.call('server.ping')
                return
            except OSError:
                time.sleep(0.02)
        self.fail('persistd does not answer')

    def stop(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        self.assertEqual(self.daemon.wait(60), 0 if how == signal.SIGTERM else -how)
        self.daemon = None

    def call(self, method, **params):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.top / 'socket'))
            s.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}).encode() + b'\n')
            reply = json.loads(s.makefile('rb').readline())
        self.assertNotIn('error', reply)
        return reply['result']

    def save(self, job, **fields):
        return self.call('job.save', job={'id': job, **fields})

    def ids(self):
        return [job['id'] for job in self.call('job.list')['jobs']]

    def test_the_clock_is_moved_at_all(self):
        self.start()
        before = self.save('a')['created_at']
        self.jump(YEAR)
        self.assertEqual(int(self.save('b')['created_at'][:4]), int(before[:4]) + 1)

    def test_order_and_times_go_on_when_the_clock_goes_back_by_a_year(self):
        self.start()
        times = [self.save('a')['updated_at']]
        self.jump(-YEAR)
        times += [self.save('b')['updated_at'], self.save('c')['updated_at']]
        for how in (signal.SIGKILL, signal.SIGTERM):
            self.stop(how)
            self.start()
            times.append(self.save(f'after {how.name}'.replace(' ', '-'))['updated_at'])
        self.assertEqual(times, sorted(set(times)))
        self.assertEqual(self.ids(), ['after-SIGTERM', 'after-SIGKILL', 'c', 'b', 'a'])

    def test_made_ids_stay_unique_when_the_same_moment_comes_twice(self):
        self.start()
        made = [self.call('job.save', job={})['id'] for _ in range(50)]
        self.jump(-YEAR)
        made += [self.call('run.create_or_update', kind='x')['id'] for _ in range(50)]
        self.jump(0)
        made += [self.call('job.save', job={})['id'] for _ in range(50)]
        self.assertEqual(len(set(made)), 150)

    def test_retention_removes_nothing_early_when_the_clock_goes_back(self):
        self.start('--job-retention-days', '30')
        self.save('ended', status='completed')
        self.jump(-YEAR)
        self.stop()
        self.start('--job-retention-days', '30')
        time.sleep(0.5)
        self.assertEqual(self.ids(), ['ended'])
        self.assertEqual(self.call('job.cleanup', days=30)['removed'], 0)
        self.jump(31 * DAY)
        self.assertEqual(self.call('job.cleanup', days=30)['removed'], 1)

    def test_a_daemon_that_was_stopped_goes_on_where_it_was(self):
        self.start()
        self.save('a')
        self.daemon.send_signal(signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.top / 'socket'))
            s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"b"}}}\n')
            time.sleep(2)
            self.daemon.send_signal(signal.SIGCONT)
            self.assertIn(b'"id":"b"', s.makefile('rb').readline())
        self.assertEqual(self.ids(), ['b', 'a'])
        self.assertEqual(self.call('server.info')['health'], 'ok')


if __name__ == '__main__':
    unittest.main(verbosity=2)
