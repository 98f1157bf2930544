"""RunStore beyond what it replaces."""
from __future__ import annotations

import decimal
import enum
import json
import os
import pathlib
import unittest
from typing import Any

from .harness import REPOSITORY, DaemonCase, TidyCase

from persistd import InvalidParams, RunStore, RunStoreError, Unavailable


class Status(enum.Enum):
    RUNNING = "running"


class RunCase(DaemonCase):
    def setUp(self) -> None:
        self.store = RunStore(self.shared.socket)
        self.addCleanup(self.store.close)

    def make(self, run_id: Any = None, **given: Any) -> Any:
        return self.store.create_or_update_run(**{"run_id": run_id, "kind": "k", "request_payload": {},
                                                  "status": "queued", **given})


class TestRuns(RunCase):
    async def test_arguments_are_keywords_as_before(self) -> None:
        for call in (lambda: self.store.create_or_update_run("r", "k", {}, "queued"),  # type: ignore[misc]
                     lambda: self.store.save_artifact("k", "r", {}),  # type: ignore[misc]
                     lambda: self.store.list_runs("k")):  # type: ignore[misc]
            with self.assertRaises(TypeError):
                call()

    async def test_status_may_be_an_enum_and_error_a_text(self) -> None:
        run = self.make("e1", status=Status.RUNNING, error="it broke")
        self.assertEqual((run["status"], run["error"]), ("running", {"message": "it broke"}))
        self.assertEqual(self.make("e1", status=None)["status"], "running")
        self.assertEqual(self.store.list_runs(status=Status.RUNNING)["total"], 1)  # type: ignore[arg-type]

    async def test_an_exception_as_error_is_stored_as_its_text(self) -> None:
        self.assertEqual(self.make("x1", status="failed", error=ValueError("no prices"))["error"],
                         {"message": "no prices"})
        self.assertEqual(self.make("x1", status="failed", error=TimeoutError())["error"], {"message": "TimeoutError"})

    async def test_an_exception_elsewhere_is_refused_and_told_what_to_write(self) -> None:
        with self.assertRaisesRegex(TypeError, r"meta.why: ValueError.*str\(") as caught:
            self.make("x2", meta={"why": ValueError("x")})
        self.assertEqual(caught.exception.field, "meta.why")  # type: ignore[attr-defined]
        with self.assertRaisesRegex(TypeError, r"request.o: object .*default=str"):
            self.make("x2", request_payload={"o": object()})
        with self.assertRaisesRegex(TypeError, r"payload\[0\]: KeyError.*str\("):
            self.store.save_artifact(kind="k", run_id="x2", payload=[KeyError("x")])
        with self.assertRaisesRegex(TypeError, r"payload.raw: bytes.*decode\(\).*base64"):
            self.store.save_artifact(kind="k", run_id="x2", payload={"raw": b"x"})
        with self.assertRaisesRegex(ValueError, 'payload.x: nan.*nan="null"'):
            self.store.save_artifact(kind="k", run_id="x2", payload={"x": float("nan")})
        self.assertIsNone(self.store.get_run("x2"))

    async def test_what_a_run_cannot_be_is_refused_by_name(self) -> None:
        for given, field in (({"status": "completed"}, "status"), ({"artifact_id": "No Id"}, "artifact_id"),
                             ({"meta": {"x": [float("nan")]}}, "meta.x[0]"), ({"meta": {"x": object()}}, "meta.x"),
                             ({"request_payload": {"n": 2 ** 64}}, "request.n")):
            with self.assertRaises(InvalidParams) as caught:
                self.make("bad", **given)
            self.assertEqual(caught.exception.field, field)
        self.assertIsNone(self.store.get_run("bad"))
        with self.assertRaises(TypeError):
            self.make("bad", meta={"x": object()})
        with self.assertRaises(RunStoreError):
            self.make("bad", status="completed")

    async def test_nan_may_be_stored_as_null(self) -> None:
        with RunStore(self.shared.socket, nan="null") as store:
            artifact = store.save_artifact(kind="k", run_id="n",
                                           payload={"x": float("nan"), "d": decimal.Decimal("1.5")})
            found = store.read_artifact(artifact["id"])
        self.assertEqual(found and found[1], b'{"x":null,"d":"1.5"}')

    async def test_of_several_words_those_that_can_be_select_and_beyond_the_end_is_nothing(self) -> None:
        self.make("l1", kind="listed", status="cancelled")
        listed = lambda **given: [run["id"] for run in self.store.list_runs(**given)["runs"]]
        self.assertEqual(listed(kind="listed", status=["bogus", "cancelled"]), ["l1"])
        self.assertEqual(listed(kind=["listed"] * 20, status=["cancelled"] * 20), ["l1"])
        self.assertEqual(listed(kind=["Listed", "other"]), ["l1"])
        self.assertEqual(self.store.list_runs(status=["bogus"]), {"runs": [], "total": 0})
        self.assertEqual(self.store.list_runs(status=[]), {"runs": [], "total": 0})
        self.assertEqual(self.store.list_runs(kind="listed", offset=10 ** 30), {"runs": [], "total": 1})
        with self.assertRaises(InvalidParams):
            self.store.list_runs(kind=[f"k{n}" for n in range(17)])

    async def test_none_is_nobodys_id_and_no_kind(self) -> None:
        self.make("None")
        self.assertIsNone(self.store.get_run(None))  # type: ignore[arg-type]
        self.assertFalse(self.store.delete_run(None))  # type: ignore[arg-type]
        self.assertIsNone(self.store.read_artifact(None))  # type: ignore[arg-type]
        self.assertEqual(self.store.list_runs(kind="k")["runs"][0]["artifact_id"], None)
        for nobody in (None, "", "../x"):
            with self.assertRaises(InvalidParams) as caught:
                self.store.save_artifact(kind="k", run_id=nobody, payload=1)  # type: ignore[arg-type]
            self.assertEqual(caught.exception.field, "run_id")
        self.assertEqual(self.make("nokind", kind=None)["kind"], "run")
        self.make("kinds", kind="lab")
        artifact = self.store.save_artifact(kind=None, run_id="kinds", payload=1)  # type: ignore[arg-type]
        self.assertEqual(artifact["kind"], "lab")

    async def test_find_takes_what_people_write(self) -> None:
        self.make("f1", meta={"job id": "j 1", "n": 1.5, "none": None})
        for found in (self.store.find_run_by_meta("job id", "j 1"), self.store.find_run_by_meta(key="n", value=1.5),
                      self.store.find_run_by_meta(meta_key="job id", meta_value=" j 1 "),
                      self.store.find_run_by_meta("n", "1.5")):
            self.assertEqual(found and found["id"], "f1")
        self.assertIsNone(self.store.find_run_by_meta("job id", None))
        self.assertIsNone(self.store.find_run_by_meta())

    async def test_a_run_goes_with_its_artifacts(self) -> None:
        self.make("whole")
        artifact = self.store.save_artifact(kind="k", run_id="whole", payload=1)
        self.assertTrue(self.store.delete_run("whole"))
        self.assertIsNone(self.store.read_artifact(artifact["id"]))
        self.assertFalse(os.path.exists(artifact["path"]))

    async def test_an_artifact_of_a_run_that_cannot_be_is_refused(self) -> None:
        with self.assertRaises(InvalidParams) as caught:
            self.store.save_artifact(kind="k", run_id="no id!", payload=1)
        self.assertEqual(caught.exception.field, "run_id")


class TestLong(TidyCase):
    async def test_a_list_of_any_length(self) -> None:
        daemon = self.daemon("--max-page", "100000")
        with RunStore(daemon.socket) as store:
            with store.client.pipeline() as pipeline:
                for n in range(1700):
                    pipeline.run_create_or_update("odd" if n % 2 else "even", run_id=f"r{n}")
            self.assertEqual(len(pipeline.results()), 1700)
            self.assertEqual(len(store.list_runs(limit=1500)["runs"]), 1500)
            page = store.list_runs(limit=None, offset=1)
            self.assertEqual((len(page["runs"]), page["total"]), (1699, 1700))
            self.assertEqual(len({run["id"] for run in page["runs"]}), 1699)
            self.assertEqual(len(store.list_runs(kind=["odd", "even"], limit=2000)["runs"]), 1700)

    async def test_an_artifact_longer_than_a_reply_is_read_from_its_file(self) -> None:
        daemon = self.daemon("--max-reply", "100000")
        with RunStore(daemon.socket) as store:
            payload = {"x": "y" * 200000}
            artifact = store.save_artifact(kind="k", run_id="r", payload=payload)
            found = store.read_artifact(artifact["id"])
            assert found
            self.assertEqual((len(found[1]), str(found[0])), (artifact["size_bytes"], artifact["path"]))
            os.rename(artifact["path"], artifact["path"] + ".away")
            self.assertIsNone(store.read_artifact(artifact["id"]))

    async def test_the_old_file_is_read_as_it_was(self) -> None:
        daemon = self.daemon(start=False)
        os.makedirs(daemon.state, mode=0o700)
        with open(os.path.join(REPOSITORY, "tests", "data", "runs-python.json"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(daemon.state, "runs.json"), "w", encoding="utf-8") as file:
            file.write(text)
        daemon.start()
        with RunStore(daemon.socket) as store:
            runs = store.list_runs(limit=None)["runs"]
        rows = sorted(json.loads(text)["runs"], key=lambda row: row["updated_at"], reverse=True)
        self.assertEqual([{name: value for name, value in run.items() if name != "revision"} for run in runs], rows)


class TestConstructor(unittest.TestCase):
    def test_paths_of_the_old_class_are_refused_and_say_where_the_records_go(self) -> None:
        for make in (lambda: RunStore(pathlib.Path("runs.json"), pathlib.Path("artifacts")),
                     lambda: RunStore("data/runs.json"), lambda: RunStore(artifacts_dir="artifacts"),
                     lambda: RunStore(store_path="runs.json", artifacts_dir="artifacts")):
            with self.assertRaisesRegex(ValueError, "persistctl import"):
                make()

    def test_no_daemon_says_where_it_looked_and_how_to_start_one(self) -> None:
        with self.assertRaises(Unavailable) as caught:
            RunStore("/nonexistent/p.sock", reconnect_for=0).get_run("r")
        self.assertIn("/nonexistent/p.sock", str(caught.exception))
        self.assertIn("persistd --socket", str(caught.exception))
        self.assertIsInstance(caught.exception, ConnectionError)
        self.assertEqual(caught.exception.outcome, "did_not_happen")


if __name__ == "__main__":
    unittest.main()
