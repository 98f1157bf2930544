"""JobStore beyond what it replaces: classes of other people, times, numbers, long lists."""
from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import decimal
import enum
import json
import os
import pathlib
import pickle
import types
import unittest
import uuid
from typing import Any, Dict, List, Optional

from .harness import REPOSITORY, DaemonCase, TidyCase

from persistd import (InvalidParams, Job, JobProgress, JobResult, JobStatus, JobStore, JobType, NotSerialisable,
                      PersistdError, TooLarge)

UTC = datetime.timezone.utc


class Colour(enum.Enum):
    RUNNING = "running"
    PENDING = "pending"
    BACKTEST = "backtest"


@dataclasses.dataclass
class TheirProgress:
    current: int
    total: int
    message: str


@dataclasses.dataclass
class TheirJob:
    id: str
    type: Colour = Colour.BACKTEST
    status: Colour = Colour.PENDING
    payload: Dict[str, Any] = dataclasses.field(default_factory=dict)
    progress: Optional[TheirProgress] = None
    result: Optional[Any] = None
    created_at: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(UTC))
    started_at: Optional[datetime.datetime] = None
    completed_at: Optional[datetime.datetime] = None
    error: Optional[str] = None
    metadata: Dict[str, Any] = dataclasses.field(default_factory=dict)


class Slotted:
    __slots__ = ("id", "type", "status", "payload")

    def __init__(self, id: str) -> None:
        self.id, self.type, self.status, self.payload = id, "custom", "pending", {"slots": True}


class StoreCase(DaemonCase):
    async def asyncSetUp(self) -> None:
        self.store = JobStore(self.shared.socket)
        self.addAsyncCleanup(self.store.aclose)

    def new(self, **options: Any) -> JobStore:
        store = JobStore(self.shared.socket, **options)
        self.addAsyncCleanup(store.aclose)
        return store

    def stored(self, job_id: str) -> Any:
        return self.shared.ask("job.get", {"id": job_id})


class TestOtherClasses(StoreCase):
    async def test_a_dataclass_of_ones_own_comes_back_with_its_own_enums(self) -> None:
        store = self.new(job_class=TheirJob)
        await store.save(TheirJob("own", progress=TheirProgress(1, 2, "m")))
        read = await self.new(job_class=TheirJob).get("own")
        self.assertIs(type(read), TheirJob)
        self.assertIs(read.type, Colour.BACKTEST)
        self.assertEqual(read.progress, TheirProgress(1, 2, "m"))

    async def test_a_namespace_of_strings_dicts_and_texts_is_stored(self) -> None:
        job = types.SimpleNamespace(
            id="ns", type="my_type", status="completed", payload={"a": 1},
            progress={"current": 1, "total": 2, "message": "m"},
            result={"success": True, "data": [1], "error": None, "artifacts": ("x",)},
            created_at="2026-01-01T00:00:00Z", started_at=None, completed_at="2026-01-02T00:00:00", error=None,
            metadata={})
        self.assertIs(await self.store.save(job), job)
        record = self.stored("ns")
        self.assertEqual((record["type"], record["created_at"], record["completed_at"], record["result"]["artifacts"]),
                         ("my_type", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00", ["x"]))
        read = await self.store.get("ns")
        self.assertEqual(read.type.value, "my_type")
        self.assertEqual(read.result, JobResult(True, [1], None, ["x"]))

    async def test_attributes_that_are_not_there_keep_what_is_stored(self) -> None:
        await self.store.save(Job(id="part", payload={"kept": 1}, error="kept"))
        await self.store.save(types.SimpleNamespace(id="part", type="custom", status="running"))
        record = self.stored("part")
        self.assertEqual((record["status"], record["payload"], record["error"]), ("running", {"kept": 1}, "kept"))

    async def test_none_clears_progress_result_and_error(self) -> None:
        job = Job(id="clear", progress=JobProgress(1, 2, "x"), result=JobResult(False), error="e")
        await self.store.save(job)
        job.progress = job.result = job.error = None
        await self.store.save(job)
        record = self.stored("clear")
        self.assertEqual((record["progress"], record["result"], record["error"]), (None, None, None))

    async def test_objects_that_cannot_be_looked_after_work_all_the_same(self) -> None:
        await self.store.save(Slotted("slots"))
        await self.store.update_progress("slots", 1, 2, "m")
        read = await self.store.get("slots")
        self.assertEqual((read.payload, read.progress.current), ({"slots": True}, 1))

    async def test_a_dict_is_a_job_too(self) -> None:
        saved = await self.store.save({"type": "backtest", "payload": {"n": 1}})
        self.assertEqual(self.stored(saved["id"])["type"], "backtest")

    async def test_an_empty_id_is_filled_in(self) -> None:
        job = Job(id="")
        await self.store.save(job)
        self.assertEqual(str(uuid.UUID(job.id)), job.id)

    async def test_something_that_is_no_job_is_refused_by_name(self) -> None:
        class Half:
            id, payload = "half", {"kept": False}

        before = self.shared.ask("job.count")
        for value, missing in (
                (None, "id, type, status"), ("job", "id, type, status"), (5, "id, type, status"),
                ([Job()], "id, type, status"), (object(), "id, type, status"), (Half(), "type, status"),
                (types.SimpleNamespace(id="x", job_type="custom", status="pending"), "type"),
                (Job, "id, type, status")):
            with self.assertRaisesRegex(TypeError, f"{missing}( |$)") as caught:
                await self.store.save(value)
            self.assertIsInstance(caught.exception, InvalidParams)
            self.assertEqual((caught.exception.field, caught.exception.outcome), ("job", "did_not_happen"))
        self.assertEqual(self.shared.ask("job.count"), before)

    async def test_a_dict_that_is_no_job_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(TypeError, "id, type, status"):
            await self.store.save({})
        with self.assertRaises(InvalidParams) as caught:
            await self.store.save({"id": "typo", "stauts": "running"})
        self.assertEqual(caught.exception.field, "job.stauts")
        self.assertIn("status", str(caught.exception))
        with self.assertRaises(TypeError):
            await self.store.save({"id": "typo", 5: "running"})

    async def test_a_result_without_success_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(InvalidParams, "result.*success"):
            await self.store.save(Job(result={"data": 1}))  # type: ignore[arg-type]

    async def test_a_progress_that_is_no_progress_is_refused_by_name(self) -> None:
        for progress in (0.5, "half", object(), [1, 2]):
            with self.assertRaisesRegex(InvalidParams, "job.progress.*current") as caught:
                await self.store.save(Job(id="p", progress=progress))  # type: ignore[arg-type]
            self.assertEqual(caught.exception.field, "job.progress")
        self.assertIsNone(await self.store.get("p"))

    async def test_statuses_and_types_that_cannot_be_are_refused_by_name(self) -> None:
        with self.assertRaises(InvalidParams) as caught:
            await self.store.save(types.SimpleNamespace(id="s", type="custom", status="succeeded"))
        self.assertEqual(caught.exception.field, "job.status")
        self.assertIn("completed", str(caught.exception))
        with self.assertRaises(InvalidParams) as caught:
            await self.store.save(types.SimpleNamespace(id="s", type="No Type", status="pending"))
        self.assertEqual(caught.exception.field, "job.type")
        with self.assertRaises(ValueError):
            await self.store.save(types.SimpleNamespace(id="no id!", type="custom", status="pending"))


class TestIds(StoreCase):
    async def test_ids_of_the_rule_are_kept_and_others_refused_by_name(self) -> None:
        for good in ("a", "A-_9", "x" * 160, str(uuid.uuid4())):
            await self.store.save(Job(id=good))
            self.assertEqual(self.stored(good)["id"], good)
        for bad in ("nightly:2026", "a/b", "a.b", "a b", "../x", "ü", "x" * 161, "a\n", "a\0"):
            with self.assertRaises(InvalidParams) as caught:
                await self.store.save(Job(id=bad))
            self.assertEqual(caught.exception.field, "job.id")
            self.assertIn("[A-Za-z0-9_-]{1,160}", str(caught.exception))
            self.assertIsNone(await self.store.get(bad))
            self.assertFalse(await self.store.delete(bad))
            await self.store.update_progress(bad, 1, 2)

    async def test_none_is_nobodys_id(self) -> None:
        await self.store.save(Job(id="None"))
        self.assertIsNone(await self.store.get(None))  # type: ignore[arg-type]
        await self.store.update_progress(None, 1, 2)  # type: ignore[arg-type]
        self.assertFalse(await self.store.delete(None))  # type: ignore[arg-type]
        self.assertIsNone((await self.new().get("None")).progress)

    async def test_an_id_that_is_no_string_is_its_text(self) -> None:
        ident = uuid.uuid4()
        job = Job(id=ident)  # type: ignore[arg-type]
        await self.store.save(job)
        await self.store.update_progress(ident, 1, 2)  # type: ignore[arg-type]
        self.assertEqual(job.progress, JobProgress(1, 2))
        self.assertIs(await self.store.get(ident), job)  # type: ignore[arg-type]
        self.assertEqual(self.stored(str(ident))["progress"]["current"], 1)
        self.assertTrue(await self.store.delete(ident))  # type: ignore[arg-type]


class TestCleanup(TidyCase):
    async def test_an_age_is_days_or_a_timedelta_and_nothing_else(self) -> None:
        daemon = self.daemon()
        store = JobStore(daemon.socket)
        self.addAsyncCleanup(store.aclose)
        now = datetime.datetime.now(UTC)

        async def ended(*hours: float) -> None:
            for each in hours:
                await store.save(Job(id=f"h{each}".replace(".", "_"), status=JobStatus.COMPLETED,
                                     completed_at=now - datetime.timedelta(hours=each)))

        await ended(1, 13, 30, 24 * 31)
        for refused in (None, "30", b"30", True, [30], now, datetime.date(2026, 1, 1), 1j):
            with self.assertRaisesRegex(TypeError, "days must be .*timedelta") as caught:
                await store.cleanup(refused)  # type: ignore[arg-type]
            self.assertEqual((caught.exception.field, caught.exception.outcome),  # type: ignore[attr-defined]
                             ("days", "did_not_happen"))
        for refused in (float("nan"), float("inf"), -float("inf")):
            with self.assertRaisesRegex(ValueError, "days"):
                await store.cleanup(refused)
        self.assertEqual(daemon.ask("job.count")["total"], 4)
        self.assertEqual([await store.cleanup(age) for age in (10 ** 9, 10 ** 400, datetime.timedelta.max)], [0, 0, 0])
        self.assertEqual(await store.cleanup(), 1)
        self.assertEqual(await store.cleanup(datetime.timedelta(days=1)), 1)
        self.assertEqual(await store.cleanup(days=0.5), 1)
        self.assertEqual(await store.cleanup(decimal.Decimal("0.5")), 0)
        self.assertEqual(await store.cleanup(datetime.timedelta(minutes=-5)), 1)
        await ended(1)
        self.assertEqual(await store.cleanup(-7), 1)


class TestShared(StoreCase):
    async def test_what_others_changed_comes_and_what_was_changed_here_stays(self) -> None:
        job = Job(id="both", metadata={"a": 1})
        await self.store.save(job)
        job.metadata["a"] = 2
        self.shared.ask("job.save", {"job": {"id": "both", "status": "running", "metadata": {"a": 3},
                                             "error": "theirs"}})
        self.assertIs(await self.store.get("both"), job)
        self.assertEqual((job.status, job.error, job.metadata), (JobStatus.RUNNING, "theirs", {"a": 2}))
        self.assertIsNotNone(job.started_at)

    async def test_progress_that_another_process_reports_comes_with_a_get(self) -> None:
        job = Job(id="remote")
        await self.store.save(job)
        self.shared.ask("job.update_progress", {"id": "remote", "progress": {"current": 1, "total": 4}})
        await self.store.get("remote")
        self.assertEqual(job.progress, JobProgress(1, 4, ""))

    async def test_objects_that_nobody_holds_are_forgotten(self) -> None:
        await self.store.save(Job(id="gone"))
        await asyncio.gather(*(self.store.save(Job()) for _ in range(100)))
        await self.store.list(limit=None)
        self.assertLessEqual(len(self.store._used), 1)

    async def test_without_sharing_every_get_is_a_copy(self) -> None:
        store = self.new(shared=False)
        job = Job(id="copies")
        await store.save(job)
        await store.update_progress("copies", 1, 2)
        read = await store.get("copies")
        self.assertIsNot(read, job)
        self.assertEqual((job.progress, read.progress), (None, JobProgress(1, 2, "")))

    async def test_a_deleted_job_is_none_and_its_object_is_nobodys(self) -> None:
        job = Job(id="deleted")
        await self.store.save(job)
        self.assertIs(await self.store.delete("deleted"), True)
        self.assertIs(await self.store.delete("deleted"), False)
        self.assertIsNone(await self.store.get("deleted"))
        await self.store.save(job)
        self.assertIs(await self.store.get("deleted"), job)


class TestOvertaken(StoreCase):
    async def test_an_answer_that_a_save_has_overtaken_takes_nothing_back(self) -> None:
        job = Job(id="overtaken", payload={"n": 1})
        await self.store.save(job)
        old = await self.store.client.call("job.get", {"id": "overtaken"})
        job.payload = {"n": 2}
        await self.store.save(job)
        self.assertIs(self.store._object(old), job)  # as another thread's list, answered before the save
        self.assertEqual(job.payload, {"n": 2})
        job.metadata = {"m": 1}
        await self.store.save(job)
        self.assertEqual((await self.store.client.call("job.get", {"id": "overtaken"}))["payload"], {"n": 2})

    async def test_progress_survives_the_last_save_of_an_object_that_cannot_be_held(self) -> None:
        job: Dict[str, Any] = {"id": "unheld", "type": "custom", "status": "running", "progress": None}
        await self.store.save(job)
        await self.store.update_progress("unheld", 5, 5, "done")
        job["status"] = "completed"
        await self.store.save(job)
        stored = await self.store.client.call("job.get", {"id": "unheld"})
        self.assertEqual(stored["progress"]["current"], 5)

    async def test_progress_of_an_id_that_no_job_can_have_does_nothing(self) -> None:
        for ident in ("\u00e9", "a b", "", "x" * 200):
            await self.store.update_progress(ident, 1, 2)


class TestTimes(StoreCase):
    async def test_times_of_a_job_can_always_be_subtracted(self) -> None:
        naive, aware = Job(id="naive"), Job(id="aware", created_at=datetime.datetime.now(UTC))
        for job in (naive, aware):
            await self.store.save(job)
            job.status = JobStatus.RUNNING
            await self.store.save(job)
            job.completed_at = datetime.datetime.now(UTC) if job is naive else datetime.datetime(2030, 1, 1)
            job.status = JobStatus.COMPLETED
            await self.store.save(job)
            read = await self.new().get(job.id)
            self.assertGreater(read.completed_at - read.started_at, datetime.timedelta(0))
            self.assertGreater(read.started_at - read.created_at, datetime.timedelta(0))
            self.assertIs(read.completed_at.tzinfo is None, job is naive)

    async def test_the_servers_times_are_filled_in(self) -> None:
        job = Job(id="times", status=JobStatus.FAILED)
        await self.store.save(job)
        self.assertIsNotNone(job.completed_at)
        self.assertIsNone(job.completed_at.tzinfo)

    async def test_a_zone_whose_offset_has_seconds_is_the_same_moment(self) -> None:
        local = datetime.timezone(datetime.timedelta(hours=1, minutes=4, seconds=30))  # as cities had it before 1900
        job = Job(id="lmt", created_at=datetime.datetime(1899, 1, 1, 12, tzinfo=local))
        await self.store.save(job)
        self.assertEqual((await self.new().get("lmt")).created_at, job.created_at)

    async def test_not_a_time_is_none(self) -> None:
        class NaT(datetime.datetime):  # as pandas has it
            def __eq__(self, other: object) -> bool:
                return False

            def __ne__(self, other: object) -> bool:
                return True

        await self.store.save(Job(id="nat", completed_at=NaT(2026, 1, 1)))
        self.assertIsNone(self.stored("nat")["completed_at"])

    async def test_texts_of_all_kinds_become_times(self) -> None:
        from persistd.models import read_time
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 500000)
        self.assertEqual(read_time("2026-01-02T03:04:05.5"), moment)
        self.assertEqual(read_time("2026-01-02T03:04:05.500000123Z"), moment.replace(tzinfo=UTC))
        self.assertEqual(read_time("2026-01-02T05:04:05.5+02:00"), moment.replace(tzinfo=UTC))
        self.assertEqual(read_time("2026-01-02T01:34:05.500000-01:30"), moment.replace(tzinfo=UTC))
        self.assertEqual(read_time("2026-01-02 03:04:05.500000"), moment)
        for text in (None, "", "yesterday", "2026-13-01T00:00:00Z", 5):
            self.assertIsNone(read_time(text))


class TestElsewhere(StoreCase):
    """Two stores, as of an API and of the worker that it gives its jobs to."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.worker = self.new()

    async def reports(self, job_id: str, current: int) -> None:
        await self.worker.update_progress(job_id, JobProgress(current, 10, "worker"))
        await self.worker.get(job_id)

    async def test_a_save_here_takes_no_progress_back_that_was_reported_elsewhere(self) -> None:
        job = Job(id="api")
        await self.store.save(job)
        for current in (1, 2, 3):
            await self.reports("api", current)
            job.metadata["looked"] = current
            await self.store.save(job)
            self.assertEqual(self.stored("api")["progress"]["current"], current)
        await self.store.get("api")
        self.assertEqual(job.progress, JobProgress(3, 10, "worker"))

    async def test_progress_that_was_set_here_is_what_is_saved(self) -> None:
        job = Job(id="set")
        await self.store.save(job)
        await self.reports("set", 1)
        await self.store.get("set")
        await self.reports("set", 2)
        job.progress = None
        await self.store.save(job)
        self.assertIsNone(self.stored("set")["progress"])
        await self.reports("set", 3)
        job.progress = JobProgress(9, 10, "here")
        await self.store.save(job)
        self.assertEqual(self.stored("set")["progress"]["current"], 9)

    async def test_progress_that_was_reported_here_and_is_taken_back_is_gone(self) -> None:
        job = Job(id="back")
        await self.store.save(job)
        await self.store.update_progress("back", JobProgress(10, 10, "here"))
        job.progress = None
        await self.store.save(job)
        self.assertIsNone(self.stored("back")["progress"])
        self.assertIsNone((await self.store.get("back")).progress)


class TestRetries(StoreCase):
    async def retried(self, job_id: str, status: JobStatus) -> Job:
        job = Job(id=job_id, status=JobStatus.RUNNING)
        await self.store.save(job)
        job.status = JobStatus.FAILED
        await self.store.save(job)
        self.assertIsNotNone(job.completed_at)
        job.status, job.started_at, job.completed_at = status, None, None
        await self.store.save(job)
        return job

    async def test_a_job_that_is_to_be_tried_again_does_not_get_its_old_times_back(self) -> None:
        job = await self.retried("again", JobStatus.PENDING)
        self.assertEqual((job.started_at, job.completed_at), (None, None))
        self.assertIs(await self.store.get("again"), job)
        self.assertEqual((job.started_at, job.completed_at), (None, None))
        job = await self.retried("at-once", JobStatus.RUNNING)
        self.assertIsNotNone(job.started_at)
        self.assertIsNone(job.completed_at)

    async def test_when_another_process_starts_it_again_its_new_time_is_seen(self) -> None:
        job = await self.retried("elsewhere", JobStatus.PENDING)
        begun = "2031-01-02T03:04:05.000000+00:00"
        self.shared.ask("job.save", {"job": {"id": "elsewhere", "status": "running", "started_at": begun}})
        self.assertIs(await self.store.get("elsewhere"), job)
        self.assertEqual((job.status, job.started_at), (JobStatus.RUNNING, datetime.datetime(2031, 1, 2, 3, 4, 5)))
        self.assertIsNone(job.completed_at)


class TestValues(StoreCase):
    async def test_a_nan_is_refused_where_it_is(self) -> None:
        nan = float("nan")
        for job, field in (
                (Job(payload={"metrics": {"sharpe": nan}}), "job.payload.metrics.sharpe"),
                (Job(result=JobResult(True, data={"rows": [{"x": 1.0}, {"x": float("-inf")}]})),
                 "job.result.data.rows[1].x"),
                (Job(metadata={"a": [[1, nan]]}), "job.metadata.a[0][1]")):
            with self.assertRaises(InvalidParams) as caught:
                await self.store.save(job)
            self.assertEqual((caught.exception.field, caught.exception.outcome), (field, "did_not_happen"))
            self.assertIn(field, str(caught.exception))
            self.assertIsNone(await self.store.get(job.id))

    async def test_a_nan_becomes_null_where_that_is_wanted(self) -> None:
        job = Job(payload={"metrics": {"sharpe": float("nan"), "n": 1}, "rows": [float("inf"), 2.5]})
        await self.new(nan="null").save(job)
        self.assertEqual(self.stored(job.id)["payload"], {"metrics": {"sharpe": None, "n": 1}, "rows": [None, 2.5]})
        with self.assertRaises(ValueError):
            JobStore(self.shared.socket, nan="ignore")

    async def test_an_integer_that_is_too_large_is_refused_where_it_is(self) -> None:
        with self.assertRaises(InvalidParams) as caught:
            await self.store.save(Job(payload={"big": [1, 2 ** 70]}))
        self.assertEqual(caught.exception.field, "job.payload.big[1]")
        await self.store.save(Job(id="ints", payload={"n": 2 ** 63 - 1, "m": -2 ** 63}))
        self.assertEqual((await self.new().get("ints")).payload, {"n": 2 ** 63 - 1, "m": -2 ** 63})

    async def test_what_json_does_not_know_becomes_what_one_expects(self) -> None:
        class Odd:
            def __str__(self) -> str:
                return "odd!"

        class Numpy:
            def tolist(self) -> List[float]:
                return [1.5, 2.5]

        moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
        await self.store.save(Job(id="odd", payload={
            "odd": Odd(), "array": Numpy(), "when": moment, "day": moment.date(), "path": pathlib.Path("/x"),
            "set": {3, 1}, "tuple": (1, 2), "progress": JobProgress(1, 2), "status": JobStatus.RUNNING,
            "colour": Colour.PENDING, 2024: 1, None: 2, True: 3, "bytes": b"x"}))
        self.assertEqual(self.stored("odd")["payload"], {
            "odd": "odd!", "array": [1.5, 2.5], "when": "2026-01-02T03:04:05", "day": "2026-01-02", "path": "/x",
            "set": [1, 3], "tuple": [1, 2], "progress": {"current": 1, "total": 2, "message": ""}, "status": "running",
            "colour": "pending", "2024": 1, "null": 2, "true": 3, "bytes": "b'x'"})

    async def test_an_exception_is_stored_as_its_text(self) -> None:
        class Odd(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        job: Any = Job(id="failed", status=JobStatus.FAILED, payload={"last": OSError(2, "gone")})
        job.error = ValueError("no prices")
        job.result = JobResult(False, error=KeyError("AAPL"))  # type: ignore[arg-type]
        await self.store.save(job)
        record = self.stored("failed")
        self.assertEqual((record["error"], record["result"]["error"], record["payload"]),
                         ("no prices", "'AAPL'", {"last": "[Errno 2] gone"}))
        for error, text in ((TimeoutError(), "TimeoutError"), (asyncio.CancelledError(), "CancelledError"),
                            (Odd(), "Odd"), (ValueError(" "), "ValueError")):
            job.error, job.result = error, JobResult(False, error=error)  # type: ignore[arg-type]
            await self.store.save(job)
            self.assertEqual((self.stored("failed")["error"], self.stored("failed")["result"]["error"]), (text, text))

    async def test_keys_that_no_json_has_are_refused_where_they_are(self) -> None:
        for payload, field in (({"a": {(1, 2): 3}}, "job.payload.a"), ({"a": {1: 1, "1": 2}}, "params"),
                               ({"a": ["\ud800"]}, "job.payload.a[0]"), ({"\ud800": 1}, "job.payload")):
            with self.assertRaises(InvalidParams) as caught:
                await self.store.save(Job(payload=payload))
            self.assertEqual(caught.exception.field, field)
        self.assertEqual((await self.store.save(Job(id="after"))).id, "after")

    async def test_what_is_too_deep_or_endless_is_refused(self) -> None:
        deep: List[Any] = []
        for _ in range(125):
            deep = [deep]
        endless: Dict[str, Any] = {}
        endless["self"] = endless
        for payload in ({"deep": deep}, endless):
            with self.assertRaises(InvalidParams):
                await self.store.save(Job(payload=payload))

    async def test_what_is_too_large_says_so_and_harms_nobody_else(self) -> None:
        small = [self.store.save(Job()) for _ in range(5)]
        results = await asyncio.gather(self.store.save(Job(payload={"x": "y" * (17 << 20)})), *small,
                                       return_exceptions=True)
        self.assertIsInstance(results[0], TooLarge)
        self.assertTrue(all(isinstance(result, Job) for result in results[1:]))

    async def test_numbers_and_texts_come_back_as_they_went_in(self) -> None:
        payload = {"f": 0.1, "e": 1e-300, "i": 3, "t": True, "n": None, "u": "ş–\u0000😀", "one": 1.0}
        await self.store.save(Job(id="values", payload=payload))
        self.assertEqual(json.dumps((await self.new().get("values")).payload), json.dumps(payload))


class TestLists(TidyCase):
    async def test_a_list_of_any_length_and_by_several_words(self) -> None:
        daemon = self.daemon("--max-page", "100000")
        async with JobStore(daemon.socket) as store:
            await asyncio.gather(*(store.save(Job(
                id=f"j{n:04}", type=JobType.BACKTEST if n % 2 else "my_type",  # type: ignore[arg-type]
                status=JobStatus.RUNNING if n % 3 else JobStatus.PENDING)) for n in range(2500)))
            every = await store.list(limit=None)
            self.assertEqual(len({job.id for job in every}), 2500)
            self.assertEqual([job.id for job in await store.list(limit=2200, offset=100)],
                             [job.id for job in every[100:2300]])
            self.assertEqual(len(await store.list(limit=5000)), 2500)
            self.assertEqual(len(await store.list()), 100)
            self.assertEqual(len(await store.list(status=[JobStatus.PENDING, "running"], limit=3000)), 2500)
            self.assertEqual(len(await store.list(job_type="my_type", limit=3000)), 1250)
            self.assertEqual(len(await store.list(job_type={JobType.BACKTEST, "my_type"}, limit=1500)), 1500)
            self.assertEqual(await store.list(status="no such status"), [])
            self.assertEqual(await store.list(job_type="No Such Type"), [])

    async def test_of_several_words_those_that_can_be_select_and_none_is_dropped_unsaid(self) -> None:
        daemon = self.daemon()
        async with JobStore(daemon.socket) as store:
            await store.save(Job(id="j", type=JobType.BACKTEST))
            for words in (["pending"] * 20, ["bogus", "pending"], ["a b", JobStatus.PENDING, "", None, 5],
                          (word for word in ("x", "pending", "y"))):
                self.assertEqual([job.id for job in await store.list(status=words)], ["j"])  # type: ignore[arg-type]
            self.assertEqual([job.id for job in await store.list(job_type=["No Type", "backtest"])], ["j"])
            for words in ([], ["bogus"], ["failed", "bogus"], "bogus", "", 5):
                self.assertEqual(await store.list(status=words), [])  # type: ignore[arg-type]
            with self.assertRaises(InvalidParams) as caught:
                await store.list(job_type=[f"t{n}" for n in range(17)])
            self.assertEqual(caught.exception.field, "type")

    async def test_beyond_the_end_there_is_nothing_however_far(self) -> None:
        daemon = self.daemon()
        async with JobStore(daemon.socket) as store:
            await store.save(Job(id="j"))
            for offset in (1, 10 ** 6, 2 ** 60, 10 ** 30):
                self.assertEqual(await store.list(offset=offset), [])
                self.assertEqual(await store.list(limit=10 ** 30, offset=offset), [])
            self.assertEqual(len(await store.list(limit=10 ** 30)), 1)

    async def test_the_old_file_is_read_as_it_was(self) -> None:
        daemon = self.daemon(start=False)
        os.makedirs(daemon.state, mode=0o700)
        source = os.path.join(REPOSITORY, "tests", "data", "jobs-python.json")
        with open(source, encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(daemon.state, "jobs.json"), "w", encoding="utf-8") as file:
            file.write(text)
        daemon.start()
        async with JobStore(daemon.socket) as store:
            read = {job.id: job for job in await store.list(limit=None)}
            rows = json.loads(text)["jobs"]
            self.assertEqual(len(read), len(rows))
            for row in rows:
                job = read[row["id"]]
                self.assertEqual((job.type.value, job.status.value, job.payload, job.error, job.metadata),
                                 (row["type"], row["status"], row["payload"], row["error"], row["metadata"]))
                for name in ("created_at", "started_at", "completed_at"):
                    moment = getattr(job, name)
                    self.assertEqual(moment and moment.isoformat(), row[name])
                self.assertEqual(job.progress and dataclasses.asdict(job.progress), row["progress"])
                self.assertEqual(job.result and dataclasses.asdict(job.result), row["result"])
                self.assertIn(job.type, list(JobType))


class TestConstructor(TidyCase):
    async def test_a_path_of_the_old_class_is_refused_and_says_where_the_records_go(self) -> None:
        for make in (lambda: JobStore("data/jobs.json"), lambda: JobStore(pathlib.Path("data/jobs.json")),
                     lambda: JobStore("/tmp"), lambda: JobStore(__file__), lambda: JobStore(path="data/jobs.json")):
            with self.assertRaisesRegex(ValueError, "persistctl import DIRECTORY"):
                make()
        with self.assertRaises(ValueError):
            JobStore("")

    async def test_a_store_takes_no_daemon_to_be_made(self) -> None:
        with self.assertRaises(PersistdError):
            await JobStore("/nonexistent/persistd.sock", reconnect_for=0).list()


class TestWords(unittest.TestCase):
    def test_enums_are_their_words(self) -> None:
        self.assertEqual(JobStatus.RUNNING, "running")
        self.assertEqual(JobStatus.RUNNING.value, "running")
        self.assertTrue(JobStatus.RUNNING == Colour.RUNNING and Colour.RUNNING == JobStatus.RUNNING)
        self.assertTrue(JobStatus.RUNNING != Colour.PENDING and JobStatus.RUNNING != JobStatus.PENDING)
        self.assertIn("running", {JobStatus.RUNNING})
        self.assertEqual(json.dumps({"s": JobStatus.RUNNING}), '{"s": "running"}')
        with self.assertRaises(ValueError):
            JobStatus("bogus")

    def test_words_of_others_survive_reading_copying_and_pickling(self) -> None:
        job = Job(type="my_type")  # type: ignore[arg-type]
        self.assertEqual((job.type.value, type(job.type)), ("my_type", JobType))
        self.assertEqual(dataclasses.asdict(job)["type"], "my_type")
        self.assertEqual(copy.deepcopy(job), job)
        self.assertEqual(pickle.loads(pickle.dumps(job)), job)
        self.assertIs(pickle.loads(pickle.dumps(JobStatus.FAILED)), JobStatus.FAILED)

    def test_jobs_know_when_they_are_over(self) -> None:
        self.assertTrue(Job(status=JobStatus.CANCELLED).is_terminal)
        self.assertFalse(Job().is_terminal)
        self.assertEqual(JobProgress(1, 4).percentage, 25.0)
        self.assertEqual(JobProgress().percentage, 0.0)


if __name__ == "__main__":
    unittest.main()
