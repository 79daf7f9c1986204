"""What becomes of a message in a queue of answers: acknowledged, tried again, or answered; seldom a dead letter."""

from __future__ import annotations

from typing import Any

from consumer.core.message import Reply
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.jobs.answered import answered, undone
from tests.unit.consumer.workers import FakePublisher, ScriptedHandler, settled, worker_of
from zeebe_amqp.errors import Code, Source

RESULTS = "zeebe.jobs.results"
DONE = Reply("complete-job")


def refused(code: Code, **more: Any) -> Reply:
    return Reply("complete-job", error=failed(code, **more))


class Bench:
    """A worker of answers; replies may go to `replies` alone."""

    def __init__(self, *replies: Reply) -> None:
        self.events: list[str] = []
        self.asked: list[str | None] = []
        self.handler, self.publisher = ScriptedHandler(), FakePublisher(self.events)
        self.handler.replies = list(replies)

    def refusal(self, message: Any) -> str | None:
        self.asked.append(message.reply_to)
        return None if message.reply_to in (None, "replies") else "reply_to: not allowed"

    async def settle(self, delivery: Any) -> list[str]:
        delivery.events = self.events
        await settled(worker_of(self.handler, self.publisher, answers=True, refusal=self.refusal), delivery)
        return [event for event in self.events if event != "acknowledged"]


@for_each([
    (None, DONE, ["ack"]),
    (None, refused(Code.NOT_FOUND), ["ack"]),
    (None, refused(Code.ALREADY_EXISTS, source=Source.CONSUMER), ["ack"]),
    (None, refused(Code.PERMISSION_DENIED, source=Source.CONSUMER), ["ack"]),
    (None, refused(Code.UNKNOWN), ["ack"]),
    (RESULTS, DONE, ["ack"]),
    (RESULTS, refused(Code.NOT_FOUND), ["ack"]),
    ("replies", DONE, ["reply", "ack"]),
    ("replies", refused(Code.NOT_FOUND), ["reply", "ack"]),
    ("elsewhere", refused(Code.PERMISSION_DENIED, source=Source.CONSUMER), ["ack"]),
])  # fmt: skip
async def test_an_answer_is_settled(reply_to: str | None, reply: Reply, expected: list[str]) -> None:
    bench = Bench(reply)
    assert await bench.settle(answered(reply_to=reply_to)) == expected
    assert bench.asked == ([] if reply_to == RESULTS else [reply_to]), (
        "an echo of the job's properties asks for nothing"
    )


async def test_what_may_succeed_later_is_tried_again() -> None:
    away = refused(Code.UNAVAILABLE, source=Source.CONSUMER, retryable=True)
    bench = Bench(away, away, DONE)
    assert await bench.settle(answered()) == ["ack"]
    assert bench.handler.runs == 3


async def test_a_defect_of_ours_is_a_dead_letter() -> None:
    bench = Bench(refused(Code.INTERNAL, source=Source.CONSUMER))
    assert await bench.settle(answered()) == ["dead letter", "ack"]


async def test_a_job_that_came_back_asks_for_no_reply() -> None:
    bench = Bench(refused(Code.FAILED_PRECONDITION, source=Source.CONSUMER))
    delivery = undone("rejected")
    assert await bench.settle(delivery) == ["ack"]
    assert (delivery.one_way, delivery.answerable, delivery.refusal) == (True, False, None)
