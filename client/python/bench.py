#!/usr/bin/env python3
"""What a call costs through each client, in microseconds, beside a raw socket in Python. Medians; the clients take
turns, so that a busy machine is busy for all.

    bench.py DAEMON [SECONDS]     starts that daemon in a directory of its own (default: 20 seconds in all)
"""
from __future__ import annotations

import asyncio
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Tuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from persistd import AsyncClient, Client, Job, JobProgress, JobStore, RunStore  # noqa: E402

PAYLOAD = {"factor_name": "value", "start_date": "2020-01-01", "end_date": "2025-12-31", "top_n": 10,
           "costs": {"commission": 0.0015, "slippage_bps": 2.5},
           "universe": ["AKBNK", "SISE", "ASELS", "THYAO", "BIMAS"]}
ROUND = {"get": 200, "save": 20, "update_progress": 2000, "64 gets at once": 10, "64 saves at once": 3}


class Raw:
    """The least that Python can do: text out, a line in, nothing parsed."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        job = json.dumps({"id": "raw", "payload": PAYLOAD})
        self._get = b'{"jsonrpc":"2.0","id":1,"method":"job.get","params":{"id":"raw"}}\n'
        self._save = f'{{"jsonrpc":"2.0","id":1,"method":"job.save","params":{{"job":{job}}}}}\n'.encode()
        self._progress = (b'{"jsonrpc":"2.0","method":"job.update_progress","params":{"id":"raw","progress":'
                          b'{"current":1,"total":2,"message":"2019"}}}\n')

    def ask(self, line: bytes, replies: int = 1) -> None:
        self.sock.sendall(line)
        while replies:
            replies -= self.sock.recv(1 << 16).count(b"\n")

    def get(self) -> None:
        self.ask(self._get)

    def save(self) -> None:
        self.ask(self._save)

    def progress(self) -> None:
        self.sock.sendall(self._progress)

    def gets(self) -> None:
        self.ask(self._get * 64, 64)

    def saves(self) -> None:
        self.ask(self._save * 64, 64)


def timed(work: Callable[[], Any], times: int) -> List[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1e6)
    return taken


async def atimed(work: Callable[[], Any], times: int) -> List[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begun) * 1e6)
    return taken


def blocking(path: str) -> List[Tuple[str, str, Callable[[], Any]]]:
    raw, client, runs = Raw(path), Client(path), RunStore(path)
    raw.save()
    job = {"id": "client", "payload": PAYLOAD}
    client.job_save(job)

    def run_save() -> None:
        runs.create_or_update_run(run_id="run", kind="backtest", request_payload=PAYLOAD, status="running")

    def many(call: Callable[[Any], Any]) -> Callable[[], Any]:
        def send() -> None:
            with client.pipeline() as pipeline:
                for _ in range(64):
                    call(pipeline)
            pipeline.results()
        return send

    run_save()
    return [
        ("get", "raw socket", raw.get), ("get", "Client", lambda: client.job_get("client")),
        ("get", "RunStore", lambda: runs.get_run("run")),
        ("save", "raw socket", raw.save), ("save", "Client", lambda: client.job_save(job)),
        ("save", "RunStore", run_save),
        ("update_progress", "raw socket", raw.progress),
        ("update_progress", "Client", lambda: client.job_progress("client", 1, 2, "2019")),
        ("64 gets at once", "raw socket", raw.gets), ("64 saves at once", "raw socket", raw.saves),
        ("64 gets at once", "Client", many(lambda pipeline: pipeline.job_get("client"))),
        ("64 saves at once", "Client", many(lambda pipeline: pipeline.job_save(job)))]


async def looping(path: str) -> List[Tuple[str, str, Callable[[], Any]]]:
    client, store = AsyncClient(path), JobStore(path)
    job, kept = {"id": "async", "payload": PAYLOAD}, Job(id="store", payload=PAYLOAD)
    await client.job_save(job)
    await store.save(kept)
    progress = JobProgress(1, 2, "2019")

    async def report() -> None:
        client.job_progress("async", 1, 2, "2019")

    return [
        ("get", "AsyncClient", lambda: client.job_get("async")), ("get", "JobStore", lambda: store.get("store")),
        ("save", "AsyncClient", lambda: client.job_save(job)), ("save", "JobStore", lambda: store.save(kept)),
        ("update_progress", "AsyncClient", report),
        ("update_progress", "JobStore", lambda: store.update_progress("store", progress)),
        ("64 gets at once", "AsyncClient", lambda: asyncio.gather(*(client.job_get("async") for _ in range(64)))),
        ("64 saves at once", "AsyncClient", lambda: asyncio.gather(*(client.job_save(job) for _ in range(64)))),
        ("64 gets at once", "JobStore", lambda: asyncio.gather(*(store.get("store") for _ in range(64)))),
        ("64 saves at once", "JobStore", lambda: asyncio.gather(*(store.save(kept) for _ in range(64))))]


def measure(path: str, seconds: float) -> Dict[Tuple[str, str], List[float]]:
    loop = asyncio.new_event_loop()
    works, aworks = blocking(path), loop.run_until_complete(looping(path))
    taken: Dict[Tuple[str, str], List[float]] = {(what, who): [] for what, who, _ in works + aworks}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for what, who, work in works:
            taken[what, who] += timed(work, ROUND[what])
        for what, who, work in aworks:
            taken[what, who] += loop.run_until_complete(atimed(work, ROUND[what]))
    loop.close()
    return taken


def show(taken: Dict[Tuple[str, str], List[float]]) -> None:
    clients = ["raw socket", "Client", "RunStore", "AsyncClient", "JobStore"]
    print(f"{'µs, median':<24}" + "".join(f"{who:>14}" for who in clients))
    for what in ROUND:
        cells = []
        for who in clients:
            times = taken.get((what, who))
            each = 64 if what.startswith("64") else 1
            cells.append(f"{statistics.median(times) / each:>14.1f}" if times else f"{'-':>14}")
        print(f"{what + (', each' if what.startswith('64') else ''):<24}" + "".join(cells))


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="persistd-bench-") as scratch:
        path = f"{scratch}/persistd.sock"
        process = subprocess.Popen([sys.argv[1], "--socket", path, "--state-dir", f"{scratch}/state"],
                                   stderr=subprocess.DEVNULL)
        try:
            with Client(path) as client:
                client.server_ping()
            show(measure(path, float(sys.argv[2]) if len(sys.argv) == 3 else 20.0))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
