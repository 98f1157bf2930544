#!/usr/bin/env python3
"""What persistd's calls cost as the store grows, how much it writes, and how long it keeps others waiting.

    curves.py --build DIR [--quick] [--persistd PATH] [--sizes 1000,10000] [--parts calls,writes,stalls]
              [--seconds S] [--hour] [--dir DIR] [--out DIR] [--write-docs]

Three parts:

    calls   save, get, list (first page, from the middle, by a rare and by a common value), delete and cleanup of 1 %,
            on one connection, at each size: the time of a call and the server's CPU for it
    writes  bytes written for each byte committed, in four patterns: an hour's worth of single commits into a large
            store (--hour: in an hour), full speed into a small one, large records, deletes
    stalls  a client that pings every 100 µs, on an idle server, under load, during a fold and during a cleanup; and
            gets during a fold beside gets without one

Writes curves.jsonl, curves.md and curves.svg into --out.
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ground import GroundError, foreign_seconds, fsync_micros, ground, machine, replace_micros  # noqa: E402
from peers import PeerError, Persistd, fly  # noqa: E402
from plot import Curve, curve_plot  # noqa: E402
from report import BUSY, grouped, micros, opening, put_into_docs  # noqa: E402

EPOCH = 1735689600  # of job 0 (sample.c)
CALLS = ('save', 'get', 'first', 'middle', 'rare', 'common')
TITLES = {'save': 'save', 'get': 'get', 'first': 'list, first page', 'middle': 'list, from the middle',
          'rare': 'list, by a rare value', 'common': 'list, by a common value', 'cleanup': 'cleanup of 1 %, each job',
          'delete': 'delete'}
Result = dict[str, Any]


class Curves:
    def __init__(self, options: argparse.Namespace, top: Path) -> None:
        self.options = options
        self.top = top
        self.load: Path = options.build / 'tests/bench/load'
        self.results: list[Result] = []
        options.out.mkdir(parents=True, exist_ok=True)
        self.lines = open(options.out / 'curves.jsonl', 'w')
        self.made: list[Persistd] = []

    def note(self, **result: Any) -> None:
        self.results.append(result)
        self.lines.write(json.dumps(result) + '\n')
        self.lines.flush()
        print('bench: ' + '  '.join(f'{key} {value}' for key, value in result.items()), file=sys.stderr, flush=True)

    def server(self, name: str) -> Persistd:
        peer = Persistd(name, self.top, self.options.persistd)
        self.made.append(peer)
        peer.start()
        return peer

    def filled(self, name: str, records: int, size: int = 600) -> Persistd:
        """A server with so many records that has just been started: nothing of their making is under way."""
        peer = self.server(name)
        self.fly(peer, 'preload', records, 64, 16, size=size)
        peer.stop()
        peer.start()
        return peer

    def fly(self, peer: Persistd, work: str, records: int, connections: int = 1, pipeline: int = 1, *more: str,
            size: int = 600) -> Result:
        return fly(self.load, peer, work, records, size, connections, pipeline, *more)

    # ---- calls

    def calls(self) -> None:
        for size in self.options.sizes:
            peer = self.filled(f'calls-{size}', size)
            for work in CALLS:
                self._call(peer, work, size, '--seconds', str(self.options.seconds))
            self._cleanup(peer, size)
            self._call(peer, 'delete', size, '--count', str(max(10, min(1000, size // 20))))
            peer.stop(hard=True)

    def _call(self, peer: Persistd, work: str, size: int, *more: str) -> None:
        before, foreign, begin = peer.cpu_seconds(), foreign_seconds(), time.monotonic()
        got = self.fly(peer, work, size, 1, 1, *more)
        used = peer.cpu_seconds() - before
        others = (foreign_seconds() - foreign - used) / (time.monotonic() - begin)
        self.note(part='calls', call=work, records=size, p50=got['p50'], p99=got['p99'],
                  cpu=round(used / got['total'] * 1e6, 2), others=round(others, 2))

    def _cleanup(self, peer: Persistd, size: int) -> None:
        """Removes the oldest hundredth: as three statuses of five are terminal, those of the oldest sixtieth."""
        days = self._days_of(size // 60)
        before, begin = peer.cpu_seconds(), time.monotonic()
        removed = peer.call('job.cleanup', days=days)['removed']
        took, used = time.monotonic() - begin, peer.cpu_seconds() - before
        each = max(removed, 1) / 1e6
        self.note(part='calls', call='cleanup', records=size, removed=removed, p50=round(took / each, 2),
                  cpu=round(used / each, 2))

    @staticmethod
    def _days_of(number: int) -> float:
        """How many days ago the jobs before that one had ended."""
        return (time.time() - EPOCH - 60 - number) / 86400

    # ---- writes

    def writes(self) -> None:
        o = self.options
        largest = max(o.sizes)
        peer = self.filled('one-a-second', largest)
        pace = ('--every', '1000000') if o.hour else ()
        self._written(peer, f'3,600 commits of one record into {largest:,}', 'save', largest, 1, 1, *pace,
                      '--count', '3600', '--seconds', '36000')
        peer = self.filled('full-speed', 1000)
        self._written(peer, 'full speed into 1,000', 'save', 1000, 64, 16, '--seconds', str(10 * o.seconds))
        peer = self.filled('large', 200, 256 << 10)
        self._written(peer, 'records of 256 KiB', 'save', 200, 4, 1, '--seconds', str(10 * o.seconds), size=256 << 10)
        peer = self.filled('deletes', min(100_000, largest))
        self._written(peer, f'deletes of {min(100_000, largest):,}', 'delete', min(100_000, largest), 64, 1)

    def _written(self, peer: Persistd, pattern: str, work: str, records: int, connections: int, pipeline: int,
                 *more: str, size: int = 600) -> None:
        before = peer.call('server.stats')['journal']
        got = self.fly(peer, work, records, connections, pipeline, *more, size=size)
        after = peer.call('server.stats')['journal']
        took = {key: after[key] - before[key]
                for key in ('commits', 'folds', 'merges', 'bytes_committed', 'bytes_written')}
        peer.stop(hard=True)
        self.note(part='writes', pattern=pattern, calls=got['total'], **took,
                  amplification=round(took['bytes_written'] / max(took['bytes_committed'], 1), 2))

    # ---- stalls

    def stalls(self) -> None:
        largest, seconds = max(self.options.sizes), self.options.seconds * 3
        peer = self.filled('stalls', largest)
        self._ping(peer, 'idle', seconds)
        for work, connections, pipeline in (('get', 64, 1), ('save', 64, 1), ('mixed', 64, 1), ('mixed', 64, 16)):
            load = self._in_background(peer, work, largest, connections, pipeline, seconds + 1)
            self._ping(peer, f'clients: {work}-{connections}x{pipeline}', seconds)
            load.wait()
        self._gets(peer, largest, 'without a fold', 6)
        self._start_fold(peer, largest)
        self._gets(peer, largest, 'during a fold', 60)
        self._start_fold(peer, largest)
        self._ping_while_folding(peer, f'a fold of {largest:,}')
        self._ping_while_cleaning(peer, largest)
        peer.stop(hard=True)

    def _in_background(self, peer: Persistd, work: str, records: int, connections: int, pipeline: int,
                       seconds: float) -> 'subprocess.Popen[bytes]':
        return subprocess.Popen([str(self.load), '--socket', str(peer.socket), '--work', work, '--records',
                                 str(records), '--connections', str(connections), '--pipeline', str(pipeline),
                                 '--seconds', str(seconds)], stdout=subprocess.DEVNULL)

    def _pinged(self, peer: Persistd, seconds: float) -> Result:
        return self.fly(peer, 'ping', 1000, 1, 1, '--every', '100', '--seconds', str(seconds))

    def _ping(self, peer: Persistd, what: str, seconds: float) -> None:
        got = self._pinged(peer, seconds)
        self.note(part='stalls', during=what, pings=got['calls'], p50=got['p50'], p999=got['p999'], max=got['max'])

    def _ping_while_folding(self, peer: Persistd, what: str) -> None:
        flights: list[Result] = []
        while not flights or self._is_folding(peer):
            flights.append(self._pinged(peer, 0.25))
        self.note(part='stalls', during=what, pings=sum(f['calls'] for f in flights),
                  p50=statistics.median(f['p50'] for f in flights), p999=statistics.median(f['p999'] for f in flights),
                  max=max(f['max'] for f in flights))

    def _ping_while_cleaning(self, peer: Persistd, largest: int) -> None:
        """Three statuses of five are terminal: a tenth of the jobs goes, 100,000 of a million."""
        number = min(100_000, largest // 10) * 5 // 3
        ping = subprocess.Popen([str(self.load), '--socket', str(peer.socket), '--work', 'ping', '--every', '100',
                                 '--seconds', '3600'], stdout=subprocess.PIPE)
        time.sleep(0.3)
        removed = peer.call('job.cleanup', days=self._days_of(number))['removed']
        ping.send_signal(signal.SIGINT)
        said, _ = ping.communicate()
        got = json.loads(said)
        self.note(part='stalls', during=f'a cleanup of {removed:,} of {largest:,}', pings=got['calls'], p50=got['p50'],
                  p999=got['p999'], max=got['max'])

    def _start_fold(self, peer: Persistd, records: int) -> None:
        """Saves until a fold begins, then no more."""
        end = time.monotonic() + 600
        while not self._is_folding(peer):
            if time.monotonic() > end:
                raise PeerError('no fold begins')
            self.fly(peer, 'save', records, 64, 16, '--seconds', '0.3', '--warm', '0', '--seed', str(int(end) % 1000))

    def _gets(self, peer: Persistd, records: int, what: str, flights_max: int) -> None:
        flights: list[Result] = []
        folds = what == 'during a fold'
        while len(flights) < flights_max and (not folds or not flights or self._is_folding(peer)):
            flights.append(self.fly(peer, 'get', records, 16, 1, '--seconds', '0.3', '--warm', '0.05'))
        middle = {key: round(statistics.median(f[key] for f in flights), 2) for key in ('rate', 'p50', 'p999')}
        self.note(part='gets', during=what, flights=len(flights), **middle)

    @staticmethod
    def _is_folding(peer: Persistd) -> bool:
        return bool(peer.call('server.stats')['journal']['folding'])

    # ---- pages

    def _of(self, part: str) -> list[Result]:
        return [r for r in self.results if r['part'] == part]

    def _calls_table(self) -> str:
        sizes = sorted({r['records'] for r in self._of('calls')})
        found = {(r['call'], r['records']): r for r in self._of('calls')}
        lines = ['| call | ' + ' | '.join(f'{size:,}' for size in sizes) + ' | CPU, last / first |',
                 '|---|' + '--:|' * (len(sizes) + 1)]
        for call in [c for c in TITLES if (c, sizes[0]) in found]:
            of = [found[call, size] for size in sizes]
            cells = ' | '.join(f'{micros(r["p50"])} ({micros(r["cpu"])})' for r in of)
            lines.append(f'| {TITLES[call]} | {cells} | {of[-1]["cpu"] / max(of[0]["cpu"], 0.01):.2f} |')
        return '\n'.join(lines)

    def _writes_table(self) -> str:
        lines = ['| pattern | calls | commits | committed | written | folds | merges | written / committed |',
                 '|---|--:|--:|--:|--:|--:|--:|--:|']
        for r in self._of('writes'):
            bytes_of = ' | '.join(f'{r[key] / 1e6:,.1f} MB' for key in ('bytes_committed', 'bytes_written'))
            lines.append(f'| {r["pattern"]} | {r["calls"]:,} | {r["commits"]:,} | {bytes_of} | {r["folds"]} | '
                         f'{r["merges"]} | {r["amplification"]} |')
        return '\n'.join(lines)

    def _stalls_table(self) -> str:
        lines = ['| a ping every 100 µs, during | pings | p50 | p99.9 | longest |', '|---|--:|--:|--:|--:|']
        for r in self._of('stalls'):
            times = ' | '.join(micros(r[key]) for key in ('p50', 'p999', 'max'))
            lines.append(f'| {r["during"]} | {r["pings"]:,} | {times} |')
        lines += ['', '| `get` on 16 connections | calls/s | p50 | p99.9 |', '|---|--:|--:|--:|']
        for r in self._of('gets'):
            lines.append(f'| {r["during"]} | {grouped(r["rate"])} | {micros(r["p50"])} | {micros(r["p999"])} |')
        return '\n'.join(lines)

    def page(self, head: dict[str, object]) -> str:
        parts = [opening(head)]
        others = [r['others'] for r in self._of('calls') if 'others' in r]
        if others and statistics.median(others) > BUSY:
            parts.append(f'**The machine was busy with other work** ({statistics.median(others):.1f} cores): times are '
                         'worth little, CPU a call is worth more.')
        if self._of('calls'):
            parts += ['The median time of a call on one connection, and the CPU that it took the server:',
                      self._calls_table()]
        if self._of('writes'):
            parts.append(self._writes_table())
        if self._of('stalls'):
            parts.append(self._stalls_table())
        return '\n\n'.join(parts) + '\n'

    def plot(self) -> str:
        calls = self._of('calls')
        curves = [Curve(TITLES[c], [(r['records'], r['cpu']) for r in calls if r['call'] == c]) for c in TITLES]
        title = "the server's CPU for a call, over the number of records"
        return curve_plot([c for c in curves if c.points], title, 'µs')

    def run(self) -> None:
        try:
            for part in self.options.parts:
                {'calls': self.calls, 'writes': self.writes, 'stalls': self.stalls}[part]()
        finally:
            for peer in self.made:
                peer.stop(hard=True)


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', type=Path, required=True, help='the build directory')
    p.add_argument('--persistd', type=Path)
    p.add_argument('--quick', action='store_true', help='up to 100,000 records, half a second each')
    p.add_argument('--sizes', help='numbers of records with commas between them')
    p.add_argument('--parts', default='calls,writes,stalls')
    p.add_argument('--seconds', type=float)
    p.add_argument('--hour', action='store_true', help='one save a second for an hour, not 3,600 in a row')
    p.add_argument('--dir', type=Path, default=Path('/var/tmp'))
    p.add_argument('--gigabytes', type=int, default=24, help='size of the file system that is made; 0: none')
    p.add_argument('--anywhere', action='store_true', help='also where nothing is durable')
    p.add_argument('--nice', type=int, default=0, help='added to the niceness of all that is measured')
    p.add_argument('--out', type=Path)
    p.add_argument('--write-docs', action='store_true', help='put tables and plot into docs/performance.md')
    o = p.parse_args()
    o.build = o.build.resolve()
    o.persistd = (o.persistd or o.build / 'daemon/persistd').resolve()
    o.out = o.out or o.build / 'bench'
    o.seconds = o.seconds or (0.5 if o.quick else 2.0)
    sizes = o.sizes or ('1000,10000,100000' if o.quick else '1000,10000,100000,1000000')
    o.parts = o.parts.split(',')
    try:
        o.sizes = [int(size) for size in sizes.split(',')]
    except ValueError:
        p.error('--sizes: numbers with commas between them')
    if not all(1000 <= size <= 10_000_000 for size in o.sizes):
        p.error('--sizes: from 1,000 to 10,000,000')
    if unknown := [part for part in o.parts if part not in ('calls', 'writes', 'stalls')]:
        p.error(f'--parts: no part {unknown[0]!r}: choose from calls, writes, stalls')
    return o


def main() -> int:
    o = parse()
    os.nice(o.nice)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ground(o.dir, o.gigabytes, o.anywhere) as top:
            head = machine() | {'fsync_us': fsync_micros(top), 'replace_us': replace_micros(top)}
            curves = Curves(o, top)
            curves.run()
    except (GroundError, PeerError) as e:
        print(f'curves.py: {e}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    page = curves.page(head)
    (o.out / 'curves.md').write_text(page)
    (o.out / 'curves.svg').write_text(curves.plot())
    print(page)
    if o.write_docs:
        put_into_docs('curves', o.out / 'curves.md', o.out / 'curves.svg', 'curves.svg')
    return 0


sys.exit(main())
