"""Against a peer that does everything wrong: what is sent again, what is told, and that nothing hangs. Each story is
told to both clients."""
from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
import unittest
from typing import Any, List

from .harness import Connection, Fake, TidyCase, answering, refusal, reply, wait_until

from persistd import (AsyncClient, CallTimeout, Client, ConnectionLost, InvalidParams, JobStore, Limit, NotFound,
                      OutcomeUnknown, PersistdError, ShuttingDown, TooLarge)


class Blocking:
    """The blocking client, each call of a story in a thread of its own."""

    threads: Any = None

    def open(self, fake: Fake, **options: Any) -> None:
        self.client = Client(fake.socket, **options)
        self.addCleanup(self.client.close)  # type: ignore[attr-defined]
        if self.threads is None:
            self.threads = concurrent.futures.ThreadPoolExecutor(40)
            self.addCleanup(self.threads.shutdown)  # type: ignore[attr-defined]

    async def ask(self, method: str, params: Any = None, **options: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self.threads, lambda: self.client.call(method, {} if params is None else params, **options))

    def link(self) -> Any:
        return self.client._link


class Asyncio:
    def open(self, fake: Fake, **options: Any) -> None:
        self.client = AsyncClient(fake.socket, **options)
        self.addAsyncCleanup(self.client.aclose)  # type: ignore[attr-defined]

    async def ask(self, method: str, params: Any = None, **options: Any) -> Any:
        return await self.client.call(method, {} if params is None else params, **options)

    def link(self) -> Any:
        return self.client._driver().link


class Stories:
    """Calls `x.change` stand for changes: only what the protocol calls a read is one."""

    async def fails(self: Any, what: type, awaitable: Any) -> Any:
        with self.assertRaises(what) as caught:
            await awaitable
        return caught.exception

    async def test_lines_cut_anywhere_and_glued_together_are_put_together(self: Any) -> None:
        def script(connection: Connection) -> None:
            while True:
                requests = [connection.line(), connection.line()]
                text = b"\r\n" + b"\n".join(reply(each, each["params"]) for each in requests)
                for place in range(len(text)):
                    connection.send(text[place:place + 1])

        self.open(self.fake(script))
        for _ in range(3):
            answers = await asyncio.gather(self.ask("server.ping", {"n": 1}), self.ask("server.ping", {"ü": "\u2028"}))
            self.assertEqual(answers, [{"n": 1}, {"ü": "\u2028"}])

    async def test_answers_in_any_order_and_in_one_array_find_their_calls(self: Any) -> None:
        def script(connection: Connection) -> None:
            requests = [connection.line() for _ in range(20)]
            for each in reversed(requests[:10]):
                connection.answer(each, each["params"])
            connection.send(b"[" + b",".join(reply(each, each["params"]).strip() for each in requests[10:]) + b"]\n")
            answering(connection)

        self.open(self.fake(script))
        calls = [self.ask("x.change", {"n": n}) for n in range(20)]
        self.assertEqual(await asyncio.gather(*calls), [{"n": n} for n in range(20)])

    async def test_answers_that_nobody_asked_for_are_passed_over(self: Any) -> None:
        def script(connection: Connection) -> None:
            request = connection.line()
            for ident in (99, "text", None, 1.5, -1):
                connection.answer({"id": ident}, "not yours")
            connection.answer(request, "yours")

        self.open(self.fake(script))
        self.assertEqual(await self.ask("x.change"), "yours")

    async def test_a_reply_of_20_mib_comes_whole(self: Any) -> None:
        text = "x" * (20 << 20)

        def script(connection: Connection) -> None:
            connection.answer(connection.line(), text)

        self.open(self.fake(script))
        self.assertEqual(len(await self.ask("x.change")), len(text))

    async def test_a_reply_beyond_all_bounds_ends_the_connection(self: Any) -> None:
        def script(connection: Connection) -> None:
            connection.line()
            connection.send(b"x" * 200000)
            connection.line()

        self.open(self.fake(script), max_reply=100000)
        error = await self.fails(ConnectionLost, self.ask("x.change"))
        self.assertEqual(error.outcome, "unknown")

    async def test_a_change_that_was_sent_and_not_answered_is_not_repeated(self: Any) -> None:
        seen: List[str] = []

        def script(connection: Connection) -> None:
            seen.append(connection.line()["method"])

        self.open(self.fake(script, answering))
        error = await self.fails(ConnectionLost, self.ask("x.change"))
        self.assertEqual((error.outcome, seen), ("unknown", ["x.change"]))
        self.assertIn("may have happened", str(error))
        self.assertEqual(await self.ask("x.change", {"again": 1}), {"again": 1})

    async def test_a_read_is_asked_again_until_it_is_answered(self: Any) -> None:
        def half(connection: Connection) -> None:
            connection.send(reply(connection.line(), {"half": True})[:15])

        def never(connection: Connection) -> None:
            connection.line()

        fake = self.fake(never, half, answering)
        self.open(fake)
        self.assertEqual(await self.ask("job.get", {"id": "a"}), {"id": "a"})
        self.assertEqual(fake.connections, 3)

    async def test_a_read_is_not_asked_for_ever(self: Any) -> None:
        def never(connection: Connection) -> None:
            connection.line()

        fake = self.fake(never)
        self.open(fake)
        error = await self.fails(ConnectionLost, self.ask("job.get"))
        self.assertEqual((error.outcome, fake.connections), ("did_not_happen", 4))

    async def test_a_line_that_had_not_wholly_left_is_sent_again(self: Any) -> None:
        large = {"x": "y" * (4 << 20)}

        def small_sip(connection: Connection) -> None:
            connection.sock.recv(1000)

        self.open(self.fake(small_sip, answering))
        self.assertEqual(await self.ask("x.change", large), large)

    async def test_garbage_ends_the_connection_and_says_so(self: Any) -> None:
        for garbage in (b"SSH-2.0-OpenSSH\r\n", b"\x00\xff\xfe\n", b"{}\n", b"[1]\n", b'{"id":1}\n',
                        b"[" * 100000 + b"\n", b'{"id":1,"result":1,"error":{}}\n'):
            def script(connection: Connection, garbage: bytes = garbage) -> None:
                connection.line()
                connection.send(garbage)
                connection.line()

            self.open(self.fake(script))
            error = await self.fails(ConnectionLost, self.ask("x.change"))
            self.assertEqual(error.outcome, "unknown")
            self.assertIn("socket of persistd", str(error))

    async def test_a_daemon_that_stops_is_waited_for(self: Any) -> None:
        def stopping(connection: Connection) -> None:
            request = connection.line()
            connection.answer(request, error=refusal(-32007, "shutting_down"))
            connection.line()

        self.open(self.fake(stopping, answering))
        self.assertEqual(await self.ask("x.change", {"kept": 1}), {"kept": 1})

    async def test_a_daemon_that_stops_and_does_not_come_back_is_told(self: Any) -> None:
        def stopping(connection: Connection) -> None:
            while True:
                connection.answer(connection.line(), error=refusal(-32007, "shutting_down"))

        fake = self.fake(stopping)
        self.open(fake, reconnect_for=0.3)
        begun = time.monotonic()
        error = await self.fails(ShuttingDown, self.ask("x.change"))
        self.assertEqual(error.outcome, "did_not_happen")
        self.assertLess(time.monotonic() - begun, 3)
        self.assertLess(fake.connections, 20)

    async def test_calls_behind_one_that_a_stopping_daemon_refused_keep_their_order(self: Any) -> None:
        seen: List[Any] = []

        def stopping(connection: Connection) -> None:
            requests = [connection.line() for _ in range(4)]
            connection.answer(requests[1], error=refusal(-32007, "shutting_down"))
            connection.answer(requests[0], "done")
            connection.answer(requests[3], error=refusal(-32007, "shutting_down"))
            connection.answer(requests[2], error=refusal(-32007, "shutting_down"))
            connection.line()

        def noting(connection: Connection) -> None:
            while True:
                request = connection.line()
                seen.append(request["id"])
                connection.answer(request, "again")

        self.open(self.fake(stopping, noting))
        answers = await asyncio.gather(*(self.ask("x.change") for _ in range(4)))
        self.assertEqual(sorted(answers), ["again"] * 3 + ["done"])
        self.assertEqual(seen, sorted(seen))

    async def test_a_client_turned_away_at_the_door_comes_again(self: Any) -> None:
        def full(connection: Connection) -> None:
            connection.send(reply({"id": None}, error=refusal(-32005, "limit")))

        fake = self.fake(full, full, answering)
        self.open(fake)
        self.assertEqual(await self.ask("x.change", {"n": 1}), {"n": 1})
        self.open(self.fake(full), reconnect_for=0.2)
        error = await self.fails((Limit, ConnectionLost), self.ask("job.get", {"n": 1}))
        self.assertEqual(error.outcome, "did_not_happen")

    async def test_a_line_that_the_daemon_would_not_read_fails_its_own_call(self: Any) -> None:
        def refusing(connection: Connection) -> None:
            requests = [connection.line() for _ in range(3)]
            connection.send(reply({"id": None}, error=refusal(-32004, "too_large")))
            connection.send(reply({"id": None}, error=refusal(-32700, "parse_error")))
            for request in requests:
                if "fine" in request["params"]:
                    connection.answer(request, "fine")
            answering(connection)

        self.open(self.fake(refusing))
        results = await asyncio.gather(
            self.ask("x.change", {"long": "x" * 100000}), self.ask("x.change", {1: 1, "1": 2}),
            self.ask("x.change", {"fine": 1}), return_exceptions=True)
        self.assertEqual([type(result) for result in results[:1]] + results[2:], [TooLarge, "fine"])
        self.assertIsInstance(results[1], InvalidParams)

    async def test_an_outcome_that_the_daemon_does_not_know_is_unknown(self: Any) -> None:
        def failing(connection: Connection) -> None:
            connection.answer(connection.line(), error=refusal(-32009, "outcome_unknown"))
            connection.answer(connection.line(), error={"code": -32003, "message": "disk full"})
            connection.answer(connection.line(), error={"code": -31000, "message": "new", "data": "odd"})

        self.open(self.fake(failing))
        self.assertEqual((await self.fails(OutcomeUnknown, self.ask("x.change"))).outcome, "unknown")
        error = await self.fails(PersistdError, self.ask("x.change"))
        self.assertEqual((error.kind, error.outcome, error.message), ("not_durable", "did_not_happen", "disk full"))
        error = await self.fails(PersistdError, self.ask("x.change"))
        self.assertEqual((error.code, error.message), (-31000, "new"))

    async def test_a_late_answer_is_dropped_and_the_next_call_gets_its_own(self: Any) -> None:
        release = threading.Event()

        def late(connection: Connection) -> None:
            first = connection.line()
            release.wait(10)
            connection.answer(first, "late")
            answering(connection)

        self.open(self.fake(late))
        error = await self.fails(CallTimeout, self.ask("x.change", timeout=0.1))
        self.assertEqual((error.outcome, isinstance(error, TimeoutError)), ("unknown", True))
        error = await self.fails(CallTimeout, self.ask("job.get", timeout=0.1))
        self.assertEqual(error.outcome, "did_not_happen")
        release.set()
        self.assertEqual(await self.ask("x.change", {"n": 2}, timeout=None), {"n": 2})

    async def test_answers_that_came_before_the_end_are_taken(self: Any) -> None:
        def script(connection: Connection) -> None:
            connection.answer(connection.line(), "first")
            requests = [connection.line() for _ in range(10)]
            connection.send(b"".join(reply(each, each["params"]) for each in requests))

        self.open(self.fake(script, answering))
        self.assertEqual(await self.ask("x.change"), "first")
        answers = await asyncio.gather(*(self.ask("x.change", {"n": n}) for n in range(10)))
        self.assertEqual(sorted(answer["n"] for answer in answers), list(range(10)))

    async def test_a_connection_that_ended_while_nothing_was_asked_is_not_noticed(self: Any) -> None:
        def once(connection: Connection) -> None:
            connection.answer(connection.line(), 1)

        self.open(self.fake(*[once] * 5, answering))
        for _ in range(5):
            self.assertEqual(await self.ask("x.change", {"n": 1}), 1)
            await asyncio.sleep(0.05)
        self.assertEqual(await self.ask("x.change", {"n": 1}), {"n": 1})

    async def test_a_slow_peer_gets_everything_in_the_end(self: Any) -> None:
        def slow(connection: Connection) -> None:
            time.sleep(0.2)
            answering(connection)

        self.open(self.fake(slow))
        large = "x" * 300000
        answers = await asyncio.gather(*(self.ask("x.change", {"n": n, "x": large}) for n in range(30)))
        self.assertEqual([answer["n"] for answer in answers], list(range(30)))

    async def test_progress_goes_before_the_calls_that_come_after_it(self: Any) -> None:
        seen: List[Any] = []

        def noting(connection: Connection) -> None:
            while True:
                request = connection.line()
                seen.append(request["params"].get("progress", {}).get("current", request["method"]))
                if "id" in request:
                    connection.answer(request, None)

        self.open(self.fake(noting))
        for step in range(100):
            self.client.job_progress("j", step)
        await self.ask("x.one")
        self.client.job_progress("j", 100)
        await self.ask("x.two")
        self.assertEqual([each for each in seen if not isinstance(each, int) or each >= 99],
                         [99, "x.one", 100, "x.two"])
        self.assertEqual(seen, sorted(seen, key=lambda each: {"x.one": 99.5, "x.two": 101}.get(each, each)))

    async def test_progress_of_the_time_without_a_daemon_is_sent_when_it_is_back(self: Any) -> None:
        seen: List[Any] = []
        closed = threading.Event()

        def once(connection: Connection) -> None:
            connection.answer(connection.line(), None)

        def noting(connection: Connection) -> None:
            while True:
                request = connection.line()
                params = request["params"]
                seen.append((request["method"], params.get("id"), params.get("progress", {}).get("current")))
                if "id" in request:
                    connection.answer(request, None)

        fake = self.fake(once, noting)
        self.open(fake)
        await self.ask("x.one")
        await asyncio.sleep(0.05)
        for step in range(50):
            self.client.job_progress("j", step)
            self.client.job_progress("k", step)
        await self.ask("x.two")
        self.assertIn(("job.update_progress", "j", 49), seen)
        self.assertIn(("job.update_progress", "k", 49), seen)
        self.assertEqual(seen[-1][0], "x.two")


class TestBlocking(Stories, Blocking, TidyCase):
    pass


class TestAsyncio(Stories, Asyncio, TidyCase):
    async def test_progress_in_a_loop_with_a_peer_that_does_not_read_stays_small(self) -> None:
        release = threading.Event()

        def deaf(connection: Connection) -> None:
            release.wait(20)
            answering(connection)

        async with JobStore(self.fake(deaf).socket) as store:
            for step in range(3000):
                for name in ("a", "b", "c"):
                    await store.update_progress(name, step, 3000, "m" * 200)
                if step % 100 == 0:
                    await asyncio.sleep(0)
            link = store.client._driver().link
            self.assertLess(link.backlog, 1 << 20)
            self.assertLessEqual(len(link.latest), 3)
            release.set()


if __name__ == "__main__":
    unittest.main()
