"""A stub for every method of the protocol. Written by generate.py from rpc.discover; edit nothing here.

Required parameters may be given by position or by name, optional ones by name; None leaves an optional one out."""
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Union

from .link import USUAL, Timeout

if TYPE_CHECKING:
    from .client import Reply

REPEATABLE = frozenset({
    "job.get", "job.list", "job.count", "run.get", "run.list", "run.count", "run.find_by_meta", "artifact.read",
    "artifact.list", "server.ping", "server.info", "server.stats", "rpc.discover",
})


def _given(**params: Any) -> Dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


class Methods:
    """Each method waits for its answer and returns the result."""

    def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Any:
        """Any method, by the name that the protocol gives it."""
        raise NotImplementedError

    def job_save(self, job: Dict[str, Any], *, if_revision: Optional[int] = None,
                 fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Stores a job: makes it, or changes those of its fields that are given.
        job: The job, or those of its fields that change.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return self.call("job.save", {"job": job, **_given(if_revision=if_revision, fields=fields)}, timeout=timeout)

    def job_get(self, id: str, *, fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives one job.
        id: The job's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record, with the live progress."""
        return self.call("job.get", {"id": id, **_given(fields=fields)}, timeout=timeout)

    def job_list(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                 type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                 created_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                 cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None, order: Optional[str] = None,
                 timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of jobs, newest created_at first.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{jobs, total, next_cursor}`: the page, the number of jobs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return self.call("job.list", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    def job_count(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                  type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                  created_before: Optional[str] = None, group_by: Optional[str] = None,
                  timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Counts jobs.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return self.call("job.count", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, group_by=group_by), timeout=timeout)

    def job_update_progress(self, id: str, progress: Dict[str, Any], *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Says how far a job is. Memory only: it costs no disk work and is not durable.
        id: The job's id.
        progress: The whole new progress; what is left out gets its default.
        Result: `{id, percentage}`."""
        return self.call("job.update_progress", {"id": id, "progress": progress}, timeout=timeout)

    def job_delete(self, *, id: Optional[str] = None, ids: Optional[Sequence[str]] = None,
                   timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes jobs. An id that is not there is no error.
        id: The job's id.
        ids: The ids of any number of jobs.
        Result: `{removed}`: how many were there."""
        return self.call("job.delete", _given(id=id, ids=ids), timeout=timeout)

    def job_cleanup(self, *, days: Optional[float] = None, dry_run: Optional[bool] = None,
                    timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes the terminal jobs whose completed_at (without one: updated_at) is older than so many days.
        days: How many days ago a job must have ended; fractions are fine, 0 means every terminal job.
        dry_run: Remove nothing, say what would go.
        Result: `{removed}`; with `dry_run` how many would go, and `ids`: the first 10,000 of them."""
        return self.call("job.cleanup", _given(days=days, dry_run=dry_run), timeout=timeout)

    def run_create_or_update(self, kind: str, *, run_id: Optional[str] = None, request: Optional[Dict[str, Any]] = None,
                             status: Optional[str] = None, meta: Optional[Dict[str, Any]] = None,
                             artifact_id: Optional[str] = None, error: Optional[Dict[str, Any]] = None,
                             if_revision: Optional[int] = None, fields: Optional[Sequence[str]] = None,
                             timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Stores a run: makes it, or changes what is given.
        kind: What is run; sanitised. An existing run keeps its first kind.
        run_id: The run's id. Absent, null or empty: one is made.
        request: Absent or {}: the earlier one stays.
        status: Any letter case. Absent: the earlier one stays; a new run is queued.
        meta: Its keys are merged over the earlier ones.
        artifact_id: Absent or null: the earlier one stays.
        error: Absent or null: the earlier one stays.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return self.call("run.create_or_update", {"kind": kind, **_given(run_id=run_id, request=request, status=status,
            meta=meta, artifact_id=artifact_id, error=error, if_revision=if_revision, fields=fields)}, timeout=timeout)

    def run_get(self, run_id: str, *, fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str,
                Any]:
        """Gives one run.
        run_id: The run's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record."""
        return self.call("run.get", {"run_id": run_id, **_given(fields=fields)}, timeout=timeout)

    def run_list(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                 status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                 updated_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                 cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None, order: Optional[str] = None,
                 timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of runs, newest updated_at first.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest updated_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{runs, total, next_cursor}`: the page, the number of runs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return self.call("run.list", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    def run_count(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                  status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                  updated_before: Optional[str] = None, group_by: Optional[str] = None,
                  timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Counts runs.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return self.call("run.count", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, group_by=group_by), timeout=timeout)

    def run_find_by_meta(self, key: str, value: Any, *, fields: Optional[Sequence[str]] = None,
                         timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives the newest run whose meta has a certain value under a key.
        key: A key of meta.
        value: What meta[key] is, as text: a string is compared as it is, anything else as its compact JSON text, so 5
            and "5" find the same.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record with the newest `updated_at`."""
        return self.call("run.find_by_meta", {"key": key, "value": value, **_given(fields=fields)}, timeout=timeout)

    def run_delete(self, run_id: str, *, keep_artifacts: Optional[bool] = None, timeout: Timeout = USUAL) -> Dict[str,
                   Any]:
        """Removes a run and its artifacts. An id that is not there is no error.
        run_id: The run's id.
        keep_artifacts: Leave the run's artifacts. Else they and their files go with it.
        Result: `{removed}`: 1, or 0 where there was no such run."""
        return self.call("run.delete", {"run_id": run_id, **_given(keep_artifacts=keep_artifacts)}, timeout=timeout)

    def artifact_save(self, run_id: str, payload: Any, *, kind: Optional[str] = None, link: Optional[bool] = None,
                      timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Keeps a JSON payload in a file of its own, as an artifact of a run.
        run_id: The run's id.
        payload: What to keep: any JSON.
        kind: What it is; sanitised. Absent: the run's kind.
        link: Also make it the run's artifact_id.
        Result: the artifact's record."""
        return self.call("artifact.save", {"run_id": run_id, "payload": payload, **_given(kind=kind, link=link)},
            timeout=timeout)

    def artifact_read(self, id: str, *, raw: Optional[bool] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives an artifact and its payload.
        id: The artifact's id.
        raw: Send the file's exact text as a string instead of as JSON.
        Result: `{artifact, payload}`; where a payload file has no record, the artifact's `run_id`, `kind` and
            `created_at` are null."""
        return self.call("artifact.read", {"id": id, **_given(raw=raw)}, timeout=timeout)

    def artifact_list(self, *, run_id: Optional[Union[str, Sequence[str]]] = None,
                      kind: Optional[Union[str, Sequence[str]]] = None, limit: Optional[int] = None,
                      offset: Optional[int] = None, cursor: Optional[str] = None, order: Optional[str] = None,
                      timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of artifacts, newest created_at first.
        run_id: Only artifacts of this run.
        kind: Only artifacts of this kind; sanitised as the field is.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{artifacts, total, next_cursor}`: the page, the number of artifacts that the whole filter selects, and
            the cursor of the next page (null after the last)."""
        return self.call("artifact.list", _given(run_id=run_id, kind=kind, limit=limit, offset=offset, cursor=cursor,
            order=order), timeout=timeout)

    def artifact_delete(self, id: str, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes an artifact and its file. An id that is not there is no error.
        id: The artifact's id.
        Result: `{removed}`: 1, or 0 where there was no such artifact."""
        return self.call("artifact.delete", {"id": id}, timeout=timeout)

    def server_import(self, *, jobs: Optional[Sequence[Dict[str, Any]]] = None,
                      runs: Optional[Sequence[Dict[str, Any]]] = None,
                      artifacts: Optional[Sequence[Dict[str, Any]]] = None, mode: Optional[str] = None,
                      dry_run: Optional[bool] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Takes in records as they stand on disk. One call is one commit: all of it happens, or nothing.
        jobs: Jobs as they stand in jobs.json; times and unknown fields are kept.
        runs: Runs as they stand in runs.json, likewise.
        artifacts: Artifacts as they stand in artifacts.json, each with its `payload` beside the other members (then
            size_bytes is counted), or without, where the file is in artifacts/ already.
        mode: What happens to a record whose id is taken: it is skipped, or replaces the stored one (an artifact that
            comes with its payload is always skipped: payloads never change).
        dry_run: Check everything and count what would be stored, but store nothing.
        Result: `{jobs, runs, artifacts}`: how many of each were stored."""
        return self.call("server.import", _given(jobs=jobs, runs=runs, artifacts=artifacts, mode=mode, dry_run=dry_run),
            timeout=timeout)

    def server_ping(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Says that the daemon is there.
        Result: `{time, revision}`: its clock, and the last revision that is durable."""
        return self.call("server.ping", {}, timeout=timeout)

    def server_info(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Says what the daemon is and how it is.
        Result: an object: version, store, paths, the `limits` in force, revision, numbers of records, and `health`
            (`ok`, or `degraded` with the reason while the disk refuses changes, does not answer or cannot be trusted)."""
        return self.call("server.info", {}, timeout=timeout)

    def server_stats(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives the daemon's counters and latencies.
        Result: an object of counters and latencies, those at a limit among them."""
        return self.call("server.stats", {}, timeout=timeout)

    def server_flush(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Waits until everything that was asked for before it is durable or has failed.
        Result: `{revision}`: the last revision that is durable."""
        return self.call("server.flush", {}, timeout=timeout)

    def server_set_log_level(self, level: str, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Sets how much is logged, until the daemon stops or re-reads its configuration.
        level: The least severe level that is still logged.
        Result: `{level}`: the level now in force."""
        return self.call("server.set_log_level", {"level": level}, timeout=timeout)

    def rpc_discover(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Describes all of this to programs.
        Result: an OpenRPC 1.3.2 document."""
        return self.call("rpc.discover", {}, timeout=timeout)


class AsyncMethods:
    """Each method is a coroutine that returns the result."""

    async def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Any:
        """Any method, by the name that the protocol gives it."""
        raise NotImplementedError

    async def job_save(self, job: Dict[str, Any], *, if_revision: Optional[int] = None,
                       fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Stores a job: makes it, or changes those of its fields that are given.
        job: The job, or those of its fields that change.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return await self.call("job.save", {"job": job, **_given(if_revision=if_revision, fields=fields)},
            timeout=timeout)

    async def job_get(self, id: str, *, fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str,
                      Any]:
        """Gives one job.
        id: The job's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record, with the live progress."""
        return await self.call("job.get", {"id": id, **_given(fields=fields)}, timeout=timeout)

    async def job_list(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                       type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                       created_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                       cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None,
                       order: Optional[str] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of jobs, newest created_at first.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{jobs, total, next_cursor}`: the page, the number of jobs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return await self.call("job.list", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    async def job_count(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                        type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                        created_before: Optional[str] = None, group_by: Optional[str] = None,
                        timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Counts jobs.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return await self.call("job.count", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, group_by=group_by), timeout=timeout)

    async def job_update_progress(self, id: str, progress: Dict[str, Any], *, timeout: Timeout = USUAL) -> Dict[str,
                                  Any]:
        """Says how far a job is. Memory only: it costs no disk work and is not durable.
        id: The job's id.
        progress: The whole new progress; what is left out gets its default.
        Result: `{id, percentage}`."""
        return await self.call("job.update_progress", {"id": id, "progress": progress}, timeout=timeout)

    async def job_delete(self, *, id: Optional[str] = None, ids: Optional[Sequence[str]] = None,
                         timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes jobs. An id that is not there is no error.
        id: The job's id.
        ids: The ids of any number of jobs.
        Result: `{removed}`: how many were there."""
        return await self.call("job.delete", _given(id=id, ids=ids), timeout=timeout)

    async def job_cleanup(self, *, days: Optional[float] = None, dry_run: Optional[bool] = None,
                          timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes the terminal jobs whose completed_at (without one: updated_at) is older than so many days.
        days: How many days ago a job must have ended; fractions are fine, 0 means every terminal job.
        dry_run: Remove nothing, say what would go.
        Result: `{removed}`; with `dry_run` how many would go, and `ids`: the first 10,000 of them."""
        return await self.call("job.cleanup", _given(days=days, dry_run=dry_run), timeout=timeout)

    async def run_create_or_update(self, kind: str, *, run_id: Optional[str] = None,
                                   request: Optional[Dict[str, Any]] = None, status: Optional[str] = None,
                                   meta: Optional[Dict[str, Any]] = None, artifact_id: Optional[str] = None,
                                   error: Optional[Dict[str, Any]] = None, if_revision: Optional[int] = None,
                                   fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Stores a run: makes it, or changes what is given.
        kind: What is run; sanitised. An existing run keeps its first kind.
        run_id: The run's id. Absent, null or empty: one is made.
        request: Absent or {}: the earlier one stays.
        status: Any letter case. Absent: the earlier one stays; a new run is queued.
        meta: Its keys are merged over the earlier ones.
        artifact_id: Absent or null: the earlier one stays.
        error: Absent or null: the earlier one stays.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return await self.call("run.create_or_update", {"kind": kind, **_given(run_id=run_id, request=request,
            status=status, meta=meta, artifact_id=artifact_id, error=error, if_revision=if_revision, fields=fields)},
            timeout=timeout)

    async def run_get(self, run_id: str, *, fields: Optional[Sequence[str]] = None,
                      timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives one run.
        run_id: The run's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record."""
        return await self.call("run.get", {"run_id": run_id, **_given(fields=fields)}, timeout=timeout)

    async def run_list(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                       status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                       updated_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                       cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None,
                       order: Optional[str] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of runs, newest updated_at first.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest updated_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{runs, total, next_cursor}`: the page, the number of runs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return await self.call("run.list", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    async def run_count(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                        status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                        updated_before: Optional[str] = None, group_by: Optional[str] = None,
                        timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Counts runs.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return await self.call("run.count", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, group_by=group_by), timeout=timeout)

    async def run_find_by_meta(self, key: str, value: Any, *, fields: Optional[Sequence[str]] = None,
                               timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives the newest run whose meta has a certain value under a key.
        key: A key of meta.
        value: What meta[key] is, as text: a string is compared as it is, anything else as its compact JSON text, so 5
            and "5" find the same.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record with the newest `updated_at`."""
        return await self.call("run.find_by_meta", {"key": key, "value": value, **_given(fields=fields)},
            timeout=timeout)

    async def run_delete(self, run_id: str, *, keep_artifacts: Optional[bool] = None,
                         timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes a run and its artifacts. An id that is not there is no error.
        run_id: The run's id.
        keep_artifacts: Leave the run's artifacts. Else they and their files go with it.
        Result: `{removed}`: 1, or 0 where there was no such run."""
        return await self.call("run.delete", {"run_id": run_id, **_given(keep_artifacts=keep_artifacts)},
            timeout=timeout)

    async def artifact_save(self, run_id: str, payload: Any, *, kind: Optional[str] = None, link: Optional[bool] = None,
                            timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Keeps a JSON payload in a file of its own, as an artifact of a run.
        run_id: The run's id.
        payload: What to keep: any JSON.
        kind: What it is; sanitised. Absent: the run's kind.
        link: Also make it the run's artifact_id.
        Result: the artifact's record."""
        return await self.call("artifact.save", {"run_id": run_id, "payload": payload, **_given(kind=kind, link=link)},
            timeout=timeout)

    async def artifact_read(self, id: str, *, raw: Optional[bool] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives an artifact and its payload.
        id: The artifact's id.
        raw: Send the file's exact text as a string instead of as JSON.
        Result: `{artifact, payload}`; where a payload file has no record, the artifact's `run_id`, `kind` and
            `created_at` are null."""
        return await self.call("artifact.read", {"id": id, **_given(raw=raw)}, timeout=timeout)

    async def artifact_list(self, *, run_id: Optional[Union[str, Sequence[str]]] = None,
                            kind: Optional[Union[str, Sequence[str]]] = None, limit: Optional[int] = None,
                            offset: Optional[int] = None, cursor: Optional[str] = None, order: Optional[str] = None,
                            timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives a page of artifacts, newest created_at first.
        run_id: Only artifacts of this run.
        kind: Only artifacts of this kind; sanitised as the field is.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{artifacts, total, next_cursor}`: the page, the number of artifacts that the whole filter selects, and
            the cursor of the next page (null after the last)."""
        return await self.call("artifact.list", _given(run_id=run_id, kind=kind, limit=limit, offset=offset,
            cursor=cursor, order=order), timeout=timeout)

    async def artifact_delete(self, id: str, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Removes an artifact and its file. An id that is not there is no error.
        id: The artifact's id.
        Result: `{removed}`: 1, or 0 where there was no such artifact."""
        return await self.call("artifact.delete", {"id": id}, timeout=timeout)

    async def server_import(self, *, jobs: Optional[Sequence[Dict[str, Any]]] = None,
                            runs: Optional[Sequence[Dict[str, Any]]] = None,
                            artifacts: Optional[Sequence[Dict[str, Any]]] = None, mode: Optional[str] = None,
                            dry_run: Optional[bool] = None, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Takes in records as they stand on disk. One call is one commit: all of it happens, or nothing.
        jobs: Jobs as they stand in jobs.json; times and unknown fields are kept.
        runs: Runs as they stand in runs.json, likewise.
        artifacts: Artifacts as they stand in artifacts.json, each with its `payload` beside the other members (then
            size_bytes is counted), or without, where the file is in artifacts/ already.
        mode: What happens to a record whose id is taken: it is skipped, or replaces the stored one (an artifact that
            comes with its payload is always skipped: payloads never change).
        dry_run: Check everything and count what would be stored, but store nothing.
        Result: `{jobs, runs, artifacts}`: how many of each were stored."""
        return await self.call("server.import", _given(jobs=jobs, runs=runs, artifacts=artifacts, mode=mode,
            dry_run=dry_run), timeout=timeout)

    async def server_ping(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Says that the daemon is there.
        Result: `{time, revision}`: its clock, and the last revision that is durable."""
        return await self.call("server.ping", {}, timeout=timeout)

    async def server_info(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Says what the daemon is and how it is.
        Result: an object: version, store, paths, the `limits` in force, revision, numbers of records, and `health`
            (`ok`, or `degraded` with the reason while the disk refuses changes, does not answer or cannot be trusted)."""
        return await self.call("server.info", {}, timeout=timeout)

    async def server_stats(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Gives the daemon's counters and latencies.
        Result: an object of counters and latencies, those at a limit among them."""
        return await self.call("server.stats", {}, timeout=timeout)

    async def server_flush(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Waits until everything that was asked for before it is durable or has failed.
        Result: `{revision}`: the last revision that is durable."""
        return await self.call("server.flush", {}, timeout=timeout)

    async def server_set_log_level(self, level: str, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Sets how much is logged, until the daemon stops or re-reads its configuration.
        level: The least severe level that is still logged.
        Result: `{level}`: the level now in force."""
        return await self.call("server.set_log_level", {"level": level}, timeout=timeout)

    async def rpc_discover(self, *, timeout: Timeout = USUAL) -> Dict[str, Any]:
        """Describes all of this to programs.
        Result: an OpenRPC 1.3.2 document."""
        return await self.call("rpc.discover", {}, timeout=timeout)


class PipelinedMethods:
    """Each method returns at once; its Reply has the result once the pipeline is sent."""

    def call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> Reply:
        """Any method, by the name that the protocol gives it."""
        raise NotImplementedError

    def job_save(self, job: Dict[str, Any], *, if_revision: Optional[int] = None,
                 fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Reply:
        """Stores a job: makes it, or changes those of its fields that are given.
        job: The job, or those of its fields that change.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return self.call("job.save", {"job": job, **_given(if_revision=if_revision, fields=fields)}, timeout=timeout)

    def job_get(self, id: str, *, fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Reply:
        """Gives one job.
        id: The job's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record, with the live progress."""
        return self.call("job.get", {"id": id, **_given(fields=fields)}, timeout=timeout)

    def job_list(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                 type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                 created_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                 cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None, order: Optional[str] = None,
                 timeout: Timeout = USUAL) -> Reply:
        """Gives a page of jobs, newest created_at first.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{jobs, total, next_cursor}`: the page, the number of jobs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return self.call("job.list", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    def job_count(self, *, status: Optional[Union[str, Sequence[str]]] = None,
                  type: Optional[Union[str, Sequence[str]]] = None, created_after: Optional[str] = None,
                  created_before: Optional[str] = None, group_by: Optional[str] = None,
                  timeout: Timeout = USUAL) -> Reply:
        """Counts jobs.
        status: Only jobs of this status.
        type: Only jobs of this type.
        created_after: Only those whose created_at is this time or later.
        created_before: Only those whose created_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return self.call("job.count", _given(status=status, type=type, created_after=created_after,
            created_before=created_before, group_by=group_by), timeout=timeout)

    def job_update_progress(self, id: str, progress: Dict[str, Any], *, timeout: Timeout = USUAL) -> Reply:
        """Says how far a job is. Memory only: it costs no disk work and is not durable.
        id: The job's id.
        progress: The whole new progress; what is left out gets its default.
        Result: `{id, percentage}`."""
        return self.call("job.update_progress", {"id": id, "progress": progress}, timeout=timeout)

    def job_delete(self, *, id: Optional[str] = None, ids: Optional[Sequence[str]] = None,
                   timeout: Timeout = USUAL) -> Reply:
        """Removes jobs. An id that is not there is no error.
        id: The job's id.
        ids: The ids of any number of jobs.
        Result: `{removed}`: how many were there."""
        return self.call("job.delete", _given(id=id, ids=ids), timeout=timeout)

    def job_cleanup(self, *, days: Optional[float] = None, dry_run: Optional[bool] = None,
                    timeout: Timeout = USUAL) -> Reply:
        """Removes the terminal jobs whose completed_at (without one: updated_at) is older than so many days.
        days: How many days ago a job must have ended; fractions are fine, 0 means every terminal job.
        dry_run: Remove nothing, say what would go.
        Result: `{removed}`; with `dry_run` how many would go, and `ids`: the first 10,000 of them."""
        return self.call("job.cleanup", _given(days=days, dry_run=dry_run), timeout=timeout)

    def run_create_or_update(self, kind: str, *, run_id: Optional[str] = None, request: Optional[Dict[str, Any]] = None,
                             status: Optional[str] = None, meta: Optional[Dict[str, Any]] = None,
                             artifact_id: Optional[str] = None, error: Optional[Dict[str, Any]] = None,
                             if_revision: Optional[int] = None, fields: Optional[Sequence[str]] = None,
                             timeout: Timeout = USUAL) -> Reply:
        """Stores a run: makes it, or changes what is given.
        kind: What is run; sanitised. An existing run keeps its first kind.
        run_id: The run's id. Absent, null or empty: one is made.
        request: Absent or {}: the earlier one stays.
        status: Any letter case. Absent: the earlier one stays; a new run is queued.
        meta: Its keys are merged over the earlier ones.
        artifact_id: Absent or null: the earlier one stays.
        error: Absent or null: the earlier one stays.
        if_revision: Refuse with conflict unless the stored record is at this revision. 0: unless there is no such
            record.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the stored record."""
        return self.call("run.create_or_update", {"kind": kind, **_given(run_id=run_id, request=request, status=status,
            meta=meta, artifact_id=artifact_id, error=error, if_revision=if_revision, fields=fields)}, timeout=timeout)

    def run_get(self, run_id: str, *, fields: Optional[Sequence[str]] = None, timeout: Timeout = USUAL) -> Reply:
        """Gives one run.
        run_id: The run's id.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record."""
        return self.call("run.get", {"run_id": run_id, **_given(fields=fields)}, timeout=timeout)

    def run_list(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                 status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                 updated_before: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None,
                 cursor: Optional[str] = None, fields: Optional[Sequence[str]] = None, order: Optional[str] = None,
                 timeout: Timeout = USUAL) -> Reply:
        """Gives a page of runs, newest updated_at first.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        fields: Only these fields of the record are sent, in the record's own order.
        order: time: newest updated_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{runs, total, next_cursor}`: the page, the number of runs that the whole filter selects, and the cursor
            of the next page (null after the last)."""
        return self.call("run.list", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, limit=limit, offset=offset, cursor=cursor, fields=fields, order=order),
            timeout=timeout)

    def run_count(self, *, kind: Optional[Union[str, Sequence[str]]] = None,
                  status: Optional[Union[str, Sequence[str]]] = None, updated_after: Optional[str] = None,
                  updated_before: Optional[str] = None, group_by: Optional[str] = None,
                  timeout: Timeout = USUAL) -> Reply:
        """Counts runs.
        kind: Only runs of this kind; sanitised as the field is.
        status: Only runs of this status.
        updated_after: Only those whose updated_at is this time or later.
        updated_before: Only those whose updated_at is before this time.
        group_by: Also count for each value of this field.
        Result: `{total}`, and with `group_by` also `groups`: an object of value and count."""
        return self.call("run.count", _given(kind=kind, status=status, updated_after=updated_after,
            updated_before=updated_before, group_by=group_by), timeout=timeout)

    def run_find_by_meta(self, key: str, value: Any, *, fields: Optional[Sequence[str]] = None,
                         timeout: Timeout = USUAL) -> Reply:
        """Gives the newest run whose meta has a certain value under a key.
        key: A key of meta.
        value: What meta[key] is, as text: a string is compared as it is, anything else as its compact JSON text, so 5
            and "5" find the same.
        fields: Only these fields of the record are sent, in the record's own order.
        Result: the record with the newest `updated_at`."""
        return self.call("run.find_by_meta", {"key": key, "value": value, **_given(fields=fields)}, timeout=timeout)

    def run_delete(self, run_id: str, *, keep_artifacts: Optional[bool] = None, timeout: Timeout = USUAL) -> Reply:
        """Removes a run and its artifacts. An id that is not there is no error.
        run_id: The run's id.
        keep_artifacts: Leave the run's artifacts. Else they and their files go with it.
        Result: `{removed}`: 1, or 0 where there was no such run."""
        return self.call("run.delete", {"run_id": run_id, **_given(keep_artifacts=keep_artifacts)}, timeout=timeout)

    def artifact_save(self, run_id: str, payload: Any, *, kind: Optional[str] = None, link: Optional[bool] = None,
                      timeout: Timeout = USUAL) -> Reply:
        """Keeps a JSON payload in a file of its own, as an artifact of a run.
        run_id: The run's id.
        payload: What to keep: any JSON.
        kind: What it is; sanitised. Absent: the run's kind.
        link: Also make it the run's artifact_id.
        Result: the artifact's record."""
        return self.call("artifact.save", {"run_id": run_id, "payload": payload, **_given(kind=kind, link=link)},
            timeout=timeout)

    def artifact_read(self, id: str, *, raw: Optional[bool] = None, timeout: Timeout = USUAL) -> Reply:
        """Gives an artifact and its payload.
        id: The artifact's id.
        raw: Send the file's exact text as a string instead of as JSON.
        Result: `{artifact, payload}`; where a payload file has no record, the artifact's `run_id`, `kind` and
            `created_at` are null."""
        return self.call("artifact.read", {"id": id, **_given(raw=raw)}, timeout=timeout)

    def artifact_list(self, *, run_id: Optional[Union[str, Sequence[str]]] = None,
                      kind: Optional[Union[str, Sequence[str]]] = None, limit: Optional[int] = None,
                      offset: Optional[int] = None, cursor: Optional[str] = None, order: Optional[str] = None,
                      timeout: Timeout = USUAL) -> Reply:
        """Gives a page of artifacts, newest created_at first.
        run_id: Only artifacts of this run.
        kind: Only artifacts of this kind; sanitised as the field is.
        limit: The most records of one page.
        offset: How many records of the whole list to pass over first.
        cursor: The next_cursor of the page before, with the same filters and order.
        order: time: newest created_at first, ties by id. id: by id, an order that no update changes (for exports).
        Result: `{artifacts, total, next_cursor}`: the page, the number of artifacts that the whole filter selects, and
            the cursor of the next page (null after the last)."""
        return self.call("artifact.list", _given(run_id=run_id, kind=kind, limit=limit, offset=offset, cursor=cursor,
            order=order), timeout=timeout)

    def artifact_delete(self, id: str, *, timeout: Timeout = USUAL) -> Reply:
        """Removes an artifact and its file. An id that is not there is no error.
        id: The artifact's id.
        Result: `{removed}`: 1, or 0 where there was no such artifact."""
        return self.call("artifact.delete", {"id": id}, timeout=timeout)

    def server_import(self, *, jobs: Optional[Sequence[Dict[str, Any]]] = None,
                      runs: Optional[Sequence[Dict[str, Any]]] = None,
                      artifacts: Optional[Sequence[Dict[str, Any]]] = None, mode: Optional[str] = None,
                      dry_run: Optional[bool] = None, timeout: Timeout = USUAL) -> Reply:
        """Takes in records as they stand on disk. One call is one commit: all of it happens, or nothing.
        jobs: Jobs as they stand in jobs.json; times and unknown fields are kept.
        runs: Runs as they stand in runs.json, likewise.
        artifacts: Artifacts as they stand in artifacts.json, each with its `payload` beside the other members (then
            size_bytes is counted), or without, where the file is in artifacts/ already.
        mode: What happens to a record whose id is taken: it is skipped, or replaces the stored one (an artifact that
            comes with its payload is always skipped: payloads never change).
        dry_run: Check everything and count what would be stored, but store nothing.
        Result: `{jobs, runs, artifacts}`: how many of each were stored."""
        return self.call("server.import", _given(jobs=jobs, runs=runs, artifacts=artifacts, mode=mode, dry_run=dry_run),
            timeout=timeout)

    def server_ping(self, *, timeout: Timeout = USUAL) -> Reply:
        """Says that the daemon is there.
        Result: `{time, revision}`: its clock, and the last revision that is durable."""
        return self.call("server.ping", {}, timeout=timeout)

    def server_info(self, *, timeout: Timeout = USUAL) -> Reply:
        """Says what the daemon is and how it is.
        Result: an object: version, store, paths, the `limits` in force, revision, numbers of records, and `health`
            (`ok`, or `degraded` with the reason while the disk refuses changes, does not answer or cannot be trusted)."""
        return self.call("server.info", {}, timeout=timeout)

    def server_stats(self, *, timeout: Timeout = USUAL) -> Reply:
        """Gives the daemon's counters and latencies.
        Result: an object of counters and latencies, those at a limit among them."""
        return self.call("server.stats", {}, timeout=timeout)

    def server_flush(self, *, timeout: Timeout = USUAL) -> Reply:
        """Waits until everything that was asked for before it is durable or has failed.
        Result: `{revision}`: the last revision that is durable."""
        return self.call("server.flush", {}, timeout=timeout)

    def server_set_log_level(self, level: str, *, timeout: Timeout = USUAL) -> Reply:
        """Sets how much is logged, until the daemon stops or re-reads its configuration.
        level: The least severe level that is still logged.
        Result: `{level}`: the level now in force."""
        return self.call("server.set_log_level", {"level": level}, timeout=timeout)

    def rpc_discover(self, *, timeout: Timeout = USUAL) -> Reply:
        """Describes all of this to programs.
        Result: an OpenRPC 1.3.2 document."""
        return self.call("rpc.discover", {}, timeout=timeout)
