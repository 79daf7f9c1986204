"""What waits takes places, and each user has a share of them: nobody's are taken by another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from unittest.mock import AsyncMock, Mock, call

import pytest

from consumer.core.access import UserLimits
from consumer.core.delivery import Delivery, Reply
from consumer.core.shares import Shares
from consumer.pipeline.waits import QueuePlaces, Waits, bounded
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.workers import ScriptedHandler
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

JOBS = {"jobType": "t", "maxJobsToActivate": 1}
REFUSED = (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, True)


def poll(queue: str = "commands", user: str | None = None, padding: int = 0) -> FakeDelivery:
    metadata = {"padding": "x" * padding}
    return delivery("activate-jobs", {**JOBS, "requestTimeout": "10s"}, metadata, queue=queue, user_id=user)


def command(queue: str = "commands", user: str | None = None, operation: str = "topology") -> FakeDelivery:
    return delivery(operation, {"jobKey": 2**51} if operation == "complete-job" else None, queue=queue, user_id=user)


def waits(held: int = 100, slots: int = 8, max_bytes: int = 2**30, **limits: UserLimits) -> Waits:
    """The places of two queues, and the limits of users."""
    places = {
        "commands": QueuePlaces(Shares(lambda: held), Shares(lambda: slots)), "polls": QueuePlaces(Shares(lambda: held))
    }  # fmt: skip
    return Waits(places, max_bytes, lambda user: limits.get(user or "", UserLimits()), Mock())


class Running:
    """Commands that are held while they run."""

    def __init__(self, waits: Waits) -> None:
        self.engine = ScriptedHandler()
        self.engine.limiter.clear()
        self.handler = bounded(waits)(self.engine)
        self.held: list[asyncio.Future[Reply]] = []

    async def begin(self, request: Delivery) -> CommandError | None:
        """Run it; why it was refused, if it was."""
        try:
            self.held.append(asyncio.ensure_future(self.handler(request)))
        except CommandError as refusal:
            return refusal
        await asyncio.sleep(0)
        return None

    async def begin_all(self, *requests: Delivery) -> CommandError:
        """Run them until one is refused."""
        for request in requests:
            if refusal := await self.begin(request):
                return refusal
        raise AssertionError("none was refused")

    async def end(self) -> None:
        self.engine.limiter.set()
        assert all(reply.ok for reply in await asyncio.gather(*self.held))


def refused(error: CommandError, *words: str, **details: object) -> None:
    assert verdict(error) == REFUSED
    assert error.details == details
    assert [word for word in words if word not in error.message] == []


async def test_above_a_share_of_the_slots_a_waiting_command_is_refused_at_once_and_nothing_else_is() -> None:
    """It is told where to go. What does not wait, what waits elsewhere and what others wait for go on."""
    running = Running(waits())
    error = await running.begin_all(*(poll(user="mallory") for _ in range(5)))
    assert len(running.held) == 4
    refused(error, "'commands' runs 4 long-running requests of user 'mallory'", suggestion="zeebe.polls")
    assert "Send long-running requests to zeebe.polls" in error.message
    once = delivery("activate-jobs", JOBS, queue="commands", user_id="mallory")
    others = [command(user="mallory"), once, poll("polls", "mallory"), poll("other", "mallory")]
    for request in (*others, poll(user="alice"), poll(user="alice"), poll(user=None)):
        assert await running.begin(request) is None
    await running.end()
    assert await running.begin(poll(user="mallory")) is None, "there is room again"


async def test_in_a_queue_for_long_running_requests_one_user_alone_gets_half_and_others_still_find_room() -> None:
    running = Running(waits(held=100))
    error = await running.begin_all(*(poll("polls", "mallory") for _ in range(51)))
    assert len(running.held) == 50
    later = "retry when one of them has ended"
    refused(error, "'polls' holds 50 waiting requests of user 'mallory' and 0 of others", later, suggestion=later)
    for number in range(20):
        assert await running.begin(poll("polls", "alice")) is None, number
    assert await running.begin(poll("polls")) is None
    await running.end()


async def test_those_without_a_user_id_are_one_user_and_a_name_is_cut() -> None:
    for user, words in ((None, "4 long-running requests without user_id"), ("m" * 255, f"user '{'m' * 80}' and 0")):
        error = await Running(waits()).begin_all(*(poll(user=user) for _ in range(5)))
        assert words in error.message


async def test_a_waiting_command_that_fails_leaves_its_places() -> None:
    handler = bounded(waits(held=1, slots=1, max_bytes=1, mallory=UserLimits(in_flight=1, waiting=1)))(
        AsyncMock(side_effect=CommandError(Code.UNAVAILABLE, "away"))
    )
    for _ in range(3):
        with pytest.raises(CommandError, match="away"):
            await handler(poll(user="mallory", padding=70_000))


async def test_large_bodies_of_long_running_requests_have_a_share_of_the_memory_and_small_ones_do_not_count() -> None:
    running = Running(waits(max_bytes=800_000))
    error = await running.begin_all(*(poll("polls", "mallory", 100_000) for _ in range(6)))
    assert len(running.held) == 4
    later = "retry when one of them has ended"
    refused(error, "waiting requests of user 'mallory' hold 400", suggestion=later)
    for request in (poll("polls", "mallory"), poll("polls", "alice", 100_000)):
        assert await running.begin(request) is None
    await running.end()


LATER = "retry when one of them has ended"


async def test_a_limit_of_commands_in_flight_holds_over_all_queues_and_not_for_what_relieves_the_engine() -> None:
    counted = waits(mallory=UserLimits(in_flight=3))
    running = Running(counted)
    for request in (command(user="mallory"), command("polls", "mallory"), poll("polls", "mallory")):
        assert await running.begin(request) is None
    error = await running.begin_all(command(user="mallory"))
    refused(
        error, "3 commands of user 'mallory' are running already", "'in_flight'", limit="in_flight", suggestion=LATER
    )
    counted._count.assert_called_once_with("refused", reason="limit")  # type: ignore[attr-defined]
    for request in (command(user="mallory", operation="complete-job"), command(user="alice"), command()):
        assert await running.begin(request) is None
    await running.end()
    assert await running.begin(command(user="mallory")) is None


@for_each([(1, 100, 100, 1), (30, 100, 100, 30), (99, 10, 100, 10), (99, 100, 12, 12), (0, 9, 9, 0)])
async def test_a_limit_of_what_waits_takes_the_place_of_the_share_but_nobody_gets_more_than_is_free(
    limit: int, held: int, slots: int, expected: int
) -> None:
    counted = waits(held, slots, mallory=UserLimits(waiting=limit))
    running = Running(counted)
    error = await running.begin_all(*(poll(user="mallory") for _ in range(200)))
    assert (verdict(error), len(running.held)) == (REFUSED, expected)
    await running.end()


async def test_a_limit_of_what_waits_holds_over_all_queues() -> None:
    running = Running(waits(mallory=UserLimits(waiting=2)))
    error = await running.begin_all(*(poll(queue, "mallory") for queue in ("commands", "polls", "polls")))
    refused(error, "2 requests of user 'mallory' are waiting already", "'waiting'", limit="waiting", suggestion=LATER)
    await running.end()


async def test_what_waits_without_a_slot_takes_places_of_the_same_share() -> None:
    counted = waits(held=10)
    places = [counted.wait(command("polls", "mallory")) for _ in range(4)]
    running = Running(counted)
    assert await running.begin(poll("polls", "mallory")) is None
    for taking in (counted.wait, counted.run):
        with pytest.raises(CommandError) as raised:
            taking(poll("polls", "mallory"))
        assert verdict(raised.value) == REFUSED
    assert counted._count.mock_calls == [call("refused", reason="share")] * 2  # type: ignore[attr-defined]
    places[0].leave()
    counted.wait(command("polls", "mallory"))


async def test_nothing_is_kept_of_users_whose_requests_are_done() -> None:
    counted = waits(a=UserLimits(in_flight=9, waiting=9))
    running, users = Running(counted), ["a", "b", None]
    for user in users:
        assert await running.begin(poll(user=user, padding=70_000)) is None
    await running.end()
    pools: Mapping[str, Any] = {**counted._queues}
    kept = [counted._bytes, counted._waiting, counted._running, *(each.held for each in pools.values())]
    assert [pool.users for pool in (*kept, pools["commands"].slots)] == [0] * 6
