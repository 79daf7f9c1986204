"""The judge of jobs notices every kind of broken promise: each is made by a consumer that is broken on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import check_all
from tests.fakes.engine import Rejection
from tests.faults.jobs.checker import ON_THE_WIRE, Activated, JobHistory, JobVerdict, judge
from tests.faults.jobs.engine import ACTIVATION, JobEngine
from tests.faults.jobs.workers import completing, ending, usual

TYPE = "work"
NUMBER, VICTIM = 20, 7
TIMEOUT = 5
POLL = pb.ActivateJobsRequest(type=TYPE, timeout=TIMEOUT * 1000, maxJobsToActivate=NUMBER)
STREAM = pb.StreamActivatedJobsRequest(type=TYPE, timeout=TIMEOUT * 1000)


class Run:
    """A run in a time of its own: an engine, a history, and what a consumer and workers do by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.engine = JobEngine(TYPE, lambda: self.now)
        self.history = JobHistory(lambda: self.now)

    def give(self) -> dict[int, Activated]:
        """Everything that is free, by the job's number; it is published and comes to workers."""
        given = self.taken()
        for activated in given.values():
            self.history.received_by_worker(activated)
        return given

    def taken(self) -> dict[int, Activated]:
        """The same, and nobody but the engine knows."""
        jobs = self.engine.activate(POLL, NUMBER)
        return {json.loads(job.variables)["number"]: Activated(job.key, job.deadline) for job in jobs}

    def complete(
        self, activated: Activated, *, told: bool = True, named: int | None = None, arrived: float | None = None
    ) -> None:
        """A worker completes it, and the consumer tells the engine, whose gateway got that then, or now."""
        if told:
            self.history.answered(activated, "CompleteJob")
        variables = json.dumps({ACTIVATION: named or activated.deadline})
        message = pb.CompleteJobRequest(jobKey=activated.key, variables=variables)
        self.engine.execute("CompleteJob", message, arrived)

    def verdict(self) -> JobVerdict:
        return judge(self.history, self.engine.jobs.values(), len(self.engine.refused), ending(completing))


def played(victim: Callable[[Run, Activated], None]) -> JobVerdict:
    """The verdict on a consumer that does everything rightly, except with one job, the victim."""
    run = Run()
    run.engine.create(NUMBER)
    given = run.give()
    for number, activated in given.items():
        run.now += 0.01
        if number == NUMBER // 2:
            run.history.heal()
            run.engine.create(1)
            run.complete(run.give()[NUMBER])
        if number != VICTIM:
            run.complete(activated)
    victim(run, given[VICTIM])
    return run.verdict()


def again(run: Run) -> Activated:
    """The next activation of the victim, after its time-out, in the hands of a worker."""
    run.now += TIMEOUT
    return run.give()[VICTIM]


def right(run: Run, job: Activated) -> None:
    run.complete(job)


def late(run: Run, job: Activated) -> None:
    """After the deadline, and nobody has got it meanwhile."""
    run.now += 2 * TIMEOUT
    run.complete(job)


def forgotten(run: Run, _: Activated) -> None:
    run.complete(again(run))


def overtaken(run: Run, job: Activated) -> None:
    again(run)
    run.now += 2 * ON_THE_WIRE
    run.complete(job)


def on_the_wire(run: Run, job: Activated) -> None:
    """The command was on its way when the newer activation came to a worker."""
    again(run)
    run.now += ON_THE_WIRE / 2
    run.complete(job)


def at_the_gateway(run: Run, job: Activated) -> None:
    """The command had come to the gateway, which was slow, before the newer activation came to a worker."""
    arrived = run.now
    again(run)
    run.now += 2 * ON_THE_WIRE
    run.complete(job, arrived=arrived)


def unknown(run: Run, job: Activated) -> None:
    """The newer activation never came further than to a consumer that was killed."""
    run.now += TIMEOUT
    run.taken()
    run.now += 2 * ON_THE_WIRE
    run.complete(job)


def published(run: Run, job: Activated) -> None:
    """The newer activation is on its way to the queue: the ledger has it."""
    run.now += TIMEOUT
    run.history.published(run.taken()[VICTIM])
    run.now += 2 * ON_THE_WIRE
    run.complete(job)


def twice(run: Run, job: Activated) -> None:
    run.complete(job)
    with pytest.raises(Rejection):
        run.complete(job)


def invented(run: Run, job: Activated) -> None:
    run.complete(job, told=False)


def mistaken(run: Run, job: Activated) -> None:
    run.complete(job, named=job.deadline + 1)


def silent(run: Run, job: Activated) -> None:
    run.engine.execute("CompleteJob", pb.CompleteJobRequest(jobKey=job.key))


def thrown(run: Run, job: Activated) -> None:
    run.history.answered(job, "ThrowError")
    variables = json.dumps({ACTIVATION: job.deadline})
    run.engine.execute("ThrowError", pb.ThrowErrorRequest(jobKey=job.key, errorCode="x", variables=variables))


def failed(run: Run, job: Activated, retries: int = 2) -> None:
    run.engine.execute("FailJob", pb.FailJobRequest(jobKey=job.key, retries=retries))
    run.complete(run.give()[VICTIM])


def given_up(run: Run, job: Activated) -> None:
    run.history.refused(job)
    failed(run, job)


def given_back(run: Run, job: Activated) -> None:
    """As many retries as it had: nobody failed."""
    failed(run, job, retries=3)


def lost(_: Run, __: Activated) -> None:
    """Nothing happens any more."""


def buried(run: Run, job: Activated) -> None:
    run.complete(job)
    run.history.dead.append("zeebe.jobs.results: UNAVAILABLE")


KEY = (1 << 51) + VICTIM + 1
NAMED = f"job {VICTIM} ({KEY})"
FIRST = 1_000_000_000 + TIMEOUT * 1000
BROKEN: dict[str, tuple[Callable[[Run, Activated], None], list[str]]] = {
    "right": (right, []),
    "completes late what nobody else has got": (late, []),
    "completes it when it comes again": (forgotten, []),
    "completes it for whom it was taken from": (overtaken, [f"1 overtaken: {NAMED}"]),
    "completes it while the newer one is in the queue": (published, [f"1 overtaken: {NAMED}"]),
    "had sent the command already": (on_the_wire, []),
    "had sent it to a slow gateway": (at_the_gateway, []),
    "cannot know of the newer one": (unknown, []),
    "tells the engine twice": (twice, []),
    "completes what no worker did": (
        invented,
        [f"1 wrong: {NAMED}: CompleteJob for {FIRST}, which no worker answered so"],
    ),
    "completes for another activation": (
        mistaken,
        [f"1 wrong: {NAMED}: CompleteJob for {FIRST + 1}, which was never given out"],
    ),
    "completes without variables": (silent, [f"1 wrong: {NAMED}: CompleteJob without the answer of a worker"]),
    "throws": (thrown, [f"1 wrong: {NAMED}: thrown, expected completed"]),
    "takes a retry for nothing": (failed, [f"1 wrong: {NAMED}: 1 retries lost, 0 of them given up by workers"]),
    "takes a retry for a job that was given up": (given_up, []),
    "gives back": (given_back, []),
    "loses a job": (lost, [f"1 stuck: {NAMED}"]),
    "buries an answer": (buried, ["1 dead letters: zeebe.jobs.results: UNAVAILABLE"]),
}


def test_a_broken_consumer_is_found_out() -> None:
    def is_found_out(victim: Callable[[Run, Activated], None], problems: list[str]) -> None:
        assert played(victim).problems() == problems

    check_all(BROKEN, is_found_out)


def test_what_happened_is_counted() -> None:
    verdict = played(right)
    assert (verdict.jobs, verdict.completed, verdict.thrown, verdict.incidents) == (NUMBER + 1, NUMBER + 1, 0, 0)
    assert (verdict.again, verdict.deliveries, verdict.late, verdict.on_the_wire) == (0, NUMBER + 1, 0, 0)
    assert verdict.recovery == 0.0
    assert verdict.gap == pytest.approx(0.02)
    assert played(forgotten).again == 1
    assert played(twice).late == 1
    assert (played(on_the_wire).on_the_wire, played(unknown).on_the_wire) == (1, 1)
    assert played(thrown).thrown == 1


def test_a_message_that_comes_again_is_the_same_activation() -> None:
    history = JobHistory()
    first, second = Activated(1, 100), Activated(1, 200)
    assert [history.received_by_worker(each) for each in (first, first, second, first)] == [1, 1, 2, 1]
    assert history.deliveries == 4
    assert [history.is_overtaken(each) for each in (first, second)] == [True, False]


def test_jobs_live_as_an_engines() -> None:
    """Out of sight until the time-out, at once after a failure with retries left, never after the end."""
    run = Run()
    run.engine.create(1)
    [job] = run.engine.activate(POLL, 10)
    assert run.engine.activate(POLL, 10) == []
    assert run.engine.activate(pb.ActivateJobsRequest(type="other"), 10) == []
    run.now += TIMEOUT
    [job] = run.engine.activate(POLL, 10)
    assert (job.retries, job.deadline) == (3, round((run.now + TIMEOUT) * 1000))
    run.engine.execute("UpdateJobTimeout", pb.UpdateJobTimeoutRequest(jobKey=job.key, timeout=2 * TIMEOUT * 1000))
    run.now += TIMEOUT
    assert run.engine.activate(POLL, 10) == []
    run.engine.execute("FailJob", pb.FailJobRequest(jobKey=job.key, retries=1))
    assert [each.retries for each in run.engine.activate(POLL, 10)] == [1]
    run.engine.execute("FailJob", pb.FailJobRequest(jobKey=job.key, retries=0))
    assert (run.engine.left, run.engine.ended) == (0, 1)
    with pytest.raises(Rejection, match="NOT_FOUND"):
        run.engine.execute("CompleteJob", pb.CompleteJobRequest(jobKey=job.key))


def test_a_stream_brings_no_backlog() -> None:
    run = Run()
    run.engine.create(1)
    run.now += 1
    opened = run.now
    run.engine.create(1)
    brought: list[Any] = run.engine.activate(STREAM, 10, opened)
    assert [json.loads(job.variables)["number"] for job in brought] == [1]


def test_jobs_end_as_their_workers_plan() -> None:
    ends = [str(ending(usual)(number)) for number in range(7)]
    assert ends == ["completed", "completed", "completed", "completed", "thrown", "incident", "completed"]
