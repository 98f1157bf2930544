"""Client and AsyncClient against the real daemon: every method, from threads, forks and event loops."""
from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import fractions
import multiprocessing
import os
import pathlib
import pickle
import socket
import tempfile
import threading
import time
import unittest
import unittest.mock
from typing import Any, List

from .harness import DaemonCase, TidyCase, in_child, wait_until

from persistd import (AsyncClient, CallTimeout, Client, Conflict, ConnectionLost, InvalidParams, Job, JobProgress,
                      JobStore, MethodNotFound, NotFound, PersistdError, RunStore, Unavailable)
from persistd.link import MAX_REPLY


class ClientCase(DaemonCase):
    def setUp(self) -> None:
        self.client = Client(self.shared.socket)
        self.addCleanup(self.client.close)


class TestClient(ClientCase):
    async def test_every_method_can_be_called(self) -> None:
        c = self.client
        self.assertEqual(c.job_save({"id": "a", "status": "running"})["status"], "running")
        self.assertEqual(c.job_save(job={"id": "a"}, fields=["id", "type"]), {"id": "a", "type": "custom"})
        self.assertEqual(c.job_get("a", fields=["id"]), {"id": "a"})
        self.assertEqual(c.job_update_progress("a", {"current": 1, "total": 4})["percentage"], 25.0)
        self.assertEqual(c.job_list(status="running", limit=1)["total"], 1)
        self.assertEqual(c.job_delete(id="no-such")["removed"], 0)
        self.assertEqual(c.job_count(status="running", group_by="status")["groups"], {"running": 1})
        self.assertEqual(c.job_cleanup(days=0, dry_run=True)["removed"], 0)
        self.assertEqual(c.job_delete(ids=["a", "b"])["removed"], 1)
        run = c.run_create_or_update("Kind", status="running", meta={"k": "v"})
        self.assertEqual(c.run_get(run["id"])["kind"], "kind")
        self.assertEqual(c.run_find_by_meta("k", "v")["id"], run["id"])
        self.assertEqual((c.run_list(kind=["kind"])["total"], c.run_count()["total"]), (1, 1))
        artifact = c.artifact_save(run["id"], None)
        self.assertIsNone(c.artifact_read(artifact["id"])["payload"])
        self.assertEqual(c.artifact_list(run_id=run["id"])["total"], 1)
        self.assertEqual(c.artifact_delete(artifact["id"])["removed"], 1)
        self.assertEqual(c.run_delete(run["id"], keep_artifacts=True)["removed"], 1)
        self.assertEqual(c.server_import(jobs=[{"id": "i"}])["jobs"], 1)
        self.assertEqual(c.server_flush()["revision"], c.server_ping()["revision"])
        self.assertEqual((c.server_info()["name"], c.server_set_log_level("info")["level"]), ("persistd", "info"))
        self.assertIn("connections", c.server_stats())
        self.assertEqual(c.rpc_discover()["openrpc"], "1.3.2")
        self.assertEqual(c.call("job.get", ["i"])["id"], "i")

    async def test_errors_say_what_is_wrong(self) -> None:
        with self.assertRaises(NotFound) as caught:
            self.client.job_get("unknown")
        error = caught.exception
        self.assertEqual((error.code, error.kind, error.field, error.outcome),
                         (-32001, "not_found", "id", "did_not_happen"))
        self.client.job_save({"id": "c"})
        with self.assertRaises(Conflict) as conflict:
            self.client.job_save({"id": "c"}, if_revision=0)
        again = pickle.loads(pickle.dumps(conflict.exception))
        self.assertEqual((type(again), str(again)), (Conflict, str(conflict.exception)))
        self.assertEqual(vars(again), vars(conflict.exception))
        with self.assertRaises(MethodNotFound):
            self.client.call("job.sav")
        with self.assertRaises(InvalidParams) as invalid:
            self.client.job_list(limit=0)
        self.assertEqual((invalid.exception.field, invalid.exception.expected), ("limit", "an integer from 1 to 1000"))
        for params in ("text", 5):
            with self.assertRaises(ValueError):
                self.client.call("job.get", params)

    async def test_threads_share_one_connection_and_get_their_own_answers(self) -> None:
        before = self.shared.connections()
        wrong: List[Any] = []

        def work(place: int) -> None:
            for step in range(60):
                name = f"t{place}-{step}"
                if self.client.job_save({"id": name, "payload": {"x": "y" * (place * 1000)}})["id"] != name or \
                        self.client.job_get(name)["id"] != name:
                    wrong.append(name)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(16)]
        for thread in threads:
            thread.start()
        counted = self.shared.connections()
        for thread in threads:
            thread.join()
        self.assertEqual((wrong, counted - before), ([], 1))

    async def test_large_requests_and_replies_of_many_threads_do_not_lock_up(self) -> None:
        large = {"x": "y" * 3000000}
        failed: List[BaseException] = []

        def work(place: int) -> None:
            try:
                for _ in range(4):
                    saved = self.client.job_save({"id": f"l{place}", "payload": large})
                    self.assertEqual(len(saved["payload"]["x"]), 3000000)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failed, [])
        self.client.job_delete(ids=[f"l{place}" for place in range(6)])

    async def test_a_pipeline_sends_any_number_at_once(self) -> None:
        with self.client.pipeline() as pipeline:
            saved = [pipeline.job_save({"id": f"p{n}", "payload": {"n": n}}, fields=["id"]) for n in range(5000)]
            missing = pipeline.job_get("no-such")
            read = pipeline.job_get("p4999", fields=["payload"])
            with self.assertRaises(PersistdError):
                read.result()
        self.assertEqual(read.result(), {"payload": {"n": 4999}})
        self.assertEqual(saved[17].result(), {"id": "p17"})
        self.assertIsInstance(missing.error, NotFound)
        with self.assertRaises(NotFound):
            pipeline.results()
        with self.client.batch() as batch:
            batch.job_count()
        self.assertGreaterEqual(batch.results()[0]["total"], 5000)

    async def test_a_child_process_gets_a_connection_of_its_own(self) -> None:
        self.client.job_save({"id": "parent"})
        runs = RunStore(self.shared.socket)
        self.addCleanup(runs.close)
        runs.list_runs()
        ours: List[Any] = []
        parent = threading.Thread(target=lambda: ours.extend(
            self.client.job_save({"id": f"ours{n}"})["id"] for n in range(50)))
        parent.start()
        theirs = in_child(lambda: [self.client.job_save({"id": f"child{n}"})["id"] for n in range(50)]
                          + [isinstance(runs.list_runs()["total"], int)])
        parent.join()
        self.assertEqual(ours, [f"ours{n}" for n in range(50)])
        self.assertEqual(theirs, [f"child{n}" for n in range(50)] + [True])

    async def test_a_fork_under_calls_of_other_threads_harms_neither_side(self) -> None:
        stop = threading.Event()
        failed: List[BaseException] = []

        def work() -> None:
            try:
                while not stop.is_set():
                    self.client.job_save({"id": "busy"})
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            self.assertEqual(in_child(lambda: self.client.job_save({"id": "forked"})["id"]), "forked")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    async def test_progress_from_a_loop_is_seen_by_the_next_call(self) -> None:
        self.client.job_save({"id": "loop"})
        for step in range(2000):
            self.client.job_progress("loop", step, 2000, "working")
        self.assertEqual(self.client.job_get("loop")["progress"]["current"], 1999)
        self.client.notify("job.update_progress", {"id": "loop", "progress": {"current": 5}})
        self.assertEqual(self.client.job_get("loop")["progress"]["current"], 5)

    async def test_progress_that_cannot_be_is_refused_by_name(self) -> None:
        for given, field in (((float("nan"),), "progress.current"), ((1, -1), "progress.total"),
                             ((True,), "progress.current"), ((2 ** 63,), "progress.current"),
                             (("x",), "progress.current"), ((1, 2, "\ud800"), "progress.message")):
            with self.assertRaises(InvalidParams) as caught:
                self.client.job_progress("x", *given)
            self.assertEqual(caught.exception.field, field)
        with self.assertRaises(InvalidParams):
            self.client.notify("job.update_progress", {"id": "x", "progress": {"current": float("inf")}})

    async def test_a_closed_client_connects_again(self) -> None:
        with Client(self.shared.socket) as client:
            client.server_ping()
        self.assertIn("revision", client.server_ping())
        client.close()
        client.close()

    async def test_closing_ends_the_calls_of_other_threads(self) -> None:
        server = socket.socket(socket.AF_UNIX)
        path = os.path.join(self.shared.directory, "silent")
        server.bind(path)
        server.listen()
        self.addCleanup(server.close)
        client = Client(path)
        errors: List[BaseException] = []

        def work() -> None:
            try:
                client.job_save({})
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(client._link.pending) == 3)
        client.close()
        for thread in threads:
            thread.join(5)
        self.assertEqual([(type(error), getattr(error, "outcome", "")) for error in errors],
                         [(ConnectionLost, "unknown")] * 3)


class TestWhere(TidyCase):
    def setUp(self) -> None:
        saved = {name: os.environ.pop(name, None) for name in ("PERSISTD_SOCKET", "XDG_RUNTIME_DIR")}

        def restore() -> None:
            for name, value in saved.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        self.addCleanup(restore)

    async def test_the_environment_names_the_socket_then_the_session(self) -> None:
        daemon = self.daemon()
        client = Client()
        self.addCleanup(client.close)
        os.environ["PERSISTD_SOCKET"] = daemon.socket
        self.assertEqual(client.server_info()["socket"], daemon.socket)
        del os.environ["PERSISTD_SOCKET"]
        os.environ["XDG_RUNTIME_DIR"] = daemon.directory
        os.mkdir(os.path.join(daemon.directory, "persistd"))
        own = os.path.join(daemon.directory, "persistd", "persistd.sock")
        self.assertIn(client.socket, (own, "/run/persistd/persistd.sock"))
        os.link(daemon.socket, own)
        self.assertEqual(client.socket, own)
        self.assertEqual(Client("/elsewhere").socket, "/elsewhere")

    async def test_a_directory_in_tmp_that_is_somebody_elses_is_not_used(self) -> None:
        from persistd import where
        with unittest.mock.patch.object(where, "_tmp_dir", lambda: self.directory):
            self.directory = self.daemon(start=False).directory
            self.assertIn(where.usual_socket(), (f"{self.directory}/persistd.sock", where.MACHINE_SOCKET))
            os.chmod(self.directory, 0o777)
            self.assertEqual(where.usual_socket(), where.MACHINE_SOCKET)
            os.chmod(self.directory, 0o700)
            self.directory += "/not-there"
            self.assertIn(where.usual_socket(), (f"{self.directory}/persistd.sock", where.MACHINE_SOCKET))


class TestAsyncClient(DaemonCase):
    async def asyncSetUp(self) -> None:
        self.client = AsyncClient(self.shared.socket)
        self.addAsyncCleanup(self.client.aclose)

    async def test_calls_at_once_share_a_connection_and_get_their_own_answers(self) -> None:
        before = self.shared.connections()
        saved = await asyncio.gather(*(self.client.job_save({"id": f"a{n}"}) for n in range(2000)))
        self.assertEqual([job["id"] for job in saved], [f"a{n}" for n in range(2000)])
        self.assertEqual(self.shared.connections() - before, 1)
        read = await asyncio.gather(*(self.client.job_get(f"a{n}") for n in range(2000)))
        self.assertEqual(read, saved)

    async def test_errors_come_to_their_call(self) -> None:
        results = await asyncio.gather(self.client.job_get("none"), self.client.server_ping(), self.client.call("x.y"),
                                       return_exceptions=True)
        self.assertEqual([type(result) for result in results], [NotFound, dict, MethodNotFound])

    async def test_a_line_beyond_64_kib_and_16_mib_of_them_come_whole(self) -> None:
        text = "0123456789abcdef" * (15 << 16)
        await self.client.job_save({"id": "long", "payload": {"text": text}})
        self.assertEqual((await self.client.job_get("long"))["payload"]["text"], text)
        await self.client.job_delete(id="long")
        self.assertGreater(MAX_REPLY, 16 << 20)

    async def test_a_cancelled_call_leaves_the_connection_to_the_others(self) -> None:
        before = self.shared.connections()
        for _ in range(50):
            task = asyncio.ensure_future(self.client.job_save({"id": "cancelled"}))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.assertIn("revision", await self.client.server_ping())
        self.assertEqual(self.shared.connections() - before, 1)
        self.assertEqual(self.client._driver().link.pending, {})

    async def test_progress_is_seen_by_the_next_call(self) -> None:
        await self.client.job_save({"id": "p"})
        for step in range(10000):
            self.client.job_progress("p", step, 10000)
        self.assertEqual((await self.client.job_get("p"))["progress"]["current"], 9999)
        self.client.notify("job.update_progress", {"id": "p", "progress": {"current": 7}})
        self.assertEqual((await self.client.job_get("p"))["progress"]["current"], 7)

    async def test_progress_of_all_shapes_is_one_line_of_json(self) -> None:
        class Odd(float):
            def __repr__(self) -> str:
                return "odd"

        await self.client.job_save({"id": "shapes"})
        for current, message in ((Odd(1.5), 'quote " and \\ and \n and \u2028 and \x00'), (2 ** 53, "😀"),
                                 (1e-7, "")):
            self.client.job_progress("shapes", current, 1e300, message)
            progress = (await self.client.job_get("shapes"))["progress"]
            self.assertEqual((progress["current"], progress["total"], progress["message"]),
                             (float(current), 1e300, message))

    async def test_progress_from_a_hot_loop_costs_microseconds(self) -> None:
        store = JobStore(self.shared.socket)
        self.addAsyncCleanup(store.aclose)
        await store.save({"id": "hot"})
        progress = JobProgress(1, 2, "m")
        best = 1.0
        for _ in range(5):
            begun = time.perf_counter()
            for _ in range(2000):
                await store.update_progress("hot", progress)
            best = min(best, (time.perf_counter() - begun) / 2000)
        self.assertLess(best, 100e-6)

    async def test_progress_goes_out_though_the_loop_never_yields(self) -> None:
        await self.client.job_save({"id": "stuck"})
        deadline = time.monotonic() + 5
        step = 0
        while self.shared.ask("job.get", {"id": "stuck"})["progress"] is None and time.monotonic() < deadline:
            for _ in range(1000):
                step += 1
                self.client.job_progress("stuck", step)
        self.assertGreater(self.shared.ask("job.get", {"id": "stuck"})["progress"]["current"], 0)


class TestLoops(DaemonCase):
    def test_one_store_serves_one_loop_after_the_other(self) -> None:
        store = JobStore(self.shared.socket)

        async def once(name: str) -> Any:
            await store.save({"id": name})
            return (await store.get(name)).id

        self.assertEqual([asyncio.run(once(f"loop{n}")) for n in range(5)], [f"loop{n}" for n in range(5)])

        async def end() -> None:
            await store.get("loop0")
            await store.aclose()

        asyncio.run(end())
        wait_until(lambda: self.shared.connections() == 1)
        self.assertEqual(self.shared.connections(), 1)  # the one that asks

    def test_one_store_serves_threads_that_each_run_a_loop(self) -> None:
        store = JobStore(self.shared.socket)
        found: List[Any] = []

        def work(place: int) -> None:
            async def use() -> None:
                for step in range(20):
                    await store.save({"id": f"thread{place}", "payload": {"step": step}})
                    await store.update_progress(f"thread{place}", step, 20)
                found.append((await store.get(f"thread{place}")).progress.current)
                await store.aclose()
            for _ in range(3):
                asyncio.run(use())

        threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [19] * 18)

    def test_a_store_that_is_dropped_closes_its_connection(self) -> None:
        async def use() -> int:
            for _ in range(10):
                await JobStore(self.shared.socket).list()
            await asyncio.sleep(0.05)
            return await asyncio.get_running_loop().run_in_executor(None, self.shared.connections)

        self.assertLessEqual(asyncio.run(use()), 3)

    def test_a_child_process_runs_a_loop_of_its_own(self) -> None:
        store = JobStore(self.shared.socket)

        async def use(name: str) -> None:
            await store.save({"id": name})
            await store.aclose()

        def child() -> str:
            asyncio.events._set_running_loop(None)
            asyncio.set_event_loop(None)
            asyncio.run(use("child"))
            return "done"

        async def parent() -> None:
            await store.save({"id": "before-fork"})
            self.assertEqual(in_child(child), "done")
            await use("after-fork")

        asyncio.run(parent())
        self.assertEqual(self.shared.ask("job.count")["total"] >= 3, True)
        for name in ("before-fork", "child", "after-fork"):
            self.assertEqual(self.shared.ask("job.get", {"id": name})["id"], name)


def _in_spawned(jobs: JobStore, runs: RunStore) -> Any:
    async def use() -> str:
        async with jobs:
            return str((await jobs.save({"id": "spawned", "payload": {"x": float("nan")}}))["id"])

    with runs:
        run = runs.create_or_update_run(run_id="spawned", kind="k", request_payload={}, status="queued")
    return asyncio.run(use()), run["id"]


class TestCopies(DaemonCase):
    def all(self, **options: Any) -> Any:
        return [make(self.shared.socket, timeout=7, reconnect_for=2, nan="null", **options)
                for make in (Client, AsyncClient, JobStore, RunStore)]

    def test_a_copy_and_one_that_was_pickled_have_a_connection_of_their_own(self) -> None:
        for again in (copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))):
            client = Client(self.shared.socket, timeout=7)
            client.job_save({"id": "copied"})
            with again(client) as other:
                client.close()
                self.assertEqual(other.job_get("copied")["id"], "copied")
                self.assertIsNot(other._link, client._link)
                self.assertEqual((other.socket, other.timeout), (client.socket, 7))
            jobs = JobStore(self.shared.socket, shared=False, nan="null")

            async def use(store: JobStore) -> Any:
                async with store:
                    first = await store.save(Job(id="copied", payload={"x": float("nan")}))
                    return first is not await store.get("copied")

            self.assertTrue(asyncio.run(use(again(jobs))))

    def test_all_settings_go_along(self) -> None:
        for made in self.all():
            again = pickle.loads(pickle.dumps(made))
            self.assertIs(type(again), type(made))
            client, other = [getattr(each, "client", each) for each in (made, again)]
            client.timeout = 8
            self.assertEqual((other.socket, other.timeout), (client.socket, 7))
            self.assertEqual(other._options, {**client._options, "timeout": 7})
            self.assertEqual(other._options["nan"], "null")

    def test_a_spawned_process_may_be_given_the_stores(self) -> None:
        _, _, jobs, runs = self.all()
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            self.assertEqual(pool.submit(_in_spawned, jobs, runs).result(60), ("spawned", "spawned"))


class TestNobodyThere(unittest.TestCase):
    def test_one_attempt_is_quick_and_patience_lasts_as_long_as_it_is_told(self) -> None:
        begun = time.monotonic()
        with self.assertRaises(Unavailable):
            Client("/nonexistent/s", reconnect_for=0).server_ping()
        self.assertLess(time.monotonic() - begun, 0.2)
        with self.assertRaises(Unavailable) as caught:
            Client("/nonexistent/s", reconnect_for=0.4).server_ping()
        self.assertTrue(0.4 <= time.monotonic() - begun < 1.5)
        self.assertIn("tried for 0.4 s", str(caught.exception))
        with self.assertRaises(CallTimeout) as late:
            Client("/nonexistent/s").job_save({}, timeout=0.1)
        self.assertEqual(late.exception.outcome, "did_not_happen")

    def test_the_same_in_a_loop(self) -> None:
        async def use() -> None:
            begun = time.monotonic()
            with self.assertRaises(Unavailable):
                await AsyncClient("/nonexistent/s", reconnect_for=0).server_ping()
            self.assertLess(time.monotonic() - begun, 0.2)
            with self.assertRaises(Unavailable):
                await AsyncClient("/nonexistent/s", reconnect_for=0.4).server_ping()
            self.assertTrue(0.4 <= time.monotonic() - begun < 1.5)
            with self.assertRaises(CallTimeout) as late:
                await AsyncClient("/nonexistent/s").job_save({}, timeout=0.1)
            self.assertEqual(late.exception.outcome, "did_not_happen")

        asyncio.run(use())

    def waits(self, path: str) -> Any:
        """What a call says of this PERSISTD_SOCKET, if it says so at once, through either client."""
        async def use() -> None:
            await AsyncClient().server_ping()

        said = []
        with unittest.mock.patch.dict(os.environ, {"PERSISTD_SOCKET": path}):
            for ask in (lambda: Client().server_ping(), lambda: asyncio.run(use())):
                begun = time.monotonic()
                with self.assertRaises(Unavailable) as caught:
                    ask()
                self.assertLess(time.monotonic() - begun, 1.0)
                self.assertEqual(caught.exception.outcome, "did_not_happen")
                said.append(str(caught.exception))
        self.assertEqual(said[0], said[1])
        return said[0]

    def test_a_path_that_is_too_long_is_told_at_once(self) -> None:
        path = "/tmp/" + "d" * 120 + "/s"
        for make in (Client, AsyncClient, JobStore, RunStore):
            with self.assertRaises(InvalidParams) as caught:
                make(path)
            self.assertEqual(caught.exception.field, "socket")
            for part in (path, "127 bytes", "107"):
                self.assertIn(part, str(caught.exception))
        with self.assertRaises(InvalidParams):
            Client("/tmp/" + "ü" * 60)
        with self.assertRaises(ValueError):
            Client("/tmp/\ud800")
        said = self.waits(path)
        for part in (path, "127 bytes", "107"):
            self.assertIn(part, said)
        self.assertNotIn("start one", said)

    def test_a_path_where_something_else_is_is_told_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "persistd.sock")
            pathlib.Path(file).write_text("not a socket")
            for path, what in ((file, "a file"), (directory, "a directory"), ("/dev/null", "a device")):
                said = self.waits(path)
                self.assertIn(f"{path} is {what}, not a socket", said)
                self.assertNotIn("start one", said)

    def test_times_that_cannot_be_are_refused_by_name(self) -> None:
        for make in (Client, AsyncClient, JobStore, RunStore):
            for name, value in (("timeout", -1), ("timeout", 0), ("timeout", float("nan")), ("reconnect_for", -1),
                                ("reconnect_for", float("nan"))):
                with self.assertRaisesRegex(ValueError, name) as caught:
                    make("/nonexistent/s", **{name: value})
                self.assertNotIsInstance(caught.exception, TypeError)
            for name, value in (("timeout", True), ("timeout", "5"), ("timeout", b"5"), ("reconnect_for", True),
                                ("reconnect_for", None), ("reconnect_for", "5")):
                with self.assertRaisesRegex(TypeError, name) as refused:
                    make("/nonexistent/s", **{name: value})
                self.assertEqual((type(refused.exception).__name__, refused.exception.field), ("WrongType", name))
            for timeout in (None, 1, 0.5, float("inf"), fractions.Fraction(1, 2)):
                make("/nonexistent/s", timeout=timeout, reconnect_for=timeout or 0)

        async def ask(seconds: Any) -> None:
            await AsyncClient("/nonexistent/s").call("server.ping", timeout=seconds)

        for seconds, error in ((0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)):
            with self.assertRaisesRegex(error, "timeout"):
                Client("/nonexistent/s").server_ping(timeout=seconds)  # type: ignore[arg-type]
            with self.assertRaisesRegex(error, "timeout"):
                Client("/nonexistent/s").pipeline().server_ping(timeout=seconds)  # type: ignore[arg-type]
            with self.assertRaisesRegex(error, "timeout"):
                asyncio.run(ask(seconds))

    def test_an_endless_timeout_is_one(self) -> None:
        with Client("/nonexistent/s", timeout=float("inf"), reconnect_for=0.1) as client:
            with self.assertRaises(Unavailable):
                client.server_ping()

    def test_progress_for_nobody_costs_nothing_and_stays_small(self) -> None:
        client = Client("/nonexistent/s")
        begun = time.monotonic()
        for n in range(20000):
            client.job_progress(f"j{n}", n)
            client.notify("x", {})
        self.assertLess(time.monotonic() - begun, 5)
        self.assertLessEqual(len(client._link.latest) + len(client._link.waiting), 3000)
        client.close()

        async def use() -> None:
            store = JobStore("/nonexistent/s")
            for n in range(20000):
                await store.update_progress(f"j{n}", n)
            self.assertLessEqual(len(store.client._driver().link.latest), 1024)
            with self.assertRaises(ValueError):
                await store.update_progress("j", float("nan"))
            await store.aclose()

        asyncio.run(use())


if __name__ == "__main__":
    unittest.main()
