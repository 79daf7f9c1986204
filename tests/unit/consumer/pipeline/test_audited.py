"""No message is acknowledged before its record is written, however it ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from unittest.mock import AsyncMock

from consumer.core.call import Call
from consumer.core.delivery import Delivery
from consumer.core.message import Message, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline.ending import Ending
from consumer.pipeline.publishing import PublishFailed, Refused
from consumer.pipeline.refused_replies import RefusedReplies
from tests.cases import check_each, for_each
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.errors import failed
from tests.unit.consumer.workers import OK, Bench, settled, until
from zeebe_amqp.commands import Topology
from zeebe_amqp.errors import Code, Outcome

FINAL = Reply("topology", error=failed(Code.NOT_FOUND))
BROKEN = {"malformed_properties": ("no AMQP",)}


class AuditedBench(Bench):
    """A bench whose worker records what it acknowledges; the record can be held."""

    def __init__(self) -> None:
        super().__init__()
        self.endings: list[Ending] = []
        self.recorded: list[Reply] = []
        self.writable = asyncio.Event()
        self.writable.set()

    async def audit(self, delivery: Delivery, reply: Reply, ending: Ending) -> None:
        await self.writable.wait()
        self.events.append("record")
        self.endings.append(ending)
        self.recorded.append(reply)


def delivered(bench: Bench, **sent: Any) -> FakeDelivery:
    return FakeDelivery(Message(**{"body": b'{"operation":"topology"}', "reply_to": "replies", **sent}), bench.events)


SETTLED, DEAD, DROPPED = Ending.SETTLED, Ending.DEAD_LETTERED, Ending.DROPPED
ENDINGS: dict[str, tuple[dict[str, Any], Any, Any, Ending]] = {
    "answered": ({}, OK, None, SETTLED),
    "answered with an error": ({}, FINAL, None, SETTLED),
    "answered from an earlier run": ({}, Reply("topology", {}, replayed=True), None, SETTLED),
    "nobody waits": ({"reply_to": None}, OK, None, SETTLED),
    "a repetition that another delivery stands for": ({"reply_to": None}, Reply(None, replayed=True), None, SETTLED),
    "a dead letter": ({"reply_to": None}, FINAL, None, DEAD),
    "a body that is no request": ({"reply_to": None, "body": b"{"}, FINAL, None, DEAD),
    "properties that are no AMQP": (BROKEN, FINAL, None, DEAD),
    "a reply queue that is gone": ({}, OK, [False], DROPPED),
    "a reply queue that is full": ({}, OK, Refused("full"), DROPPED),
    "a reply queue that is stuck": ({}, OK, Refused("stuck", stuck=True), DROPPED),
    "a reply that was refused at first": ({}, OK, [Refused("full"), True], SETTLED),
    "a reply that was not confirmed at first": ({}, OK, [PublishFailed("late"), True], SETTLED),
}
"""What is sent, what the handler answers, how publishing the reply goes, and the ending that is recorded."""


async def test_every_way_to_an_ack_leads_past_the_record() -> None:
    async def is_recorded(sent: dict[str, Any], reply: Reply, publishing: Any, ending: Ending) -> None:
        bench = AuditedBench()
        bench.handler.replies = [reply]
        if publishing is not None:
            bench.publisher.reply = AsyncMock(side_effect=publishing)  # type: ignore[method-assign]
        bench.writable.clear()
        worker = bench.worker(delivered(bench, **sent), audit=bench.audit, refused=RefusedReplies(lambda: 4, 1))
        await asyncio.sleep(0.02)
        assert "ack" not in bench.events, "nothing is recorded yet"
        bench.writable.set()
        await settled(worker)
        assert bench.endings == [ending]
        assert bench.events[-3:] == ["record", "ack", "acknowledged"]

    await check_each(ENDINGS, is_recorded)
    assert {ending for *_, ending in ENDINGS.values()} == set(Ending) - {Ending.RETURNED}


async def test_what_goes_back_is_recorded_when_it_comes_again() -> None:
    async def goes_back(answers: list[Any], publishing: Any, event: str) -> None:
        bench = AuditedBench()
        bench.handler.replies = answers
        if publishing is not None:
            bench.publisher.reply = AsyncMock(side_effect=publishing)  # type: ignore[method-assign]
        await bench.settle(delivered(bench), audit=bench.audit)
        assert bench.events == [event]

    cases = {
        "another runs it": ([Requeue("another")], None, "give back"),
        "a defect": ([RuntimeError("a defect")], None, "give back as failed"),
        "no confirm": ([OK], PublishFailed("late"), "give back as failed"),
    }
    await check_each(cases, goes_back)


async def test_what_the_engine_was_sent_is_recorded_when_it_goes_back_because_it_may_expire_there() -> None:
    async def ends(
        alive: bool, sent: bool, reply_to: str | None, reply: Reply, publishing: Any, recorded: bool
    ) -> None:
        bench = AuditedBench()
        delivery = delivered(bench, reply_to=reply_to)

        async def handle(_: Delivery) -> Reply:
            delivery.call, delivery.open = Call(Topology(), sent=sent), alive
            return reply

        if publishing is not None:
            bench.publisher.reply = AsyncMock(side_effect=publishing)  # type: ignore[method-assign]
        worker = bench.worker(delivery, handler=handle, audit=bench.audit)
        await settled(worker)
        assert bench.endings == ([Ending.RETURNED] if recorded else [])
        assert "ack" not in bench.events

    away = Reply("topology", error=failed(Code.UNAVAILABLE, retryable=True))
    cases = {
        "its channel is gone": (False, True, "replies", OK, None, True),
        "its channel is gone, and it was answered from an earlier run": (False, False, "replies", OK, None, False),
        "no confirm": (True, True, "replies", OK, PublishFailed("late"), True),
        "the gateway is away for too long": (True, True, None, away, None, True),
    }
    await check_each(cases, ends)


async def test_what_the_engine_was_sent_by_an_earlier_try_is_recorded_however_the_last_one_ends() -> None:
    unknown = Reply("topology", error=failed(Code.DEADLINE_EXCEEDED, outcome=Outcome.UNKNOWN))

    async def ends(last: Any, open_then: bool, code: Code, event: str = "give back") -> None:
        bench = AuditedBench()
        delivery, tries = delivered(bench, reply_to=None), iter([unknown, last])

        async def handle(_: Delivery) -> Reply:
            delivery.call, answer = delivery.call or Call(Topology(), sent=True), next(tries)
            delivery.open = open_then
            if isinstance(answer, Exception):
                raise answer
            return cast("Reply", answer)

        await bench.settle(delivery, handler=handle, audit=bench.audit)
        assert bench.endings == [Ending.RETURNED]
        [reply] = bench.recorded
        assert reply.error is not None
        assert (reply.operation, reply.error.code, reply.error.outcome) == ("topology", code, Outcome.UNKNOWN)
        assert bench.events == ["record", event]

    cases = {
        "another runs it now": (Requeue("another"), True, Code.CANCELLED),
        "a defect": (RuntimeError("a defect"), True, Code.CANCELLED, "give back as failed"),
        "its channel is gone": (OK, False, Code.DEADLINE_EXCEEDED),
    }
    await check_each(cases, ends)


async def test_what_the_engine_was_sent_is_recorded_when_the_service_ends_during_a_pause_between_tries() -> None:
    bench = AuditedBench()
    delivery = delivered(bench, reply_to=None)

    async def handle(_: Delivery) -> Reply:
        delivery.call = Call(Topology(), sent=True)
        return Reply("topology", error=failed(Code.DEADLINE_EXCEEDED, outcome=Outcome.UNKNOWN))

    worker = bench.worker(delivery, handler=handle, audit=bench.audit, clock=QuickClock(pause=60))
    await until(lambda: delivery.idle)
    assert await worker.stop(30)
    assert bench.events == ["give back", "record"]
    assert bench.endings == [Ending.RETURNED]


async def test_what_is_cut_off_at_the_end_while_the_engine_has_it_is_recorded() -> None:
    for sent in (True, False):
        bench = AuditedBench()
        delivery, begun = delivered(bench), asyncio.Event()

        async def run(request: Delivery, sent: bool = sent, begun: asyncio.Event = begun) -> Reply:
            request.call = Call(Topology(), sent=sent)
            begun.set()
            await asyncio.Event().wait()
            return OK

        worker = bench.worker(delivery, handler=run, audit=bench.audit)
        await begun.wait()
        assert await worker.stop(0.01) is False
        assert bench.endings == ([Ending.RETURNED] if sent else [])


async def test_what_cannot_be_recorded_is_given_back_at_the_end_and_never_acknowledged() -> None:
    bench = AuditedBench()
    bench.writable.clear()
    worker = bench.worker(delivered(bench), audit=bench.audit)
    await until(lambda: bench.publisher.sent)
    assert await worker.stop(0.01) is False
    assert bench.events == ["reply", "give back"]


async def test_what_can_be_recorded_in_time_is_acknowledged_at_the_end() -> None:
    bench = AuditedBench()
    bench.writable.clear()
    worker = bench.worker(delivered(bench), audit=bench.audit)
    await until(lambda: bench.publisher.sent)
    asyncio.get_running_loop().call_later(0.01, bench.writable.set)
    assert await worker.stop(30)
    assert bench.events == ["reply", "record", "ack", "acknowledged"]


@for_each([(False,), (True,)])
async def test_a_defect_of_the_audit_acknowledges_nothing_and_holds_nothing(sent: bool) -> None:
    bench = AuditedBench()
    delivery = delivered(bench)
    delivery.call = Call(Topology(), sent=sent)
    await bench.settle(delivery, audit=AsyncMock(side_effect=ValueError("a defect")))
    assert bench.events == ["reply", "give back as failed"]
