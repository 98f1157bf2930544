"""The asyncio client: any method of the protocol, any number of calls at once, from any event loop.

Each running loop gets a connection of its own, so a client that was made at import may be used by one loop after the
other, and by several threads that each run one."""
from __future__ import annotations

import asyncio
import functools
import os
import socket as sockets
import threading
import weakref
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

from . import progress as progress_
from . import wire
from ._methods import REPEATABLE, AsyncMethods
from .client import SocketPath
from .link import (MAX_REPLY, USUAL, Call, Link, Note, Timeout, Usual, checked_patience, checked_seconds,
                   checked_socket, now)
from .where import usual_socket

_HIGH_WATER, _LOW_WATER = 8 << 20, 1 << 20  # bytes that wait to be sent, above which further calls wait
_FLUSH_EVERY = 0.005                        # seconds, in a loop that reports progress and never lets others run
_CLOSING_TIME = 1.0

_clients: weakref.WeakSet[AsyncClient] = weakref.WeakSet()


class _Call(Call):
    __slots__ = ("future",)

    future: asyncio.Future[Any]

    def wake(self) -> None:
        if self.future.done():
            return  # cancelled
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _expire(link: Link, call: _Call, seconds: float) -> None:
    call.finish(None, link.timed_out(call, seconds))


class _Driver:
    """The link of one event loop. Used in that loop's thread alone."""

    def __init__(self, client: AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        socket = client._socket
        self.link = Link(lambda: socket or usual_socket(), client._reconnect_for, client._writer, client._max_reply,
                         self._unwatch)
        # the loop keeps us, we do not keep the loop
        self._loop = weakref.ref(loop, lambda _: self.link.forked())
        self._watched: Optional[sockets.socket] = None
        self._writes = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._soon = False
        self._flushed = 0.0
        self._drained: List[asyncio.Future[None]] = []

    def submit(self, call: _Call) -> None:
        alone = not self.link.pending
        self.link.submit(call)
        if self.link.sock is None:
            self._connect()
        elif alone:
            self.link.flush()
            self._after()
        else:
            self._flush_soon()

    def notify(self, note: Note) -> None:
        self.link.notify(note)
        if self.link.sock is None:
            self._connect()
        else:
            self._flush_soon()

    def report(self, ident: str, progress: progress_.Progress) -> None:
        self.link.report(ident, progress)
        if self.link.sock is None:
            if self._timer is None or now() >= self.link.next_try:
                self._connect()
            return
        if not self._soon:
            self._flushed = now()
            self._flush_soon()
        elif now() - self._flushed > _FLUSH_EVERY:
            self._flushed = now()
            self.link.flush_progress()
            self._after()

    def _flush_soon(self) -> None:
        loop = self._loop()
        if not self._soon and loop is not None:
            self._soon = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._soon = False
        self.link.flush_progress()
        self.link.flush()
        self._after()

    def _readable(self) -> None:
        self.link.read()
        self._after()

    def _after(self) -> None:
        if self.link.wants_connection():
            self._connect()
        else:
            self._watch()
        if self._drained and self.link.backlog < _LOW_WATER:
            waiters, self._drained = self._drained, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _connect(self) -> None:
        self.link.attempt()
        loop = self._loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.link.wants_connection() and loop is not None:
            self._timer = loop.call_later(max(0.0, self.link.next_event() - now()), self._try_again)
        self._watch()

    def _try_again(self) -> None:
        self._timer = None
        self.link.expire()
        self._connect()

    def _watch(self) -> None:
        sock, loop = self.link.sock, self._loop()
        if sock is None or loop is None:
            return
        if sock is not self._watched:
            loop.add_reader(sock, self._readable)
            self._watched = sock
        if self._writes != bool(self.link.out):
            self._writes = not self._writes
            if self._writes:
                loop.add_writer(sock, self._flush)
            else:
                loop.remove_writer(sock)

    def _unwatch(self, sock: sockets.socket) -> None:
        loop = self._loop()
        if loop is not None and not loop.is_closed() and sock is self._watched:
            loop.remove_reader(sock)
            if self._writes:
                loop.remove_writer(sock)
        self._watched, self._writes = None, False

    async def drained(self) -> None:
        while self.link.backlog > _HIGH_WATER:
            waiter = asyncio.get_running_loop().create_future()
            self._drained.append(waiter)
            await waiter

    async def sent(self) -> None:
        """What was given has left, or cannot."""
        self._flush()
        deadline = now() + _CLOSING_TIME
        while self.link.out and self.link.sock is not None and now() < deadline:
            await asyncio.sleep(0.001)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = self._loop()
        if loop is None or loop.is_closed():
            self.link.forked()  # nobody is left to be told
        else:
            self.link.close()

    def forked(self) -> None:
        # the loop's selector is the parent's, too: nothing is taken out of it
        self._watched = self._timer = None
        self.link.forked()


_Drivers = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Driver]
_Last = Tuple[Callable[[], Optional[asyncio.AbstractEventLoop]], Optional[_Driver]]
_nobody: _Last = (lambda: None, None)


def _close_all(drivers: _Drivers) -> None:
    for loop, driver in list(drivers.items()):
        if loop.is_closed():
            driver.close()
            continue
        try:
            loop.call_soon_threadsafe(driver.close)
        except RuntimeError:
            driver.close()


class AsyncClient(AsyncMethods):
    """Calls persistd. Every call is a coroutine; what runs at once shares the connection of its event loop.

    socket: the daemon's socket; None: $PERSISTD_SOCKET, then the usual places.
    timeout: how many seconds a call may take in all (None: for ever); each method also takes its own.
    reconnect_for: how many seconds of them a call goes on looking for a daemon that is not there; 0: one attempt.
    nan: "refuse" a NaN or an infinity, naming where it is, or store "null" instead.
    default: what becomes of values that JSON does not know; see wire.plain.

    Cancelling a call gives up its answer; the change that it asked for may still be made. aclose() ends the running
    loop's connection; a later call makes a new one. A client that is dropped closes by itself."""

    def __init__(self, socket: SocketPath = None, *, timeout: Optional[float] = 30.0, reconnect_for: float = 5.0,
                 nan: str = "refuse", default: wire.Default = wire.plain, max_reply: int = MAX_REPLY) -> None:
        self._socket = checked_socket(socket)
        self._options: Dict[str, Any] = {
            "timeout": timeout, "reconnect_for": reconnect_for, "nan": nan, "default": default, "max_reply": max_reply}
        self.timeout = checked_seconds(timeout, "timeout")
        self._reconnect_for = checked_patience(reconnect_for, "reconnect_for")
        self._max_reply = max_reply
        self._writer = wire.Writer(nan, default)
        self._lock = threading.Lock()
        self._drivers: _Drivers = weakref.WeakKeyDictionary()
        self._last: _Last = _nobody
        weakref.finalize(self, _close_all, self._drivers).atexit = False
        _clients.add(self)

    def __reduce__(self) -> Any:
        """A copy, in this process or another, has the settings and a connection of its own."""
        return functools.partial(type(self), self._socket, **{**self._options, "timeout": self.timeout}), ()

    @property
    def socket(self) -> str:
        """The path that is connected to."""
        return self._socket or usual_socket()

    def _driver(self) -> _Driver:
        loop = asyncio.get_running_loop()
        last_loop, driver = self._last
        if last_loop() is loop and driver is not None:
            return driver
        driver = self._drivers.get(loop)
        if driver is None:
            with self._lock:
                for other in [other for other in self._drivers if other.is_closed()]:
                    self._drivers.pop(other).close()
                driver = self._drivers[loop] = _Driver(self, loop)
        self._last = weakref.ref(loop), driver
        return driver

    async def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Any:
        """Any method, by the name that the protocol gives it. params: a dict (by name) or a list (by position)."""
        seconds = self.timeout if isinstance(timeout, Usual) else checked_seconds(timeout, "timeout")
        driver = self._driver()
        link = driver.link
        if link.backlog > _HIGH_WATER:
            await driver.drained()
        ident = next(link.idents)
        call = _Call(ident, method, self._writer.request(ident, method, params), method in REPEATABLE)
        loop = asyncio.get_running_loop()
        call.future = loop.create_future()
        driver.submit(call)
        timer = None
        if seconds is not None and not call.done:
            timer = loop.call_later(seconds, _expire, link, call, seconds)
        try:
            return await call.future
        finally:
            if timer is not None:
                timer.cancel()
            if not call.done:
                link.abandon(call)

    def notify(self, method: str, params: Any = None) -> None:
        """Sends without wanting an answer. Never waits; without a daemon it is kept a while for one to come. For use
        inside a running loop."""
        self._driver().notify(Note(self._writer.notification(method, params)))

    def job_progress(self, id: str, current: float, total: float = 0, message: str = "") -> None:
        """Reports how far a job is, for loops: costs microseconds, never waits, and does not fail because the daemon is
        away or slow. Of reports that come faster than they are sent the last one of each job goes out; without a daemon
        those of up to 1,024 jobs are kept. Calls made later in this loop see it. For use inside a running loop."""
        self._driver().report(progress_.checked_id(id), progress_.checked(current, total, message))

    async def aclose(self) -> None:
        """Sends what is still held and ends the running loop's connection, and those of loops that are closed. Calls
        under way end with ConnectionLost."""
        self._last = _nobody
        driver = self._drivers.pop(asyncio.get_running_loop(), None)
        if driver is not None:
            await driver.sent()
            driver.close()
        with self._lock:
            for other in [other for other in self._drivers if other.is_closed()]:
                self._drivers.pop(other).close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.aclose()


def _forget_parents() -> None:
    for client in list(_clients):
        client._lock = threading.Lock()
        for driver in list(client._drivers.values()):
            driver.forked()
        client._last = _nobody
        client._drivers.clear()


os.register_at_fork(after_in_child=_forget_parents)
