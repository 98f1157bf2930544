"""The Python client of persistd, the daemon that keeps jobs and runs.

JobStore (asyncio) and RunStore (blocking) stand in for the classes of these names that keep jobs.json and runs.json
inside one process; Client and AsyncClient have every method of the protocol. docs/python-client.md says more."""
from ._version import __version__
from .aclient import AsyncClient
from .client import Client, Pipeline, Reply
from .errors import (CallTimeout, Conflict, ConnectionLost, Forbidden, InternalError, InvalidParams, InvalidRequest,
                     Limit, MethodNotFound, NotDurable, NotFound, NotSerialisable, OutcomeUnknown, ParseError,
                     PersistdError, ShuttingDown, TooLarge, Unavailable, WrongType)
from .jobs import JobStore
from .models import Job, JobProgress, JobResult, JobStatus, JobType
from .runs import RunStore

RunStoreError = PersistdError  # the name that the class before raised

__all__ = [
    "AsyncClient", "CallTimeout", "Client", "Conflict", "ConnectionLost", "Forbidden", "InternalError", "InvalidParams",
    "InvalidRequest", "Job", "JobProgress", "JobResult", "JobStatus", "JobStore", "JobType", "Limit", "MethodNotFound",
    "NotDurable", "NotFound", "NotSerialisable", "OutcomeUnknown", "ParseError", "PersistdError", "Pipeline", "Reply",
    "RunStore", "RunStoreError", "ShuttingDown", "TooLarge", "Unavailable", "WrongType", "__version__"]
