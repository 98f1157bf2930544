"""A connection that mends itself, and the calls on it: what both clients share.

A Link neither waits nor starts threads. Whoever drives it (an event loop, or a thread that waits for an answer) calls
`attempt` when it is time to connect, `read` when the socket is readable and `flush` when it is writable, one at a time.

What is sent again after a connection ended: a line that had not wholly left for the kernel; a call that the daemon
refused because it is stopping; reads. A change that was sent and not answered ends with ConnectionLost, its outcome
"unknown"."""
from __future__ import annotations

import enum
import errno
import itertools
import math
import numbers
import os
import random
import socket
import stat
import sys
import time
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Union

from . import wire
from .errors import (DID_NOT_HAPPEN, UNKNOWN, CallTimeout, ConnectionLost, InvalidParams, Limit, PersistdError,
                     ShuttingDown, Unavailable, WrongType, from_reply)
from .progress import Progress

MAX_REPLY = 64 << 20
_MAX_NOTES = 1024      # notifications kept for a daemon that is away, and jobs whose last progress is
_NOTES_BACKLOG = 4 << 20     # bytes that wait for the kernel beyond which notifications are dropped
_PROGRESS_BACKLOG = 256 << 10  # bytes that wait for the kernel beyond which progress waits where it is coalesced
_MOST_LOSSES = 4       # connections that may end under one call before it gives up
_LONG_LINE = 64 << 10  # below this the daemon never counts a line as unfinished
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
_LONGEST_PATH = 107 if sys.platform == "linux" else 103  # bytes, by the kernel's sun_path
_SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)
_SEND_BYTES = 1 << 18
_RECEIVE, _RECEIVE_LONG = 1 << 16, 1 << 20

class Usual(enum.Enum):
    """Said where nothing is said: the client's own timeout."""
    USUAL = "usual"


USUAL = Usual.USUAL
Timeout = Union[float, None, Usual]

now = time.monotonic


class Line:
    """A line on its way. `end`: its last byte's place in what this connection was given; `turn`: its place among all
    lines of the link."""
    __slots__ = ("line", "end", "turn")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.end = self.turn = 0


class Note(Line):
    """A notification. `about`: the job whose progress it is."""
    __slots__ = ("about",)

    def __init__(self, line: bytes, about: Optional[str] = None) -> None:
        super().__init__(line)
        self.about = about


class Call(Line):
    """A request, until it is answered. Drivers make their own kind, whose `wake` tells whoever waits."""
    __slots__ = ("ident", "method", "repeatable", "patience", "losses", "refused", "done", "result", "error")

    def __init__(self, ident: int, method: str, line: bytes, repeatable: bool) -> None:
        super().__init__(line)
        self.ident = ident
        self.method = method
        self.repeatable = repeatable
        self.patience = 0.0  # when it stops waiting for a connection
        self.losses = 0
        self.refused = False  # by a daemon that was stopping or full
        self.done = False
        self.result: Any = None
        self.error: Optional[BaseException] = None

    def finish(self, result: Any, error: Optional[BaseException]) -> None:
        if not self.done:
            self.done, self.result, self.error = True, result, error
            self.wake()

    def wake(self) -> None:
        raise NotImplementedError


def _joined(chunk: Union[bytes, memoryview], out: Deque[Union[bytes, memoryview]]) -> bytes:
    """Small lines go out together."""
    chunks, size = [chunk], len(chunk)
    while out and size < _SEND_BYTES:
        chunks.append(out.popleft())
        size += len(chunks[-1])
    return b"".join(chunks)


class Link:
    def __init__(self, path: Callable[[], str], reconnect_for: float, writer: wire.Writer, max_reply: int = MAX_REPLY,
                 closing: Callable[[socket.socket], None] = lambda _: None) -> None:
        self.path = path
        self.reconnect_for = reconnect_for
        self.writer = writer
        self.max_reply = max_reply
        self.closing = closing              # told before a socket is closed
        self.sock: Optional[socket.socket] = None
        self.out: Deque[Union[bytes, memoryview]] = deque()
        self.backlog = 0                    # bytes in `out`
        self.pending: Dict[int, Call] = {}  # given to this connection
        self.waiting: Deque[Line] = deque() # for a connection
        self.latest: Dict[str, Progress] = {}
        self.next_try = 0.0
        self._notes: Deque[Note] = deque()  # given to this connection, not yet known to have left
        self._given = self._sent = 0
        self._tries = 0
        self._draining = False              # the daemon said that it stops
        self._part: List[bytes] = []
        self._part_len = 0
        self._answered = False              # this connection has answered a call
        self.idents = itertools.count(1)
        self._last_turn = 0
        self._finalizer: Any = None

    # ---- out

    def submit(self, call: Call) -> None:
        """Takes a call. Everything that was reported before goes before it."""
        self._move_progress()
        call.patience = now() + self.reconnect_for
        self._queue(call)

    def notify(self, note: Note) -> None:
        self._move_progress()
        if self.backlog < _NOTES_BACKLOG:
            self._queue(note)

    def report(self, ident: str, progress: Progress) -> None:
        """Keeps a job's newest progress for the next flush_progress. Bounded: the longest unchanged go."""
        latest = self.latest
        latest.pop(ident, None)
        latest[ident] = progress
        if len(latest) > _MAX_NOTES:
            del latest[next(iter(latest))]

    def flush_progress(self) -> None:
        if self.latest and self.sock is not None and not self._draining and self.backlog < _PROGRESS_BACKLOG:
            self._move_progress()
            self.flush()

    def _move_progress(self) -> None:
        if not self.latest:
            return
        latest, self.latest = self.latest, {}
        for ident, progress in latest.items():
            self._queue(Note(self.writer.progress(ident, *progress), ident))

    def _queue(self, line: Line) -> None:
        self._last_turn += 1
        line.turn = self._last_turn
        if self.sock is not None and not self._draining:
            self._give(line)
            return
        self.waiting.append(line)
        if len(self.waiting) > _MAX_NOTES:
            self._forget_old_notes()

    def _forget_old_notes(self) -> None:
        notes = [line.turn for line in self.waiting if isinstance(line, Note)]
        if len(notes) > _MAX_NOTES:
            oldest_kept = notes[-_MAX_NOTES // 2]
            self.waiting = deque(line for line in self.waiting if isinstance(line, Call) or line.turn >= oldest_kept)

    def _give(self, line: Line) -> None:
        self.out.append(line.line)
        self.backlog += len(line.line)
        self._given += len(line.line)
        line.end = self._given
        if isinstance(line, Call):
            self.pending[line.ident] = line
        elif isinstance(line, Note):
            self._notes.append(line)

    def flush(self) -> None:
        """Sends what the kernel takes."""
        out, sock = self.out, self.sock
        while out and sock is not None:
            chunk = out.popleft()
            if out and len(chunk) < _SEND_BYTES:
                chunk = _joined(chunk, out)
            try:
                sent = sock.send(chunk, _SEND_FLAGS)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                out.appendleft(chunk)
                self._broken(error)
                return
            self._sent += sent
            self.backlog -= sent
            if sent < len(chunk):
                out.appendleft(memoryview(chunk)[sent:])
                return
        self._notes.clear()

    def _broken(self, error: OSError) -> None:
        """Nothing more can be sent; answers that came before may still be read."""
        while self.sock is not None and self._receive():
            pass
        self.lost(str(error.strerror or error))

    # ---- in

    def read(self) -> None:
        """Takes in what has come, a fair share of it."""
        for _ in range(16):
            if not self._receive():
                return

    def _receive(self) -> bool:
        """False: there is no more for now, or no connection."""
        sock = self.sock
        if sock is None:
            return False
        size = _RECEIVE_LONG if self._part_len >= _RECEIVE else _RECEIVE
        try:
            data = sock.recv(size)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self.lost(str(error.strerror or error))
            return False
        if not data:
            self.lost("the daemon closed it")
            return False
        try:
            self._take(data)
        except wire.Garbage as error:
            self.lost(f"it sent {error}; is {self.path()} the socket of persistd?")
        return self.sock is sock and len(data) == size

    def _take(self, data: bytes) -> None:
        lines = data.split(b"\n")
        rest = lines.pop()
        sock = self.sock
        for line in lines:
            if self._part:
                self._part.append(line)
                line = b"".join(self._part)
                self._part.clear()
                self._part_len = 0
            if line and not line.isspace():
                for reply in wire.read_reply(line):
                    self._answer(reply)
            if self.sock is not sock:
                return
        if rest:
            self._part.append(rest)
            self._part_len += len(rest)
            if self._part_len > self.max_reply:
                raise wire.Garbage(f"a line of more than {self.max_reply} bytes")

    def _answer(self, reply: Dict[str, Any]) -> None:
        ident = reply.get("id")
        error = reply.get("error")
        if ident is None and error is not None:
            self._refused_line(from_reply(error))
            return
        call = self.pending.pop(ident, None) if isinstance(ident, int) else None
        refusal = from_reply(error) if error is not None else None
        if isinstance(refusal, ShuttingDown):
            self._draining = True
            if call is not None:
                self._again([call], refusal)
            if not self.pending:
                self.lost("the daemon is stopping")
            return
        self._tries = 0
        self._answered = True
        if call is not None:  # else nobody waits for it any more
            call.finish(reply.get("result"), refusal)

    def _refused_line(self, refusal: PersistdError) -> None:
        """An answer to a line that the daemon would not read, so that it cannot name the call."""
        calls = list(self.pending.values())
        longest = max((len(call.line) for call in calls), default=0)
        if isinstance(refusal, (Limit, ShuttingDown)) and not self._answered and longest < _LONG_LINE:
            # turned away at the door: nothing that was sent has been read
            self.pending = {}
            self._again(calls, refusal)
            self.lost(refusal.message)
            return
        place, error = wire.refused_line(refusal, [call.line for call in calls])
        if place is None and len(calls) == 1:
            place = 0
        if place is not None:
            self.pending.pop(calls[place].ident).finish(None, error)

    def _again(self, calls: List[Call], refusal: Optional[PersistdError] = None) -> None:
        """Back to those that wait for a connection, in the order in which they were asked for. Those that were refused
        end with that once their patience is over; whatever else happened to them begins it anew."""
        at = now()
        kept = []
        for call in calls:
            if refusal is None or not call.refused:
                call.patience = at + self.reconnect_for
            if refusal is not None and call.patience <= at:
                call.finish(None, refusal)
                continue
            call.refused = refusal is not None
            kept.append(call)
        if kept:
            self.waiting = deque(sorted([*kept, *self.waiting], key=lambda line: line.turn))

    # ---- connecting

    def wants_connection(self) -> bool:
        return self.sock is None and bool(self.waiting or self.latest)

    def attempt(self) -> None:
        """Connects if it is time to. What waits is sent, or told that its patience is over."""
        at = now()
        if self.sock is not None or at < self.next_try:
            return
        path = self.path()
        try:
            self._connect(path)
        except OSError as error:
            self._delay(at)
            self._give_up(at, path, error)
            return
        waiting, self.waiting = self.waiting, deque()
        for line in waiting:
            self._give(line)
        self._move_progress()
        self.flush()

    def _connect(self, path: str) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            try:
                sock.connect(path)
            except BlockingIOError:
                raise OSError(errno.EAGAIN, "too many clients are waiting to be let in") from None
        except BaseException:
            sock.close()
            raise
        self.sock = sock
        self._finalizer = weakref.finalize(self, sock.close)
        # a connection that ends without an answer has not ended the waiting
        self._delay(now())

    def _delay(self, at: float) -> None:
        delay = min(_FIRST_DELAY * 2 ** self._tries, _LONGEST_DELAY)
        self._tries = min(self._tries + 1, 16)
        self.next_try = at + delay * random.uniform(0.7, 1.0)

    def next_event(self) -> float:
        """While there is no connection: when to call `attempt` (and then `expire`) again."""
        patience = [line.patience for line in self.waiting if isinstance(line, Call)]
        return min([self.next_try, *patience])

    def expire(self) -> None:
        """Tries once more for calls whose patience is over, then they give up."""
        at = now()
        if self.sock is None and any(isinstance(line, Call) and line.patience <= at for line in self.waiting):
            self.next_try = 0.0
            self.attempt()

    def _give_up(self, at: float, path: str, error: OSError) -> None:
        kept: Deque[Line] = deque()
        given_up: List[Call] = []
        hopeless = _path_fault(path) or _no_socket(path)
        for line in self.waiting:
            if isinstance(line, Call) and (hopeless or line.patience <= at):
                given_up.append(line)
            else:
                kept.append(line)
        self.waiting = kept
        for call in given_up:
            call.finish(None, unavailable(path, self.reconnect_for, error, hopeless))

    # ---- ends

    def lost(self, why: str) -> None:
        """The connection is over: sorts out what is sent again and what nobody knows."""
        sock = self.sock
        if sock is None:
            return
        self.closing(sock)
        self.sock = None
        sock.close()
        if self._finalizer:
            self._finalizer.detach()
        if self._tries == 0:
            self.next_try = 0.0
        calls, self.pending = list(self.pending.values()), {}
        notes = [note for note in self._notes if note.end > self._sent and note.about not in self.latest]
        sent = self._sent
        self.out.clear()
        self._notes.clear()
        self._part.clear()
        self.backlog = self._given = self._sent = self._part_len = 0
        self._draining = self._answered = False
        self._again([call for call in calls if not self._is_over(call, sent, why)])
        if notes:
            self.waiting = deque(sorted([*notes, *self.waiting], key=lambda line: line.turn))

    def _is_over(self, call: Call, sent: int, why: str) -> bool:
        # at the end of the stream the daemon takes a line without its newline, too
        left = call.end - 1 <= sent
        call.losses += 1
        if left and not call.repeatable:
            call.finish(None, ConnectionLost(
                f"the connection ended before {call.method} was answered: {why}", outcome=UNKNOWN,
                hint="it may have happened: look before you repeat it"))
        elif call.losses >= _MOST_LOSSES:
            call.finish(None, ConnectionLost(f"the connection ended {call.losses} times before {call.method} was "
                                             f"answered: {why}"))
        return call.done

    def abandon(self, call: Call) -> bool:
        """Nobody waits for this call any more. True: it was never sent, and will not be."""
        if self.pending.pop(call.ident, None) is not None:
            return False
        try:
            self.waiting.remove(call)
        except ValueError:
            return False
        return True

    def timed_out(self, call: Call, seconds: float) -> CallTimeout:
        """Abandons it, and says what is known of it."""
        never_sent = self.abandon(call)
        harmless = never_sent or call.repeatable
        return CallTimeout(f"{call.method} was not answered within {seconds:g} s", outcome=DID_NOT_HAPPEN if harmless
                           else UNKNOWN, hint=None if harmless else "it may still happen: look before you repeat it")

    def close(self) -> None:
        """Sends what progress is held, as far as it goes without waiting. Calls under way end."""
        self.flush_progress()
        waiting, self.waiting = self.waiting, deque()
        pending, self.pending = self.pending, {}
        self.latest.clear()
        self.lost("closed")
        for line in (*pending.values(), *waiting):
            if isinstance(line, Call):
                unknown = line.ident in pending and not line.repeatable
                line.finish(None, ConnectionLost(f"the client was closed before {line.method} was answered",
                                                 outcome=UNKNOWN if unknown else DID_NOT_HAPPEN))

    def forked(self) -> None:
        """In a child process: the connection is the parent's. Nothing of it is sent, read or told to anyone."""
        if self.sock is not None:
            self.sock.close()
            if self._finalizer:
                self._finalizer.detach()
        self.sock = None
        self.pending = {}
        self.waiting.clear()
        self.latest.clear()
        self.out.clear()
        self._notes.clear()
        self._part.clear()
        self.backlog = self._given = self._sent = self._part_len = 0
        self._draining = self._answered = False
        self.next_try = 0.0


def _path_fault(path: str) -> Optional[str]:
    """Why there can be no socket of this path."""
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        return "no path has half a surrogate pair in it"
    if size <= _LONGEST_PATH:
        return None
    return f"a socket's path has at most {_LONGEST_PATH} bytes, and this has {size} bytes"


_KINDS = ((stat.S_ISREG, "a file"), (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a pipe"),
          (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def _no_socket(path: str) -> Optional[str]:
    """What is there instead of a socket."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    return next((f"{path} is {what}, not a socket" for is_one, what in _KINDS if is_one(mode)), None)


def checked_seconds(seconds: Any, name: str) -> Optional[float]:
    """A timeout: None, or a time that is some."""
    if seconds is None:
        return None
    checked = _seconds(seconds, name, "a number of seconds above 0, or None")
    if not checked > 0:
        raise InvalidParams(f"{name} must be above 0 (None: for ever), not {seconds!r}", field=name,
                            expected="a number of seconds above 0, or None")
    return None if checked == math.inf else checked


def checked_patience(seconds: Any, name: str) -> float:
    checked = _seconds(seconds, name, "a number of seconds, at least 0")
    if not checked >= 0:
        raise InvalidParams(f"{name} must be at least 0, not {seconds!r}", field=name,
                            expected="a number of seconds, at least 0")
    return checked


def _seconds(seconds: Any, name: str, expected: str) -> float:
    if type(seconds) is float or type(seconds) is int:
        return seconds
    if isinstance(seconds, bool) or not isinstance(seconds, numbers.Real):
        raise WrongType(f"{name} must be {expected}, not {seconds!r}", field=name, expected=expected)
    return float(seconds)


def unavailable(path: str, tried_for: float, error: OSError, hopeless: Optional[str]) -> Unavailable:
    why = hopeless or error.strerror or str(error)
    tried = f", tried for {tried_for:g} s" if tried_for > 0 and not hopeless else ""
    if hopeless:
        hint = "name the daemon's socket with PERSISTD_SOCKET or socket="
    elif error.errno in (errno.EACCES, errno.EPERM):
        hint = "the socket belongs to somebody else: name yours with PERSISTD_SOCKET or socket="
    elif error.errno == errno.EAGAIN:
        hint = "the daemon is very busy"
    else:
        hint = f"start one with: persistd --socket {path}; or name its socket with PERSISTD_SOCKET or socket="
    said = Unavailable(f"no persistd at {path}: {why}{tried}", hint=hint)
    said.__cause__ = error
    return said


def checked_socket(socket_path: Union[None, str, "os.PathLike[str]"]) -> Optional[str]:
    """The path to connect to, None for the usual places; refuses what the classes of jobs.json and runs.json took."""
    if socket_path is None:
        return None
    path = os.fspath(socket_path)
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidParams("socket must be the path of a daemon's socket", field="socket", expected="a path, or None")
    fault = _path_fault(path)
    if fault:
        raise InvalidParams(f"socket: {fault}: {wire.printable(path)}", field="socket",
                            expected=f"the path of a daemon's socket, of at most {_LONGEST_PATH} bytes")
    if path.endswith(".json") or os.path.isdir(path) or os.path.isfile(path):
        raise not_a_file(path)
    return path


def not_a_file(path: object) -> InvalidParams:
    return InvalidParams(
        f"socket must be the path of a daemon's socket, and {path} is not one: the records are kept by persistd",
        field="socket", expected="a socket's path, or nothing ($PERSISTD_SOCKET, then the usual places)",
        hint="leave the path out; to bring old records along put jobs.json and runs.json into the daemon's state "
             "directory before its first start, or: persistctl import DIRECTORY, with the one that holds them")
