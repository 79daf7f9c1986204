"""A publisher waits for confirms, through alarms too, and says what came of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError, PublishError
from pamqp import commands, frame
from pamqp.commands import Basic

from consumer.config import Amqp
from consumer.pipeline.worker import PublishFailed, Refused
from consumer.rabbitmq.publisher import PROBE, Publisher, Unroutable

BLOCKED = frame.marshal(commands.Connection.Blocked("low on memory"), 0)
UNBLOCKED = frame.marshal(commands.Connection.Unblocked(), 0)


class FakeChannel:
    """A channel whose confirms a test decides; queues in `others` confirm at once."""

    def __init__(self) -> None:
        self.confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.others: set[str] = set()
        self.published = 0

    async def basic_publish(self, body: bytes, *, routing_key: str, **_: Any) -> None:
        if routing_key in self.others:
            return
        if routing_key != PROBE:
            self.published += 1
        await self.confirm


@pytest.fixture
async def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
async def publisher(channel: FakeChannel) -> Publisher:
    """A publisher that is connected."""
    connected = Publisher(Amqp(), confirm_timeout=0.01)
    connected._channel = channel  # type: ignore[assignment]
    connected._connection.problem = None
    connected._open.set()
    return connected


async def publish(publisher: Publisher, queue: str = "q") -> None:
    await publisher.publish(b"", Basic.Properties(), exchange="", routing_key=queue, mandatory=True, patient=False)


async def test_a_confirmed_publish_ends(publisher: Publisher, channel: FakeChannel) -> None:
    channel.confirm.set_result(None)
    await publish(publisher)
    assert channel.published == 1


RETURNED: Any = SimpleNamespace(delivery=Basic.Return(312, "NO_ROUTE", "", "q"))


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (PublishError(RETURNED, RETURNED.delivery), Unroutable),
        (DeliveryError(None, Basic.Nack(1)), Refused),
        (ChannelInvalidStateError("closed"), PublishFailed),
        (ConnectionResetError(), PublishFailed),
        (RuntimeError("closed"), PublishFailed),
        (Exception(), PublishFailed),
        (asyncio.CancelledError(), PublishFailed),
    ],
)
async def test_whatever_ends_a_publish_is_told_as_returned_or_not_confirmed(
    publisher: Publisher, channel: FakeChannel, raised: BaseException, error: type[Exception]
) -> None:
    channel.confirm.set_exception(raised)
    with pytest.raises(error):
        await publish(publisher)


async def test_a_confirm_that_does_not_come_is_not_awaited_for_ever(publisher: Publisher) -> None:
    with pytest.raises(PublishFailed, match="nothing is confirmed") as caught:
        await publish(publisher)
    assert not isinstance(caught.value, Refused)


@pytest.fixture
def patient(publisher: Publisher) -> Publisher:
    """A publisher that waits long for a confirm, but not for a queue that alone confirms nothing."""
    publisher._confirm_timeout, publisher._stuck = 30.0, 0.02
    return publisher


async def test_a_queue_that_confirms_nothing_while_another_does_is_the_reason(
    patient: Publisher, channel: FakeChannel
) -> None:
    channel.others = {"another"}
    publishing = asyncio.create_task(publish(patient))
    await asyncio.sleep(0)
    await publish(patient, "another")
    with pytest.raises(Refused, match="while later messages are"):
        await publishing


async def test_a_queue_that_confirms_nothing_is_the_reason_when_all_that_waits_is_for_it(
    patient: Publisher, channel: FakeChannel
) -> None:
    channel.others = {PROBE}
    results = await asyncio.gather(*(publish(patient) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Refused] * 3


async def test_a_broker_that_answers_for_nothing_is_not_the_queue_s_fault(
    patient: Publisher, channel: FakeChannel
) -> None:
    publishing = asyncio.create_task(publish(patient))
    await asyncio.sleep(0.2)
    assert not publishing.done()
    channel.confirm.set_result(None)
    await publishing


async def test_a_dead_letter_waits_as_long_as_any_publish(patient: Publisher, channel: FakeChannel) -> None:
    """Written again, it would be there twice."""
    channel.others = {"another"}
    dead = patient.publish(b"", Basic.Properties(), exchange="dead", routing_key="q", mandatory=True)
    publishing = asyncio.create_task(dead)
    await asyncio.sleep(0)
    await publish(patient, "another")
    await asyncio.sleep(0.2)
    assert not publishing.done()
    channel.confirm.set_result(None)
    await publishing


async def test_a_probe_that_fails_is_asked_again(patient: Publisher, channel: FakeChannel) -> None:
    publishing = asyncio.create_task(publish(patient))
    await asyncio.sleep(0.05)
    channel.confirm.set_exception(ConnectionResetError())
    with pytest.raises(PublishFailed):
        await publishing
    await asyncio.sleep(0)
    assert patient._probe is None


async def test_what_was_confirmed_before_says_nothing_of_what_came_later(
    patient: Publisher, channel: FakeChannel
) -> None:
    channel.others = {"another"}
    await publish(patient, "another")
    publishing = asyncio.create_task(publish(patient))
    await asyncio.sleep(0.2)
    assert not publishing.done()
    channel.confirm.set_result(None)
    await publishing


async def test_during_an_alarm_a_confirm_is_awaited_for_as_long_as_it_lasts(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publisher._alarm.watch(BLOCKED)
    publishing = asyncio.create_task(publish(publisher))
    await asyncio.sleep(0.1)
    assert not publishing.done()
    publisher._alarm.watch(UNBLOCKED)
    channel.confirm.set_result(None)
    await publishing
    assert channel.published == 1


async def test_after_an_alarm_a_confirm_is_not_awaited_for_ever(publisher: Publisher, channel: FakeChannel) -> None:
    publisher._alarm.watch(BLOCKED)
    publishing = asyncio.create_task(publish(publisher))
    await asyncio.sleep(0.1)
    publisher._alarm.watch(UNBLOCKED)
    with pytest.raises(PublishFailed, match="nothing is confirmed"):
        await publishing


async def test_without_a_connection_nothing_is_published() -> None:
    with pytest.raises(PublishFailed, match="not connected"):
        await publish(Publisher(Amqp()))


async def test_it_is_ready_at_once_when_connected_and_without_alarm(publisher: Publisher) -> None:
    await publisher.ready()
    assert (publisher.blocked, publisher.problem) == (False, None)


async def test_it_is_not_ready_during_an_alarm_and_says_so(publisher: Publisher, channel: FakeChannel) -> None:
    publisher._alarm.watch(BLOCKED)
    waiting = asyncio.create_task(publisher.ready())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert "alarm" in str(publisher.problem)
    publisher._alarm.watch(UNBLOCKED)
    await waiting
    assert publisher.problem is None


async def test_a_connection_lost_during_an_alarm_does_not_keep_it_waiting(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publisher._alarm.watch(BLOCKED)
    waiting = asyncio.create_task(publisher.ready())
    await asyncio.sleep(0.01)
    publisher._closed(channel, lambda _: None, None)  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not publisher.blocked
    publisher._channel = FakeChannel()  # type: ignore[assignment]
    publisher._open.set()
    await waiting


async def test_an_old_channel_that_closes_late_does_not_close_the_new_one(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publisher._channel = FakeChannel()  # type: ignore[assignment]
    publisher._closed(channel, lambda _: None, None)  # type: ignore[arg-type]
    await publisher.ready()


async def test_a_closed_channel_renews_its_own_connection(publisher: Publisher, channel: FakeChannel) -> None:
    reasons: list[str] = []
    publisher._closed(channel, reasons.append, ConnectionResetError("reset"))  # type: ignore[arg-type]
    assert reasons == ["the publishing channel closed: reset"]
