"""A service's own tests, over the classes that are replaced and over those that replace them."""
from __future__ import annotations

import asyncio
import datetime
import json
import pathlib
import shutil
import tempfile
import threading
import unittest
from typing import Any

from . import before
from .harness import Daemon, TidyCase
from .service import Service, now

import persistd
from persistd import Job, JobProgress, JobResult, JobStatus, JobType


class Before:
    """How a service's tests make their stores today."""

    def make(self) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="persistd-before-"))

    def remove(self) -> None:
        shutil.rmtree(self.directory)

    def jobs(self) -> Any:
        return before.JobStore(self.directory / "jobs.json")

    def runs(self) -> Any:
        return before.RunStore(self.directory / "runs.json", self.directory / "artifacts")


class After:
    def make(self) -> None:
        self._daemon = Daemon()

    def remove(self) -> None:
        self._daemon.remove()

    def jobs(self) -> Any:
        return persistd.JobStore(self._daemon.socket)

    def runs(self) -> Any:
        return persistd.RunStore(self._daemon.socket)


class Moving:
    """The suite. The line of classes at the end says what it is run with."""

    def setUp(self: Any) -> None:
        self.make()
        self.addCleanup(self.remove)

    async def asyncSetUp(self: Any) -> None:
        self.store = self.jobs()
        self.history = self.runs()
        self.addAsyncCleanup(self.store.aclose)
        self.addCleanup(self.history.close)

    # ---- the service

    async def test_a_job_is_worked_on_and_its_story_is_kept(self: Any) -> None:
        service = Service(self.store, self.history)
        seen = []

        async def work(payload: Any, report: Any) -> Any:
            for step in range(1, 11):
                await report(step, 10, f"step {step}")
                await asyncio.sleep(0)
            seen.append(await service.describe(job_id))
            return {"equity": [payload["start"], 1.5]}

        service.works[JobType.BACKTEST] = work
        job_id = await service.submit(JobType.BACKTEST, {"start": 1.0})
        await service.finished(job_id)
        self.assertEqual(seen[0]["status"], "running")
        self.assertEqual(seen[0]["progress"], [10, 10, "step 10"])
        told = await service.describe(job_id)
        self.assertEqual((told["status"], told["progress"], told["error"]), ("completed", [10, 10, "step 10"], None))
        self.assertGreaterEqual(told["took"], 0)
        job = await self.store.get(job_id)
        self.assertEqual(job.result.data, {"equity": [1.0, 1.5]})
        run = self.history.find_run_by_meta(key="job_id", value=job_id)
        self.assertEqual((run["kind"], run["status"], run["request"]), ("backtest", "succeeded", {"start": 1.0}))
        self.assertIsNotNone(run["finished_at"])
        self.assertEqual(run["artifact_id"], job.result.artifacts[0])
        path, content = self.history.read_artifact(run["artifact_id"])
        self.assertEqual(json.loads(content), {"equity": [1.0, 1.5]})
        self.assertEqual(path.read_bytes(), content)

    async def test_a_job_that_fails_says_why(self: Any) -> None:
        service = Service(self.store, self.history)

        async def work(payload: Any, report: Any) -> None:
            raise ValueError("no prices")

        service.works[JobType.DATA_REFRESH] = work
        job_id = await service.submit(JobType.DATA_REFRESH, {})
        await service.finished(job_id)
        job = await self.store.get(job_id)
        self.assertEqual((job.status, job.error, job.result.success), (JobStatus.FAILED, "no prices", False))
        self.assertEqual(self.history.list_runs(status="failed")["runs"][0]["error"], {"message": "no prices"})

    async def test_a_job_can_be_cancelled_while_it_works(self: Any) -> None:
        service = Service(self.store, self.history)
        begun = asyncio.Event()

        async def work(payload: Any, report: Any) -> None:
            begun.set()
            await asyncio.sleep(60)

        service.works[JobType.CUSTOM] = work
        job_id = await service.submit(JobType.CUSTOM, {})
        await begun.wait()
        self.assertEqual(await service.active(), [job_id])
        self.assertTrue(await service.cancel(job_id))
        await service.finished(job_id)
        self.assertFalse(await service.cancel(job_id))
        self.assertFalse(await service.cancel("unknown"))
        self.assertEqual((await service.describe(job_id))["status"], "cancelled")

    async def test_what_was_saved_is_there_after_the_service_starts_anew(self: Any) -> None:
        job = Job(type=JobType.OPTIMIZATION, status=JobStatus.RUNNING, payload={"n": 3, "tags": ["a", "ü"]},
                  progress=JobProgress(3, 10, "three"), started_at=now(), metadata={"attempt": 2})
        await self.store.save(job)
        again = self.jobs()
        self.addAsyncCleanup(again.aclose)
        read = await again.get(job.id)
        self.assertIsNot(read, job)
        for name in ("id", "type", "status", "payload", "progress", "result", "created_at", "started_at",
                     "completed_at", "error", "metadata"):
            self.assertEqual(getattr(read, name), getattr(job, name), name)

    # ---- jobs

    async def test_everybody_who_asks_for_a_job_gets_the_same_one(self: Any) -> None:
        job = Job(payload={"a": 1})
        await self.store.save(job)
        other = await self.store.get(job.id)
        self.assertIs(other, job)
        other.status = JobStatus.CANCELLED
        await self.store.save(other)
        self.assertIs((await self.store.list())[0], job)
        self.assertEqual(job.status, JobStatus.CANCELLED)

    async def test_reported_progress_is_in_the_job_and_stays_when_it_is_saved(self: Any) -> None:
        job = Job()
        await self.store.save(job)
        await self.store.update_progress(job.id, JobProgress(current=4, total=8, message="half"))
        self.assertEqual((job.progress.current, job.progress.total, job.progress.message), (4, 8, "half"))
        job.status = JobStatus.COMPLETED
        await self.store.save(job)
        self.assertEqual((await self.store.get(job.id)).progress, JobProgress(4, 8, "half"))

    async def test_progress_of_an_unknown_job_does_nothing(self: Any) -> None:
        await self.store.update_progress("nobody", JobProgress(1, 2, "x"))
        self.assertIsNone(await self.store.get("nobody"))

    async def test_an_unknown_job_is_none(self: Any) -> None:
        self.assertIsNone(await self.store.get("unknown"))
        self.assertIsNone(await self.store.get("../../etc/passwd"))
        self.assertFalse(await self.store.delete("unknown"))

    async def test_lists_are_newest_first_and_take_filters_and_pages(self: Any) -> None:
        day = datetime.datetime(2026, 1, 1)
        for place in range(6):
            await self.store.save(Job(id=f"j{place}", created_at=day + datetime.timedelta(hours=place),
                                      type=JobType.BACKTEST if place % 2 else JobType.CUSTOM,
                                      status=JobStatus.COMPLETED if place < 3 else JobStatus.PENDING))
        listed = lambda jobs: [job.id for job in jobs]
        self.assertEqual(listed(await self.store.list()), ["j5", "j4", "j3", "j2", "j1", "j0"])
        self.assertEqual(listed(await self.store.list(status=JobStatus.COMPLETED)), ["j2", "j1", "j0"])
        self.assertEqual(listed(await self.store.list(job_type=JobType.BACKTEST)), ["j5", "j3", "j1"])
        self.assertEqual(listed(await self.store.list(JobStatus.PENDING, JobType.BACKTEST)), ["j5", "j3"])
        self.assertEqual(listed(await self.store.list(limit=2, offset=1)), ["j4", "j3"])
        self.assertEqual(listed(await self.store.list(limit=0)), ["j5"])
        self.assertEqual(listed(await self.store.list(limit=2, offset=-3)), ["j5", "j4"])
        self.assertEqual(await self.store.list(offset=100), [])

    async def test_cleanup_removes_what_ended_long_ago(self: Any) -> None:
        old, young = now() - datetime.timedelta(days=40), now() - datetime.timedelta(days=3)
        await self.store.save(Job(id="old", status=JobStatus.FAILED, completed_at=old))
        await self.store.save(Job(id="young", status=JobStatus.COMPLETED, completed_at=young))
        await self.store.save(Job(id="running", status=JobStatus.RUNNING, started_at=old))
        self.assertEqual(await self.store.cleanup(), 1)
        self.assertIsNone(await self.store.get("old"))
        self.assertEqual(await self.store.cleanup(days=1), 1)
        self.assertEqual([job.id for job in await self.store.list()], ["running"])
        self.assertTrue(await self.store.delete("running"))
        self.assertEqual(await self.store.list(), [])

    async def test_payloads_may_hold_what_json_does_not_know(self: Any) -> None:
        await self.store.save(Job(id="odd", payload={"path": pathlib.Path("/tmp/x"), 2024: 0.5, "pair": (1, 2)}))
        again = self.jobs()
        self.addAsyncCleanup(again.aclose)
        self.assertEqual((await again.get("odd")).payload, {"path": "/tmp/x", "2024": 0.5, "pair": [1, 2]})

    async def test_results_carry_their_parts(self: Any) -> None:
        await self.store.save(Job(id="done", status=JobStatus.COMPLETED,
                                  result=JobResult(success=True, data={"n": [1]}, artifacts=["a", "b"])))
        again = self.jobs()
        self.addAsyncCleanup(again.aclose)
        self.assertEqual((await again.get("done")).result, JobResult(True, {"n": [1]}, None, ["a", "b"]))

    async def test_many_at_once(self: Any) -> None:
        jobs = [Job(metadata={"n": n}) for n in range(50)]
        await asyncio.gather(*(self.store.save(job) for job in jobs))
        self.assertEqual(len(await self.store.list(limit=50)), 50)
        found = await asyncio.gather(*(self.store.get(job.id) for job in jobs))
        self.assertEqual([job.metadata["n"] for job in found], list(range(50)))

    # ---- runs

    async def test_a_run_is_made_and_updated(self: Any) -> None:
        make = self.history.create_or_update_run
        run = make(run_id=None, kind="Factor Lab!", request_payload={"n": 1}, status="queued", meta={"a": 1})
        self.assertRegex(run["id"], "^factor_lab_[0-9a-f]{12}$")
        self.assertEqual((run["kind"], run["status"], run["started_at"], run["artifact_id"], run["error"]),
                         ("factor_lab", "queued", None, None, None))
        run = make(run_id=run["id"], kind="other", request_payload={}, status="running", meta={"b": 2})
        self.assertEqual((run["kind"], run["request"], run["meta"]), ("factor_lab", {"n": 1}, {"a": 1, "b": 2}))
        self.assertIsNotNone(run["started_at"])
        self.assertIsNone(run["finished_at"])
        run = make(run_id=run["id"], kind="x", request_payload={"n": 2}, status="failed", error={"message": "m"},
                   artifact_id="art_1")
        self.assertIsNotNone(run["finished_at"])
        self.assertGreaterEqual(run["updated_at"], run["created_at"])
        kept = make(run_id=run["id"], kind="x", request_payload={}, status="failed")
        self.assertEqual((kept["error"], kept["artifact_id"], kept["request"]), ({"message": "m"}, "art_1", {"n": 2}))
        self.assertEqual(self.history.get_run(run["id"]), kept)

    async def test_an_id_that_cannot_be_one_gets_another(self: Any) -> None:
        run = self.history.create_or_update_run(run_id="../../etc/passwd", kind="k", request_payload={},
                                                status="queued")
        self.assertRegex(run["id"], "^k_[0-9a-f]{12}$")
        self.assertIsNone(self.history.get_run("../../etc/passwd"))
        self.assertFalse(self.history.delete_run("../../etc/passwd"))
        self.assertIsNone(self.history.read_artifact("../../etc/passwd"))
        self.assertIsNone(self.history.read_artifact(""))
        self.assertIsNone(self.history.read_artifact("no_such"))

    async def test_runs_are_listed_by_kind_and_status(self: Any) -> None:
        for place in range(5):
            self.history.create_or_update_run(run_id=f"r{place}", kind="a" if place < 3 else "b", request_payload={},
                                              status="succeeded" if place % 2 else "running")
        page = self.history.list_runs(limit=2, offset=1)
        self.assertEqual(([run["id"] for run in page["runs"]], page["total"]), (["r3", "r2"], 5))
        self.assertEqual([run["id"] for run in self.history.list_runs(kind="A")["runs"]], ["r2", "r1", "r0"])
        self.assertEqual(self.history.list_runs(kind="a", status="SUCCEEDED")["total"], 1)
        self.assertEqual(self.history.list_runs(kind="", status="")["total"], 5)
        self.assertEqual(self.history.list_runs(status="no such"), {"runs": [], "total": 0})
        self.assertEqual(len(self.history.list_runs(limit=0)["runs"]), 1)
        self.assertTrue(self.history.delete_run("r0"))
        self.assertFalse(self.history.delete_run("r0"))

    async def test_runs_are_found_by_their_meta(self: Any) -> None:
        make = self.history.create_or_update_run
        make(run_id="x1", kind="k", request_payload={}, status="queued", meta={"job": "j", "n": 5, "dry": True})
        make(run_id="x2", kind="k", request_payload={}, status="queued", meta={"job": "j"})
        self.assertEqual(self.history.find_run_by_meta(key="job", value="j")["id"], "x2")
        self.assertEqual(self.history.find_run_by_meta(key="n", value="5")["id"], "x1")
        self.assertEqual(self.history.find_run_by_meta(key="n", value=5)["id"], "x1")
        self.assertEqual(self.history.find_run_by_meta(key="dry", value=True)["id"], "x1")
        self.assertEqual(self.history.find_run_by_meta(key="dry", value="True")["id"], "x1")
        self.assertIsNone(self.history.find_run_by_meta(key="job", value="other"))
        self.assertIsNone(self.history.find_run_by_meta(key="job", value=""))

    async def test_artifacts_are_files(self: Any) -> None:
        self.history.create_or_update_run(run_id="bt-1", kind="k", request_payload={}, status="running")
        saved = self.history.save_artifact(kind="Equity Curve", run_id="bt-1", payload={"tail": [0.93, None, "ü"]})
        self.assertRegex(saved["id"], "^equity_curve_bt_1_[0-9a-f]{10}$")
        self.assertEqual(saved["kind"], "equity_curve")
        path, content = self.history.read_artifact(saved["id"])
        self.assertEqual((str(path), len(content)), (saved["path"], saved["size_bytes"]))
        self.assertEqual(json.loads(content), {"tail": [0.93, None, "ü"]})
        self.assertIsNone(self.history.get_run("bt-1")["artifact_id"])
        self.assertIsNotNone(self.history.read_artifact(saved["id"].upper() + " "))
        self.assertIn("id", self.history.save_artifact(kind="k", run_id="not-yet", payload=[1]))

    async def test_threads_share_a_history(self: Any) -> None:
        def work(place: int) -> None:
            for step in range(5):
                self.history.create_or_update_run(run_id=f"t{place}", kind="k", request_payload={}, status="running",
                                                  meta={f"step{step}": step})

        threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runs = self.history.list_runs()["runs"]
        self.assertEqual(len(runs), 8)
        self.assertTrue(all(len(run["meta"]) == 5 for run in runs))


class TestBefore(Moving, Before, TidyCase):
    pass


class TestAfter(Moving, After, TidyCase):
    pass


if __name__ == "__main__":
    unittest.main()
