"""What can go wrong, one class a kind.

Every exception has `outcome`: "did_not_happen" (nothing was changed, the same call may be made again) or "unknown"
(a change was under way, look before you repeat it)."""
from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple, Type

DID_NOT_HAPPEN = "did_not_happen"
UNKNOWN = "unknown"


class PersistdError(RuntimeError):
    """Whatever persistd or this client refuses. `kind` is the word and `code` the number of docs/protocol.md (0 where
    the error is this side's); `field` is the path of what is wrong, `expected` what would have been accepted, `hint`
    what to do about it, `removed` how many records a bulk removal had removed before it failed."""

    code = 0
    kind = "error"

    def __init__(self, message: str, *, code: Optional[int] = None, kind: Optional[str] = None,
                 field: Optional[str] = None, expected: Optional[str] = None, hint: Optional[str] = None,
                 removed: Optional[int] = None, outcome: str = DID_NOT_HAPPEN) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        if code is not None:
            self.code = code
        if kind is not None:
            self.kind = kind
        self.field = field
        self.expected = expected
        self.hint = hint
        self.removed = removed
        self.outcome = outcome

    def __reduce__(self) -> Tuple[Callable[..., PersistdError], Tuple[Any, ...]]:
        return _again, (type(self), self.message, {name: getattr(self, name) for name in (
            "code", "kind", "field", "expected", "hint", "removed", "outcome")})


def _again(cls: Type[PersistdError], message: str, said: Dict[str, Any]) -> PersistdError:
    return cls(message, **said)


class ParseError(PersistdError):
    """The daemon could not read the line. This client checks what it sends; so it is a bug of one of the two."""
    code, kind = -32700, "parse_error"


class InvalidRequest(PersistdError):
    code, kind = -32600, "invalid_request"


class MethodNotFound(PersistdError):
    code, kind = -32601, "method_not_found"


class InvalidParams(PersistdError, ValueError):
    """An argument is not what the method takes: `field` says which."""
    code, kind = -32602, "invalid_params"


class WrongType(InvalidParams, TypeError):
    """An argument is of a kind that the method does not take: `field` says which."""


class NotSerialisable(WrongType):
    """An argument holds what JSON cannot: `field` says where."""


class InternalError(PersistdError):
    code, kind = -32603, "internal_error"


class NotFound(PersistdError):
    """No record has this id."""
    code, kind = -32001, "not_found"


class Conflict(PersistdError):
    """The record is not at the revision that if_revision names."""
    code, kind = -32002, "conflict"


class NotDurable(PersistdError):
    """The change could not be written to disk, and did not happen."""
    code, kind = -32003, "not_durable"


class TooLarge(PersistdError):
    """The request, the record or the reply is larger than the daemon's limit."""
    code, kind = -32004, "too_large"


class Limit(PersistdError):
    """A limit of the daemon is reached; later it may work."""
    code, kind = -32005, "limit"


class Forbidden(PersistdError):
    """The caller's role does not allow this method."""
    code, kind = -32006, "forbidden"


class ShuttingDown(PersistdError):
    """The daemon is stopping, and did not come back in time."""
    code, kind = -32007, "shutting_down"


class CallTimeout(PersistdError, TimeoutError):
    """No answer within the call's time."""
    code, kind = -32008, "timeout"


class OutcomeUnknown(PersistdError):
    """The disk failed while the change was being made durable: it may or may not be there after a restart."""
    code, kind = -32009, "outcome_unknown"


class Unavailable(PersistdError, ConnectionError):
    """Nobody listens on the socket, and nobody began to in time. Nothing was sent."""
    kind = "no_daemon"


class ConnectionLost(PersistdError, ConnectionError):
    """The connection ended before the answer."""
    kind = "connection"


_by_code: Dict[int, Type[PersistdError]] = {cls.code: cls for cls in (
    ParseError, InvalidRequest, MethodNotFound, InvalidParams, InternalError, NotFound, Conflict, NotDurable, TooLarge,
    Limit, Forbidden, ShuttingDown, CallTimeout, OutcomeUnknown)}


def from_reply(error: Dict[str, Any]) -> PersistdError:
    """The exception for the `error` member of a reply."""
    code, said = error.get("code"), error.get("data")
    said = said if isinstance(said, dict) else {}
    cls: Type[PersistdError] = _by_code.get(code, PersistdError) if isinstance(code, int) else PersistdError
    return cls(str(error.get("message") or cls.kind), code=code if isinstance(code, int) else 0, kind=said.get("kind"),
               field=said.get("field"), expected=said.get("expected"), hint=said.get("hint"),
               removed=said.get("removed"), outcome=UNKNOWN if cls is OutcomeUnknown else DID_NOT_HAPPEN)
