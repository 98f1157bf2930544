"""The daemon is stopped, killed and started again under clients that go on working."""
from __future__ import annotations

import asyncio
import signal
import threading
import time
import unittest
from typing import Any, Dict, List, Set

from .harness import Daemon, TidyCase

from persistd import Client, ConnectionLost, Job, JobStore, PersistdError, RunStore, Unavailable


class TestRestarts(TidyCase):
    async def restart(self, daemon: Daemon, how: signal.Signals, times: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(times):
            await asyncio.sleep(0.15)
            await loop.run_in_executor(None, daemon.end, how)
            await asyncio.sleep(0.1)
            await loop.run_in_executor(None, daemon.start)
        await asyncio.sleep(0.1)

    async def saves(self, daemon: Daemon, how: signal.Signals) -> List[PersistdError]:
        """Many tasks save while the daemon comes and goes. Returns what was raised."""
        acknowledged: Set[str] = set()
        refused: Set[str] = set()
        raised: List[PersistdError] = []
        ended = asyncio.Event()

        async def work(place: int, store: JobStore) -> None:
            step = 0
            while not ended.is_set():
                step += 1
                job = Job(id=f"{place}-{step}", payload={"x": "y" * 100})
                try:
                    await store.save(job)
                    acknowledged.add(job.id)
                except PersistdError as error:
                    raised.append(error)
                    if error.outcome == "did_not_happen":
                        refused.add(job.id)

        async with JobStore(daemon.socket) as store:
            tasks = [asyncio.ensure_future(work(place, store)) for place in range(8)]
            await self.restart(daemon, how, 3)
            ended.set()
            await asyncio.gather(*tasks)
            there = {job.id for job in await store.list(limit=None)}
        self.assertGreater(len(acknowledged), 50)
        self.assertEqual(acknowledged - there, set())
        self.assertEqual(refused & there, set())
        return raised

    async def test_a_daemon_that_is_restarted_is_not_noticed_by_those_who_save(self) -> None:
        self.assertEqual(await self.saves(self.daemon(), signal.SIGTERM), [])

    async def test_a_daemon_that_is_killed_loses_nothing_and_what_is_unknown_is_told(self) -> None:
        raised = await self.saves(self.daemon(), signal.SIGKILL)
        self.assertEqual({(type(error), error.outcome) for error in raised} - {(ConnectionLost, "unknown")}, set())
        self.assertLessEqual(len(raised), 3 * 8)

    async def test_reads_of_all_kinds_outlive_a_kill(self) -> None:
        daemon = self.daemon()
        daemon.ask("job.save", {"job": {"id": "a"}})
        ended = threading.Event()
        failed: List[BaseException] = []
        counts: Dict[str, int] = {"get": 0}

        def blocking(client: Client) -> None:
            try:
                while not ended.is_set():
                    client.job_get("a")
                    counts["get"] += 1
            except BaseException as error:
                failed.append(error)

        client = Client(daemon.socket)
        self.addCleanup(client.close)
        threads = [threading.Thread(target=blocking, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        async with JobStore(daemon.socket) as store:
            killing = asyncio.ensure_future(self.restart(daemon, signal.SIGKILL, 3))
            while not killing.done():
                self.assertEqual((await store.get("a")).id, "a")
                await asyncio.sleep(0)
            await killing
        ended.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertGreater(counts["get"], 100)

    async def test_threads_with_a_history_outlive_a_restart(self) -> None:
        daemon = self.daemon()
        ended = threading.Event()
        failed: List[BaseException] = []
        kept: List[str] = []
        store = RunStore(daemon.socket)
        self.addCleanup(store.close)

        def work(place: int) -> None:
            step = 0
            try:
                while not ended.is_set():
                    step += 1
                    run_id = f"{place}-{step}"
                    store.create_or_update_run(run_id=run_id, kind="k", request_payload={}, status="running")
                    kept.append(run_id)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        await self.restart(daemon, signal.SIGTERM, 3)
        ended.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        there = {run["id"] for run in store.list_runs(limit=None)["runs"]}
        self.assertEqual(set(kept) - there, set())
        self.assertGreater(len(kept), 50)

    async def test_a_call_waits_for_a_daemon_that_is_just_being_started(self) -> None:
        daemon = self.daemon(start=False)
        later = threading.Timer(0.4, daemon.start)
        later.start()
        async with JobStore(daemon.socket) as store:
            saved = await asyncio.gather(*(store.save(Job()) for _ in range(10)))
            self.assertEqual(len(await store.list()), len(saved))
        later.join()

    async def test_progress_while_the_daemon_is_away_raises_nothing_and_arrives(self) -> None:
        daemon = self.daemon()
        async with JobStore(daemon.socket, reconnect_for=0.1) as store:
            await store.save(Job(id="a"))
            await asyncio.get_running_loop().run_in_executor(None, daemon.end)
            for step in range(500):
                await store.update_progress("a", step, 500)
                await store.update_progress("unknown", step, 500)
                if step % 50 == 0:
                    await asyncio.sleep(0.01)
            with self.assertRaises(Unavailable):
                await store.get("a")
            await asyncio.get_running_loop().run_in_executor(None, daemon.start)
            deadline = time.monotonic() + 5
            progress: Any = None
            while progress != {"current": 499, "total": 500, "message": "", "percentage": 99.8} and \
                    time.monotonic() < deadline:
                await asyncio.sleep(0.02)
                progress = daemon.ask("job.get", {"id": "a"})["progress"]
            self.assertEqual(progress["current"], 499)

    async def test_progress_of_a_blocking_client_arrives_with_its_next_use(self) -> None:
        daemon = self.daemon()
        client = Client(daemon.socket)
        self.addCleanup(client.close)
        client.job_save({"id": "a"})
        daemon.end()
        for step in range(100):
            client.job_progress("a", step, 100)
        daemon.start()
        time.sleep(0.1)
        self.assertEqual(client.job_get("a")["progress"]["current"], 99)


if __name__ == "__main__":
    unittest.main()
