"""The blocking client: any method of the protocol, from any number of threads, over one connection.

Whoever waits for an answer and finds nobody reading becomes the leader: it connects, sends and reads for all until its
own answer is there, and then wakes another one that waits. So there is no thread of our own, and a lone caller pays for
none."""
from __future__ import annotations

import functools
import os
import select
import socket as sockets
import threading
import time
import weakref
from types import TracebackType
from typing import Any, Dict, List, Optional, Type, Union

from . import progress as progress_
from . import wire
from ._methods import REPEATABLE, Methods, PipelinedMethods
from .errors import PersistdError
from .link import (MAX_REPLY, USUAL, Call, Link, Note, Timeout, Usual, checked_patience, checked_seconds,
                   checked_socket, now)
from .where import usual_socket

_LONGEST_POLL = 1.0
_LONGEST_SLEEP = 0.05  # without a connection; another thread may have made one
_BUSY_SLEEP = 0.002    # while something of ours waits to be sent and another thread reads

SocketPath = Union[None, str, "os.PathLike[str]"]

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class _Call(Call):
    __slots__ = ("bell", "seconds", "deadline")

    bell: Optional[threading.Lock]

    def wait_from_now(self, seconds: Optional[float]) -> None:
        self.bell = None
        self.seconds = seconds
        self.deadline = None if seconds is None else now() + seconds

    def wake(self) -> None:
        bell, self.bell = self.bell, None
        if bell is not None:
            bell.release()

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class Client(Methods):
    """Calls persistd and waits for the answers. Thread-safe; after fork() the child gets a connection of its own.

    socket: the daemon's socket; None: $PERSISTD_SOCKET, then the usual places.
    timeout: how many seconds a call may take in all (None: for ever); each method also takes its own.
    reconnect_for: how many seconds of them a call goes on looking for a daemon that is not there; 0: one attempt.
    nan: "refuse" a NaN or an infinity, naming where it is, or store "null" instead.
    default: what becomes of values that JSON does not know; see wire.plain.

    Nothing is connected before the first call. close() ends the connection; a later call makes a new one."""

    def __init__(self, socket: SocketPath = None, *, timeout: Optional[float] = 30.0, reconnect_for: float = 5.0,
                 nan: str = "refuse", default: wire.Default = wire.plain, max_reply: int = MAX_REPLY) -> None:
        self._socket = checked_socket(socket)
        self._options: Dict[str, Any] = {
            "timeout": timeout, "reconnect_for": reconnect_for, "nan": nan, "default": default, "max_reply": max_reply}
        self.timeout = checked_seconds(timeout, "timeout")
        self._writer = wire.Writer(nan, default)
        self._lock = threading.Lock()  # held for whatever touches the link, never while waiting
        patience = checked_patience(reconnect_for, "reconnect_for")
        self._link = Link(lambda: self.socket, patience, self._writer, max_reply)
        self._leader: Optional[_Call] = None
        self._followers: Dict[int, _Call] = {}
        self._poll: Optional[select.poll] = None
        self._polled: Optional[sockets.socket] = None
        _clients.add(self)

    def __reduce__(self) -> Any:
        """A copy, in this process or another, has the settings and a connection of its own."""
        return functools.partial(type(self), self._socket, **{**self._options, "timeout": self.timeout}), ()

    @property
    def socket(self) -> str:
        """The path that is connected to."""
        return self._socket or usual_socket()

    # ---- calls

    def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Any:
        """Any method, by the name that the protocol gives it. params: a dict (by name) or a list (by position)."""
        seconds = self.timeout if isinstance(timeout, Usual) else checked_seconds(timeout, "timeout")
        call = self._call(method, params)
        self._submit([call], seconds)
        return self._await(call)

    def pipeline(self) -> Pipeline:
        """Collects calls and sends them in one go: with client.pipeline() as p: reply = p.job_get("a")."""
        return Pipeline(self)

    batch = pipeline

    def notify(self, method: str, params: Any = None) -> None:
        """Sends without wanting an answer. Never waits; without a daemon it is kept a while for one to come."""
        note = Note(self._writer.notification(method, params))
        with self._lock:
            self._link.notify(note)
            self._go_on()

    def job_progress(self, id: str, current: float, total: float = 0, message: str = "") -> None:
        """Reports how far a job is, for loops: costs about a system call, never waits, and does not fail because the
        daemon is away or slow; then each job's last value is kept (of up to 1,024 jobs) and sent with the next use."""
        report = progress_.checked(current, total, message)
        with self._lock:
            self._link.report(progress_.checked_id(id), report)
            self._link.flush_progress()
            if self._link.sock is None:
                self._go_on()

    def close(self) -> None:
        """Sends what progress is still held, as far as it goes without waiting, and ends the connection. Calls of other
        threads end with ConnectionLost."""
        with self._lock:
            sock = self._link.sock
            self._link.flush_progress()
            if sock is not None and self._leader is not None:
                try:
                    sock.shutdown(sockets.SHUT_RDWR)  # wakes the leader
                except OSError:
                    pass
            self._link.close()
            self._poll = self._polled = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    # ---- sending

    def _call(self, method: str, params: Any) -> _Call:
        ident = next(self._link.idents)
        return _Call(ident, method, self._writer.request(ident, method, params), method in REPEATABLE)

    def _submit(self, calls: List[_Call], seconds: Optional[float]) -> None:
        with self._lock:
            for call in calls:
                call.wait_from_now(seconds)
                self._link.submit(call)
            self._go_on()

    def _go_on(self) -> None:
        if self._link.sock is None:
            self._link.attempt()
        else:
            self._link.flush()

    # ---- waiting

    def _await(self, call: _Call) -> Any:
        try:
            while not call.done:
                with self._lock:
                    if call.done:
                        break
                    if call.deadline is not None and now() >= call.deadline:
                        raise self._link.timed_out(call, call.seconds or 0.0)
                    leads = self._leader is None
                    if leads:
                        self._leader = call
                    else:
                        bell = call.bell = threading.Lock()
                        bell.acquire()
                        self._followers[call.ident] = call
                if leads:
                    self._lead(call)
                else:
                    self._follow(call, bell)
        except BaseException:
            with self._lock:
                self._link.abandon(call)
            raise
        return call.outcome()

    def _follow(self, call: _Call, bell: threading.Lock) -> None:
        try:
            remaining = -1.0 if call.deadline is None else min(max(call.deadline - now(), 0.0), threading.TIMEOUT_MAX)
            if not self._link.out:
                bell.acquire(timeout=remaining)
            elif not bell.acquire(timeout=_BUSY_SLEEP):
                with self._lock:
                    self._link.flush()
        finally:
            with self._lock:
                call.bell = None
                self._followers.pop(call.ident, None)
                if self._leader is None:
                    self._wake_another()

    def _wake_another(self) -> None:
        for follower in self._followers.values():
            if not follower.done and follower.bell is not None:
                follower.wake()
                return

    def _lead(self, call: _Call) -> None:
        link = self._link
        try:
            while not call.done:
                with self._lock:
                    if link.sock is None:
                        link.expire()
                        link.attempt()
                    sock, until = link.sock, 0.0 if link.sock else link.next_event()
                at = now()
                if call.done or call.deadline is not None and at >= call.deadline:
                    return
                limit = _LONGEST_POLL if call.deadline is None else min(_LONGEST_POLL, call.deadline - at)
                if sock is None:
                    time.sleep(max(0.0, min(limit, _LONGEST_SLEEP, until - at)))
                else:
                    self._turn(sock, limit)
        finally:
            with self._lock:
                self._leader = None
                self._wake_another()

    def _turn(self, sock: sockets.socket, limit: float) -> None:
        """Waits for the socket, then takes and gives what goes."""
        link = self._link
        if self._polled is not sock:
            with self._lock:
                if link.sock is not sock:
                    return
                self._poll, self._polled = select.poll(), sock
                self._poll.register(sock, select.POLLIN)
        poll = self._poll
        if poll is None:
            return
        writes = bool(link.out)
        if writes:
            poll = select.poll()
            with self._lock:
                if link.sock is not sock:
                    return
                poll.register(sock, select.POLLIN | select.POLLOUT)
        ready = poll.poll(limit * 1000 + 0.5)
        with self._lock:
            if link.sock is not sock or not ready:
                return
            if ready[0][1] & ~select.POLLOUT:
                link.read()
            if link.sock is sock and (link.out or link.latest):
                link.flush()
                link.flush_progress()

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._leader = None
        self._followers = {}
        self._poll = self._polled = None
        self._link.forked()


def _forget_parents() -> None:
    for client in list(_clients):
        client._forked()


os.register_at_fork(after_in_child=_forget_parents)


class Reply:
    """The answer to a call of a pipeline."""

    def __init__(self, call: _Call) -> None:
        self._call = call

    @property
    def error(self) -> Optional[BaseException]:
        """What went wrong; None: nothing, or not sent yet."""
        return self._call.error

    def result(self) -> Any:
        """The result; raises what went wrong."""
        if not self._call.done:
            raise PersistdError("the pipeline has not been sent", kind="misuse", hint="leave its with block, or send()")
        return self._call.outcome()


class Pipeline(PipelinedMethods):
    """Calls that go out together, in order, each with an outcome of its own. A pipeline is used by one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: List[_Call] = []
        self._sent = 0
        self._timeout: Optional[float] = client.timeout

    def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Reply:
        """Any method. A timeout given here counts for the whole pipeline."""
        if not isinstance(timeout, Usual):
            self._timeout = checked_seconds(timeout, "timeout")
        call = self._client._call(method, params)
        self._calls.append(call)
        return Reply(call)

    def send(self) -> None:
        """Sends what was collected since, and waits until all of it is answered. Raises nothing: see the replies."""
        calls, self._sent = self._calls[self._sent:], len(self._calls)
        self._client._submit(calls, self._timeout)
        for call in calls:
            try:
                self._client._await(call)
            except PersistdError as error:
                call.done, call.error = True, error

    def results(self) -> List[Any]:
        """All results in order; raises the first error."""
        return [Reply(call).result() for call in self._calls]

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is None:
            self.send()
