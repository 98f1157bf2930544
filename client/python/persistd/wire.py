"""What goes over the socket: requests as lines of JSON, and what in a value keeps it from being one.

The way that works costs one run of the C encoder. Only where that fails is the value walked, to say where and why."""
from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Mapping, Set
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from .errors import InvalidParams, NotSerialisable, ParseError, PersistdError

NESTING = 128  # levels of one line, the envelope's two among them
_ENVELOPE = 2

Default = Callable[[Any], Any]
_quoted: Callable[[str], str] = getattr(json.encoder, "encode_basestring", json.dumps)

def plain(value: Any) -> Any:
    """What JSON can say of a value that it does not know; TypeError where it can say nothing."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, pathlib.PurePath)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def plain_or_str(value: Any) -> Any:
    """The same, and of anything else its str(), as json.dumps(..., default=str) has it."""
    try:
        return plain(value)
    except TypeError:
        return str(value)


def error_text(error: BaseException) -> str:
    """What an exception says; its class where it says nothing."""
    try:
        said = str(error)
    except Exception:  # whatever its own methods raise
        said = ""
    return said if said.strip() else type(error).__name__


class Writer:
    """Writes request lines. nan: "refuse" a NaN or an infinity by name, or store "null" instead."""

    def __init__(self, nan: str = "refuse", default: Default = plain) -> None:
        if nan not in ("refuse", "null"):
            raise InvalidParams(f'nan must be "refuse" or "null", not {nan!r}', field="nan",
                                expected='"refuse" or "null"')
        self._nulls = nan == "null"
        self._default = default
        self._encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"),
                                        default=default).encode

    def value(self, value: Any, path: str = "") -> bytes:
        """The value's JSON. `path` is how errors name its root."""
        try:
            return self._encode(value).encode()
        except (ValueError, TypeError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
            fault = find_fault(value, path, self._default, nan=not self._nulls)
            if fault:
                raise fault from None
            if not self._nulls:
                raise NotSerialisable(f"{path or 'the value'} cannot be written as JSON: {error}",
                                      field=path) from error
        return self._encode(_nulled(value, self._default)).encode()

    def params(self, params: Any) -> bytes:
        if params is not None and not isinstance(params, (dict, list, tuple)):
            raise InvalidParams(f"params must be a dict or a list, not {type(params).__name__}", field="params",
                                expected="a dict (by name) or a list (by position)")
        return self.value({} if params is None else params)

    def request(self, ident: int, method: str, params: Any) -> bytes:
        return b'{"jsonrpc":"2.0","id":%d,"method":%s,"params":%s}\n' % (ident, _method(method), self.params(params))

    def notification(self, method: str, params: Any) -> bytes:
        return b'{"jsonrpc":"2.0","method":%s,"params":%s}\n' % (_method(method), self.params(params))

    def progress(self, ident: str, current: float, total: float, message: str) -> bytes:
        """A report whose parts were checked: built without the encoder, since there may be very many."""
        return (f'{{"jsonrpc":"2.0","method":"job.update_progress","params":{{"id":{_quoted(ident)},"progress":'
                f'{{"current":{current!r},"total":{total!r},"message":{_quoted(message)}}}}}}}\n').encode()


def _method(name: str) -> bytes:
    try:
        return json.dumps(str(name)).encode()
    except UnicodeEncodeError:
        raise InvalidParams("the method's name is no text", field="method") from None


# ---- what is wrong with a value

def _key_fault(key: Any) -> Optional[str]:
    if isinstance(key, float) and not math.isfinite(key):
        return f"{key!r} cannot be a key"
    if key is None or isinstance(key, (str, int, float)):
        return None
    return f"its keys must be strings, not {type(key).__name__}"


def _text_fault(text: str) -> Optional[str]:
    try:
        text.encode()
        return None
    except UnicodeEncodeError:
        return "a string with half a surrogate pair is not UTF-8"


def _children(value: Any, path: str) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield (f"{path}.{key}" if path else str(key)), child
    else:
        for place, child in enumerate(value):
            yield f"{path}[{place}]", child


def printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _way_out(item: Any) -> str:
    if isinstance(item, BaseException):
        return "store its text, str() of it"
    if isinstance(item, (bytes, bytearray)):
        return "write text: its decode(), or base64.b64encode() of it decoded"
    return "convert it, or give the constructor default=str to store the text of such values"


def find_fault(value: Any, path: str, default: Default, nan: bool = True) -> Optional[InvalidParams]:
    """The first thing in a value, in reading order, that JSON or the daemon cannot take; None: there is nothing."""
    def refused(where: str, what: str, expected: str, cls: type = NotSerialisable, hint: Optional[str] = None
                ) -> InvalidParams:
        where = printable(where)
        said: InvalidParams = cls(f"{where or 'the value'}: {what}", field=where, expected=expected, hint=hint)
        return said

    ways: List[Tuple[str, Any, int]] = [(path, value, _ENVELOPE - 1)]
    while ways:
        where, item, depth = ways.pop()
        if item is None or isinstance(item, (bool, int)):
            continue
        if isinstance(item, float):
            if nan and not math.isfinite(item):
                return refused(where, f"{float(item)!r} has no place in JSON",
                               'a finite number, or None, or nan="null"', InvalidParams,
                               'write None, or give the constructor nan="null" to store null instead')
            continue
        if isinstance(item, str):
            fault = _text_fault(item)
            if fault:
                return refused(where, fault, "text that UTF-8 can hold", InvalidParams)
            continue
        if depth >= NESTING:
            return refused(path, "nested too deep, or holds itself", f"at most {NESTING - _ENVELOPE} levels")
        if isinstance(item, (dict, list, tuple)):
            names = set()
            for key in item if isinstance(item, dict) else ():
                fault = _key_fault(key) or (isinstance(key, str) and _text_fault(key)) or None
                name = key if isinstance(key, str) else json.dumps(key) if not fault else ""
                if not fault and name in names:
                    fault = f"two of its keys are {name!r} once they are strings"
                if fault:
                    return refused(where, fault, "strings as keys, each once")
                names.add(name)
            ways.extend([(at, child, depth + 1) for at, child in _children(item, where)][::-1])
            continue
        try:
            ways.append((where, default(item), depth + 1))
        except Exception:  # whatever a value's own methods raise
            return refused(where, f"{type(item).__name__} cannot be written as JSON",
                           "None, bool, int, float, str, list or dict",
                           hint=_way_out(item))
    return None


def _nulled(value: Any, default: Default) -> Any:
    """A copy with None where a NaN or an infinity was. The value was found sound otherwise."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {key: _nulled(child, default) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nulled(child, default) for child in value]
    return _nulled(default(value), default)


def line_fault(line: bytes) -> Optional[InvalidParams]:
    """What made the daemon refuse a whole line that is JSON: it takes neither great depth nor one name twice."""
    twice: List[str] = []

    def pairs(members: List[Tuple[str, Any]]) -> Dict[str, Any]:
        names = [name for name, _ in members]
        twice.extend(name for name in set(names) if names.count(name) > 1)
        return dict(members)

    try:
        params = json.loads(line, object_pairs_hook=pairs).get("params")
    except RecursionError:
        return NotSerialisable("params: nested too deep", field="params", expected=f"at most {NESTING} levels")
    if twice:
        return NotSerialisable(f"two keys of one dict are {twice[0]!r} once they are strings", field="params",
                               expected="each key once")
    return find_fault(params, "", plain)


# ---- replies

class Garbage(Exception):
    """A line that no persistd writes."""


def read_reply(line: Union[bytes, bytearray]) -> List[Dict[str, Any]]:
    """The replies of one line."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        raise Garbage("a line that is no JSON") from None
    replies = reply if isinstance(reply, list) else [reply]
    for each in replies:
        if not isinstance(each, dict) or ("result" in each) == isinstance(each.get("error"), dict):
            raise Garbage("a line that is no reply")
    return replies


def refused_line(error: PersistdError, lines: List[bytes]) -> Tuple[Optional[int], PersistdError]:
    """The daemon refused a line so early that it could not name the call. Which of these lines was it, and what does
    its caller get? (None: none in particular.)"""
    if error.kind == "too_large":
        place = max(range(len(lines)), key=lambda at: len(lines[at])) if lines else None
        return place, error
    if isinstance(error, ParseError):
        for place, line in enumerate(lines):
            fault = line_fault(line)
            if fault:
                return place, fault
    return None, error
