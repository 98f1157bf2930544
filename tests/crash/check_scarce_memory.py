#!/usr/bin/env python3
"""Memory that runs out at any moment: each allocation of the daemon fails in its turn, alone or with all after it, in a life
with a start, every kind of call, folds and a stop. The daemon goes on, or it ends with the status and the line that
docs/architecture.md names; never by a signal; and the next start finds what was acknowledged and nothing that was refused.

    check_scarce_memory.py PERSISTD SCARCE_MEMORY [--lives N] [--seed S] [--all] [--at N [--on] [--libraries]]

Without --all so many lives (400) are tried, spread evenly; the seed, which is printed, says where they begin."""
import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OUT_OF_MEMORY = 71  # EX_OSERR
NOT_STARTED = 75  # EX_TEMPFAIL: a system call had no memory; to try again may help
LINE = 'out of memory; what was acknowledged is on the disk'


class Gone(Exception):
    """The daemon has ended."""


class Life:
    def __init__(self, options, nth=0, all_after=False, libraries=False):
        self.options, self.nth, self.all_after, self.libraries = options, nth, all_after, libraries
        self.scratch = tempfile.TemporaryDirectory(prefix='persistd-scarce-', dir='/dev/shm')
        self.top = Path(self.scratch.name)
        self.jobs, self.runs, self.artifacts = {}, {}, []
        self.doubtful = None  # the content with the call that was on its way when the daemon ended
        self.refused = 0
        self.artifact = None
        if options.before:
            self.take(options.before)

    def take(self, before):
        """Begins with what an earlier life left when it was killed: something to load, and a journal."""
        shutil.copytree(before.top / 'state', self.top / 'state')
        self.jobs, self.runs, self.artifacts = dict(before.jobs), dict(before.runs), list(before.artifacts)

    def leave(self):
        self.start(False)
        self.save('old', 1, 5000)
        self.save('gone', 2)
        self.save_run('old', 3)
        self.save_artifact('old', 9)
        self.forget('gone')
        self.hang_up()
        self.daemon.kill()
        self.daemon.wait()
        return self

    # ---- the daemon

    def start(self, scarce):
        environment = dict(os.environ)
        if scarce:
            environment.update(LD_PRELOAD=self.options.scarce_memory, SCARCE_NTH=str(self.nth))
            environment.update({'SCARCE_ON': '1'} if self.all_after else {})
            environment.update({'SCARCE_LIBRARIES': '1'} if self.libraries else {})
        with (self.top / 'stderr').open('wb') as log:
            self.daemon = subprocess.Popen([self.options.persistd, '--socket', self.top / 'socket', '--state-dir',
                                            self.top / 'state'], stderr=log, env=environment)
        until = time.monotonic() + 60
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            try:
                self.socket.connect(str(self.top / 'socket'))
                break
            except OSError:
                self.socket.close()
                if self.daemon.poll() is not None:
                    raise Gone from None
                assert time.monotonic() < until, 'persistd does not answer'
                time.sleep(0.002)
        self.file = self.socket.makefile('rwb')

    def hang_up(self):
        try:
            self.file.close()
        except OSError:
            pass
        self.socket.close()

    def ask(self, method, **params):
        """The reply; None where the call is said to have failed."""
        try:
            self.file.write(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}).encode() + b'\n')
            self.file.flush()
            line = self.file.readline()
        except socket.timeout:
            raise AssertionError(f'{method} is never answered') from None
        except OSError:
            line = b''
        if not line:
            raise Gone
        reply = json.loads(line)
        if 'error' in reply:
            self.refused += 1
            return None
        return reply['result']

    # ---- what is acknowledged

    def content(self):
        return {'jobs': dict(self.jobs), 'runs': dict(self.runs), 'artifacts': sorted(self.artifacts)}

    def change(self, apply, method, **params):
        before = self.content()
        kept = dict(self.jobs), dict(self.runs), list(self.artifacts)
        apply()
        self.doubtful = self.content()
        try:
            result = self.ask(method, **params)
        except Gone:
            self.jobs, self.runs, self.artifacts = kept
            raise
        if result is None:
            self.jobs, self.runs, self.artifacts = kept
            assert self.content() == before
        self.doubtful = None
        return result

    def save(self, job, v, size=10):
        self.change(lambda: self.jobs.update({job: v}), 'job.save',
                    job={'id': job, 'status': 'completed', 'payload': {'v': v, 'pad': 'x' * size}})

    def save_run(self, run, v):
        self.change(lambda: self.runs.update({run: v}), 'run.create_or_update', run_id=run, kind='k', status='running',
                    meta={'v': v})

    def save_artifact(self, run, v):
        saved = self.change(lambda: self.artifacts.append(v), 'artifact.save', run_id=run, payload={'v': v, 'pad': 'y' * 3000})
        self.artifact = saved['id'] if saved else self.artifact

    def forget(self, job):
        self.change(lambda: self.jobs.pop(job, None), 'job.delete', id=job)

    def everything(self):
        """Every kind of call."""
        for v in range(3):
            self.save(f'j{v}', v, 10 + 20000 * (v == 2))
        for v in range(2):
            self.save_run(f'r{v}', v)
        if 'r0' in self.runs:
            self.save_artifact('r0', 7)
        for method, params in (('job.get', {'id': 'j0'}), ('job.list', {'status': ['completed', 'failed'], 'limit': 2}),
                               ('job.count', {'group_by': 'status'}), ('run.get', {'run_id': 'r0'}), ('run.list', {}),
                               ('run.count', {}), ('run.find_by_meta', {'key': 'v', 'value': '1'}), ('artifact.list', {}),
                               ('job.update_progress', {'id': 'j0', 'progress': {'current': 1, 'total': 2}}),
                               ('job.cleanup', {'days': 30}), ('server.ping', {}), ('server.info', {}), ('server.stats', {}),
                               ('server.flush', {}), ('server.set_log_level', {'level': 'info'}), ('rpc.discover', {}),
                               ('no.such', {}), ('job.get', {'id': '?'})):
            self.ask(method, **params)
        if self.artifact:
            self.ask('artifact.read', id=self.artifact)
        self.change(lambda: self.jobs.update({'i0': 5, 'i1': 6}), 'server.import', mode='replace',
                    jobs=[{'id': f'i{n}', 'payload': {'v': 5 + n}} for n in range(2)])
        self.save('j1', 8)
        self.forget('j0')

    # ---- judging

    def shown(self):
        jobs = {job['id']: job['payload']['v'] for job in self.ask('job.list')['jobs']}
        runs = {run['id']: run['meta']['v'] for run in self.ask('run.list')['runs']}
        artifacts = [self.ask('artifact.read', id=artifact['id'])['payload']['v']
                     for artifact in self.ask('artifact.list')['artifacts']]
        return {'jobs': jobs, 'runs': runs, 'artifacts': sorted(artifacts)}

    def log(self):
        return (self.top / 'stderr').read_text(errors='replace')

    def ended_well(self):
        """Returns how."""
        status = self.daemon.wait(60)
        assert status >= 0, f'killed by {signal.Signals(-status).name}: {self.log()}'
        if status == OUT_OF_MEMORY:
            assert LINE in self.log(), self.log()
            return 'out of memory'
        if status == NOT_STARTED:
            assert 'not started' in self.log() and 'Cannot allocate memory' in self.log(), self.log()
            return 'start refused'
        assert status == 0, f'status {status}: {self.log()}'
        return 'clean'

    def live(self):
        try:
            self.start(True)
            self.everything()
            self.hang_up()
            self.daemon.send_signal(signal.SIGTERM)
        except Gone:
            pass
        how = self.ended_well()
        counted = re.search(r'allocations: (\d+)', self.log())
        self.refused = 0
        self.start(False)
        shown = self.shown()
        assert shown in (self.content(), self.doubtful), f'shown {shown}, acknowledged {self.content()}, or {self.doubtful}'
        self.hang_up()
        self.daemon.send_signal(signal.SIGTERM)
        assert self.daemon.wait(60) == 0, self.log()
        return how, int(counted[1]) if counted else 0

    def close(self):
        if self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.scratch.cleanup()


def attempt(options, nth, all_after, libraries):
    life = Life(options, nth, all_after, libraries)
    try:
        return life.live()
    except AssertionError as wrong:
        flags = (' --on' if all_after else '') + (' --libraries' if libraries else '')
        print(f'WRONG: allocation {nth}: {wrong}\n  again: --at {nth}{flags}')
        return 'wrong', 0
    finally:
        life.close()


def tally(options, lives, all_after, libraries):
    """Returns whether all was right."""
    total = attempt(options, 0, False, libraries)[1]
    step = 1 if options.all else max(1, total // lives)
    first = 1 + options.seed % step
    ways = {}
    for nth in range(first, total + 1, step):
        how, _ = attempt(options, nth, all_after, libraries)
        ways[how] = ways.get(how, 0) + 1
    print(f'{"all from one on" if all_after else "one fails":16} {"with libraries" if libraries else "the daemon alone":16} '
          f'{total} allocations, every {step}. from {first}. on: {ways}', flush=True)
    return 'wrong' not in ways and total > 100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('persistd')
    parser.add_argument('scarce_memory')
    parser.add_argument('--lives', type=int, default=400)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--at', type=int)
    parser.add_argument('--on', action='store_true')
    parser.add_argument('--libraries', action='store_true')
    options = parser.parse_args()
    options.before = None
    options.before = Life(options).leave()
    if options.at:
        how, _ = attempt(options, options.at, options.on, options.libraries)
        print(how)
        return how == 'wrong'
    print(f'seed {options.seed}')
    right = [tally(options, options.lives // 4, all_after, libraries) for libraries in (False, True) for all_after in (False, True)]
    return not all(right)


if __name__ == '__main__':
    sys.exit(main())
