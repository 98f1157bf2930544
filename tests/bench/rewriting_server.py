"""The kind of store that persistd replaces: an asyncio server that keeps its jobs in a dict and, at each save, writes
all of them to one JSON file, to a temporary name first, without fsync.

    rewriting_server.py SOCKET FILE

It speaks the lines of persistd as far as the benchmarks need them: job.save, job.get, job.list (status, limit) and
job.update_progress.
"""
from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Callable

Job = dict[str, Any]


class Store:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = asyncio.Lock()
        self.jobs: dict[str, Job] = {}
        if path.exists():
            self.jobs = {job['id']: job for job in json.loads(path.read_text())['jobs']}

    def _write(self) -> None:
        new = self.path.with_suffix('.tmp')
        with open(new, 'w') as file:
            json.dump({'jobs': list(self.jobs.values())}, file)
        os.replace(new, self.path)

    async def save(self, job: Job) -> Job:
        async with self.lock:
            self.jobs.setdefault(job['id'], {}).update(job)
            self._write()
            return self.jobs[job['id']]

    def get(self, id: str) -> Job:
        return self.jobs[id]

    def list(self, status: str, limit: int) -> dict[str, Any]:
        found = [job for job in self.jobs.values() if job['status'] == status]
        found.sort(key=lambda job: str(job['created_at']), reverse=True)
        return {'jobs': found[:limit], 'total': len(found), 'next_cursor': None}

    def update_progress(self, id: str, progress: dict[str, Any]) -> dict[str, Any]:
        self.jobs[id]['progress'] = progress
        return {'id': id}

    async def carry_out(self, method: str, params: dict[str, Any]) -> Any:
        if method == 'job.save':
            return await self.save(params['job'])
        reads: dict[str, Callable[..., Any]] = {'job.get': self.get, 'job.list': self.list,
                                                'job.update_progress': self.update_progress}
        return reads[method](**params)


async def serve(store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        call = json.loads(line)
        try:
            answer = {'jsonrpc': '2.0', 'result': await store.carry_out(call['method'], call['params'])}
        except (KeyError, TypeError) as e:
            answer = {'jsonrpc': '2.0', 'error': {'message': repr(e)}}
        if 'id' in call:
            writer.write(json.dumps({**answer, 'id': call['id']}, separators=(',', ':')).encode() + b'\n')
            await writer.drain()
    writer.close()


async def main() -> None:
    store = Store(Path(sys.argv[2]))
    server = await asyncio.start_unix_server(lambda r, w: serve(store, r, w), sys.argv[1], limit=1 << 24, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
