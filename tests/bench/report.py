"""What was measured: kept line by line, and made into medians, ratios, a Markdown table and a plot."""
from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, Callable, Optional

from plot import Dot, ratio_plot
from rows import GOALS, Row

Result = dict[str, Any]
BOUND_CPU = 0.9       # of a core
BOUND_CEILING = 0.8   # of what the generator does against an echo
BUSY = 0.15           # of a core, used by others: figures are worth less
FIGURES = ('rate', 'value', 'p50', 'p99', 'p999', 'server_cpu_us', 'rss', 'cpu', 'others')


def grouped(number: float) -> str:
    return f'{number:,.0f}' if number >= 100 else f'{number:.3g}'


def micros(value: float) -> str:
    if value >= 1e6:
        return f'{value / 1e6:.3g} s'
    return f'{value / 1000:.3g} ms' if value >= 1000 else f'{value:.3g} µs'


def spread(sorted_values: list[float]) -> str:
    """Three cells: the median, the lowest, the highest."""
    if not sorted_values:
        return ' | | '
    return ' | '.join(f'{v:.3f}' for v in (statistics.median(sorted_values), sorted_values[0], sorted_values[-1]))


def opening(head: dict[str, Any]) -> str:
    """What machine it was."""
    return (f'{head["processor"]}, {head["cores"]} cores, {head["memory_gib"]} GiB, Linux {head["kernel"]}; an fsync '
            f'of 600 appended bytes takes {head["fsync_us"]:.0f} µs, a file written over, synced and renamed, '
            f'with the fsync of its directory, {head["replace_us"]:.0f} µs; load average at the start {head["load"]}.')


def put_into_docs(place: str, page: Path, plot: Path, plot_name: str) -> None:
    """Replaces what docs/performance.md has between the two comments of that place."""
    docs = Path(__file__).resolve().parents[2] / 'docs'
    text = (docs / 'performance.md').read_text()
    before, begin, rest = text.partition(f'<!-- {place} -->\n')
    _, end, after = rest.partition(f'<!-- end of {place} -->\n')
    if not begin or not end:
        sys.exit(f'docs/performance.md has no place for the {place}')
    (docs / 'performance.md').write_text(before + begin + '\n' + page.read_text() + '\n' + end + after)
    (docs / plot_name).write_text(plot.read_text())


class Report:
    """Writes each measurement to `out`/results.jsonl as it comes. `bases`: the builds of persistd, the base first."""

    def __init__(self, out: Path, bases: list[str], head: dict[str, Any]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        self.bases = bases
        self.head = head
        self.lines = open(out / 'results.jsonl', 'w')
        self.results: dict[tuple[str, str], dict[int, Result]] = {}
        self.rows: list[Row] = []
        self.versions: dict[str, str] = {}
        self._write({'head': head})

    def _write(self, line: Result) -> None:
        self.lines.write(json.dumps(line) + '\n')
        self.lines.flush()

    def say(self, text: str) -> None:
        print(f'bench: {text}', file=sys.stderr, flush=True)

    def peer(self, name: str, version: str) -> None:
        self.versions[name] = version

    def measured(self, result: Result) -> None:
        self._write(result)
        self.results.setdefault((result['row'], result['peer']), {})[result['repeat']] = result
        if 'rate' in result:
            self.say(f'{result["row"]:<15} {result["peer"]:<15} {grouped(result["rate"]):>10}/s  '
                     f'p50 {micros(result["p50"]):>8}  p99 {micros(result["p99"]):>8}  '
                     f'p99.9 {micros(result["p999"]):>8}  load {result["cpu"] * 100:3.0f} %'
                     + (f'  others {result["others"] * 100:3.0f} %' if result.get('others', 0) > BUSY else '')
                     + (f'  server {micros(result["server_cpu_us"])}/call' if 'server_cpu_us' in result else ''))
        elif 'value' in result:
            self.say(f'{result["row"]:<15} {result["peer"]:<15} {self._value(result["row"], result["value"])}')

    @staticmethod
    def _value(row: str, value: float) -> str:
        return f'{value:.2f} s' if row == 'start' else f'{value:,.0f} MB'

    # ---- medians

    def _median(self, row: str, peer: str, figure: str) -> Optional[float]:
        values = [r[figure] for r in self.results.get((row, peer), {}).values() if figure in r]
        return statistics.median(values) if values else None

    def peers_in(self, row: str) -> list[str]:
        return [peer for of, peer in self.results if of == row and peer != 'echo']

    def ratios(self, row: str, base: str, peer: str) -> list[float]:
        """The base's figure as a multiple of the peer's, repetition by repetition, smallest first."""
        ours, theirs = self.results.get((row, base), {}), self.results.get((row, peer), {})
        figure = 'value' if row in ('start', 'memory') else 'rate'
        return sorted(ours[i][figure] / theirs[i][figure] for i in ours if i in theirs and theirs[i][figure])

    def cpu_ratios(self, row: str, base: str, peer: str) -> list[float]:
        """How much more CPU the peer takes for a call than the base, repetition by repetition, smallest first."""
        ours, theirs = self.results.get((row, base), {}), self.results.get((row, peer), {})
        return sorted(theirs[i]['server_cpu_us'] / ours[i]['server_cpu_us'] for i in ours
                      if i in theirs and ours[i].get('server_cpu_us') and 'server_cpu_us' in theirs[i])

    def goal(self, row: str, peer: str) -> Optional[float]:
        return GOALS.get(row, {}).get(peer)

    def is_met(self, row: str, peer: str, ratio: float) -> bool:
        goal = GOALS[row][peer]
        return ratio <= goal if row in ('start', 'memory') else ratio >= goal

    def bound(self, row: str, peer: str) -> str:
        """What keeps the peer from being faster there."""
        rate, cpu = self._median(row, peer, 'rate'), self._median(row, peer, 'cpu')
        ceiling, cost = self._median(row, 'echo', 'rate'), self._median(row, peer, 'server_cpu_us')
        if rate is None or cpu is None:
            return ''
        if self.results[row, peer][0 if 0 in self.results[row, peer] else 1].get('in_process'):
            return 'in process'
        if cpu >= BOUND_CPU or (ceiling is not None and rate >= BOUND_CEILING * ceiling):
            return 'generator'
        if cost is not None and cost * rate / 1e6 >= BOUND_CPU:
            return 'its CPU'
        return 'others' if (self._median(row, peer, 'others') or 0) > BUSY else 'waiting'

    def row_done(self, row: Row) -> None:
        self.rows.append(row)
        for peer in [*self.peers_in(row.name), 'echo']:
            figures = {f: m for f in FIGURES if (m := self._median(row.name, peer, f)) is not None}
            line: Result = {'summary': True, 'row': row.name, 'peer': peer, **figures,
                            'bound': self.bound(row.name, peer)}
            if ratios := self.ratios(row.name, self.bases[0], peer):
                line['ratio'] = {'median': statistics.median(ratios), 'low': ratios[0], 'high': ratios[-1]}
                if (goal := self.goal(row.name, peer)) is not None:
                    line['goal'], line['met'] = goal, self.is_met(row.name, peer, line['ratio']['median'])
            self._write(line)

    # ---- pages

    def _busy(self) -> str:
        """A word of warning where others used the machine, too."""
        others = [r['others'] for of in self.results.values() for r in of.values() if 'others' in r]
        if not others or statistics.median(others) <= BUSY:
            return ''
        return (f'**The machine was busy with other work**, which took {statistics.median(others):.1f} cores while '
                'this was measured: rates and ratios are worth little, CPU a call is worth more.\n')

    def _ratio_cells(self, row: str, peer: str) -> tuple[str, str]:
        ratios = self.ratios(row, self.bases[0], peer)
        if not ratios or peer == self.bases[0]:
            return '', ''
        ratio = statistics.median(ratios)
        text = f'{ratio:.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})' if ratio < 100 else f'{ratio:,.0f}'
        goal = self.goal(row, peer)
        if goal is None:
            return text, ''
        sign = '≤' if row in ('start', 'memory') else '≥'
        return text, f'{sign} {goal:g} {"✓" if self.is_met(row, peer, ratio) else "✗"}'

    def _cpu_cell(self, row: str, peer: str) -> str:
        ratios = self.cpu_ratios(row, self.bases[0], peer)
        return f'{statistics.median(ratios):.2f}' if ratios and peer != self.bases[0] else ''

    def _cells(self, row: str, peer: str) -> list[str]:
        def cell(figure: str, show: Callable[[float], str]) -> str:
            value = self._median(row, peer, figure)
            return show(value) if value else ''
        return [cell('rate', grouped), cell('p50', micros), cell('p99', micros), cell('p999', micros),
                cell('server_cpu_us', micros), cell('rss', lambda v: f'{v / 1e6:,.0f} MB'), self.bound(row, peer),
                *self._ratio_cells(row, peer), self._cpu_cell(row, peer)]

    def _rate_table(self) -> list[str]:
        lines = ['| row | who | calls/s | p50 | p99 | p99.9 | CPU a call | RSS | bound by | ratio | goal | CPU ratio |',
                 '|---|---|--:|--:|--:|--:|--:|--:|---|--:|---|--:|']
        for row in self.rows:
            if row.is_start:
                continue
            for place, peer in enumerate(self.peers_in(row.name)):
                cells = ' | '.join(self._cells(row.name, peer))
                lines.append(f'| {row.name if place == 0 else ""} | {peer} | {cells} |')
            if (ceiling := self._median(row.name, 'echo', 'rate')) is not None:
                load = (self._median(row.name, 'echo', 'cpu') or 0) * 100
                lines.append(f'| | *echo* | {grouped(ceiling)} | | | | | | generator at {load:.0f} % | | | |')
        return lines if len(lines) > 2 else []

    def _start_table(self) -> list[str]:
        lines = ['| row | who | median | ratio | goal |', '|---|---|--:|--:|---|']
        for row in self.rows:
            if not row.is_start:
                continue
            for place, peer in enumerate(self.peers_in(row.name)):
                value = self._value(row.name, self._median(row.name, peer, 'value') or 0)
                lines.append(f'| {row.name if place == 0 else ""} | {peer} | {value} | '
                             f'{" | ".join(self._ratio_cells(row.name, peer))} |')
        return lines if len(lines) > 2 else []

    def _build_table(self) -> list[str]:
        lines = [f'| row | build | as a multiple of {self.bases[0]} | lowest | highest | CPU of {self.bases[0]}, as a '
                 'multiple | lowest | highest |', '|---|---|--:|--:|--:|--:|--:|--:|']
        for row in self.rows:
            for build in self.bases[1:]:
                if ratios := self.ratios(row.name, build, self.bases[0]):
                    cpu = self.cpu_ratios(row.name, build, self.bases[0])
                    lines.append(f'| {row.name} | {build} | {spread(ratios)} | {spread(cpu)} |')
        return lines if len(lines) > 2 else []

    def table(self) -> str:
        head = self.head
        shape = (f'{head["records"]:,} records of {head["bytes"]} bytes; medians of {head["repeats"]} repetitions of '
                 f'{head["seconds"]:g} s.')
        versions = '; '.join(f'{name}: {version}' for name, version in self.versions.items() if version)
        parts = [f'{opening(head)} {shape}\n', versions + '.\n' if versions else '', self._busy()]
        tables = (self._rate_table(), self._start_table(), self._build_table())
        parts += ['\n'.join(table) + '\n' for table in tables if table]
        return '\n'.join(part for part in parts if part)

    def plot(self) -> str:
        dots = []
        for row in self.rows:
            for peer in self.peers_in(row.name):
                if peer not in self.bases and (ratios := self.ratios(row.name, self.bases[0], peer)):
                    factor = [1 / r for r in reversed(ratios)] if row.is_start else ratios
                    goal = self.goal(row.name, peer)
                    dots.append(Dot(row.name, peer, statistics.median(factor), factor[0], factor[-1],
                                    1 / goal if goal and row.is_start else goal))
        return ratio_plot(dots, 'persistd, as a multiple of each peer (start and memory: how many times less); upright: the goal')

    def close(self) -> None:
        (self.out / 'table.md').write_text(self.table())
        (self.out / 'plot.svg').write_text(self.plot())
        self.lines.close()
