"""JobStore: the asyncio class that keeps jobs, with persistd behind it.

Its methods, arguments and results are those of the class that rewrites jobs.json inside one process. That one kept the
caller's own objects, so that whoever asked for a job got the same object as everybody else, and saw the progress that
was reported. Services rely on it; so this one does the same with objects that are still in use (see `shared`)."""
from __future__ import annotations

import builtins
import decimal
import functools
import marshal
import math
import numbers
import os
import threading
import weakref
from datetime import timedelta
from types import TracebackType
from typing import Any, Dict, Iterable, Optional, Type, Union

from . import models, wire
from . import progress as progress_
from .aclient import AsyncClient
from .client import SocketPath
from .errors import InvalidParams, NotFound, WrongType
from .link import not_a_file

_PAGE = 1000
_LAST_PLACE = 2 ** 53  # an offset that is taken, and beyond any record
_LONG_AGO = 10 ** 9  # days: before any job
Words = Union[None, str, Iterable[str]]


class _Used:
    """A job's object that somebody still holds, and the record that it was made of or saved as."""
    __slots__ = ("ref", "seen", "progress")

    def __init__(self, ref: weakref.ref[Any], record: Dict[str, Any]) -> None:
        self.ref = ref
        self.progress = False  # whether any was seen, or reported here
        self.saw(record)

    def saw(self, record: Dict[str, Any]) -> None:
        self.seen = marshal.dumps(record)
        self.progress = self.progress or record.get("progress") is not None


def _words(value: Words) -> Any:
    """A filter's value or values as the wire has them."""
    if value is None or isinstance(value, str):
        return models._word(value)
    if isinstance(value, Iterable):
        words = [models._word(each) for each in value]
        return [word for place, word in enumerate(words) if word not in words[:place]]
    return models._word(value)


def _place(offset: Optional[int]) -> int:
    return min(max(0, int(offset or 0)), _LAST_PLACE)


class JobStore:
    """Keeps jobs in persistd. For asyncio: one store serves any number of tasks, event loops and threads.

    socket: the daemon's socket; None: $PERSISTD_SOCKET, then the usual places.
    timeout: how many seconds a call may take in all; None: for ever.
    nan: "refuse" a NaN or an infinity in a job, naming where it is, or store "null" instead.
    job_class: what jobs are made of that nobody holds yet: called with a job's fields as keywords.
    shared: get() and list() give the object that was saved or given before, brought up to date but for what was
        changed in it and not saved, for as long as anybody holds it; update_progress() sets its progress. False: every
        get() makes an object, and update_progress() changes none.
    reconnect_for: how many seconds a call goes on looking for a daemon that is not there; 0: one attempt.
    default: what becomes of values that JSON does not know; by default their str(), but see wire.plain."""

    def __init__(self, socket: SocketPath = None, *, timeout: Optional[float] = 30.0, nan: str = "refuse",
                 job_class: Type[Any] = models.Job, shared: bool = True, reconnect_for: float = 5.0,
                 default: wire.Default = wire.plain_or_str, path: Union[None, str, os.PathLike[str]] = None) -> None:
        if path is not None:
            raise not_a_file(path)
        self.client = AsyncClient(socket, timeout=timeout, nan=nan, reconnect_for=reconnect_for, default=default)
        self._options: Dict[str, Any] = {
            "nan": nan, "job_class": job_class, "shared": shared, "reconnect_for": reconnect_for, "default": default}
        self._maker = models.Maker(job_class)
        self._shared = shared
        self._used: Dict[str, _Used] = {}
        self._lock = threading.RLock()  # of _used and of bringing objects up to date: loops of several threads do it

    def __reduce__(self) -> Any:
        """A copy, in this process or another, has the settings, and connections and objects in use of its own."""
        return functools.partial(type(self), self.client._socket, timeout=self.client.timeout, **self._options), ()

    # ---- the methods of the class that this replaces

    async def save(self, job: Any) -> Any:
        """Stores the whole job, and returns it with what the daemon filled in: an id and times that it had not."""
        sent = models.to_save(job)
        if sent.get("progress", self) is None and self._knows_no_progress(job, sent.get("id")):
            del sent["progress"]  # what was reported by others, or could not be set here, stays
        record = await self.client.call("job.save", {"job": sent})
        filled = self._fill(job, record)
        if filled is job and "progress" not in sent:
            record["progress"] = None  # as it is in the object, until that is brought up to date
        self._use(filled, record)
        return filled

    async def get(self, job_id: str) -> Any:
        """The job; None where there is none of this id."""
        try:
            record = await self.client.call("job.get", {"id": models.ident(job_id)})
        except NotFound:
            self._used.pop(models.ident(job_id), None)
            return None
        except InvalidParams as error:
            if error.field == "id":
                return None  # no job can have such an id
            raise
        return self._object(record)

    async def list(self, status: Words = None, job_type: Words = None, limit: Optional[int] = 100,
                   offset: int = 0) -> builtins.list[Any]:
        """The newest jobs first. status and job_type: one or several of them. limit: any number, None for all; as in
        the class before, what is below 1 counts as 1."""
        wanted = None if limit is None else max(1, int(limit))
        params = {"status": _words(status), "type": _words(job_type), "offset": _place(offset)}
        params = {name: value for name, value in params.items() if value is not None}
        jobs: builtins.list[Any] = []
        while wanted is None or len(jobs) < wanted:
            params["limit"] = _PAGE if wanted is None else min(_PAGE, wanted - len(jobs))
            try:
                page = await self.client.call("job.list", params)
            except InvalidParams as error:
                if not _narrowed(params, error):
                    raise
                if not params[_filter(error)]:
                    return []
                continue
            jobs += [self._object(record) for record in page["jobs"]]
            if page["next_cursor"] is None:
                break
            params.pop("offset", None)
            params["cursor"] = page["next_cursor"]
        return jobs

    async def update_progress(self, job_id: str, progress: Any = None, total: Optional[float] = None,
                              message: Optional[str] = None, *, current: Optional[float] = None) -> None:
        """Reports how far a job is: an object or a dict with current, total and message, or the three themselves. Meant
        for loops: it waits for nothing, and neither an unknown id nor a daemon that is away is an error. Calls that
        are made later see it."""
        report = progress_.of(current if progress is None else progress, total, message)
        try:
            ident = progress_.checked_id(job_id)
        except InvalidParams:
            return  # no job can have such an id
        self.client._driver().report(ident, report)
        used = self._used.get(ident) if self._shared else None
        job = used.ref() if used is not None else None
        if used is not None and job is not None:
            whole = progress is not None and not isinstance(progress, (dict, int, float))
            used.progress = True
            _set(job, "progress", progress if whole else self._maker.progress(*report))

    async def cleanup(self, days: Union[float, timedelta] = 30) -> int:
        """Removes the jobs that ended more than so many days, or so long, ago; how many there were. What is below 0
        counts as 0: every job that has ended."""
        reply = await self.client.call("job.cleanup", {"days": _days(days)})
        return int(reply["removed"])

    async def delete(self, job_id: str) -> bool:
        """Removes a job; whether there was one."""
        self._used.pop(models.ident(job_id), None)
        try:
            reply = await self.client.call("job.delete", {"id": models.ident(job_id)})
        except InvalidParams as error:
            if error.field == "id":
                return False
            raise
        return bool(reply["removed"])

    # ---- and its end

    async def aclose(self) -> None:
        """Ends the running loop's connection. The store may be used on: the next call makes a new one."""
        await self.client.aclose()

    async def __aenter__(self) -> JobStore:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.aclose()

    # ---- objects that are in use

    def _fill(self, job: Any, record: Dict[str, Any]) -> Any:
        """Gives the job the id and the times that the daemon chose. What cannot be set becomes a new object."""
        missing = [name for name in ("id", *models.times_of(record)) if not models._part(job, name, None)]
        filled = {name: value for name, value in self._maker.fields(record).items() if name in missing and value}
        if all(_set(job, name, value) for name, value in filled.items()):
            return job
        return self._maker.job(record)

    def _knows_no_progress(self, job: Any, ident: Optional[str]) -> bool:
        """Whether a progress of None is not one that was taken back."""
        with self._lock:
            used = self._used.get(ident or "")
            held = used is not None and used.ref() is job and not used.progress
        return held or not _can_be_held(job)

    def _use(self, job: Any, record: Dict[str, Any]) -> None:
        if self._shared:
            with self._lock:
                self._hold(job, record)

    def _hold(self, job: Any, record: Dict[str, Any]) -> None:
        ident = record["id"]
        used = self._used.get(ident)
        if used is not None and used.ref() is job:
            used.saw(record)
            return
        everybody = self._used

        def gone(ref: Any) -> None:
            held = everybody.get(ident)
            if held is not None and held.ref is ref:
                del everybody[ident]

        try:
            everybody[ident] = _Used(weakref.ref(job, gone), record)
        except TypeError:
            everybody.pop(ident, None)  # a class whose objects cannot be looked after

    def _object(self, record: Dict[str, Any]) -> Any:
        """The job of a record: the object in use, brought up to date, or a new one."""
        with self._lock:
            return self._held_object(record)

    def _held_object(self, record: Dict[str, Any]) -> Any:
        used = self._used.get(record["id"])
        job = used.ref() if used is not None else None
        if used is None or job is None:
            job = self._maker.job(record)
            self._use(job, record)
            return job
        seen = marshal.loads(used.seen)
        if record.get("revision", 0) < seen.get("revision", 0):
            return job  # an answer that another thread's save has overtaken
        changed = [name for name in models.FIELDS if name != "id" and record.get(name) != seen.get(name)]
        if changed:
            self._bring_up_to_date(job, changed, seen, record)
            used.saw(record)
        return job

    def _bring_up_to_date(self, job: Any, changed: Iterable[str], seen: Dict[str, Any], record: Dict[str, Any]) -> None:
        was, has = models.to_record(self._maker.job(seen)), models.to_record(job)
        now = self._maker.fields(record)
        for name in changed:
            # else it was changed here and not saved yet; but a time of None is no time that anybody chose
            if has.get(name) == was.get(name) or (name in models.TIMES and has.get(name) is None):
                _set(job, name, now[name])


def _days(age: Any) -> float:
    expected = "a finite number of days, or a timedelta"
    if isinstance(age, timedelta):
        return max(0.0, age / timedelta(days=1))
    if isinstance(age, bool) or not isinstance(age, (numbers.Real, decimal.Decimal)):
        raise WrongType(f"days must be {expected}, not {age!r}", field="days", expected=expected)
    days = age if isinstance(age, int) else float(age)
    if isinstance(days, float) and not math.isfinite(days):
        raise InvalidParams(f"days must be {expected}, not {age!r}", field="days", expected=expected)
    return min(max(0, days), _LONG_AGO)


def _can_be_held(job: Any) -> bool:
    try:
        weakref.ref(job)
    except TypeError:
        return False
    return True


def _set(job: Any, name: str, value: Any) -> bool:
    try:
        if isinstance(job, dict):
            job[name] = value
        else:
            setattr(job, name, value)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _filter(error: InvalidParams) -> str:
    return (error.field or "").split("[")[0]


def _narrowed(params: Dict[str, Any], error: InvalidParams) -> bool:
    """Takes a word that no record can have out of a filter: it selects nothing, as in the class before. False: the
    error is another one."""
    name, bracket, place = (error.field or "").partition("[")
    words = params.get(name)
    if error.code != InvalidParams.code or name not in ("status", "type", "kind") or words is None:
        return False
    if bracket:
        del words[int(place.rstrip("]"))]
    elif isinstance(words, builtins.list) and words:
        return False  # too many
    else:
        params[name] = []
    return True
