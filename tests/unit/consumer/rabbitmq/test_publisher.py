"""A publisher waits for confirms, through alarms too, and says what came of them."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.pipeline.publishing import PublishFailed, Refused, TooLarge
from consumer.rabbitmq.publisher import PROBE, NotWritten, Publisher, Unroutable
from tests.cases import for_each
from tests.unit.consumer.workers import until
from zeebe_amqp.amqp import reconnecting
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.connection import LoginRefused
from zeebe_amqp.amqp.hot import ChannelEnded, Nacked, Returned
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal


class FakeChannel:
    """A channel whose confirms a test decides; queues in `others` confirm at once."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.others: set[str] = set()
        self.published, self.is_writable = 0, True
        self._answered, self._error = False, None

    def publish(self, _: str, routing_key: str, *__: Any, mandatory: bool) -> asyncio.Future[None]:
        self.published += 1
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(confirm)
        if routing_key in self.others:
            confirm.set_result(None)
        if self._answered:
            self.answer(self._error)
        return confirm

    def answer(self, error: BaseException | None = None) -> None:
        """Confirm what waits and what comes, or fail it."""
        self._answered, self._error = True, error
        for confirm in [each for each in self.waiting if not each.done()]:
            if error is None:
                confirm.set_result(None)
            else:
                confirm.set_exception(error)


@pytest.fixture
async def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
async def publisher(channel: FakeChannel) -> Any:
    """A publisher that is connected."""
    connected: Any = Publisher(Amqp(), confirm_timeout=0.01, declare=AsyncMock())
    connected._channel, connected._library, connected._connection.problem = channel, Mock(), None
    connected._open.set()
    return connected


@pytest.fixture
def patient(publisher: Any) -> Any:
    """A publisher that waits long for a confirm, but not for a queue that alone confirms nothing."""
    publisher._confirm_timeout, publisher._stuck = 30.0, 0.02
    return publisher


async def publish(publisher: Publisher, queue: str = "q", patient: bool = False) -> None:
    await publisher.publish(b"", Properties(), exchange="", routing_key=queue, mandatory=True, patient=patient)


async def begin(publisher: Publisher, queue: str = "q", patient: bool = False) -> asyncio.Task[None]:
    """A publish that waits for its confirm."""
    publishing = asyncio.create_task(publish(publisher, queue, patient))
    await asyncio.sleep(0)
    return publishing


@for_each([(Returned("NO_ROUTE"), Unroutable), (Nacked("the broker sent a nack"), Refused),
           (ChannelEnded("closed: 406", 406), PublishFailed), (ConnectionResetError(), PublishFailed)])  # fmt: skip
async def test_what_ends_a_publish_is_told(raised: Any, error: type, publisher: Any, channel: FakeChannel) -> None:
    channel.others = {PROBE}
    channel.answer(raised)
    with pytest.raises(error) as caught:
        await publish(publisher)
    assert (type(caught.value), publisher._unconfirmed) == (error, {})


SIZE = "the broker closed the channel: 406 PRECONDITION_FAILED - message size 9 is larger than configured max size 8"


async def test_of_all_that_a_too_large_message_takes_with_it_only_that_is_blamed(publisher: Any, channel: Any) -> None:
    closed = Mock()
    small, large = (asyncio.create_task(send(publisher, size)) for size in (8, 9))
    await asyncio.sleep(0)
    channel.answer(ChannelEnded(SIZE, 406, 2))
    with pytest.raises(TooLarge, match="9 bytes, and the broker takes at most 8"):
        await large
    with pytest.raises(PublishFailed) as lost:
        await small
    assert not isinstance(lost.value, TooLarge)
    publisher._on_closed(channel, closed, ChannelPreconditionFailed(SIZE))
    # From then on it is not even written, and a smaller one is another matter.
    with pytest.raises(TooLarge):
        await send(publisher, 9)
    with pytest.raises(NotWritten):
        await send(publisher, 8)
    # A broker that comes back after anything else may take more.
    publisher._channel = channel
    publisher._on_closed(channel, closed, None)
    with pytest.raises(NotWritten):
        await send(publisher, 9)
    assert channel.published == 2


async def send(publisher: Publisher, size: int) -> None:
    await publisher.publish(bytes(size), Properties(), exchange="", routing_key="q", mandatory=True)


async def test_without_a_channel_or_on_one_that_has_ended_nothing_is_published(publisher: Any, channel: Any) -> None:
    channel.publish = Mock(side_effect=ChannelEnded("the connection was lost"))
    with pytest.raises(PublishFailed, match="the connection was lost"):
        await publish(publisher)
    with pytest.raises(PublishFailed, match="not connected"):
        await publish(Publisher(Amqp()))


async def test_while_the_broker_reads_nothing_nothing_more_is_written(publisher: Any, channel: Any) -> None:
    takes = asyncio.Event()
    channel.is_writable, channel.writable = False, takes.wait
    channel.answer()
    publishing = await begin(publisher)
    assert (channel.published, publishing.done()) == (0, False)
    takes.set()
    await publishing
    assert channel.published == 1


async def test_a_publish_that_nobody_waits_for_any_more_is_forgotten(publisher: Any, channel: FakeChannel) -> None:
    publishing = await begin(publisher)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert (publisher._unconfirmed, [each.cancelled() for each in channel.waiting]) == ({}, [True])


async def never(*_: Any) -> None:
    """A broker that lets nobody declare anything says nothing."""
    await asyncio.Event().wait()


async def late(*_: Any) -> None:
    """The same, when we stop waiting for it."""
    raise TimeoutError


async def forbidden(*_: Any) -> None:
    """A broker that says no."""
    raise BrokerRefusal("no right", Mock())


@for_each([
    ({PROBE}, AsyncMock(), False, True), ({PROBE}, forbidden, False, True), ({PROBE}, AsyncMock(), True, False),
    (set(), AsyncMock(), False, False), ({"another"}, AsyncMock(), False, False),
    ({PROBE, "another"}, never, False, False), ({PROBE, "another"}, late, False, False),
])  # fmt: skip
async def test_a_queue_is_refused_only_when_the_broker_answers_for_others_and_can_write(
    others: set[str], declare: Any, dead: bool, refused: bool, patient: Any, channel: FakeChannel
) -> None:
    """And no dead letter: written again, it would be there twice. What other queues take proves nothing: a queue on one
    node of a cluster takes messages while those on most of its nodes cannot."""
    channel.others, channel._answered, patient._declare, patient._sound = others, False, declare, 0
    patient._examining, patient._recovered = None, 0.0
    publishing = [await begin(patient, patient=dead) for _ in range(3)]
    if "another" in others:
        await publish(patient, "another")
    await asyncio.sleep(0.2)
    assert [each.done() for each in publishing] == [refused] * 3
    channel.answer()
    results = await asyncio.gather(*publishing, return_exceptions=True)
    assert [type(each) for each in results] == [Refused if refused else type(None)] * 3
    assert not refused or "while later messages are" in str(results[0])


async def test_a_broker_that_could_not_write_a_moment_ago_has_time_for_its_queues(
    patient: Any, channel: FakeChannel
) -> None:
    """Also for those that refuse at once: a queue without a leader takes nobody's first message."""
    channel.others, patient._declare = {PROBE}, AsyncMock(side_effect=[TimeoutError, *[None] * 1000])
    publishing = await begin(patient)
    await until(lambda: patient._sound)
    await asyncio.sleep(0.1)
    assert not publishing.done()
    refused = await begin(patient)
    channel.waiting[-1].set_exception(Nacked("the broker sent a nack"))
    with pytest.raises(PublishFailed, match="could not write") as caught:
        await refused
    assert not isinstance(caught.value, Refused)
    patient._recovered = 0.0
    with pytest.raises(Refused):
        await publishing


async def test_a_new_connection_has_time_for_silence_but_not_for_refusals(patient: Any, channel: FakeChannel) -> None:
    channel.others, patient._settled = {PROBE}, asyncio.get_running_loop().time() + 30
    publishing = await begin(patient)
    await until(lambda: patient._sound)
    await asyncio.sleep(0.1)
    assert not publishing.done()
    channel.waiting[0].set_exception(Nacked("the broker sent a nack"))
    with pytest.raises(Refused):
        await publishing
    # It was found sound, so nobody asks while the next ones begin, however long that takes; nor are those late.
    await until(lambda: patient._examining is None)
    patient._found_sound, patient._stuck = asyncio.get_running_loop().time() + 60, 60.0
    declared = patient._declare.await_count
    for _ in range(2):
        refused = await begin(patient)
        patient._found_sound = asyncio.get_running_loop().time() + 60
        channel.waiting[-1].set_exception(Nacked("the broker sent a nack"))
        with pytest.raises(Refused):
            await refused
    assert patient._declare.await_count == declared


async def test_a_probe_that_fails_is_asked_again(patient: Any, channel: FakeChannel) -> None:
    publishing = asyncio.create_task(publish(patient))
    while patient._asking is None or patient._examining is None:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0.001)
    channel.answer(ConnectionResetError())
    with pytest.raises(PublishFailed):
        await publishing
    await until(lambda: patient._asking is None and patient._examining is None)


async def test_the_broker_is_asked_once_for_all_who_want_to_know(publisher: Any, channel: FakeChannel) -> None:
    """Whoever gives up does not take the answer from the others."""
    asking = [asyncio.create_task(publisher.answers()) for _ in range(3)]
    await asyncio.sleep(0.001)
    asking[0].cancel()
    await asyncio.sleep(0)
    channel.answer()
    assert (await asyncio.gather(*asking[1:]), channel.published) == ([True, True], 1)
    channel.answer(ConnectionResetError())
    assert (await publisher.answers(), channel.published) == (False, 2)


async def test_what_was_found_out_on_a_lost_channel_says_nothing_of_the_new_one(
    patient: Any, channel: FakeChannel
) -> None:
    """It numbers its messages anew."""
    declaring, go_on = asyncio.Event(), asyncio.Event()

    async def declare(*_: Any) -> None:
        declaring.set()
        await go_on.wait()

    channel.others, patient._declare = {PROBE}, declare
    early = await begin(patient, "early")
    await declaring.wait()
    patient._channel = FakeChannel()
    go_on.set()
    await until(lambda: patient._examining is None)
    assert patient._sound == 0
    channel.answer()
    await early


async def test_an_alarm_is_waited_out_and_a_confirm_after_it_not_for_ever(publisher: Any, channel: FakeChannel) -> None:
    async def during_an_alarm() -> asyncio.Task[None]:
        publisher._alarm.begin()
        publishing = await begin(publisher, patient=True)
        await asyncio.sleep(0.1)
        assert not publishing.done()
        publisher._alarm.end()
        return publishing

    with pytest.raises(PublishFailed, match="nothing is confirmed") as caught:
        await (await during_an_alarm())
    assert not isinstance(caught.value, Refused)
    publishing = await during_an_alarm()
    channel.answer()
    await publishing
    assert channel.published == 2


async def test_it_is_ready_when_connected_but_not_during_an_alarm_and_says_so(publisher: Any, channel: Any) -> None:
    """A connection that is lost during an alarm does not keep it waiting."""
    await publisher.ready()
    assert (publisher.is_ready, publisher.blocked, publisher.problem) == (True, False, None)
    publisher._alarm.begin()
    waiting = asyncio.create_task(publisher.ready())
    await asyncio.sleep(0.01)
    assert (waiting.done(), publisher.is_ready, publisher.blocked) == (False, False, True)
    assert "alarm" in str(publisher.problem)
    publisher._on_closed(channel, lambda _: None, None)
    await asyncio.sleep(0.01)
    assert (waiting.done(), publisher.blocked, publisher.problem) == (False, False, None)
    publisher._channel = FakeChannel()
    publisher._open.set()
    await waiting


async def test_a_channel_that_closes_renews_its_own_connection_alone(publisher: Any, channel: FakeChannel) -> None:
    publisher._channel, reasons = FakeChannel(), []
    publisher._on_closed(channel, reasons.append, ConnectionResetError("reset"))
    assert reasons == ["the publishing channel closed: reset"]
    await publisher.ready()


async def test_a_refused_login_is_told_with_the_setting_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "connect", AsyncMock(side_effect=LoginRefused("not you")))
    running = asyncio.create_task((refused := Publisher(Amqp())).run())
    await until(lambda: "not you" in str(refused.problem))
    running.cancel()
    assert refused.problem == "UNAUTHENTICATED: not you; check AMQP_URL"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connection that has just been opened; what it calls when its channel closes is in `closed`."""
    made: Any = Mock(alarm=Alarm(), hot=AsyncMock(return_value=FakeChannel()), closed=[])
    made.channel.return_value.close_callbacks.add = made.closed.append
    for name in ("initialize", "probe"):
        monkeypatch.setattr(f"consumer.rabbitmq.publisher.{name}", AsyncMock())
    return made


async def test_a_new_connection_is_used_when_everything_is_declared_on_it_and_not_after_its_end(opened: Any) -> None:
    declared: list[Any] = []

    async def declare(connection: Any, amqp: Amqp) -> None:
        declared.append((connection, amqp, publisher.is_ready))

    publisher: Any = Publisher(amqp := Amqp(), declare=declare)
    with pytest.raises(PublishFailed, match="not connected yet"):
        await publisher.declare(AsyncMock())
    reasons: list[str] = []
    await publisher._on_opened(opened, reasons.append)
    assert (declared, publisher.is_ready) == ([(opened, amqp, False)], True)
    now = asyncio.get_running_loop().time()
    assert (publisher._settled > now, publisher._recovered) == (True, 0.0)
    work = AsyncMock()
    await publisher.declare(work)
    work.assert_awaited_once_with(opened)
    publisher.renew("its queue was deleted")
    [close] = opened.closed
    close(None, ChannelAccessRefused("ACCESS_REFUSED - access to exchange 'e' in vhost '/' refused for user 'ann'"))
    assert (reasons[0], publisher.is_ready) == ("its queue was deleted", False)
    assert "user 'ann' needs the right to write to the exchange 'e'" in reasons[1]
    with pytest.raises(PublishFailed):
        await publisher.declare(work)


async def test_a_broker_that_declares_late_is_not_sound_at_once(opened: Any) -> None:
    publisher: Any = Publisher(Amqp(), declare=late)
    publisher._stuck = 0.0
    with pytest.raises(TimeoutError):
        await publisher._on_opened(opened, Mock())
    assert publisher._recovered > asyncio.get_running_loop().time()


async def test_a_connection_on_which_nothing_may_be_declared_is_not_used(opened: Any) -> None:
    publisher = Publisher(Amqp(), declare=AsyncMock(side_effect=BrokerRefusal("no right", Mock())))
    with pytest.raises(BrokerRefusal):
        await cast("Any", publisher)._on_opened(opened, Mock())
    assert (publisher.is_ready, opened.hot.await_count) == (False, 0)
