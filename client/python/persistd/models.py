"""Jobs as Python objects: the enums and dataclasses, and the way between an object and its record on the wire.

Any other class with the same attributes works as well, be it a dataclass, a pydantic model or a SimpleNamespace, with
enums of its own or plain strings, and progress and result as objects or dicts."""
from __future__ import annotations

import dataclasses
import enum
import functools
import re
import typing
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional, Type, TypeVar

from . import wire
from .errors import InvalidParams, WrongType

_Word = TypeVar("_Word", bound="_WireEnum")


class _WireEnum(str, enum.Enum):
    """A member's value is the wire's string. It equals that string, and members of other enums with that value."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, enum.Enum):
            return bool(self.value == other.value)
        return str.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    @classmethod
    def read(cls: Type[_Word], text: str) -> _Word:
        """The member for a record's text. What is no member, a type or a status of somebody else's, becomes one that
        only has the value."""
        try:
            return cls(text)
        except ValueError:
            foreign: _Word = _foreign(cls, str(text))
            return foreign

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _read, (type(self), self.value)

    def __copy__(self: _Word) -> _Word:
        return self

    def __deepcopy__(self: _Word, memo: Any) -> _Word:
        return self


@functools.lru_cache(maxsize=1024)
def _foreign(cls: Any, text: str) -> Any:
    word = str.__new__(cls, text)
    word._name_ = text.upper()
    word._value_ = text
    return word


def _read(cls: Type[_Word], text: str) -> _Word:
    return cls.read(text)


class JobStatus(_WireEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobType(_WireEnum):
    """The common types. A job's type may be any [a-z0-9_]{1,64}: give it as a string."""
    BACKTEST = "backtest"
    OPTIMIZATION = "optimization"
    SIGNAL_GENERATION = "signal_generation"
    DATA_REFRESH = "data_refresh"
    CUSTOM = "custom"


TERMINAL = frozenset({"completed", "failed", "cancelled"})


def _utc_now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


@dataclasses.dataclass
class JobProgress:
    current: float = 0
    total: float = 0
    message: str = ""

    @property
    def percentage(self) -> float:
        return 100.0 * self.current / self.total if self.total else 0.0


@dataclasses.dataclass
class JobResult:
    success: bool
    data: Any = None
    error: Optional[str] = None
    artifacts: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Job:
    """created_at is naive and means UTC, as datetime.utcnow() gives it, unless you give an aware one; the other times
    of a job that is read are as its created_at is, so that they can be subtracted."""
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    type: JobType = JobType.CUSTOM
    status: JobStatus = JobStatus.PENDING
    payload: Dict[str, Any] = dataclasses.field(default_factory=dict)
    progress: Optional[JobProgress] = None
    result: Optional[JobResult] = None
    created_at: datetime = dataclasses.field(default_factory=_utc_now)
    started_at: Optional[datetime] = None
    completed_at: Optional[datetime] = None
    error: Optional[str] = None
    metadata: Dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.type, enum.Enum):
            self.type = JobType.read(self.type)
        if not isinstance(self.status, enum.Enum):
            self.status = JobStatus.read(self.status)

    @property
    def is_terminal(self) -> bool:
        return getattr(self.status, "value", self.status) in TERMINAL


FIELDS = tuple(field.name for field in dataclasses.fields(Job))
TIMES = ("created_at", "started_at", "completed_at")
NEEDED = ("id", "type", "status")
_ABSENT: Any = object()

# ---- an object's record


def _word(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _time(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value != value:
        return None  # pandas' NaT
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):
        value = value.astimezone(timezone.utc)  # RFC 3339 has no seconds in an offset
    return value.isoformat()


def _part(value: Any, name: str, default: Any = _ABSENT) -> Any:
    return value.get(name, default) if isinstance(value, dict) else getattr(value, name, default)


def _progress(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) and not hasattr(value, "current"):
        raise WrongType(f"job.progress must have current, total and message, which {type(value).__name__} has not",
                        field="job.progress", expected="an object or a dict with current, total and message, or None")
    parts = {name: _part(value, name) for name in ("current", "total", "message")}
    return {name: part for name, part in parts.items() if part is not _ABSENT and part is not None}


def _result(value: Any) -> Any:
    if value is None:
        return None
    parts = {name: _part(value, name) for name in ("success", "data", "error", "artifacts")}
    if parts["success"] is _ABSENT:
        raise InvalidParams("job.result must have success", field="job.result.success", expected="True or False")
    record = {name: part for name, part in parts.items() if part is not _ABSENT}
    if "error" in record:
        record["error"] = _text(record["error"])
    if "artifacts" in record:
        record["artifacts"] = [str(artifact) for artifact in record["artifacts"] or ()]
    return record


def ident(value: Any) -> str:
    """An id's text. None is nobody's."""
    return "" if value is None else str(value)


def _object(value: Any) -> Any:
    return {} if value is None else value


def _text(value: Any) -> Any:
    if isinstance(value, BaseException):
        return wire.error_text(value)
    return value if value is None or isinstance(value, str) else str(value)


_TO_WIRE: Dict[str, Callable[[Any], Any]] = {
    "id": _text, "type": _word, "status": _word, "payload": _object, "progress": _progress, "result": _result,
    "created_at": _time, "started_at": _time, "completed_at": _time, "error": _text, "metadata": _object}


def to_record(job: Any) -> Dict[str, Any]:
    """The record of any object with a job's attributes, or of a dict. What it has not is left out."""
    record = {}
    for name, to_wire in _TO_WIRE.items():
        value = _part(job, name)
        if value is not _ABSENT:
            record[name] = to_wire(value)
    if not record.get("id"):
        record.pop("id", None)
    return record


def checked(job: Any) -> Any:
    """The same, if it is a job. An object must say what it is and how it is; a dict may be a part of a job, and what it
    has beyond a job's fields is left for the daemon to judge."""
    if isinstance(job, dict):
        missing = NEEDED if not job else ()
    elif job is None or isinstance(job, (type, str, bytes, int, float, list, tuple)):
        missing = NEEDED
    else:
        missing = tuple(name for name in NEEDED if _part(job, name) is _ABSENT)
    if missing:
        what = f"the class {job.__name__}" if isinstance(job, type) else type(job).__name__
        raise WrongType(f"this is no job: {what} has no {', '.join(missing)}", field="job",
                        expected="an object with the attributes id, type, status, payload, …, or a dict of them")
    if isinstance(job, dict) and not all(isinstance(name, str) for name in job):
        raise WrongType("a job's fields must be strings", field="job",
                        expected="a dict with id, type, status, payload, …")
    return job


def to_save(job: Any) -> Dict[str, Any]:
    """The record to send."""
    record = to_record(checked(job))
    if isinstance(job, dict):
        record.update({name: value for name, value in job.items() if name not in _TO_WIRE})
    return record


# ---- a record's object

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:([Zz])|([+-])(\d\d):?(\d\d))?")


def read_time(text: Any) -> Optional[datetime]:
    """A datetime, naive where the text has no offset; None where there is none, or no time in it."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    match = _RFC3339.fullmatch(text)
    if not match:
        return None
    date, clock, fraction, zulu, sign, hours, minutes = match.groups()
    zone: Optional[timezone] = timezone.utc if zulu else None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}")
    except ValueError:
        return None
    return moment.replace(microsecond=int((fraction or "").ljust(6, "0")), tzinfo=zone)


def _alike(time: Optional[datetime], pattern: datetime) -> Optional[datetime]:
    if time is None or (time.tzinfo is None) == (pattern.tzinfo is None):
        return time
    if pattern.tzinfo is None:
        return time.astimezone(timezone.utc).replace(tzinfo=None)
    return time.replace(tzinfo=timezone.utc)


def read_times(record: Dict[str, Any]) -> Dict[str, Any]:
    """The times of a record, all as created_at is: naive, in UTC, or aware."""
    times = {name: read_time(record.get(name)) for name in TIMES}
    pattern = times["created_at"] or next((time for time in times.values() if time), None)
    return {name: _alike(time, pattern) if pattern else time for name, time in times.items()}


def times_of(record: Dict[str, Any]) -> List[str]:
    """The times that a job of this status has. A job that is to be tried again may have kept others, of the time
    before: a null keeps what is stored."""
    status = record.get("status")
    beyond = {"pending": 1, "running": 2}.get(str(status), len(TIMES))
    return list(TIMES[:beyond])


def _hint(hints: Dict[str, Any], name: str) -> Optional[Type[Any]]:
    """The class that an attribute is declared to hold, Optional or not."""
    hint = hints.get(name)
    options = [hint, *typing.get_args(hint)]
    return next((option for option in options if isinstance(option, type) and option is not type(None)), None)


class Maker:
    """Makes jobs of a class out of records: job_class(**fields), its enums, progress and result of the classes that its
    annotations name."""

    def __init__(self, job_class: Type[Any] = Job) -> None:
        self._class = job_class
        try:
            hints = typing.get_type_hints(job_class)
        except Exception:  # annotations that cannot be resolved here
            hints = {}
        self._type = self._enum(_hint(hints, "type"), JobType)
        self._status = self._enum(_hint(hints, "status"), JobStatus)
        self._progress = self._record(_hint(hints, "progress"), JobProgress)
        self._result = self._record(_hint(hints, "result"), JobResult)

    @staticmethod
    def _enum(hint: Optional[Type[Any]], ours: Type[_WireEnum]) -> Callable[[str], Any]:
        if hint is None or hint is ours or not issubclass(hint, (enum.Enum, str)):
            return ours.read
        theirs: Callable[[str], Any] = hint

        def read(text: str) -> Any:
            try:
                return theirs(text)
            except ValueError:
                return ours.read(text)
        return read

    @staticmethod
    def _record(hint: Optional[Type[Any]], ours: Type[Any]) -> Callable[..., Any]:
        return hint if hint is not None and hint is not object and not issubclass(hint, (str, int, float)) else ours

    def fields(self, record: Dict[str, Any]) -> Dict[str, Any]:
        progress, result = record.get("progress"), record.get("result")
        return {
            "id": record["id"],
            "type": self._type(record.get("type") or "custom"),
            "status": self._status(record.get("status") or "pending"),
            "payload": record.get("payload") or {},
            "progress": self._progress(
                current=progress.get("current", 0), total=progress.get("total", 0),
                message=progress.get("message", "")) if isinstance(progress, dict) else None,
            "result": self._result(
                success=bool(result.get("success")), data=result.get("data"), error=result.get("error"),
                artifacts=list(result.get("artifacts") or ())) if isinstance(result, dict) else None,
            "error": record.get("error"),
            "metadata": record.get("metadata") or {},
            **read_times(record)}

    def job(self, record: Dict[str, Any]) -> Any:
        return self._class(**self.fields(record))

    def progress(self, current: float, total: float, message: str) -> Any:
        return self._progress(current=current, total=total, message=message)
