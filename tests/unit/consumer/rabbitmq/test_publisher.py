"""A publisher waits for confirms, through alarms too, and says what came of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.config import Amqp
from consumer.pipeline.worker import PublishFailed, Refused
from consumer.rabbitmq.publisher import PROBE, Publisher, Unroutable
from zeebe_amqp.amqp.hot import ChannelEnded, Nacked, Returned
from zeebe_amqp.amqp.properties import Properties


class FakeChannel:
    """A channel whose confirms a test decides; queues in `others` confirm at once."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.others: set[str] = set()
        self.published = 0
        self.probes = 0
        self.takes = asyncio.Event()
        self.takes.set()
        self._answered, self._error = False, None

    @property
    def is_writable(self) -> bool:
        return self.takes.is_set()

    async def writable(self) -> None:
        await self.takes.wait()

    def publish(self, _: str, routing_key: str, *__: Any, mandatory: bool) -> asyncio.Future[None]:
        self.published += 1
        self.probes += routing_key == PROBE
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if routing_key in self.others:
            confirm.set_result(None)
        else:
            self.waiting.append(confirm)
        if self._answered:
            self.answer(self._error)
        return confirm

    def answer(self, error: BaseException | None = None) -> None:
        """Confirm what waits and what comes, or fail it."""
        self._answered, self._error = True, error
        for confirm in filter(lambda each: not each.done(), self.waiting):
            if error is None:
                confirm.set_result(None)
            else:
                confirm.set_exception(error)


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
    await publisher.publish(b"", Properties(), exchange="", routing_key=queue, mandatory=True, patient=False)


async def begin(publisher: Publisher, queue: str = "q") -> asyncio.Task[None]:
    """A publish that waits for its confirm."""
    publishing = asyncio.create_task(publish(publisher, queue))
    await asyncio.sleep(0)
    return publishing


async def test_a_confirmed_publish_ends_and_without_a_connection_nothing_is_published(
    publisher: Publisher, channel: FakeChannel
) -> None:
    channel.answer()
    await publish(publisher)
    assert channel.published == 1
    with pytest.raises(PublishFailed, match="not connected"):
        await publish(Publisher(Amqp()))


async def test_whatever_ends_a_publish_is_told_as_returned_or_not_confirmed(
    publisher: Publisher, channel: FakeChannel
) -> None:
    for raised, error in (
        (Returned("NO_ROUTE"), Unroutable),
        (Nacked("the broker sent a nack"), Refused),
        (ChannelEnded("the broker closed the channel: 406", 406), PublishFailed),
        (ConnectionResetError(), PublishFailed),
    ):
        channel.answer(raised)
        with pytest.raises(error) as caught:
            await publish(publisher)
        assert type(caught.value) is error, raised
        assert not publisher._unconfirmed


async def test_on_a_channel_that_has_ended_nothing_is_published(
    publisher: Publisher, channel: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any, **__: Any) -> Any:
        raise ChannelEnded("the connection was lost")

    monkeypatch.setattr(channel, "publish", ended)
    with pytest.raises(PublishFailed, match="the connection was lost"):
        await publish(publisher)


async def test_while_the_broker_reads_nothing_nothing_more_is_written(
    publisher: Publisher, channel: FakeChannel
) -> None:
    channel.takes.clear()
    channel.answer()
    publishing = await begin(publisher)
    assert (channel.published, publishing.done()) == (0, False)
    channel.takes.set()
    await publishing
    assert channel.published == 1


async def test_a_publish_that_nobody_waits_for_any_more_is_forgotten(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publishing = await begin(publisher)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert (publisher._unconfirmed, [each.cancelled() for each in channel.waiting]) == ({}, [True])


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
    publishing = await begin(patient)
    await publish(patient, "another")
    with pytest.raises(Refused, match="while later messages are"):
        await publishing


async def test_a_queue_that_confirms_nothing_is_the_reason_when_all_that_waits_is_for_it(
    patient: Publisher, channel: FakeChannel
) -> None:
    channel.others = {PROBE}
    results = await asyncio.gather(*(publish(patient) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Refused] * 3


async def test_a_dead_letter_waits_as_long_as_any_publish(patient: Publisher, channel: FakeChannel) -> None:
    """Written again, it would be there twice."""
    channel.others = {"another"}
    dead = patient.publish(b"", Properties(), exchange="dead", routing_key="q", mandatory=True)
    publishing = asyncio.create_task(dead)
    await asyncio.sleep(0)
    await publish(patient, "another")
    await asyncio.sleep(0.2)
    assert not publishing.done()
    channel.answer()
    await publishing


async def test_a_probe_that_fails_is_asked_again(patient: Publisher, channel: FakeChannel) -> None:
    publishing = asyncio.create_task(publish(patient))
    while not channel.probes:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0.001)
    channel.answer(ConnectionResetError())
    with pytest.raises(PublishFailed):
        await publishing
    await asyncio.sleep(0)
    assert patient._probe is None


async def test_a_broker_that_answers_for_nothing_or_only_for_what_came_before_is_not_the_queue_s_fault(
    patient: Publisher, channel: FakeChannel
) -> None:
    for before in ((), ("another",)):
        channel.others = set(before)
        for queue in before:
            await publish(patient, queue)
        publishing = await begin(patient)
        await asyncio.sleep(0.2)
        assert not publishing.done(), before
        channel.answer()
        await publishing
        channel._answered = False


async def test_what_a_new_channel_numbers_anew_says_nothing_of_the_old_one(
    patient: Publisher, channel: FakeChannel
) -> None:
    """Confirms of a lost channel that come late must not make messages of the new one look overtaken."""
    early = await begin(patient, "early")
    patient._channel = later = FakeChannel()  # type: ignore[assignment]
    publishing = await begin(patient)
    channel.answer()
    await early
    assert patient._answered == 0
    later.answer()
    await publishing
    assert patient._answered == 1


async def test_during_an_alarm_a_confirm_is_awaited_for_as_long_as_it_lasts(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publisher._alarm.begin()
    publishing = asyncio.create_task(publish(publisher))
    await asyncio.sleep(0.1)
    assert not publishing.done()
    publisher._alarm.end()
    channel.answer()
    await publishing
    assert channel.published == 1


async def test_after_an_alarm_a_confirm_is_not_awaited_for_ever(publisher: Publisher, channel: FakeChannel) -> None:
    publisher._alarm.begin()
    publishing = asyncio.create_task(publish(publisher))
    await asyncio.sleep(0.1)
    publisher._alarm.end()
    with pytest.raises(PublishFailed, match="nothing is confirmed"):
        await publishing


async def test_it_is_ready_when_connected_but_not_during_an_alarm_and_says_so(publisher: Publisher) -> None:
    await publisher.ready()
    assert (publisher.is_ready, publisher.blocked, publisher.problem) == (True, False, None)
    publisher._alarm.begin()
    waiting = asyncio.create_task(publisher.ready())
    await asyncio.sleep(0.05)
    assert (waiting.done(), publisher.is_ready) == (False, False)
    assert "alarm" in str(publisher.problem)
    publisher._alarm.end()
    await waiting
    assert publisher.problem is None


async def test_a_connection_lost_during_an_alarm_does_not_keep_it_waiting(
    publisher: Publisher, channel: FakeChannel
) -> None:
    publisher._alarm.begin()
    waiting = asyncio.create_task(publisher.ready())
    await asyncio.sleep(0.01)
    publisher._on_closed(channel, lambda _: None, None)  # type: ignore[arg-type]
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
    publisher._on_closed(channel, lambda _: None, None)  # type: ignore[arg-type]
    await publisher.ready()


async def test_a_closed_channel_renews_its_own_connection(publisher: Publisher, channel: FakeChannel) -> None:
    reasons: list[str] = []
    publisher._on_closed(channel, reasons.append, ConnectionResetError("reset"))  # type: ignore[arg-type]
    assert reasons == ["the publishing channel closed: reset"]
