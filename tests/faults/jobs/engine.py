"""Jobs as an engine plays their lives: given out, given out again after their time-out, completed, failed, thrown.

It remembers who was given what and which command was for what. Times are seconds since 1970, deadlines milliseconds.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.engine import PARTITION_SHIFT, TENANT, Rejection

RETRIES = 3
"""Tries that a job has at first."""
NUMBER, ACTIVATION = "number", "activation"
"""A variable of every job: its number. And one of every answer: the deadline of the activation that it is for."""


class Ending(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    THROWN = "thrown"
    """With a BPMN error."""
    INCIDENT = "incident"
    """Without retries."""


@dataclass(frozen=True)
class Given:
    """One activation."""

    time: float
    deadline: int


@dataclass(frozen=True)
class Executed:
    """A command that changed a job; `activation` is the deadline that its variables name, None without one."""

    time: float
    rpc: str
    activation: int | None
    retries: int
    """Those that the job has from now on."""
    arrived: float
    """When the gateway got it."""


@dataclass
class Job:
    """One job; it can be given out from the second `free` on, unless it has ended."""

    key: int
    number: int
    created: float
    free: float
    retries: int = RETRIES
    given: list[Given] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    ending: Ending | None = None


class JobEngine:
    """Jobs of one type, by their key; `clock` says the time."""

    def __init__(self, job_type: str, clock: Callable[[], float] = time.time) -> None:
        self.type = job_type
        self.jobs: dict[int, Job] = {}
        self.refused: list[tuple[str, int]] = []
        """Commands for jobs that had ended: the rpc and the key."""
        self.clock = clock
        self._open: dict[int, Job] = {}
        self._numbers = itertools.count()

    def create(self, count: int) -> None:
        """So many new jobs, which can be given out at once."""
        now = self.clock()
        for number in itertools.islice(self._numbers, count):
            job = Job((1 << PARTITION_SHIFT) + number + 1, number, now, now)
            self.jobs[job.key] = self._open[job.key] = job

    @property
    def left(self) -> int:
        """How many jobs have not ended."""
        return len(self._open)

    @property
    def ended(self) -> int:
        """How many have."""
        return len(self.jobs) - len(self._open)

    def activate(self, message: Any, count: int, since: float = 0.0) -> list[pb.ActivatedJob]:
        """Give out so many jobs at most, of those that are free since then.

        Args:
            message: an ActivateJobsRequest or a StreamActivatedJobsRequest.
            count: at most.
            since: seconds; jobs that were free earlier are left to others.
        """
        if message.type != self.type:
            return []
        now = self.clock()
        free = (job for job in self._open.values() if since <= job.free <= now)
        return [self._give(job, message, now) for job in list(itertools.islice(free, count))]

    def _give(self, job: Job, message: Any, now: float) -> pb.ActivatedJob:
        deadline = round(now * 1000) + message.timeout
        job.free = deadline / 1000
        job.given.append(Given(now, deadline))
        return pb.ActivatedJob(
            key=job.key,
            type=self.type,
            processInstanceKey=job.key + 1,
            bpmnProcessId="fault",
            processDefinitionVersion=1,
            processDefinitionKey=1 << PARTITION_SHIFT,
            elementId="work",
            elementInstanceKey=job.key + 2,
            customHeaders="{}",
            worker=message.worker,
            retries=job.retries,
            deadline=deadline,
            variables=json.dumps({NUMBER: job.number}),
            tenantId=TENANT,
        )

    def execute(self, rpc: str, message: Any, arrived: float | None = None) -> Any:
        """The response to a command for a job, which the gateway got then, or now.

        Raises:
            Rejection: the job has ended, or never was.
        """
        response, change = _COMMANDS[rpc]
        job = self._open.get(message.jobKey)
        if job is None:
            self.refused.append((rpc, message.jobKey))
            reason = f"Expected to find an activatable or activated job with key '{message.jobKey}', but none was found"
            raise Rejection(rpc.upper(), "NOT_FOUND", reason)
        now = self.clock()
        change(job, message, now)
        variables = json.loads(getattr(message, "variables", "") or "{}")
        arrived = now if arrived is None else arrived
        job.executed.append(Executed(now, rpc, variables.get(ACTIVATION), job.retries, arrived))
        if job.ending is not None:
            del self._open[job.key]
        return response()

    def since(self, moment: float) -> Iterator[tuple[Job, Given]]:
        """What was given out since then."""
        return ((job, given) for job in self._open.values() for given in job.given if given.time >= moment)


def _complete(job: Job, _: Any, __: float) -> None:
    job.ending = Ending.COMPLETED


def _throw(job: Job, _: Any, __: float) -> None:
    job.ending = Ending.THROWN


def _fail(job: Job, message: Any, now: float) -> None:
    job.retries, job.free = message.retries, now + message.retryBackOff / 1000
    if job.retries <= 0:
        job.ending = Ending.INCIDENT


def _extend(job: Job, message: Any, now: float) -> None:
    job.free = now + message.timeout / 1000


_COMMANDS: dict[str, tuple[Callable[[], Any], Callable[[Job, Any, float], None]]] = {
    "CompleteJob": (pb.CompleteJobResponse, _complete),
    "FailJob": (pb.FailJobResponse, _fail),
    "ThrowError": (pb.ThrowErrorResponse, _throw),
    "UpdateJobTimeout": (pb.UpdateJobTimeoutResponse, _extend),
}
COMMANDS = tuple(_COMMANDS)
"""The commands for jobs."""
