"""Plots as SVG, without a library: dots on a logarithmic axis, and curves over the number of records."""
from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Optional

COLOURS = ('#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#8c564b', '#17becf', '#e377c2', '#7f7f7f', '#bcbd22')
WIDTH = 860
STYLE = 'font-family="sans-serif" font-size="12"'


@dataclass(frozen=True)
class Dot:
    row: str
    peer: str
    value: float
    low: float
    high: float
    goal: Optional[float]


@dataclass(frozen=True)
class Curve:
    name: str
    points: list[tuple[float, float]]


class Axis:
    """A logarithmic one, from pixel to pixel, over whole powers of ten."""

    def __init__(self, values: list[float], begin: float, end: float) -> None:
        known = [v for v in values if v > 0] or [1.0]
        self.low = math.floor(math.log10(min(known)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(known)) - 1e-9), self.low + 1)
        self.begin, self.end = begin, end

    def at(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self) -> list[float]:
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def number(value: float) -> str:
    return f'{value:,.0f}' if value >= 1 else f'{value:g}'


def text(x: float, y: float, words: str, anchor: str = 'start', colour: str = '#333') -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {STYLE}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def page(height: float, parts: list[str]) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}">\n<rect width="100%" height="100%" fill="white"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')


def legend(names: list[str], y: float) -> list[str]:
    parts, x = [], 130.0
    for place, name in enumerate(names):
        parts += [f'<circle cx="{x:.1f}" cy="{y - 4:.1f}" r="5" fill="{COLOURS[place % len(COLOURS)]}"/>',
                  text(x + 9, y, name)]
        x += 30 + 7.2 * len(name)
    return parts


def ratio_plot(dots: list[Dot], title: str) -> str:
    """A line for each row; a dot for each peer with its spread; an upright stroke where the goal is."""
    rows = list(dict.fromkeys(d.row for d in dots))
    peers = list(dict.fromkeys(d.peer for d in dots))
    axis = Axis([v for d in dots for v in (d.low, d.high, d.goal or d.value)], 130, WIDTH - 30)
    top, step = 64, 26
    bottom = top + step * len(rows)
    parts = [text(130, 20, title), *legend(peers, 42)]
    for tick in axis.ticks():
        parts += [line(axis.at(tick), top - 8, axis.at(tick), bottom, '#333' if tick == 1 else '#ddd'),
                  text(axis.at(tick), bottom + 18, f'{number(tick)}×', 'middle')]
    for place, row in enumerate(rows):
        parts.append(text(120, top + step * place + 14, row, 'end'))
    for dot in dots:
        colour = COLOURS[peers.index(dot.peer) % len(COLOURS)]
        y = top + step * rows.index(dot.row) + 10
        parts.append(line(axis.at(dot.low), y, axis.at(dot.high), y, colour, 2))
        if dot.goal:
            parts.append(line(axis.at(dot.goal), y - 9, axis.at(dot.goal), y + 9, colour, 2))
        parts.append(f'<circle cx="{axis.at(dot.value):.1f}" cy="{y}" r="5" fill="{colour}"/>')
    return page(bottom + 32, parts)


def curve_plot(curves: list[Curve], title: str, unit: str) -> str:
    """Curves over the number of records, both axes logarithmic."""
    x_axis = Axis([x for c in curves for x, _ in c.points], 80, WIDTH - 230)
    y_axis = Axis([y for c in curves for _, y in c.points], 400, 50)
    parts = [text(80, 24, title)]
    for tick in x_axis.ticks():
        parts += [line(x_axis.at(tick), 50, x_axis.at(tick), 400, '#ddd'),
                  text(x_axis.at(tick), 420, number(tick), 'middle')]
    for tick in y_axis.ticks():
        parts += [line(80, y_axis.at(tick), WIDTH - 230, y_axis.at(tick), '#ddd'),
                  text(72, y_axis.at(tick) + 4, f'{number(tick)} {unit}', 'end')]
    for place, curve in enumerate(curves):
        colour = COLOURS[place % len(COLOURS)]
        points = ' '.join(f'{x_axis.at(x):.1f},{y_axis.at(y):.1f}' for x, y in curve.points if y > 0)
        parts += [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
                  line(WIDTH - 215, 62 + 20 * place, WIDTH - 195, 62 + 20 * place, colour, 3),
                  text(WIDTH - 188, 66 + 20 * place, curve.name)]
    return page(440, parts)
