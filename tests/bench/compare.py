#!/usr/bin/env python3
"""Compares persistd with what a user would take instead, on this machine, in one run.

    compare.py --build DIR [--quick] [--rows save-64,get-64x16] [--peers persistd,redis-always]
               [--persistd PATH | --persistd NAME=PATH]...
               [--records N] [--bytes N] [--repeats N] [--seconds S] [--dir DIR] [--out DIR] [--write-docs]

The peers take turns within each repetition, so that whatever else the machine does falls on all of them; whoever is
not measured is paused. Ratios are taken within a repetition, and their median is shown. Writes results.jsonl (a line
for each measurement, then one for each row and peer), table.md and plot.svg into --out.

Several --persistd are compared with each other, too: the first one is the base of the ratios.
"""
from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ground import GroundError, foreign_seconds, fsync_micros, ground, machine, replace_micros  # noqa: E402
from peers import Beanstalkd, Echo, Ovsdb, Peer, PeerError, Persistd, Redis, Rewriter, fly, job_id  # noqa: E402
from report import Report, put_into_docs  # noqa: E402
from rows import FULL, QUICK, Row, RowError, peers_of, row_named, work_for  # noqa: E402

PEERS = ('persistd', 'redis-always', 'redis-everysec', 'redis-off', 'ovsdb', 'sqlite', 'rewriter', 'beanstalkd')
HOPELESS = 50
QUICK_PEERS = ('persistd', 'redis-always', 'redis-off', 'ovsdb', 'beanstalkd')
Result = dict[str, Any]


class Sqlite(Peer):
    """In the process of load itself: there is no server to start, and its CPU is load's."""

    protocol = 'sqlite'
    works = frozenset({'save', 'indexed', 'preload', 'get', 'list', 'progress', 'mixed'})

    def __init__(self, name: str, top: Path, load: Path) -> None:
        super().__init__(name, top)
        self.socket = self.state / 'jobs.sqlite'
        self.version = 'in process, WAL, synchronous=FULL'

    def start(self) -> None:
        """Nothing to start."""

    def pause(self) -> None:
        """Nothing to pause."""

    def resume(self) -> None:
        """Nothing to resume."""

    def cpu_seconds(self) -> float:
        return 0.0

    def rss_bytes(self) -> int:
        return 0


class Comparison:
    def __init__(self, options: argparse.Namespace, top: Path, report: Report) -> None:
        self.options = options
        self.top = top
        self.report = report
        self.load = options.build / 'tests/bench/load'
        self.programs: dict[str, Path] = options.persistd
        self.running: dict[str, Peer] = {}
        self.made: list[Peer] = []
        self.reply_bytes: dict[str, int] = {}

    # ---- peers

    def make(self, name: str, records: int, place: Optional[str] = None) -> Peer:
        place = place or name
        if name in self.programs:
            peer: Peer = Persistd(place, self.top, self.programs[name])
        elif name.startswith('redis-'):
            peer = Redis(place, self.top, name[len('redis-'):])
        elif name == 'ovsdb':
            peer = Ovsdb(place, self.top)
        elif name == 'sqlite':
            peer = Sqlite(place, self.top, self.load)
        elif name == 'rewriter':
            peer = Rewriter(place, self.top, self.load, records, self.options.bytes)
        else:
            peer = Beanstalkd(place, self.top)
        self.made.append(peer)
        peer.prepare()
        peer.start()
        self.preload(peer, records)
        self.report.peer(name, peer.version)
        return peer

    def preload(self, peer: Peer, records: int) -> None:
        begin = time.monotonic()
        if isinstance(peer, Beanstalkd):
            made = subprocess.Popen([str(self.load), '--work', 'records', '--records', str(records), '--bytes',
                                     str(self.options.bytes)], stdout=subprocess.PIPE)
            assert made.stdout is not None
            peer.put_all(made.stdout)
            made.wait()
        elif not isinstance(peer, Rewriter):
            self.fly(peer, 'preload', records, 64, 16)
        self.report.say(f'{peer.name}: {records} records in {time.monotonic() - begin:.1f} s')

    def fly(self, peer: Peer, work: str, records: int, connections: int, pipeline: int, *more: str) -> Result:
        return fly(self.load, peer, work, records, self.options.bytes, connections, pipeline, *more)

    def peers_for(self, row: Row) -> list[str]:
        chosen = [p for p in peers_of(row) if p in self.options.peers]
        if self.options.quick and row.is_start:  # a million jobs take ovsdb-server minutes
            chosen = [p for p in chosen if p != 'ovsdb']
        return [*self.programs, *chosen]

    def ensure(self, name: str) -> Peer:
        if name not in self.running:
            peer = self.make(name, self.options.records)
            peer.pause()
            self.running[name] = peer
        return self.running[name]

    # ---- measuring

    def measure(self, row: Row, name: str, repeat: int) -> Optional[Result]:
        peer, o = self.running[name], self.options
        work = work_for(row, peer.protocol)
        if peer.works and work not in peer.works:
            return None
        peer.resume()
        time.sleep(o.pause)
        before, foreign, begin = peer.cpu_seconds(), foreign_seconds(), time.monotonic()
        try:
            got = self.fly(peer, work, o.records, row.connections, row.pipeline, '--seconds', str(o.seconds), '--warm',
                           str(o.warm), '--grace', '3', '--seed', str(repeat + 1))
        except PeerError as e:
            self.report.say(f'{row.name}: {e}')
            self.restart(peer)
            return None
        used = peer.cpu_seconds() - before
        got['others'] = max(0.0, (foreign_seconds() - foreign - used) / (time.monotonic() - begin))
        in_process = isinstance(peer, Sqlite)
        got['server_cpu_us'] = (got['cpu'] * got['seconds'] / got['calls'] if in_process else used / got['total']) * 1e6
        got['rss'] = peer.rss_bytes()
        got |= {'row': row.name, 'peer': name, 'repeat': repeat, 'in_process': in_process}
        if got['drained']:
            peer.pause()
        else:
            self.restart(peer)
        self.report.measured(got)
        return got

    def restart(self, peer: Peer) -> None:
        """For one that has more to do than it can finish soon, or that has failed."""
        peer.stop(hard=True)
        peer.start()
        if isinstance(peer, Redis) and peer.mode == 'off':
            self.preload(peer, self.options.records)
        peer.pause()

    def measure_ceiling(self, row: Row, reply_bytes: int, repeat: int) -> None:
        echo = Echo(f'echo-{row.name}-{repeat}', self.top, self.options.build / 'tests/bench/echo', reply_bytes)
        self.made.append(echo)
        echo.start()
        got = self.fly(echo, row.work, self.options.records, row.connections, row.pipeline, '--seconds',
                       str(min(1.0, self.options.seconds)), '--warm', '0.1')
        echo.stop()
        self.report.measured(got | {'row': row.name, 'peer': 'echo', 'repeat': repeat})

    def run_row(self, row: Row) -> None:
        names = self.peers_for(row)
        for name in names:
            self.ensure(name)
        for repeat in range(self.options.repeats):
            rates: dict[str, float] = {}
            for name in names if repeat % 2 == 0 else reversed(names):
                got = self.measure(row, name, repeat)
                rates[name] = got['rate'] if got else 0.0
                if got and name in self.programs:
                    answered = got['calls'] / (row.pipeline if row.work == 'notify' else 1)
                    self.reply_bytes[row.name] = round(got['bytes_in'] / answered)
            if self.options.quick:  # once is enough of those that are out of sight
                names = [name for name in names if rates[name] * HOPELESS >= max(rates.values())]
            self.measure_ceiling(row, self.reply_bytes.get(row.name, 0), repeat)
        self.report.row_done(row)

    def run_starts(self, rows: list[Row]) -> None:
        """Start and memory, with stores of their own."""
        names = list(dict.fromkeys(name for row in rows for name in self.peers_for(row)))
        stores: dict[str, Peer] = {}
        for name in names:
            stores[name] = self.make(name, self.options.start_records, f'start-{name}')
            self.report.measured({'row': 'filled', 'peer': name, 'repeat': 0, 'rss': stores[name].rss_bytes()})
            stores[name].settle()
            stores[name].stop()
        for repeat in range(self.options.repeats):
            for name in names if repeat % 2 == 0 else reversed(names):
                self.start_once(stores[name], name, repeat)
        for row in rows:
            self.report.row_done(row)

    def start_once(self, peer: Peer, name: str, repeat: int) -> None:
        for path in peer.state.rglob('*'):  # into the page cache
            if path.is_file():
                with open(path, 'rb') as file:
                    while file.read(1 << 22):
                        pass
        took = peer.start_until_answer(job_id(7))
        for row, value in (('start', took), ('memory', peer.rss_bytes() / 1e6)):
            self.report.measured({'row': row, 'peer': name, 'repeat': repeat, 'value': value, 'rss': peer.rss_bytes()})
        peer.stop()

    def stop_all(self) -> None:
        for peer in self.made:
            peer.stop(hard=True)
        self.running.clear()

    def run(self, rows: list[Row]) -> None:
        try:
            for row in rows:
                if not row.is_start:
                    self.run_row(row)
            self.stop_all()
            starts = [row for row in rows if row.is_start]
            if starts:
                self.run_starts(starts)
        finally:
            self.stop_all()


# ---- what is asked for

def builds(words: list[str], build: Path) -> dict[str, Path]:
    """Names and programs of `--persistd`: NAME=PATH, or a path alone."""
    found: dict[str, Path] = {}
    for word in words or [str(build / 'daemon/persistd')]:
        name, _, path = word.rpartition('=')
        name = name or ('persistd' if not found else f'persistd-{len(found) + 1}')
        if name in found or name in PEERS[1:]:
            sys.exit(f'compare.py: --persistd: the name {name} is taken')
        if not Path(path).is_file():
            sys.exit(f'compare.py: --persistd: there is no {path}')
        found[name] = Path(path).resolve()
    return found


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', type=Path, required=True, help='the build directory')
    p.add_argument('--quick', action='store_true', help='rows and peers that have goals, 3 repetitions')
    p.add_argument('--rows', help='names with commas between them')
    p.add_argument('--peers', help=f'some of {",".join(PEERS)}')
    p.add_argument('--persistd', action='append', default=[], metavar='[NAME=]PATH')
    p.add_argument('--records', type=int, default=100_000)
    p.add_argument('--start-records', type=int, default=1_000_000, help='of the rows start and memory')
    p.add_argument('--bytes', type=int, default=600)
    p.add_argument('--repeats', type=int)
    p.add_argument('--seconds', type=float)
    p.add_argument('--warm', type=float, default=0.2)
    p.add_argument('--pause', type=float, default=0.1, help='seconds before each measurement')
    p.add_argument('--dir', type=Path, default=Path('/var/tmp'))
    p.add_argument('--gigabytes', type=int, default=24, help='size of the file system that is made; 0: none')
    p.add_argument('--anywhere', action='store_true', help='also where nothing is durable')
    p.add_argument('--nice', type=int, default=0, help='added to the niceness of all that is measured')
    p.add_argument('--out', type=Path)
    p.add_argument('--write-docs', action='store_true', help='put table and plot into docs/performance.md')
    o = p.parse_args()
    o.build = o.build.resolve()
    o.out = o.out or o.build / 'bench'
    o.repeats = o.repeats or (3 if o.quick else 5)
    o.seconds = o.seconds or (1.0 if o.quick else 2.0)
    o.persistd = builds(o.persistd, o.build)
    chosen = o.peers.split(',') if o.peers else QUICK_PEERS if o.quick else PEERS
    if unknown := [peer for peer in chosen if peer not in PEERS]:
        p.error(f'--peers: no peer {unknown[0]!r}: choose from {", ".join(PEERS)}')
    o.peers = chosen
    try:
        o.rows = [row_named(name) for name in (o.rows.split(',') if o.rows else QUICK if o.quick else FULL)]
    except RowError as e:
        p.error(f'--rows: {e}')
    return o


def main() -> int:
    o = parse()
    os.nice(o.nice)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ground(o.dir, o.gigabytes, o.anywhere) as top:
            head = machine() | {'fsync_us': fsync_micros(top), 'replace_us': replace_micros(top),
                                'records': o.records, 'bytes': o.bytes, 'repeats': o.repeats, 'seconds': o.seconds, 'warm': o.warm}
            report = Report(o.out, list(o.persistd), head)
            try:
                Comparison(o, top, report).run(o.rows)
            finally:
                report.close()
    except (GroundError, PeerError) as e:
        print(f'compare.py: {e}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.table())
    if o.write_docs:
        put_into_docs('comparison', o.out / 'table.md', o.out / 'plot.svg', 'performance.svg')
    return 0


sys.exit(main())
