#!/usr/bin/env python3
"""Real file systems that fill up to the brim, and a directory that is made read-only, under load, and recover: what was acknowledged is there,
what was refused is not, reads go on, and the daemon needs nobody to get going again.

    check_disks.py PERSISTD

Needs root, for it mounts small file systems of its own; else it is skipped (exit status 77)."""
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

PERSISTD = sys.argv.pop(1)
CLIENTS, DEPTH, PADDING = 4, 8, 'x' * 1500


class Client:
    """One connection. A call returns its reply."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile('rwb')

    def calls(self, requests):
        for number, (method, params) in enumerate(requests):
            self.file.write(json.dumps({'jsonrpc': '2.0', 'id': number, 'method': method, 'params': params}).encode() + b'\n')
        self.file.flush()
        replies = sorted((json.loads(self.file.readline()) for _ in requests), key=lambda reply: reply['id'])
        return replies

    def call(self, method, **params):
        reply = self.calls([(method, params)])[0]
        if 'error' in reply:
            raise AssertionError(reply['error'])
        return reply['result']

    def close(self):
        self.file.close()
        self.socket.close()


class Load(threading.Thread):
    """One client that saves its own records over and over, and knows what each may be."""

    def __init__(self, path, name):
        super().__init__()
        self.client, self.name = Client(path), name
        self.may_be, self.kinds = {}, {}
        self.version, self.stopping, self.failure = 0, False, None

    def run(self):
        try:
            while not self.stopping:
                self.step()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def step(self):
        sent = []
        for _ in range(DEPTH):
            self.version += 1
            sent.append((f'{self.name}-{self.version % 400}', self.version))
        replies = self.client.calls([('job.save', {'job': {'id': job, 'payload': {'v': v, 'pad': PADDING}}, 'fields': ['id']})
                                     for job, v in sent])
        for (job, version), reply in zip(sent, replies):
            if 'error' not in reply:
                self.may_be[job] = {version}
                continue
            kind = reply['error']['data']['kind']
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if kind == 'outcome_unknown':
                self.may_be.setdefault(job, {None}).add(version)
            elif kind != 'not_durable':
                raise AssertionError(reply['error'])
            time.sleep(0.002)  # a refused client does not hammer

    def compare(self, case, client):
        for job, may_be in self.may_be.items():
            reply = client.calls([('job.get', {'id': job})])[0]
            is_now = reply['result']['payload']['v'] if 'result' in reply else None
            case.assertIn(is_now, may_be, job)


class Disks(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix='persistd-disks-', dir='/var/tmp'))
        self.point = self.top / 'disk'
        self.point.mkdir()
        self.daemon = self.client = None
        self.mounted = False

    def tearDown(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        if self.mounted:
            subprocess.run(['umount', '-l', self.point], check=False)
        subprocess.run(['rm', '-rf', self.top], check=False)

    def mount_tmpfs(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12M', 'tmpfs', self.point], check=True)
        self.mounted = True

    def mount_ext4(self, megabytes=24):
        image = self.top / 'image'
        with image.open('wb') as file:
            file.truncate(megabytes << 20)
        subprocess.run(['mkfs.ext4', '-q', image], check=True)
        subprocess.run(['mount', '-o', 'loop', image, self.point], check=True)
        self.mounted = True

    def start(self):
        self.path = str(self.top / 'socket')
        self.errors = (self.top / 'stderr').open('ab')
        self.daemon = subprocess.Popen([PERSISTD, '--socket', self.path, '--state-dir', str(self.point / 'state')],
                                       stderr=self.errors)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.client = Client(self.path)
                return
            except OSError:
                if self.daemon.poll() is not None:
                    self.fail((self.top / 'stderr').read_text())
                time.sleep(0.02)
        self.fail('persistd does not answer')

    def loads(self):
        loads = [Load(self.path, f'c{n}') for n in range(CLIENTS)]
        for load in loads:
            load.start()
        return loads

    def wait_for(self, what, condition, seconds=60):
        until = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), until, f'{what}: {(self.top / "stderr").read_text()[-2000:]}')
            time.sleep(0.05)

    def trouble(self, loads, begin, end):
        """It comes, is told of, reads go on; it goes, and changes are taken again. Nothing is lost."""
        self.wait_for('traffic', lambda: all(load.version > 200 for load in loads))
        begin()
        self.wait_for('refusals', lambda: all(sum(load.kinds.values()) > 3 * DEPTH for load in loads))
        self.client.call('job.list', limit=5)
        self.wait_for('a health that says it', lambda: self.client.call('server.info')['health'] == 'degraded')
        self.assertRegex(self.client.call('server.info')['degraded']['reason'], ': (No space left|Operation not permitted)')
        self.assertGreater(self.client.call('server.stats')['journal']['commit_failures'], 0)
        end()
        for load in loads:
            load.mark = (load.version, sum(load.kinds.values()))
        self.wait_for('changes that are taken again', lambda: all(load.version > load.mark[0] + 100 and
                      sum(load.kinds.values()) < load.version - load.mark[0] + load.mark[1] - 50 for load in loads))
        for load in loads:
            load.stopping = True
        for load in loads:
            load.join()
            self.assertIsNone(load.failure)
        self.wait_for('health', lambda: self.client.call('server.info')['health'] == 'ok')
        self.compare_all(loads)

    def compare_all(self, loads):
        for load in loads:
            load.compare(self, self.client)
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.start()
        for load in loads:
            load.compare(self, self.client)
        self.daemon.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(60), 0)
        check = subprocess.run([PERSISTD, '--state-dir', str(self.point / 'state'), '--check'], capture_output=True, check=False)
        self.assertEqual(check.returncode, 0, check.stdout)

    def fill(self):
        """To the last byte, but what the daemon writes meanwhile."""
        with (self.point / 'ballast').open('ab', buffering=0) as file:
            for size in (65536, 4096, 512):
                try:
                    while True:
                        file.write(b'x' * size)
                except OSError:
                    pass

    def empty(self):
        (self.point / 'ballast').unlink()

    def test_a_full_tmpfs_loses_nothing_and_is_left_by_itself(self):
        self.mount_tmpfs()
        self.start()
        self.trouble(self.loads(), self.fill, self.empty)

    def test_a_full_ext4_loses_nothing_and_is_left_by_itself(self):
        self.mount_ext4()
        self.start()
        self.trouble(self.loads(), self.fill, self.empty)

    def test_a_state_directory_that_is_made_read_only_loses_nothing_and_is_left_by_itself(self):
        self.mount_ext4(128)
        self.start()
        self.trouble(self.loads(), lambda: self.immutable('+i'), lambda: self.immutable('-i'))

    def immutable(self, flag):
        """What chmod 0500 is to a daemon that is not root."""
        subprocess.run(['chattr', flag, self.point / 'state', self.point / 'state/journal'], check=True)


if __name__ == '__main__':
    if os.geteuid() != 0:
        print('SKIP: only root can mount file systems')
        sys.exit(77)
    unittest.main(verbosity=2)
