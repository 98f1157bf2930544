"""A job's progress as it is reported: checked here, since nobody answers a report."""
from __future__ import annotations

from typing import Any, Optional, Tuple

from .errors import InvalidParams

Progress = Tuple[float, float, str]


def _number(value: Any, name: str) -> float:
    if hasattr(value, "item") and not isinstance(value, (int, float)):
        value = value.item()  # numpy's
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
    if not fits or isinstance(value, int) and value >= 2 ** 63:
        raise InvalidParams(f"progress.{name} must be a number of at least 0, not {value!r}", field=f"progress.{name}",
                            expected="a finite number, at least 0")
    return int(value) if isinstance(value, int) else float(value)  # and nothing that is printed in its own way


def checked(current: Any, total: Any, message: Any) -> Progress:
    if type(current) is not int or not 0 <= current < 2 ** 63:
        current = _number(current, "current")
    if type(total) is not int or not 0 <= total < 2 ** 63:
        total = _number(total, "total")
    if type(message) is not str:
        message = "" if message is None else str(message)
    if not message.isascii():
        try:
            message.encode()
        except UnicodeEncodeError:
            raise InvalidParams("progress.message: a string with half a surrogate pair is not UTF-8",
                                field="progress.message", expected="text that UTF-8 can hold") from None
    return current, total, message


def of(progress: Any, total: Optional[Any] = None, message: Optional[str] = None) -> Progress:
    """Of an object or a dict with current, total and message; or of the three themselves."""
    if isinstance(progress, dict):
        parts = progress.get("current"), progress.get("total"), progress.get("message")
    elif hasattr(progress, "current"):
        parts = progress.current, getattr(progress, "total", None), getattr(progress, "message", None)
    elif progress is None or isinstance(progress, str):
        raise InvalidParams("progress must have current, total and message", field="progress",
                            expected="an object or a dict with current, total and message; or current, total, message")
    else:
        parts = progress, None, None
    current, total, message = parts[0], parts[1] if total is None else total, parts[2] if message is None else message
    return checked(0 if current is None else current, 0 if total is None else total, message)


def checked_id(ident: Any) -> str:
    if type(ident) is not str:
        ident = "" if ident is None else str(ident)
    if not ident or not ident.isascii():
        raise InvalidParams("id must be a job's id", field="id", expected="a string that matches [A-Za-z0-9_-]{1,160}")
    return str(ident)
