"""The ground that is measured on: a directory on a file system that keeps what was fsynced, and what machine it is.

As root it is an ext4 of its own, with a journal, in an image file that is mounted for as long as it is needed: every
server writes to the same fresh file system, and what else the disk holds matters little. Else it is a plain directory.
"""
from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

FORGETFUL = {'tmpfs', 'ramfs', 'overlay'}


class GroundError(Exception):
    """There is no place to measure on; the message says why and what to do."""


def filesystem_of(path: Path) -> str:
    done = subprocess.run(['stat', '-f', '-c', '%T', str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _mount_image(image: Path, point: Path, gigabytes: int) -> bool:
    with open(image, 'wb') as file:
        file.truncate(gigabytes << 30)
    point.mkdir()
    eager = 'lazy_itable_init=0,lazy_journal_init=0'  # nothing is left to be done while we measure
    made = subprocess.run(['mkfs.ext4', '-q', '-E', eager, str(image)], capture_output=True)
    return made.returncode == 0 and subprocess.run(['mount', '-o', 'loop', str(image), str(point)],
                                                   capture_output=True).returncode == 0


@contextlib.contextmanager
def ground(parent: Path, gigabytes: int, anywhere: bool) -> Iterator[Path]:
    """A directory to measure in, gone at the end. `anywhere`: also where nothing is durable. 0 GB: a plain one."""
    kind = filesystem_of(parent)
    if kind in FORGETFUL and not anywhere:
        raise GroundError(f'{parent} is on {kind}, where fsync means nothing: choose another place with --dir, '
                          'or say --anywhere')
    top = Path(tempfile.mkdtemp(prefix='persistd-bench-', dir=parent))
    point = top / 'disk'
    mounted = False
    try:
        mounted = gigabytes > 0 and os.geteuid() == 0 and _mount_image(top / 'image', point, gigabytes)
        point.mkdir(exist_ok=True)
        yield point
    finally:
        if mounted:
            subprocess.run(['umount', '-l', str(point)], check=False)
        shutil.rmtree(top, ignore_errors=True)


def fsync_micros(directory: Path, times: int = 200) -> float:
    """What one fsync of 600 appended bytes takes there, the median in microseconds."""
    path = directory / 'fsync'
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    took: list[float] = []
    for _ in range(times):
        os.write(file, b'x' * 600)
        begin = time.perf_counter()
        os.fsync(file)
        took.append(time.perf_counter() - begin)
    os.close(file)
    path.unlink()
    return statistics.median(took) * 1e6


def replace_micros(directory: Path, times: int = 200) -> float:
    """What the disk's part of persistd's smallest commit takes there, the median in microseconds: to write 1,024 bytes
    over a file that is there, fdatasync, rename, fsync of the directory."""
    took: list[float] = []
    names = [directory / f'spare-{i}' for i in range(times)]
    for name in names:
        name.write_bytes(b'x' * 1024)
    os.sync()
    parent = os.open(directory, os.O_RDONLY)
    for name in names:
        begin = time.perf_counter()
        file = os.open(name, os.O_WRONLY)
        os.write(file, b'y' * 1024)
        os.fdatasync(file)
        os.close(file)
        os.rename(name, name.with_suffix('.segment'))
        os.fsync(parent)
        took.append(time.perf_counter() - begin)
    os.close(parent)
    for name in names:
        name.with_suffix('.segment').unlink()
    return statistics.median(took) * 1e6


def machine() -> dict[str, object]:
    model = 'an unknown processor'
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            model = line.split(':', 1)[1].strip()
            break
    memory = int(Path('/proc/meminfo').read_text().split()[1]) // 1024 // 1024
    return {'processor': model, 'cores': os.cpu_count(), 'memory_gib': memory, 'kernel': os.uname().release,
            'load': round(os.getloadavg()[0], 2)}


def foreign_seconds() -> float:
    """CPU that everything but our finished children has used, and that the machine's host has kept from it."""
    words = [int(word) for word in Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:9]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(words) - words[3] - words[4]) / os.sysconf('SC_CLK_TCK') - children.ru_utime - children.ru_stime
