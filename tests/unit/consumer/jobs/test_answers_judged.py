"""Of an answer that comes twice, of a job that came back, and of who may answer."""

from __future__ import annotations

from consumer.jobs.signed_id import hash_type
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.jobs.answer_bench import DEADLINE, Bench
from tests.unit.consumer.jobs.answered import JOB, TYPE, answered, undone
from zeebe_amqp.commands import FailJob
from zeebe_amqp.errors import Code, Outcome, Source


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
