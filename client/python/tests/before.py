"""The classes that are replaced, as far as a service sees them: one process, everything in memory or in one file, which
is written whole at every change. Kept small; the tests hold the new ones against it."""
from __future__ import annotations

import datetime
import json
import pathlib
import re
import threading
import uuid
from typing import Any, Dict, List, Optional

from persistd import Job, JobProgress, JobResult, JobStatus, JobType


class JobStore:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = pathlib.Path(path)
        self.jobs: Dict[str, Job] = {}
        if self.path.exists():
            for row in json.loads(self.path.read_text())["jobs"]:
                self.jobs[row["id"]] = self._job(row)

    @staticmethod
    def _job(row: Dict[str, Any]) -> Job:
        times = {name: row[name] and datetime.datetime.fromisoformat(row[name])
                 for name in ("created_at", "started_at", "completed_at")}
        rest = {name: row[name] for name in ("id", "payload", "error", "metadata")}
        return Job(type=JobType(row["type"]), status=JobStatus(row["status"]),
                   progress=row["progress"] and JobProgress(**row["progress"]),
                   result=row["result"] and JobResult(**row["result"]), **times, **rest)

    def _write(self) -> None:
        rows = []
        for job in self.jobs.values():
            row = dict(vars(job), type=job.type.value, status=job.status.value,
                       progress=job.progress and vars(job.progress), result=job.result and vars(job.result))
            for name in ("created_at", "started_at", "completed_at"):
                row[name] = row[name] and row[name].isoformat()
            rows.append(row)
        self.path.write_text(json.dumps({"jobs": rows}, indent=2, default=str))

    async def save(self, job: Job) -> None:
        self.jobs[job.id] = job
        self._write()

    async def get(self, job_id: str) -> Optional[Job]:
        return self.jobs.get(job_id)

    async def list(self, status: Optional[JobStatus] = None, job_type: Optional[JobType] = None, limit: int = 100,
                   offset: int = 0) -> List[Job]:
        chosen = [job for job in self.jobs.values()
                  if status in (None, job.status) and job_type in (None, job.type)]
        chosen.sort(key=lambda job: job.created_at, reverse=True)
        first = max(0, int(offset))
        return chosen[first:first + max(1, int(limit))]

    async def update_progress(self, job_id: str, progress: JobProgress) -> None:
        if job_id in self.jobs:
            self.jobs[job_id].progress = progress

    async def cleanup(self, days: int = 30) -> int:
        oldest = datetime.datetime.utcnow() - datetime.timedelta(days=max(0, int(days)))
        old = [job.id for job in self.jobs.values()
               if job.is_terminal and job.completed_at and job.completed_at < oldest]
        for job_id in old:
            del self.jobs[job_id]
        self._write()
        return len(old)

    async def delete(self, job_id: str) -> bool:
        found = self.jobs.pop(job_id, None)
        self._write()
        return found is not None

    async def aclose(self) -> None:
        pass


class RunStore:
    def __init__(self, store_path: pathlib.Path, artifacts_dir: pathlib.Path) -> None:
        self.path, self.artifacts = pathlib.Path(store_path), pathlib.Path(artifacts_dir)
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()

    @staticmethod
    def _now() -> str:
        return datetime.datetime.now(datetime.timezone.utc).isoformat()

    @staticmethod
    def _kind(text: str) -> str:
        return re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")[:64] or "run"

    def _rows(self) -> List[Dict[str, Any]]:
        rows: List[Dict[str, Any]] = json.loads(self.path.read_text())["runs"] if self.path.exists() else []
        return sorted(rows, key=lambda row: str(row["updated_at"]), reverse=True)

    def create_or_update_run(self, *, run_id: Optional[str], kind: str, request_payload: Dict[str, Any], status: str,
                             meta: Optional[Dict[str, Any]] = None, artifact_id: Optional[str] = None,
                             error: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        kind = self._kind(kind)
        wanted = (run_id or "").strip()
        ident = wanted if re.fullmatch("[a-zA-Z0-9_-]{1,160}", wanted) else f"{kind}_{uuid.uuid4().hex[:12]}"
        with self.lock:
            rows = self._rows()
            row = next((row for row in rows if row["id"] == ident), None)
            now = self._now()
            if row is None:
                row = {"id": ident, "kind": kind, "status": "queued", "created_at": now, "started_at": None,
                       "finished_at": None, "request": {}, "meta": {}, "artifact_id": None, "error": None}
                rows.append(row)
            row.update(updated_at=now, status=status or row["status"], request=request_payload or row["request"],
                       meta={**row["meta"], **(meta or {})})
            for name, value in (("artifact_id", artifact_id), ("error", error)):
                row[name] = row[name] if value is None else value
            if row["status"] == "running":
                row["started_at"] = row["started_at"] or now
            if row["status"] in ("succeeded", "failed", "cancelled"):
                row["finished_at"] = row["finished_at"] or now
            self.path.write_text(json.dumps({"runs": rows}))
            return dict(row)

    def list_runs(self, *, kind: Optional[str] = None, status: Optional[str] = None, limit: int = 100,
                  offset: int = 0) -> Dict[str, Any]:
        rows = [row for row in self._rows()
                if (not kind or row["kind"] == self._kind(kind)) and (not status or row["status"] == status.lower())]
        first = max(0, offset)
        return {"runs": rows[first:first + max(1, limit)], "total": len(rows)}

    def get_run(self, run_id: str) -> Optional[Dict[str, Any]]:
        return next((row for row in self._rows() if row["id"] == run_id), None)

    def delete_run(self, run_id: str) -> bool:
        with self.lock:
            rows = self._rows()
            self.path.write_text(json.dumps({"runs": [row for row in rows if row["id"] != run_id]}))
            return any(row["id"] == run_id for row in rows)

    def find_run_by_meta(self, *, key: str, value: str) -> Optional[Dict[str, Any]]:
        wanted = str(value).strip()
        return next((row for row in self._rows() if wanted and str(row["meta"].get(key, "")).strip() == wanted), None)

    def save_artifact(self, *, kind: str, run_id: str, payload: Any) -> Dict[str, Any]:
        ident = f"{self._kind(kind)}_{self._kind(run_id)}_{uuid.uuid4().hex[:10]}"
        path = self.artifacts / f"{ident}.json"
        path.write_text(json.dumps(payload, indent=2) + "\n")
        return {"id": ident, "kind": self._kind(kind), "path": str(path), "created_at": self._now(),
                "size_bytes": path.stat().st_size}

    def read_artifact(self, artifact_id: str) -> Any:
        ident = str(artifact_id or "").strip().lower()
        path = self.artifacts / f"{ident}.json"
        if not re.fullmatch("[a-z0-9_]{1,180}", ident) or not path.is_file():
            return None
        return path, path.read_bytes()

    def close(self) -> None:
        pass
