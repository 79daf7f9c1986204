"""Deliveries that wait for another run of their request take places, of which each user has a share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.core.requeue import Requeue
from consumer.core.shares import Shares
from consumer.ledger import Claim, State
from consumer.pipeline.waits import QueuePlaces, Waits
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.pipeline.repetitions import Once, incoming, ledger_of
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN


@pytest.fixture
def once() -> Once:
    return Once()


def shared(held: int) -> Waits:
    """So many places for what waits."""
    return Waits({"commands": QueuePlaces(Shares(lambda: held))})


def many(ids: int, user: str, **properties: Any) -> list[FakeDelivery]:
    """Three deliveries of each of so many ids."""
    properties = {"queue": "commands", "reply_to": "replies", **properties}
    return [incoming(message_id=f"{number % ids}", user_id=user, **properties) for number in range(3 * ids)]


async def test_the_waiters_of_many_ids_of_one_user_take_a_share_and_others_find_room() -> None:
    once = Once(waits=shared(20))
    once.limiter.clear()
    runs = await once.begin(*many(20, "mallory"))
    crowded = [run.exception() for run in runs if run.done()]
    assert (once.runs, len(crowded)) == (20, 40 - 10)
    for error in crowded:
        assert isinstance(error, CommandError)
        assert verdict(error) == (Code.RESOURCE_EXHAUSTED, CONSUMER, NOT, True)
    others = await once.begin(*many(2, "alice"))
    assert not any(run.done() for run in others)
    once.limiter.set()
    await asyncio.gather(*others, *(run for run in runs if not run.done()))
    once.limiter.clear()
    again = many(5, "mallory", headers={"replays": 1})
    runs = await once.begin(*again)
    assert not any(run.done() for run in runs), "there is room again"
    once.limiter.set()
    assert all(reply.ok for reply in await asyncio.gather(*runs))


async def test_a_delivery_that_keeps_a_request_nobody_waits_for_takes_a_place_too_or_goes_back() -> None:
    """A dead letter of it could be replayed, and the command would run twice."""
    once = Once(waits=shared(2))
    once.limiter.clear()
    ids = [{"message_id": str(number), "queue": "commands"} for number in range(2)]
    runs = await once.begin(*(incoming(**each, reply_to=reply_to) for each in ids for reply_to in ("replies", None)))
    assert [run.done() for run in runs] == [False, False, False, True]
    assert isinstance(runs[-1].exception(), Requeue)
    once.limiter.set()
    assert all(reply.ok for reply in await asyncio.gather(*runs[:3]))


@for_each(["replies", None])
async def test_what_is_delivered_again_after_a_lost_connection_takes_the_places_of_what_was_lost(reply_to: Any) -> None:
    once = Once(waits=shared(2 * 3))
    once.limiter.clear()
    lost = [*many(1, "a", reply_to="replies")[:2], *many(1, "a", reply_to=reply_to)[:2]]
    await once.begin(*lost)
    for _ in range(3):
        for each in lost:
            each.open = False
        lost = [*many(1, "a", reply_to="replies")[:2], *many(1, "a", reply_to=reply_to)[:2]]
        runs = await once.begin(*lost)
        assert not [run.exception() for run in runs if run.done() and run.exception()]
    once.limiter.set()
    assert [reply.ok for reply in await asyncio.gather(*runs)] == [True] * 4
    assert once.runs == 1


async def test_who_waits_for_another_process_takes_a_share_and_what_nobody_waits_for_goes_back() -> None:
    once = Once(ledger=ledger_of(*[Claim(State.RUNNING)] * 1000), clock=QuickClock(pause=0.2), waits=shared(4))
    ids = [{"message_id": str(number), "reply_to": "replies"} for number in range(4)]
    runs = await once.begin(*(incoming(queue="commands", user_id="mallory", **each) for each in ids))
    assert [run.done() for run in runs] == [False, False, True, True]
    for run in runs[2:]:
        assert verdict(failing := run.exception()) == (Code.RESOURCE_EXHAUSTED, CONSUMER, NOT, True), failing
    [forgotten] = await once.begin(incoming(queue="commands", user_id="mallory", message_id="x"))
    assert isinstance(forgotten.exception(), Requeue)
    [alice] = await once.begin(incoming(queue="commands", user_id="alice", message_id="0", reply_to="replies"))
    assert not alice.done()
    for run in (*runs[:2], alice):
        run.cancel()
