"""The rows of the comparison: which work, over how many connections, and what persistd is to reach there.

A row is named WORK-CONNECTIONS or WORK-CONNECTIONSxPIPELINE: save-64, get-64x16. Two more are measured by starting
servers: `start` and `memory`.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

WORKS = ('save', 'indexed', 'get', 'list', 'progress', 'notify', 'mixed')


class RowError(Exception):
    """There is no such row."""


@dataclass(frozen=True)
class Row:
    name: str
    work: str
    connections: int = 1
    pipeline: int = 1

    @property
    def is_start(self) -> bool:
        return self.work in ('start', 'memory')


def row_named(name: str) -> Row:
    if name in ('start', 'memory'):
        return Row(name, name)
    match = re.fullmatch(r'([a-z]+)-(\d+)(?:x(\d+))?', name)
    if not match or match[1] not in WORKS or not (1 <= int(match[2]) <= 1024 and 1 <= int(match[3] or 1) <= 1024):
        raise RowError(f'no row {name!r}: rows are start, memory, or WORK-CONNECTIONS[xPIPELINE] '
                       f'with a work of {", ".join(WORKS)}')
    return Row(name, match[1], int(match[2]), int(match[3] or 1))


# What persistd's rate is to be, as a multiple of the peer's in the same run (start, memory: at most that part of it).
GOALS: dict[str, dict[str, float]] = {
    'save-1': {'redis-always': 1.0, 'ovsdb': 1.2},
    'save-64': {'redis-always': 1.5, 'ovsdb': 5},
    'save-64x16': {'redis-always': 1.5, 'ovsdb': 5},
    'get-64': {'redis-always': 1.2, 'ovsdb': 5},
    'get-64x16': {'redis-always': 1.5, 'ovsdb': 5},
    'list-64': {'redis-always': 1.5, 'ovsdb': 5},
    'progress-64x16': {'redis-off': 1.5, 'ovsdb': 5},
    'notify-64x16': {'redis-off': 3.0, 'ovsdb': 5},
    'mixed-64': {'redis-always': 2.5, 'redis-off': 1.2, 'ovsdb': 5},
    'start': {'redis-always': 0.6, 'beanstalkd': 0.6, 'ovsdb': 0.2},
    'memory': {'redis-always': 0.8},
}

QUICK = list(GOALS)
FULL = [f'{work}-{shape}' for work in WORKS for shape in ('1', '16', '64', '1x16', '16x16', '64x16')
        if not (work == 'notify' and 'x' not in shape)] + ['start', 'memory']

REDIS_OF = {
    'save': ('redis-always', 'redis-everysec'),
    'indexed': ('redis-always', 'redis-everysec'),
    'get': ('redis-always',),
    'list': ('redis-always',),
    'progress': ('redis-off',),
    'notify': ('redis-off',),
    'mixed': ('redis-always', 'redis-everysec', 'redis-off'),
    'start': ('redis-always', 'beanstalkd', 'ovsdb'),
    'memory': ('redis-always', 'beanstalkd', 'ovsdb'),
}


def peers_of(row: Row) -> tuple[str, ...]:
    """Who is worth measuring there, persistd aside."""
    if row.is_start:
        return REDIS_OF[row.work]
    return REDIS_OF[row.work] + ('ovsdb', 'sqlite', 'rewriter')


def work_for(row: Row, protocol: str) -> str:
    """What the row is for servers that are asked differently: only persistd takes calls without answering."""
    return 'progress' if row.work == 'notify' and protocol not in ('persistd', 'echo') else row.work
