"""Jobs end as their workers say, unless somebody else has them by now; what is refused for good fails them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from consumer.core.activation import Activation
from consumer.core.call import Call
from consumer.core.delivery import Delivery, Reply
from consumer.jobs.answering import (
    MAX_EXTENSION,
    answer_handler,
    answering,
    attested,
    is_newest,
    refused_for_good,
)
from consumer.jobs.signed_id import hash_type
from consumer.ledger import LedgerError
from consumer.pipeline.authorization import authorized
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.security.policy import parse
from tests.cases import for_each
from tests.unit.consumer.deliveries import MemoryLedger
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.jobs.answered import JOB, KEY, TYPE, Answered, answered, undone
from zeebe_amqp.commands import Command, CompleteJob, FailJob
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

DEADLINE = JOB.deadline
GIVEN_OUT = Activation(KEY, DEADLINE, DEADLINE - 300_000)
AGAIN = Activation(KEY, DEADLINE + 300_000, DEADLINE)


def refusal(code: Code, **more: Any) -> CommandError:
    return CommandError(code, "no", **{"source": Source.GATEWAY, **more})


class Engine:
    """Asks before each of its attempts, as every engine does; they end like this, one after the other, then well."""

    def __init__(self, *ends: CommandError | None) -> None:
        self.ends = list(ends)
        self.calls: list[Call] = []

    @property
    def commands(self) -> list[Command]:
        return [call.command for call in self.calls]

    async def execute(self, call: Call) -> None:
        assert call.may_go is not None
        assert (call.deadline, call.idempotent) == (None, True)
        await call.may_go()
        call.sent = True
        self.calls.append(call)
        if self.ends and (end := self.ends.pop(0)) is not None:
            raise end

    async def close(self) -> None:
        """Nothing is open."""


class Activations:
    """Knows this activation, or cannot be read."""

    def __init__(self, newest: Activation | LedgerError | None = GIVEN_OUT) -> None:
        self.newest = newest
        self.recorded: list[Activation] = []
        self.forgotten: list[int] = []

    async def newest_activation(self, key: int) -> Activation | None:
        assert key == KEY
        if isinstance(self.newest, LedgerError):
            raise self.newest
        return self.newest

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        self.recorded += activations

    def forget_activation(self, key: int) -> None:
        self.forgotten.append(key)


class Bench:
    """The handlers of both queues, with everything around."""

    def __init__(self, *ends: CommandError | None, newest: Activation | LedgerError | None = GIVEN_OUT) -> None:
        self.engine, self.leases, self.count = Engine(*ends), Activations(newest), Mock()
        self.ledger, self.policy, self.logged = MemoryLedger(), "", Mock()

    async def handle(self, delivery: Delivery) -> Reply:
        plain = {"traced": self._around, "measured": self._around, "count": self.count}
        once = idempotent(self.ledger, RedeliveryMatcher())
        rights = [authorized(Rules(self.policy))] if self.policy else []
        if delivery.message.queue == "zeebe.jobs.undone":
            return await answer_handler(self.engine, self.leases, attested, once, **plain)(delivery)  # type: ignore[arg-type]
        return await answer_handler(self.engine, self.leases, *rights, once, **plain)(delivery)  # type: ignore[arg-type]

    def _around(self, handler: Any) -> Any:
        return handler

    @property
    def counted(self) -> list[tuple[str, dict[str, str]]]:
        return [(call.args[0], call.kwargs) for call in self.count.mock_calls]


class Rules:
    """A policy as `consumer.security.rights.Rights` asks it."""

    def __init__(self, text: str) -> None:
        self._policy = parse(text.encode(), "policy")

    def decide(self, user: str | None, command: Command, target: Any = None) -> Any:
        assert target is not None, "an answer is judged by the type of its job"
        return self._policy.judge(user, command.operation, target)

    def limits(self, user: str | None) -> Any:
        return self._policy.limits(user)


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


class TestTwice:
    async def test_the_same_answer_is_answered_from_the_ledger_whoever_sends_it(self) -> None:
        bench = Bench()
        replies = [
            await bench.handle(answered(b"{}", user_id=user, message_id=message_id, redelivered=redelivered))
            for user, message_id, redelivered in (("a", "1", False), ("b", "2", False), (None, None, True))
        ]
        assert [reply.replayed for reply in replies] == [False, True, True]
        assert (len(bench.engine.calls), len(bench.counted)) == (1, 1)

    async def test_another_answer_is_refused(self) -> None:
        bench = Bench()
        assert (await bench.handle(answered(b"{}"))).ok
        for other in (answered(b'{"a":1}'), answered(b"{}", type="fail"), undone("rejected")):
            reply = await bench.handle(other)
            assert reply.error is not None
            assert verdict(reply.error) == (Code.ALREADY_EXISTS, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
            assert reply.error.message.startswith("correlation_id: answer '")
            assert (other.message.correlation_id or "!") not in reply.error.message
        assert bench.counted[1:] == [("jobs.refused", {"reason": "doubled"})] * 3

    async def test_answers_of_two_activations_and_requests_with_such_an_id_are_apart(self) -> None:
        bench = Bench(newest=None)
        later = JOB._replace(deadline=DEADLINE + 1)
        for delivery in (answered(b"{}"), answered(b'{"a":1}', later), answered(b"{}", JOB._replace(retries=2))):
            assert (await bench.handle(delivery)).ok
        assert len(bench.engine.calls) == 3


class TestUndone:
    @for_each(["rejected", "delivery_limit"])
    async def test_what_no_worker_ended_takes_a_retry(self, reason: str) -> None:
        bench = Bench()
        delivery = undone(reason)
        assert (await bench.handle(delivery)).ok
        assert [type(each) for each in bench.engine.commands] == [FailJob]
        assert bench.counted == [("jobs.undone", {"type": TYPE, "reason": reason})]
        assert delivery.decision is not None
        assert (delivery.decision.allowed, delivery.decision.rule) == (True, "returned by the broker")
        assert delivery.decision.target.job_types == (TYPE,)

    async def test_what_has_expired_is_left_to_the_engine(self) -> None:
        bench = Bench()
        reply = await bench.handle(undone("expired"))
        assert reply.error is not None
        assert verdict(reply.error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
        assert (bench.engine.calls, bench.counted) == ([], [("jobs.expired", {"type": TYPE})])

    async def test_without_an_id_of_ours_nothing_happens(self) -> None:
        bench = Bench()
        for reason, sent in (("rejected", "x"), ("expired", None)):
            reply = await bench.handle(undone(reason, correlation_id=sent))
            assert reply.error is not None
        assert (bench.engine.calls, bench.counted) == ([], [("jobs.refused", {"reason": "forged"})] * 2)

    async def test_one_that_does_not_say_why_it_came_back_is_refused_and_not_called_forged(self) -> None:
        bench = Bench()
        reply = await bench.handle(undone("another reason"))
        assert reply.error is not None
        assert (reply.error.code, reply.error.source) == (Code.INVALID_ARGUMENT, Source.CONSUMER)
        assert (bench.engine.calls, bench.counted) == ([], [("jobs.refused", {"reason": "rejected"})])


class TestRights:
    POLICY = """
        version = 1
        [roles.cards]
        operations = ["complete-job", "fail-job"]
        job_types = ["charge-*"]
        [users]
        alice = ["cards"]
    """

    @for_each([("alice", TYPE, True), ("alice", "other", False), ("bob", TYPE, False), (None, TYPE, False)])
    async def test_an_answer_is_judged_by_the_type_of_its_job(self, user: str | None, name: str, runs: bool) -> None:
        bench = Bench()
        bench.policy = self.POLICY
        delivery = answered(b"{}", JOB._replace(type_hash=hash_type(name)), user_id=user)
        reply = await bench.handle(delivery)
        assert reply.ok is runs
        assert delivery.decision is not None
        assert (delivery.decision.allowed, delivery.decision.target.job_types) == (runs, (name,))
        if not runs:
            assert bench.counted == [("jobs.refused", {"reason": "rejected"})]

    async def test_a_type_that_nobody_knows_needs_the_right_to_all(self) -> None:
        bench = Bench()
        bench.policy = self.POLICY
        delivery = answered(b"{}", JOB._replace(type_hash="0" * 16), user_id="alice")
        assert not (await bench.handle(delivery)).ok


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
