"""A small service as one writes it for the two classes: it takes jobs, works on them, reports, may be told to stop, and
keeps the history of its runs. It does not know which stores it has."""
from __future__ import annotations

import asyncio
import datetime
from typing import Any, Awaitable, Callable, Dict, List, Optional

from persistd import Job, JobProgress, JobResult, JobStatus, JobType

Report = Callable[[int, int, str], Awaitable[None]]
Work = Callable[[Dict[str, Any], Report], Awaitable[Any]]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Service:
    def __init__(self, jobs: Any, runs: Any) -> None:
        self.jobs = jobs
        self.runs = runs
        self.works: Dict[JobType, Work] = {}
        self.tasks: Dict[str, asyncio.Task[None]] = {}

    async def submit(self, job_type: JobType, payload: Dict[str, Any]) -> str:
        job = Job(type=job_type, payload=payload, metadata={"owner": "api"})
        await self.jobs.save(job)
        self.tasks[job.id] = asyncio.ensure_future(self._work(job))
        return job.id

    async def _work(self, job: Job) -> None:
        job.status = JobStatus.RUNNING
        job.started_at = now()
        await self.jobs.save(job)
        self.runs.create_or_update_run(run_id=None, kind=job.type.value, request_payload=job.payload, status="running",
                                       meta={"job_id": job.id})

        async def report(current: int, total: int, message: str) -> None:
            await self.jobs.update_progress(job.id, JobProgress(current, total, message))

        try:
            data = await self.works[job.type](job.payload, report)
            job.status, job.result = JobStatus.COMPLETED, JobResult(success=True, data=data)
        except asyncio.CancelledError:
            if not job.is_terminal:
                job.status = JobStatus.CANCELLED
        except Exception as error:
            job.status, job.error = JobStatus.FAILED, str(error)
            job.result = JobResult(success=False, error=str(error))
        job.completed_at = now()
        await self._keep(job)

    async def _keep(self, job: Job) -> None:
        run = self.runs.find_run_by_meta(key="job_id", value=job.id)
        status = "succeeded" if job.status == JobStatus.COMPLETED else job.status.value
        artifact = None
        if job.result is not None and job.result.success:
            artifact = self.runs.save_artifact(kind=job.type.value, run_id=run["id"], payload=job.result.data)["id"]
            job.result.artifacts.append(artifact)
        self.runs.create_or_update_run(run_id=run["id"], kind=job.type.value, request_payload={}, status=status,
                                       artifact_id=artifact, error={"message": job.error} if job.error else None)
        await self.jobs.save(job)

    async def cancel(self, job_id: str) -> bool:
        job = await self.jobs.get(job_id)
        if job is None or job.is_terminal:
            return False
        self.tasks[job_id].cancel()
        return True

    async def describe(self, job_id: str) -> Optional[Dict[str, Any]]:
        job = await self.jobs.get(job_id)
        if job is None:
            return None
        took = (job.completed_at - job.started_at).total_seconds() if job.completed_at and job.started_at else None
        return {"id": job.id, "type": job.type.value, "status": job.status.value, "took": took,
                "progress": job.progress and [job.progress.current, job.progress.total, job.progress.message],
                "created_at": job.created_at.isoformat(), "error": job.error}

    async def active(self) -> List[str]:
        return [job.id for job in await self.jobs.list(status=JobStatus.RUNNING)]

    async def finished(self, job_id: str) -> None:
        await self.tasks[job_id]
