"""Jobs end as their workers say, unless somebody else has them by now; what is refused for good fails them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from consumer.core.activation import Activation
from consumer.jobs.answering import (
    MAX_EXTENSION,
    answering,
    is_newest,
    refused_for_good,
)
from consumer.ledger import LedgerError
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.jobs.answer_bench import DEADLINE, GIVEN_OUT, Activations, Bench, Engine, refusal
from tests.unit.consumer.jobs.answered import JOB, KEY, TYPE, Answered, answered, undone
from zeebe_amqp.commands import CompleteJob, FailJob
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

AGAIN = Activation(KEY, DEADLINE + 300_000, DEADLINE)


BODIES = {
    "complete": (b'{"a":1}', "complete-job"),
    "fail": (b'{"errorMessage":"no","retries":7}', "fail-job"),
    "error": (b'{"errorCode":"E"}', "throw-error"),
    "extend": (b'{"timeout":"2m"}', "update-job-timeout"),
}


@for_each([(name, *rest) for name, rest in BODIES.items()])
async def test_each_outcome_is_its_command(outcome: str, body: bytes, operation: str) -> None:
    bench = Bench()
    # Whatever else a framework copies from the job's message is no request id and no deadline of the answer.
    copied = {"deadline": DEADLINE, "request-id": 7, "job-type": "x"}
    delivery = answered(body, type=outcome, headers=copied, message_id=f"{KEY}-{DEADLINE}")
    reply = await bench.handle(delivery)
    assert (reply.operation, reply.error, reply.replayed) == (operation, None, False)
    assert [command.operation for command in bench.engine.commands] == [operation]
    assert bench.counted == [("jobs.answered", {"type": TYPE, "outcome": outcome})]
    assert delivery.call is bench.engine.calls[0]


@for_each([
    (None, True),
    (GIVEN_OUT, True),
    (GIVEN_OUT._replace(extended=DEADLINE + 10**9), True),
    (AGAIN, False),
    (GIVEN_OUT._replace(deadline=DEADLINE + 1), False),
    # Given out by a service with another ledger, after all that this one knows of.
    (GIVEN_OUT._replace(deadline=DEADLINE - 1), True),
    (GIVEN_OUT._replace(deadline=DEADLINE - 1, extended=DEADLINE + 1), False),
])  # fmt: skip
async def test_an_answer_runs_while_nobody_else_has_its_job(newest: Activation | None, runs: bool) -> None:
    for delivery in (answered(), undone("rejected")):
        bench = Bench(newest=newest)
        reply = await bench.handle(delivery)
        assert reply.ok is runs
        assert len(bench.engine.calls) == runs
        if newest is not None:
            assert is_newest(JOB, newest) is runs
        if reply.error is not None:
            assert verdict(reply.error) == (Code.FAILED_PRECONDITION, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
            assert str(newest.deadline) in reply.error.message if newest else False
            assert bench.counted == [("jobs.late", {"type": TYPE})]


async def test_a_job_that_is_given_out_between_two_attempts_is_left_to_its_new_worker() -> None:
    bench = Bench()
    await bench.handle(answered())
    [call] = bench.engine.calls
    bench.leases.newest = AGAIN
    assert call.may_go is not None
    with pytest.raises(CommandError, match="accepted: the newest one") as late:
        await call.may_go()
    assert verdict(late.value) == (Code.FAILED_PRECONDITION, Source.CONSUMER, Outcome.UNKNOWN, False), "it may be done"
    bench.leases.newest = LedgerError("away")
    with pytest.raises(CommandError) as unread:
        await call.may_go()
    assert verdict(unread.value) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, True)


async def test_while_the_ledger_cannot_be_read_nothing_is_sent_and_the_answer_is_tried_again() -> None:
    bench = Bench(newest=LedgerError("the ledger x cannot be used: away"))
    reply = await bench.handle(answered())
    assert reply.error is not None
    assert verdict(reply.error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert "away" in reply.error.message
    assert (bench.engine.calls, bench.counted) == ([], [])
    bench.leases.newest = GIVEN_OUT
    assert (await bench.handle(answered())).ok, "and nothing of it is remembered"


FOR_GOOD = [
    refusal(Code.UNKNOWN, details={"rejection": "EXCEEDED_BATCH_RECORD_SIZE"}),
    refusal(Code.RESOURCE_EXHAUSTED, source=Source.CONSUMER),
    refusal(Code.INVALID_ARGUMENT),
    refusal(Code.INTERNAL),
    refusal(Code.UNIMPLEMENTED, source=Source.CONSUMER),
]
NOT_FOR_GOOD = [
    refusal(Code.NOT_FOUND),
    refusal(Code.FAILED_PRECONDITION),
    refusal(Code.PERMISSION_DENIED),
    refusal(Code.UNAUTHENTICATED),
    refusal(Code.RESOURCE_EXHAUSTED, retryable=True),
    refusal(Code.UNAVAILABLE, retryable=True),
    refusal(Code.UNAVAILABLE, outcome=Outcome.UNKNOWN, retryable=True),
    refusal(Code.INTERNAL, outcome=Outcome.UNKNOWN),
]


@for_each([(outcome, error) for outcome in BODIES for error in FOR_GOOD])
async def test_what_is_refused_for_good_fails_the_job_instead(outcome: str, error: CommandError) -> None:
    bench = Bench(refusal(error.code, source=error.source, details=error.details))
    reply = await bench.handle(answered(BODIES[outcome][0], type=outcome))
    assert reply.error is not None
    assert (reply.operation, reply.error.code) == (BODIES[outcome][1], error.code)
    if outcome == "extend":
        assert len(bench.engine.calls) == 1, "its worker goes on"
        assert bench.counted == [("jobs.refused", {"reason": "rejected"})]
        return
    _, instead = bench.engine.commands
    words = f"the answer was refused: {error.code}: no"
    assert instead == FailJob(job_key=KEY, retries=2, error_message=words)
    assert bench.counted == [("jobs.answered", {"type": TYPE, "outcome": "unusable"})]
    assert reply.error.message == "no; the job failed instead, with 2 retries left"
    assert (reply.error.details or {})["instead"] == "fail-job"


@for_each([(outcome, error) for outcome in BODIES for error in NOT_FOR_GOOD])
async def test_what_may_be_taken_later_or_has_no_job_any_more_fails_nothing(outcome: str, error: CommandError) -> None:
    assert not refused_for_good(error)
    again = refusal(error.code, outcome=error.outcome, retryable=error.retryable)
    bench = Bench(again)
    reply = await bench.handle(answered(BODIES[outcome][0], type=outcome))
    assert reply.error == again.error()
    assert len(bench.engine.calls) == 1
    final = [] if error.retryable else [("jobs.refused", {"reason": "rejected"})]
    assert bench.counted == final


@for_each([
    (refusal(Code.NOT_FOUND), Code.UNKNOWN, "no"),
    (refusal(Code.UNAVAILABLE, retryable=True), Code.UNAVAILABLE, "no"),
    (refusal(Code.INTERNAL, outcome=Outcome.UNKNOWN), Code.INTERNAL, "no"),
])  # fmt: skip
async def test_a_job_that_cannot_be_failed_instead(second: CommandError, code: Code, words: str) -> None:
    bench = Bench(refusal(Code.UNKNOWN), second)
    reply = await bench.handle(answered())
    assert reply.error is not None
    assert (reply.error.code, reply.error.message, reply.error.details) == (code, words, None)
    assert len(bench.engine.calls) == 2


async def test_an_extension_is_kept_and_the_answer_after_it_still_counts() -> None:
    bench = Bench()
    first = answered(*BODIES["extend"][:1], type="extend")
    for delivery in (first, answered(BODIES["extend"][0], type="extend", message_id="x")):
        assert (await bench.handle(delivery)).ok, "as often as the worker likes"
    extended = int(first.message.received * 1000) + 120_000
    assert bench.leases.recorded[0] == GIVEN_OUT._replace(extended=extended)
    assert len(bench.engine.calls) == len(bench.leases.recorded) == 2
    bench.leases.newest = bench.leases.recorded[-1]
    assert (await bench.handle(answered())).ok
    assert bench.leases.forgotten == [KEY]


async def test_a_shorter_extension_forgets_nothing_earlier_and_that_of_another_records_nothing() -> None:
    far = GIVEN_OUT._replace(extended=2**50)
    bench = Bench(newest=far)
    await bench.handle(answered(BODIES["extend"][0], type="extend"))
    assert bench.leases.recorded == [far]
    for newest in (None, GIVEN_OUT._replace(deadline=1)):
        bench = Bench(newest=newest)
        assert (await bench.handle(answered(BODIES["extend"][0], type="extend"))).ok
        assert bench.leases.recorded == []


@for_each([(b'{"timeout":"P400D"}',), (b'{"timeout":9223372036854775807}',)])
async def test_of_an_extension_that_lasts_for_ever_a_year_is_kept(body: bytes) -> None:
    bench = Bench()
    delivery = answered(body, type="extend")
    assert (await bench.handle(delivery)).ok
    extended = int(delivery.message.received * 1000) + MAX_EXTENSION
    assert bench.leases.recorded == [GIVEN_OUT._replace(extended=extended)]


async def test_an_extension_that_cannot_be_recorded_is_one_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    problem = LedgerError("the ledger x cannot be used: away")

    async def fail(_: object) -> None:
        raise problem

    bench.leases.record_activations = fail  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        assert (await bench.handle(answered(BODIES["extend"][0], type="extend"))).ok
    assert [(each.event, each.key) for each in caplog.records] == [("jobs.unrecorded", KEY)]  # type: ignore[attr-defined]


@for_each([("complete", True), ("error", False), ("fail", False), ("extend", False)])
async def test_the_activation_of_a_job_is_kept_while_it_may_be_given_out_again(outcome: str, ends: bool) -> None:
    bench = Bench()
    await bench.handle(answered(BODIES[outcome][0], type=outcome))
    assert bench.leases.forgotten == ([KEY] if ends else [])


async def test_of_an_answer_that_is_none_operators_read_why_its_job_failed(caplog: pytest.LogCaptureFixture) -> None:
    for each, named in ((answered(b"[\n"), TYPE), (answered(b"[]", JOB._replace(type_hash="0" * 16)), "0" * 16)):
        caplog.clear()
        assert (await Bench(newest=None).handle(each)).ok
        (line,) = caplog.records
        found = line.__dict__
        assert (found["event"], found["type"], found["key"]) == ("jobs.unusable", named, KEY)
        assert found["error"].startswith("the answer cannot be used: body: ")
        assert line.getMessage() == f"job {KEY} ({named}) failed: {found['error']}"
        assert found["error"].isprintable()


async def test_properties_that_are_no_amqp_are_refused_and_counted() -> None:
    bench = Bench()
    for delivery in (answered(malformed_properties=("type: not UTF-8",)), undone("rejected")):
        delivery.message.malformed_properties = ("type: not UTF-8",)
        reply = await bench.handle(delivery)
        assert reply.error is not None
        assert verdict(reply.error) == (Code.INVALID_ARGUMENT, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert bench.engine.calls == []
    assert [name for name, _ in bench.counted] == ["jobs.refused"] * 2


async def test_a_message_that_breaks_the_decoder_is_a_defect_and_no_end_of_the_queue() -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("defect")

    bench = Bench()
    reply = await bench.handle(Answered(answered().message, broken))
    assert reply.error is not None
    assert (reply.error.code, bench.engine.calls) == (Code.INTERNAL, [])


async def test_the_handler_itself_raises_what_the_engine_says() -> None:
    with pytest.raises(CommandError, match="NOT_FOUND"):
        await answering(Engine(refusal(Code.NOT_FOUND)), Activations())(answered())


def test_errors_of_every_code_are_for_good_or_not() -> None:
    found = {code for code in Code if refused_for_good(refusal(code))}
    assert Code.NOT_FOUND not in found
    assert {Code.UNKNOWN, Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED} <= found
    assert isinstance(refusal(Code.UNKNOWN).error(), Error)
    assert CompleteJob.idempotent
