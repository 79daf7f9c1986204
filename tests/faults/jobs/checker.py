"""The judge of jobs: what workers did against what the engine executed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tests.faults.checker import SHOWN
from tests.faults.jobs.engine import RETRIES, Ending, Executed, Job

ON_THE_WIRE = 0.5
"""Seconds for which a command may have been on its way to the gateway when a newer activation became known."""
ENDS = {"CompleteJob": Ending.COMPLETED, "ThrowError": Ending.THROWN}


class Activated(NamedTuple):
    """An activation by what names it."""

    key: int
    deadline: int


class JobHistory:
    """What workers saw and did in one run, and when the fault ended; `clock`: the engine's, seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.known: dict[Activated, float] = {}
        """When an activation was first seen on its way to a queue, or at a worker."""
        self.received: dict[int, list[int]] = defaultdict(list)
        """The deadlines under which each job came to workers, in that order."""
        self.deliveries = 0
        """Messages that workers got, the same ones again included."""
        self.answers: dict[Activated, set[str]] = defaultdict(set)
        """The rpcs that workers asked for."""
        self.refusals: dict[int, int] = defaultdict(int)
        """How often a worker gave a job up with a word of the broker's."""
        self.dead: list[str] = []
        """Dead letters of the run: the queue in which each died."""
        self.healed: float | None = None

    def heal(self) -> None:
        """The fault is over: from now on everything has to recover."""
        self.healed = self._clock()

    def published(self, activated: Activated) -> None:
        """A job's message leaves the service."""
        self.known.setdefault(activated, self._clock())

    def received_by_worker(self, activated: Activated) -> int:
        """A job came to a worker; returns which of its activations that is, as workers count them from 1."""
        self.published(activated)
        self.deliveries += 1
        deadlines = self.received[activated.key]
        if activated.deadline not in deadlines:
            deadlines.append(activated.deadline)
        return deadlines.index(activated.deadline) + 1

    def is_overtaken(self, activated: Activated) -> bool:
        """Whether a worker has got a newer activation of the same job."""
        return any(deadline > activated.deadline for deadline in self.received[activated.key])

    def answered(self, activated: Activated, rpc: str) -> None:
        """A worker is about to answer."""
        self.answers[activated].add(rpc)

    def refused(self, activated: Activated) -> None:
        """A worker is about to give a job up."""
        self.refusals[activated.key] += 1


@dataclass(frozen=True)
class JobVerdict:
    """What became of the jobs of one run: their numbers by kind, times in seconds (None: nothing to measure)."""

    jobs: int
    completed: int
    thrown: int
    """Ended with a BPMN error."""
    incidents: int
    """Ended without retries, as their workers wanted."""
    again: int
    """Activations beyond the first of each job."""
    deliveries: int
    """Messages that workers got."""
    on_the_wire: int
    """Ended by an activation that was overtaken at that moment; see ON_THE_WIRE."""
    late: int
    """Commands that the engine refused, because the job had ended."""
    stuck: tuple[str, ...]
    """Neither ended nor came again."""
    overtaken: tuple[str, ...]
    """Changed by an activation although a newer one was known."""
    wrong: tuple[str, ...]
    """What is wrong with how jobs ended, in words."""
    dead: tuple[str, ...]
    """Dead letters, where none was promised."""
    recovery: float | None
    """From the end of the fault to the first end of a job that began after it."""
    gap: float | None
    """The longest time between two ends of jobs."""

    def problems(self) -> list[str]:
        """Every broken promise in words; empty when all were kept."""
        kinds = {"stuck": self.stuck, "overtaken": self.overtaken, "wrong": self.wrong, "dead letters": self.dead}
        return [
            f"{len(found)} {kind}: {'; '.join(found[:SHOWN])}{'; …' if len(found) > SHOWN else ''}"
            for kind, found in kinds.items()
            if found
        ]


def judge(history: JobHistory, jobs: Collection[Job], refused: int, expected: Callable[[int], Ending]) -> JobVerdict:
    """Compare what workers did with what the engine executed.

    Args:
        history: the workers'.
        jobs: all jobs of the engine.
        refused: commands that the engine refused.
        expected: how the job of a number has to end.
    """
    ended = [job for job in jobs if job.ending is not None]
    found = [(job, _overtaking(history, job, executed)) for job in jobs for executed in job.executed]
    times = sorted((job.executed[-1].time, job.created) for job in ended)
    recovered = [time for time, created in times if history.healed is not None and created >= history.healed]
    return JobVerdict(
        jobs=len(jobs),
        **{ending.name.lower() + "s" * (ending is Ending.INCIDENT): _count(ended, ending) for ending in Ending},
        again=sum(max(0, len(job.given) - 1) for job in jobs),
        deliveries=history.deliveries,
        on_the_wire=sum(overtaking is False for _, overtaking in found),
        late=refused,
        stuck=tuple(_named(job) for job in jobs if job.ending is None),
        overtaken=tuple(_named(job) for job, overtaking in found if overtaking),
        wrong=tuple(f"{_named(job)}: {what}" for job in jobs for what in _wrong(history, job, expected)),
        dead=tuple(history.dead),
        recovery=min(recovered) - (history.healed or 0) if recovered else None,
        gap=max((later - earlier for (earlier, _), (later, _) in pairwise(times)), default=None),
    )


def _count(jobs: Collection[Job], ending: Ending) -> int:
    return sum(job.ending is ending for job in jobs)


def _named(job: Job) -> str:
    return f"job {job.number} ({job.key})"


def _overtaking(history: JobHistory, job: Job, executed: Executed) -> bool | None:
    """Whether a newer activation was known when the command was sent; False: one was given before it was executed."""
    if executed.activation is None:
        return None
    since = {given.deadline: given.time for given in job.given}
    begun = since.get(executed.activation, executed.time)
    newer = [
        history.known.get(Activated(job.key, given.deadline), executed.time)
        for given in job.given
        if begun < given.time < executed.time
    ]
    return min(newer) < executed.arrived - ON_THE_WIRE if newer else None


def _wrong(history: JobHistory, job: Job, expected: Callable[[int], Ending]) -> Iterator[str]:
    if job.ending is not None and job.ending is not expected(job.number):
        yield f"{job.ending}, expected {expected(job.number)}"
    given = {each.deadline for each in job.given}
    for executed in job.executed:
        if executed.activation is None:
            if executed.rpc in ENDS:
                yield f"{executed.rpc} without the answer of a worker"
        elif executed.activation not in given:
            yield f"{executed.rpc} for {executed.activation}, which was never given out"
        elif executed.rpc not in history.answers[Activated(job.key, executed.activation)]:
            yield f"{executed.rpc} for {executed.activation}, which no worker answered so"
    lost, explained = _retries_lost(job), history.refusals[job.key]
    if lost > explained:
        yield f"{lost} retries lost, {explained} of them given up by workers"


def _retries_lost(job: Job) -> int:
    """Retries that commands took which are no worker's answer."""
    left, lost = RETRIES, 0
    for executed in job.executed:
        lost += max(0, left - executed.retries) if executed.activation is None else 0
        left = executed.retries
    return lost
