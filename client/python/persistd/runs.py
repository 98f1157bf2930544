"""RunStore: the blocking, thread-safe class that keeps runs and their artifacts, with persistd behind it.

Its methods, arguments and results are those of the class that rewrites runs.json inside one process."""
from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type, Union

from . import models, wire
from .client import Client, SocketPath
from .errors import InvalidParams, NotFound, TooLarge
from .jobs import Words, _filter, _narrowed, _place, _words
from .link import not_a_file

_PAGE = 1000
_RUN_ID = re.compile(r"[a-zA-Z0-9_-]{1,160}")
_AS_PYTHON_SAYS_IT = {"True": True, "False": False, "None": None}


class RunStore:
    """Keeps runs and artifacts in persistd. Blocking; one store serves any number of threads.

    socket: the daemon's socket; None: $PERSISTD_SOCKET, then the usual places.
    timeout: how many seconds a call may take in all; None: for ever.
    nan: "refuse" a NaN or an infinity in what is stored, naming where it is, or store "null" instead.
    reconnect_for: how many seconds a call goes on looking for a daemon that is not there; 0: one attempt.
    default: what becomes of values that JSON does not know; see wire.plain.

    Runs and artifacts are dicts, as docs/protocol.md describes them."""

    def __init__(self, socket: SocketPath = None, artifacts_dir: object = None, *, timeout: Optional[float] = 30.0,
                 nan: str = "refuse", reconnect_for: float = 5.0, default: wire.Default = wire.plain,
                 store_path: object = None) -> None:
        if artifacts_dir is not None or store_path is not None:
            raise not_a_file(store_path if store_path is not None else artifacts_dir if socket is None else socket)
        self._options: Dict[str, Any] = {"nan": nan, "reconnect_for": reconnect_for, "default": default}
        self.client = Client(socket, timeout=timeout, nan=nan, reconnect_for=reconnect_for, default=default)

    def __reduce__(self) -> Any:
        """A copy, in this process or another, has the settings and a connection of its own."""
        return functools.partial(type(self), self.client._socket, timeout=self.client.timeout, **self._options), ()

    # ---- the methods of the class that this replaces

    def create_or_update_run(self, *, run_id: Optional[str], kind: str, request_payload: Optional[Dict[str, Any]],
                             status: Optional[str], meta: Optional[Dict[str, Any]] = None,
                             artifact_id: Optional[str] = None,
                             error: Union[None, str, BaseException, Dict[str, Any]] = None) -> Dict[str, Any]:
        """Makes a run or changes what is given; returns it. run_id None, empty or not of [a-zA-Z0-9_-]{1,160}: an id is
        made. An empty request_payload, and a status, artifact_id or error of None keep what is stored; meta is merged.
        A string or an exception as error is stored as {"message": …}."""
        error = wire.error_text(error) if isinstance(error, BaseException) else error
        ident = str(run_id or "").strip()
        params = {
            "kind": models.ident(_words(kind)), "run_id": ident if _RUN_ID.fullmatch(ident) else None,
            "request": request_payload or None, "status": _words(status) or None, "meta": meta or None,
            "artifact_id": artifact_id or None, "error": {"message": error} if isinstance(error, str) else error}
        run: Dict[str, Any] = self.client.call("run.create_or_update",
                                               {name: value for name, value in params.items() if value is not None})
        return run

    def list_runs(self, *, kind: Words = None, status: Words = None, limit: Optional[int] = 100,
                  offset: int = 0) -> Dict[str, Any]:
        """{"runs": […], "total": n}: the newest first, and how many there are beyond limit and offset. limit: any
        number, None for all; as in the class before, what is below 1 counts as 1."""
        wanted = None if limit is None else max(1, int(limit))
        status = status.strip().lower() if type(status) is str else status
        params = {"kind": _words(kind), "status": _words(status), "offset": _place(offset)}
        params = {name: value for name, value in params.items() if value not in (None, "")}
        runs: list[Any] = []
        total = None
        while wanted is None or len(runs) < wanted:
            params["limit"] = _PAGE if wanted is None else min(_PAGE, wanted - len(runs))
            try:
                page = self.client.call("run.list", params)
            except InvalidParams as error:
                if not _narrowed(params, error):
                    raise
                if not params[_filter(error)]:
                    return {"runs": [], "total": 0}
                continue
            runs += page["runs"]
            total = page["total"] if total is None else total
            if page["next_cursor"] is None:
                break
            params.pop("offset", None)
            params["cursor"] = page["next_cursor"]
        return {"runs": runs, "total": total}

    def get_run(self, run_id: str) -> Optional[Dict[str, Any]]:
        """The run; None where there is none of this id."""
        return self._found("run.get", {"run_id": models.ident(run_id)}, "run_id")

    def delete_run(self, run_id: str) -> bool:
        """Removes a run and its artifacts; whether there was one."""
        reply = self._found("run.delete", {"run_id": models.ident(run_id)}, "run_id")
        return bool(reply and reply["removed"])

    def find_run_by_meta(self, key: Optional[str] = None, value: Any = None, *, meta_key: Optional[str] = None,
                         meta_value: Any = None) -> Optional[Dict[str, Any]]:
        """The newest run whose meta[key] is value, both as text; None where there is none."""
        key = str(meta_key if key is None else key).strip() if (meta_key if key is None else key) is not None else ""
        value = _words(meta_value if value is None else value)
        value = value.strip() if isinstance(value, str) else value
        if not key or value is None or value == "":
            return None
        found = self._found("run.find_by_meta", {"key": key, "value": value}, "")
        if found is None and isinstance(value, str) and value in _AS_PYTHON_SAYS_IT:
            found = self._found("run.find_by_meta", {"key": key, "value": _AS_PYTHON_SAYS_IT[value]}, "")
        return found

    def save_artifact(self, *, kind: str, run_id: str, payload: Any) -> Dict[str, Any]:
        """Keeps a payload in a file of its own; returns its record: id, run_id, kind, path, created_at, size_bytes. The
        run need not be there, and is not changed: name the artifact in create_or_update_run(artifact_id=…)."""
        record: Dict[str, Any] = self.client.call("artifact.save", {
            "run_id": models.ident(run_id), "kind": None if kind is None else str(_words(kind)), "payload": payload,
            "link": False})
        return record

    def read_artifact(self, artifact_id: str) -> Optional[Tuple[Path, bytes]]:
        """The payload's file and its bytes; None where there is no such artifact."""
        ident = str(artifact_id or "").strip().lower()
        try:
            found = self._found("artifact.read", {"id": ident, "raw": True}, "id")
        except TooLarge:
            # longer than a reply: from the file, if it is ours to read
            info = self.client.call("server.info")
            path = Path(info["artifacts_dir"]) / f"{ident}.json"
            if not os.access(path, os.R_OK):
                raise
            return path, path.read_bytes()
        if found is None:
            return None
        return Path(found["artifact"]["path"]), found["payload"].encode()

    # ---- and its end

    def close(self) -> None:
        """Ends the connection. The store may be used on: the next call makes a new one."""
        self.client.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def _found(self, method: str, params: Dict[str, Any], id_field: str) -> Optional[Dict[str, Any]]:
        """The result; None for an id that is not there, or that cannot be."""
        try:
            result: Dict[str, Any] = self.client.call(method, params)
        except NotFound:
            return None
        except InvalidParams as error:
            if id_field and error.field == id_field:
                return None
            raise
        return result
