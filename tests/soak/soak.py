#!/usr/bin/env python3
"""Mixed traffic for minutes or hours, with folds, restarts and cleanups: nothing that was acknowledged is lost, and
neither memory nor open files nor files on the disk grow beyond what the records explain.

    soak.py --build DIR MINUTES [--seconds N] [--seed N] [--dir DIR] [--out FILE]

Each worker owns its records and rewrites them again and again, so their number soon stays the same, and with it
everything that should. It knows for each record what it may be: one state, or two while a change of it went
unanswered. The daemon is stopped and killed in turn, a few times a run; within each of its lives the medians of
the first and the last third of the samples are compared. Each `--out` line is one sample, as JSON.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

WORKERS, WINDOW = 4, 16
JOBS, RUNS, ARTIFACTS_OF_A_RUN = 5000, 300, 4
OLD_JOBS = 2000           # of the cleaner, which lets them be removed again
SETTLING = 10             # seconds of a life that are not compared: the first saves make what is rewritten later
ABSENT = -1
State = int               # the version of a record, or ABSENT


class Failure(Exception):
    """What a user would call a loss or a leak."""


class Sent(NamedTuple):
    """A call that waits for its answer."""
    after: Optional[Callable[[Dict[str, Any]], None]]
    entry: Optional['Entry']
    state: State


class Entry:
    """What one record may be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_be: Set[State] = {ABSENT}
        self.changing = False

    def check(self, seen: State) -> None:
        if not self.changing and seen not in self.may_be:
            raise Failure(f'{self.name} is {seen}, and should be one of {sorted(self.may_be)}')


KILLS = multiprocessing.Value('i', 0)  # so far, for all processes


class Wire:
    """One connection: a window of calls in flight."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.kills = 0  # when it was connected
        self.file: Any = None
        self.sent: Dict[int, Sent] = {}
        self.number = 0

    def connect(self) -> None:
        while True:
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(self.path)
                self.file = s.makefile('rwb')
                self.kills = KILLS.value
                return
            except OSError:
                time.sleep(0.02)

    def send(self, method: str, params: Dict[str, Any], entry: Optional[Entry] = None, state: State = ABSENT,
             after: Optional[Callable[[Dict[str, Any]], None]] = None) -> None:
        self.number += 1
        self.sent[self.number] = Sent(after, entry, state)
        if entry:
            entry.changing = True
        self._line({'jsonrpc': '2.0', 'id': self.number, 'method': method, 'params': params})

    def tell(self, method: str, params: Dict[str, Any]) -> None:
        self._line({'jsonrpc': '2.0', 'method': method, 'params': params})

    def _line(self, request: Dict[str, Any]) -> None:
        self.file.write(json.dumps(request, separators=(',', ':')).encode() + b'\n')

    def drain(self) -> int:
        """Reads all answers; raises OSError where the daemon goes away, and what is left is then unknown."""
        answered = len(self.sent)
        self.file.flush()
        while self.sent:
            line = self.file.readline()
            if line and not line.endswith(b'\n') and KILLS.value == self.kills:
                raise Failure(f'a clean stop cut an answer off: {line[:80]!r}')
            if not line.endswith(b'\n'):
                raise ConnectionResetError
            self._answer(json.loads(line))
        return answered

    def _answer(self, reply: Dict[str, Any]) -> None:
        sent = self.sent.pop(reply['id'])
        error = reply.get('error')
        if sent.entry:
            sent.entry.changing = False
            if not error:
                sent.entry.may_be = {sent.state}
            elif error['data']['kind'] == 'outcome_unknown':
                sent.entry.may_be.add(sent.state)
            elif error['data']['kind'] not in ('not_durable', 'shutting_down'):
                raise Failure(f'{sent.entry.name}: {error}')
        if sent.after:
            sent.after(reply)

    def lost(self) -> None:
        for sent in self.sent.values():
            if sent.entry:
                sent.entry.changing = False
                sent.entry.may_be.add(sent.state)
        self.sent.clear()
        self.connect()


def padding(draw: random.Random) -> str:
    return 'x' * (draw.randrange(100, 700) if draw.randrange(50) else draw.randrange(5000, 40000))


class Worker:
    """The traffic of one program."""

    def __init__(self, number: int, path: str, seed: int) -> None:
        self.draw = random.Random(seed * 1000 + number)
        self.wire = Wire(path)
        self.jobs = [Entry(f'w{number}-job-{i}') for i in range(JOBS)]
        self.runs = [Entry(f'w{number}-run-{i}') for i in range(RUNS)]
        self.artifacts: Dict[str, List[str]] = {}  # of a run, as far as it has not been deleted since
        self.deletions = {entry.name: 0 for entry in self.runs}
        self.version = 0
        self.actions = ([self.save_job] * 40 + [self.progress] * 25 + [self.get_job] * 10 + [self.list_jobs] * 3 +
                        [self.delete_job] * 3 + [self.save_run] * 8 + [self.get_run] * 4 + [self.save_artifact] * 3 +
                        [self.read_artifact] * 3 + [self.delete_run])

    def free(self, entries: List[Entry]) -> Optional[Entry]:
        entry = self.draw.choice(entries)
        return None if entry.changing else entry

    def save_job(self) -> None:
        entry = self.free(self.jobs)
        if entry:
            self.version += 1
            status = self.draw.choice(['pending', 'running', 'running', 'completed', 'failed'])
            self.wire.send('job.save', {'job': {'id': entry.name, 'type': self.draw.choice(['backtest', 'optimization']),
                                                'status': status, 'payload': {'v': self.version, 'pad': padding(self.draw)}},
                                        'fields': ['id']}, entry, self.version)

    def progress(self) -> None:
        self.wire.tell('job.update_progress', {'id': self.draw.choice(self.jobs).name,
                                               'progress': {'current': self.draw.randrange(1000), 'total': 1000,
                                                            'message': f'step {self.draw.randrange(1000)}'}})

    def look(self, method: str, entry: Entry, params: Dict[str, Any], member: str) -> None:
        def after(reply: Dict[str, Any]) -> None:
            if 'error' in reply:
                if reply['error']['data']['kind'] == 'shutting_down':
                    return
                if reply['error']['data']['kind'] != 'not_found':
                    raise Failure(f'{entry.name}: {reply["error"]}')
            entry.check(reply['result'][member]['v'] if 'result' in reply else ABSENT)
        self.wire.send(method, params, after=after)

    def get_job(self) -> None:
        entry = self.free(self.jobs)
        if entry:
            self.look('job.get', entry, {'id': entry.name}, 'payload')

    def get_run(self) -> None:
        entry = self.free(self.runs)
        if entry:
            self.look('run.get', entry, {'run_id': entry.name}, 'request')

    def list_jobs(self) -> None:
        self.wire.send('job.list', {'status': self.draw.choice(['running', 'completed', 'failed']), 'limit': 50,
                                    'offset': self.draw.randrange(2000)})

    def delete_job(self) -> None:
        entry = self.free(self.jobs)
        if entry:
            self.wire.send('job.delete', {'id': entry.name}, entry, ABSENT)

    def save_run(self) -> None:
        entry = self.free(self.runs)
        if entry:
            self.version += 1
            self.wire.send('run.create_or_update',
                           {'run_id': entry.name, 'kind': 'sweep', 'status': self.draw.choice(['running', 'succeeded']),
                            'request': {'v': self.version, 'pad': padding(self.draw)},
                            'meta': {'seed': self.draw.randrange(50), 'host': f'h{self.draw.randrange(5)}'},
                            'fields': ['id']}, entry, self.version)

    def delete_run(self) -> None:
        entry = self.free(self.runs)
        if entry:
            self.artifacts.pop(entry.name, None)
            self.deletions[entry.name] += 1
            self.wire.send('run.delete', {'run_id': entry.name}, entry, ABSENT)

    def save_artifact(self) -> None:
        entry = self.free(self.runs)
        if not entry or len(self.artifacts.get(entry.name, [])) >= ARTIFACTS_OF_A_RUN or ABSENT in entry.may_be:
            return

        deletions = self.deletions[entry.name]

        def after(reply: Dict[str, Any]) -> None:
            if 'result' in reply and self.deletions[entry.name] == deletions:
                self.artifacts.setdefault(entry.name, []).append(reply['result']['id'])
        self.wire.send('artifact.save', {'run_id': entry.name, 'payload': {'rows': [padding(self.draw)] * 5}}, after=after)

    def read_artifact(self) -> None:
        if self.artifacts:
            name = self.draw.choice(list(self.artifacts))
            ids = list(self.artifacts[name])

            def after(reply: Dict[str, Any]) -> None:
                if 'error' in reply and ids[0] in self.artifacts.get(name, []):
                    if reply['error']['data']['kind'] == 'not_found':
                        raise Failure(f'artifact {ids[0]} of {name} is gone')
            self.wire.send('artifact.read', {'id': ids[0]}, after=after)

    def go(self, until: float) -> int:
        calls = 0
        while time.monotonic() < until:
            try:
                for _ in range(WINDOW):
                    self.draw.choice(self.actions)()
                calls += self.wire.drain()
            except OSError:
                self.wire.lost()
        return calls

    def compare_all(self) -> None:
        """Each record is what it may be, at the end."""
        for entry in self.jobs + self.runs:
            run = entry in self.runs
            self.look('run.get' if run else 'job.get', entry, {'run_id' if run else 'id': entry.name},
                      'request' if run else 'payload')
            if len(self.wire.sent) == WINDOW:
                self.wire.drain()
        self.wire.drain()


def work(number: int, path: str, seed: int, until: float, results: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(number, path, seed)
    try:
        worker.wire.connect()
        calls = worker.go(until)
        worker.compare_all()
        results.put((calls, len(worker.jobs) + len(worker.runs), None))
    except Failure as failure:
        results.put((0, 0, str(failure)))


def clean(path: str, until: float, results: Any) -> None:
    """Jobs that ended long ago, and job.cleanup of them, over and over."""
    wire, removed = Wire(path), 0
    wire.connect()
    while time.monotonic() < until:
        try:
            for i in range(OLD_JOBS):
                wire.send('job.save', {'job': {'id': f'old-{i}', 'status': 'completed', 'payload': {'pad': 'x' * 300},
                                               'completed_at': '2020-01-01T00:00:00Z'}, 'fields': ['id']})
                if i % 200 == 199:
                    wire.drain()

            def after(reply: Dict[str, Any]) -> None:
                nonlocal removed
                removed += reply.get('result', {}).get('removed', 0)
            wire.send('job.cleanup', {'days': 30}, after=after)
            wire.drain()
            time.sleep(1)
        except OSError:
            wire.lost()
        except Failure as failure:
            results.put((0, 0, str(failure)))
            return
    results.put((removed, 0, None))


class Sample(NamedTuple):
    """What must not grow."""
    life: int
    seconds: float
    rss_mb: float
    fds: int
    journal_files: int
    journal_mb: float
    snapshot_mb: float
    artifact_files: int
    tmp_files: int
    records: int
    text_mb: float
    folds: int


class Daemon:
    """persistd under the soak."""

    def __init__(self, build: Path, top: Path) -> None:
        self.command = [str(build / 'daemon/persistd'), '--socket', str(top / 'socket'), '--state-dir', str(top / 'state')]
        self.socket, self.state = str(top / 'socket'), top / 'state'
        self.errors = (top / 'stderr').open('ab')
        self.process: Any = None
        self.life = 0

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stderr=self.errors)
        self.life += 1
        for _ in range(3000):
            try:
                self.call('server.ping')
                return
            except OSError:
                if self.process.poll() is not None:
                    raise Failure(f'persistd did not start: exit status {self.process.returncode}') from None
                time.sleep(0.02)
        raise Failure('persistd does not answer')

    def end(self, how: int) -> None:
        if how == signal.SIGKILL:
            KILLS.value += 1
        self.process.send_signal(how)
        status = self.process.wait(120)
        if how == signal.SIGTERM and status != 0:
            raise Failure(f'persistd ended with {status}')

    def call(self, method: str) -> Dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.socket)
            s.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method}).encode() + b'\n')
            line = s.makefile('rb').readline()
        if not line:
            raise ConnectionResetError
        return json.loads(line)['result']

    def sample(self, began: float) -> Sample:
        stats = self.call('server.stats')
        proc = Path(f'/proc/{self.process.pid}')
        rss = next(int(line.split()[1]) for line in (proc / 'status').read_text().splitlines() if line.startswith('VmRSS'))
        names = {part: [f for f in os.scandir(self.state / part)] for part in ('journal', 'artifacts', '.')}

        def size(files: List[Any]) -> float:
            total = 0
            for f in files:
                try:
                    total += f.stat().st_size if f.is_file() else 0
                except FileNotFoundError:
                    pass
            return total / 1e6
        return Sample(self.life, round(time.monotonic() - began, 1), rss / 1024, len(list((proc / 'fd').iterdir())),
                      sum(f.name.endswith('.json') for f in names['journal']), size(names['journal']), size(names['.']),
                      sum(f.name.endswith('.json') for f in names['artifacts']),
                      sum(f.name.endswith('.tmp') for part in names.values() for f in part),
                      sum(stats['records'].values()), stats['store']['text_bytes'] / 1e6, stats['journal']['folds'])


# what may come between the first and the last third of a life: a share, and so much beside
GROWTH = {'rss_mb': (0.10, 16), 'fds': (0, 4), 'journal_files': (0.5, 1200), 'journal_mb': (0.5, 64),
          'snapshot_mb': (0.5, 32), 'artifact_files': (0.2, 50), 'tmp_files': (0, 1200), 'records': (0.05, 2 * OLD_JOBS)}


def judge(samples: List[Sample], began_life: Dict[int, float]) -> List[str]:
    """Where something grew that should not have, in words."""
    found = []
    lives = sorted({s.life for s in samples})
    for life in lives[1:] or lives:  # in the first the records are being made
        mine = [s for s in samples if s.life == life and s.seconds > began_life[life] + SETTLING]
        third = len(mine) // 3
        if third < 3:
            continue
        for name, (share, beside) in GROWTH.items():
            first, last = (statistics.median(getattr(s, name) for s in part) for part in (mine[:third], mine[-third:]))
            if last > first * (1 + share) + beside:
                found.append(f'{name} grew from {first:g} to {last:g} in life {life}')
    return found


def table(samples: List[Sample]) -> str:
    rows = ['| life | ' + ' | '.join(Sample._fields[2:]) + ' |', '|' + '--:|' * (len(Sample._fields) - 1)]
    for life in sorted({s.life for s in samples}):
        mine = [s for s in samples if s.life == life]
        for which, s in (('start', mine[min(2, len(mine) - 1)]), ('end', mine[-1])):
            rows.append(f'| {life} {which} | ' + ' | '.join(f'{value:g}' for value in (round(v, 1) for v in s[2:])) + ' |')
    return '\n'.join(rows)


def soak(options: argparse.Namespace, daemon: Daemon) -> List[str]:
    seconds = options.seconds or options.minutes * 60
    daemon.start()
    began = time.monotonic()
    until = began + seconds
    results: Any = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=work, args=(n, daemon.socket, options.seed, until, results))
                 for n in range(WORKERS)]
    processes.append(multiprocessing.Process(target=clean, args=(daemon.socket, until, results)))
    for p in processes:
        p.start()
    samples: List[Sample] = []
    began_life = {1: 0.0}
    life_seconds = max(seconds / 6, 5)
    try:
        while time.monotonic() < until:
            time.sleep(min(5, seconds / 60))
            samples.append(daemon.sample(began))
            if options.out:
                with options.out.open('a', encoding='utf-8') as out:
                    out.write(json.dumps(samples[-1]._asdict()) + '\n')
            if time.monotonic() - began > life_seconds * daemon.life and time.monotonic() < until - 5:
                daemon.end(signal.SIGKILL if daemon.life % 2 else signal.SIGTERM)
                daemon.start()
                began_life[daemon.life] = time.monotonic() - began
        outcomes = [results.get(timeout=300) for _ in processes]
    finally:
        for p in processes:
            p.join(1)
            if p.is_alive():
                p.kill()
    found = [failure for _, _, failure in outcomes if failure]
    info = daemon.call('server.info')
    if info['health'] != 'ok':
        found.append(f'the daemon is {info["health"]} at the end')
    daemon.end(signal.SIGTERM)
    check = subprocess.run([*daemon.command, '--check'], capture_output=True, text=True, check=False)
    if check.returncode != 0:
        found.append(f'persistd --check: {check.stdout}{check.stderr}')
    left = [name for name in os.listdir(daemon.state / 'journal')] + [n for n in os.listdir(daemon.state) if n.endswith('.tmp')]
    if left:
        found.append(f'a clean stop leaves {left[:5]}')
    print(f'{seconds:g} s, {daemon.life} lives, {sum(c for c, _, _ in outcomes):,} calls answered and jobs cleaned up, '
          f'{sum(n for _, n, _ in outcomes):,} records compared, {sum(s.folds for s in last_of_each(samples))} folds')
    print(table(samples))
    return found + judge(samples, began_life)


def last_of_each(samples: List[Sample]) -> List[Sample]:
    return list({s.life: s for s in samples}.values())


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', type=Path, required=True, help='the build directory')
    p.add_argument('minutes', type=float, nargs='?', default=30.0, metavar='MINUTES')
    p.add_argument('--seconds', type=float, help='instead of minutes')
    p.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    p.add_argument('--dir', type=Path, default=Path('/var/tmp'), help='where the records are kept meanwhile')
    p.add_argument('--out', type=Path, help='a file for the samples')
    options = p.parse_args()
    print(f'seed {options.seed}', flush=True)
    top = Path(tempfile.mkdtemp(prefix='persistd-soak-', dir=options.dir))
    daemon = Daemon(options.build, top)
    try:
        found = soak(options, daemon)
    except Failure as failure:
        found = [str(failure)]
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.process.kill()
    for line in found:
        print(f'FOUND: {line}')
    if found:
        print(f'kept in {top}')
        return 1
    shutil.rmtree(top)
    print('nothing lost, nothing grew')
    return 0


if __name__ == '__main__':
    sys.exit(main())
