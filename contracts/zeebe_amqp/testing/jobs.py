"""Jobs in memory: who has them, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from zeebe_amqp.commands import ActivateJobs, Command, CompleteJob, FailJob, ThrowError, UpdateJobRetries
from zeebe_amqp.commands.jobs import ActivatedJob, UpdateJobTimeout
from zeebe_amqp.errors import Code, CommandError, Source
from zeebe_amqp.schema.fields import milliseconds
from zeebe_amqp.testing.call import readable

__all__ = ["DEFAULT_TENANT", "FACTS", "FakeJob", "JobState", "JobStore", "Settling"]

LOCK: Final = 300_000
"""Milliseconds that a job is locked unless the command says otherwise."""
DEFAULT_TENANT: Final = "<default>"
"""The tenant of who names none."""

FACTS: Final = (
    "process_instance_key",
    "bpmn_process_id",
    "process_definition_version",
    "process_definition_key",
    "element_id",
    "element_instance_key",
    "tenant_id",
    "kind",
    "listener_event_type",
    "user_task",
    "tags",
)
"""What a test may say of a job beside its type, variables, headers and retries."""

Settling: TypeAlias = CompleteJob | FailJob | ThrowError | UpdateJobRetries | UpdateJobTimeout
"""The commands about one job."""


class JobState(StrEnum):
    """The state of a job."""

    READY = "ready"
    LOCKED = "locked"
    COMPLETED = "completed"
    FAILED = "failed"
    """No tries are left: in an engine an incident waits for somebody."""
    THROWN = "thrown"
    """It ended by a BPMN error."""


@dataclass(eq=False)
class FakeJob:
    """A job, with its outcome for the test to inspect.

    `variables` are those it has; `result` those that came with its completion, failure or error.
    """

    key: int
    type: str
    variables: Mapping[str, Any]
    headers: Mapping[str, str]
    retries: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    state: JobState = JobState.READY
    result: Mapping[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""
    activations: int = 0
    locked_until: float = 0.0
    """Seconds since 1970, with the time that the test let pass."""

    def activated(self, command: ActivateJobs, deadline: int) -> ActivatedJob:
        """The job as a worker gets it."""
        wanted = command.fetch_variables
        variables = {name: value for name, value in self.variables.items() if not wanted or name in wanted}
        facts = {
            "process_instance_key": self.key + 1,
            "bpmn_process_id": "process",
            "process_definition_version": 1,
            "process_definition_key": self.key + 2,
            "element_id": "task",
            "element_instance_key": self.key + 3,
            "tenant_id": DEFAULT_TENANT,
            "kind": "BPMN_ELEMENT",
            "listener_event_type": None,
            "tags": (),
            **self.facts,
        }
        return ActivatedJob(
            key=self.key,
            type=self.type,
            custom_headers=msgspec.json.encode(self.headers).decode(),
            worker=command.worker_name,
            retries=self.retries,
            deadline=deadline,
            variables=msgspec.json.encode(variables).decode(),
            **facts,
        )


class JobStore:
    """All jobs of a test."""

    def __init__(self) -> None:
        self._jobs: dict[int, FakeJob] = {}
        self._waiting: set[asyncio.Future[bool]] = set()
        self._passed = 0.0

    def add(self, job: FakeJob) -> None:
        """A new job, for who polls for its type."""
        self._jobs[job.key] = job
        self.notify()

    def now(self) -> float:
        """Seconds since 1970, with the time that the test let pass."""
        return time.time() + self._passed

    def kept(self, key: int) -> FakeJob:
        """A job by its key."""
        return self._jobs[key]

    def advance(self, seconds: float) -> None:
        """Let time pass for the locks of jobs."""
        self._passed += seconds
        self.notify()

    def open(self) -> list[FakeJob]:
        """The jobs that are neither done nor given up."""
        return [job for job in self._jobs.values() if job.state in (JobState.READY, JobState.LOCKED)]

    def covers(self, command: Command) -> bool:
        """Whether the command is about these jobs."""
        if isinstance(command, ActivateJobs):
            return True
        return isinstance(command, Settling) and command.job_key in self._jobs

    def notify(self, more: bool = True) -> None:
        """Wake who waits; False ends polls."""
        for future in tuple(self._waiting):
            self._waiting.discard(future)
            # A synchronous client waits in a loop of its own.
            future.get_loop().call_soon_threadsafe(_wake, future, more)

    async def wait_changed(self) -> bool:
        """Wait for a change; False when polls shall end."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def activate(self, command: ActivateJobs) -> tuple[ActivatedJob, ...]:
        """Lock jobs for a worker; a long poll waits for some."""
        wait = command.wait() / 1000
        try:
            async with asyncio.timeout(wait or None):
                while not (jobs := self.lock(command)):
                    if not wait or not await self.wait_changed():
                        return ()
        except TimeoutError:
            return ()
        return jobs

    def lock(self, command: ActivateJobs) -> tuple[ActivatedJob, ...]:
        """Lock the jobs that are free, as many as the command wants."""
        lock = (milliseconds(command.timeout) or LOCK) / 1000
        now = self.now()
        jobs = [job for job in self._jobs.values() if job.type == command.job_type and _is_free(job, now)]
        jobs = jobs[: command.max_jobs_to_activate]
        for job in jobs:
            job.state, job.locked_until = JobState.LOCKED, now + lock
            job.activations += 1
        return tuple(job.activated(command, int((time.time() + lock) * 1000)) for job in jobs)

    def settle(self, command: Settling) -> None:
        """Do what the command says to its job.

        Raises:
            CommandError: the engine rejects it: the job has ended, or needs somebody first.
        """
        job = self._jobs[command.job_key]
        _refuse_ended(job, command)
        match readable(command):
            case CompleteJob(variables=variables):
                job.state, job.result = JobState.COMPLETED, _mapping(variables)
            case ThrowError() as thrown:
                job.state, job.result = JobState.THROWN, _mapping(thrown.variables)
                job.error_code, job.error_message = thrown.error_code, thrown.error_message
            case FailJob() as failed:
                job.state = JobState.READY if failed.retries > 0 else JobState.FAILED
                job.retries, job.result = failed.retries, _mapping(failed.variables)
                job.error_message = failed.error_message
            case UpdateJobRetries(retries=retries):
                job.retries = retries
            case UpdateJobTimeout(timeout=timeout):
                job.locked_until = self.now() + milliseconds(timeout) / 1000
        self.notify()


def _wake(future: asyncio.Future[bool], more: bool) -> None:
    if not future.done():
        future.set_result(more)


def _is_free(job: FakeJob, now: float) -> bool:
    return job.state is JobState.READY or (job.state is JobState.LOCKED and job.locked_until <= now)


def _mapping(variables: Any) -> Mapping[str, Any]:
    return variables or {}


_INTENTS: Final = {
    CompleteJob: ("COMPLETE", "complete job"),
    FailJob: ("FAIL", "fail job"),
    ThrowError: ("THROW_ERROR", "throw an error for job"),
    UpdateJobRetries: ("UPDATE_RETRIES", "update retries for job"),
    UpdateJobTimeout: ("UPDATE_TIMEOUT", "update the timeout of job"),
}


def _refuse_ended(job: FakeJob, command: Settling) -> None:
    intent, what = _INTENTS[type(command)]
    expected = f"Expected to {what} with key '{job.key}', but"
    if job.state in (JobState.COMPLETED, JobState.THROWN):
        raise _rejected(Code.NOT_FOUND, intent, "NOT_FOUND", f"{expected} no such job was found")
    if job.state is JobState.FAILED and not isinstance(command, UpdateJobRetries):
        raise _rejected(Code.FAILED_PRECONDITION, intent, "INVALID_STATE", f"{expected} it is in state 'FAILED'")


def _rejected(code: Code, intent: str, rejection: str, reason: str) -> CommandError:
    return CommandError(
        code,
        f"Command '{intent}' rejected with code '{rejection}': {reason}",
        source=Source.GATEWAY,
        details={"intent": intent, "rejection": rejection},
    )
