"""A channel past the library: what comes for it is taken, what goes is answered, and its end is the end of all that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from pamqp import commands, frame
from pamqp.heartbeat import Heartbeat

from tests.cases import for_each
from tests.unit.contracts.amqp.broker import PIECE, MemoryChannel, ack, closing, delivery, nack, returned, split, states
from zeebe_amqp import wire
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import LARGE, ChannelEnded, Incoming, Nacked, Returned
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code

LOST = "the connection was lost"
EMPTY = frame.marshal(commands.Basic.GetEmpty(""), 1)


@pytest.fixture
def channel() -> MemoryChannel:
    return MemoryChannel()


async def test_a_delivery_is_handed_on_when_all_of_it_has_come(channel: MemoryChannel) -> None:
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE):
        data = delivery(8, b"x" * size, message_type="topology", headers={"a": 1})
        assert (channel.receive(data, slice(-1)), channel.delivered) == ([], []), size
        assert channel.receive(data, slice(-1, None)) == []
        found = channel.delivered.pop()
        assert (found.tag, found.redelivered, found.size, len(found.body)) == (8, True, size, size)
        assert (found.address, found.elsewhere) == (("exchange", "key", 0), None)
        assert found.properties == Properties(type="topology", headers={"a": 1}), size
    channel.receive(delivery(1, b"abc"), slice(2))
    for piece in (b"a", b"", b"bc"):
        assert channel.take(frames.BODY, piece, 0, len(piece))
    assert channel.seen == [(1, 3, b"abc")]


class Gathering(list[Mock]):
    """Bodies that are not in memory."""

    def gather(self, message: Incoming) -> Mock:
        self.append(Mock(size=message.size, sender=message.properties.user_id, **{"end.return_value": None}))
        return self[-1]

    @property
    def got(self) -> list[tuple[bytes, list[str]]]:
        """The pieces of each, and what was called after them."""
        pieces = [b"".join(given[0] for _, given, _ in body.add.mock_calls) for body in self]
        then = [[name for name, _, _ in body.mock_calls[len(body.add.mock_calls) :]] for body in self]
        return list(zip(pieces, then, strict=True))


async def test_a_large_body_is_gathered_as_its_owner_wants_and_of_one_above_the_limit_the_beginning_is_kept() -> None:
    limit, kept = 3 * LARGE, wire.KEPT_OF_LARGE
    sizes = (0, 10, LARGE, LARGE + 1, limit, limit + 1, 20 * kept)
    sent = [(bytes(range(250)) * (size // 250 + 1))[:size] for size in sizes]
    in_memory = [*sent[:5], sent[5][:kept], sent[6][:kept]]
    for piece in (PIECE, 100_000, 20 * kept):
        data = b"".join(delivery(tag, body, piece, user_id=f"u{tag}") for tag, body in enumerate(sent))
        channel = MemoryChannel(max_body=limit)
        channel.receive(data)
        assert channel.seen == list(zip(range(7), sizes, in_memory, strict=True)), piece
        bodies = Gathering()
        channel = MemoryChannel(gather=bodies.gather, max_body=limit)
        channel.receive(data)
        assert [(body.size, body.sender) for body in bodies] == [(LARGE + 1, "u3"), (limit, "u4")], piece
        assert bodies.got == [(sent[3], ["end"]), (sent[4], ["end"])], piece
        assert [each.elsewhere for each in channel.delivered] == [None] * 3 + list(bodies) + [None] * 2, piece
        assert [each.body for each in channel.delivered] == [*sent[:3], b"", b"", *in_memory[5:]], piece


async def test_a_body_that_does_not_come_to_its_end_is_dropped_and_after_the_end_nothing_is_gathered() -> None:
    bodies, large = Gathering(), delivery(1, b"x" * 2 * LARGE)
    channel = MemoryChannel(gather=bodies.gather)
    channel.receive(large, slice(-2))
    channel.end(LOST)
    # What comes later would be there for ever: nobody is told of it.
    assert channel.receive(large, slice(-2, None)) == channel.receive(large) == []
    assert ([then for _, then in bodies.got], channel.delivered) == ([["drop"]], [])


async def test_what_is_not_a_message_is_for_the_library(channel: MemoryChannel) -> None:
    basic, confirm = commands.Basic, commands.Confirm
    for method in (
        commands.Channel.OpenOk(), commands.Channel.Flow(active=False), confirm.SelectOk(), Heartbeat(),
        basic.ConsumeOk("c"), basic.CancelOk("c"), basic.Cancel("c"), basic.QosOk(),
    ):  # fmt: skip
        assert len(channel.receive(frame.marshal(method, 1))) == 1, method
    assert channel.ended is None
    # Content that no message began: a library's own message, such as an answer that is not known here.
    assert len(channel.receive(delivery(1, b"abc"), slice(1, None))) == 2
    assert channel.delivered == []


async def test_publishes_are_counted_from_one_and_confirmed_one_or_all_before(channel: MemoryChannel) -> None:
    confirms = [channel.send() for _ in range(8)]
    assert (channel.published, channel.oldest) == (8, 1)
    for data in channel.written:
        assert [kind for kind, _, _ in split(data)] == [frames.METHOD, frames.HEADER, frames.BODY]
    for data, expected in (
        (ack(2), "waits taken waits waits waits waits waits waits"),
        (nack(1), "Nacked taken waits waits waits waits waits waits"),
        (ack(5, multiple=True), "Nacked taken taken taken taken waits waits waits"),
        (nack(7, multiple=True), "Nacked taken taken taken taken Nacked Nacked waits"),
        (ack(8), "Nacked taken taken taken taken Nacked Nacked taken"),
    ):
        assert channel.receive(data) == []
        assert states(*confirms) == expected.split(), data
    assert channel.oldest is None
    with pytest.raises(Nacked, match="the broker sent a nack"):
        await confirms[0]


async def test_confirms_and_returns_of_what_nobody_knows_or_waits_for_are_ignored(channel: MemoryChannel) -> None:
    channel.receive(ack(1) + nack(7) + ack(9, multiple=True))
    first = channel.send()
    channel.receive(ack(0) + ack(0, multiple=True) + ack(2) + nack(2**63 - 1))
    assert states(first) == ["waits"]
    channel.receive(ack(1) + ack(1) + nack(1))
    second, third = channel.send("a"), channel.send()
    channel.receive(ack(2) + returned("a") + returned("z") + returned(None))
    assert states(first, second, third) == ["taken", "taken", "waits"]
    gone, taken, back = channel.send("a"), channel.send("b"), channel.send("c")
    gone.cancel()
    back.cancel()
    channel.receive(ack(4) + returned("c") + nack(6) + ack(5))
    assert (gone.cancelled(), states(taken), back.cancelled()) == (True, ["taken"], True)


async def test_a_message_that_comes_back_is_known_by_its_id_which_may_be_sent_again(channel: MemoryChannel) -> None:
    first = channel.send("a")
    channel.receive(ack(1))
    second, other = channel.send("a"), channel.send("b")
    assert channel.receive(returned("a", b"x" * 10_000)) == []
    third = channel.send("a")
    channel.receive(ack(3, multiple=True) + returned("a") + ack(4))
    assert states(first, second, other, third) == ["taken", "Returned", "taken", "Returned"]
    with pytest.raises(Returned, match="NO_ROUTE"):
        await second
    assert (channel.oldest, channel.delivered) == (None, [])
    assert (channel._unconfirmed, channel._mandatory) == ({}, {}), "nothing is remembered"


async def test_what_cannot_be_written_is_not_counted(channel: MemoryChannel) -> None:
    for properties in (Properties(type="x" * 256), Properties(headers={"a": "x" * 5000}), Properties(priority=-1)):
        with pytest.raises(ValueError, match=r"\d+ .*is accepted|do not fit"):
            channel.publish("", "q", properties, b"", mandatory=True)
    with pytest.raises(TypeError):
        channel.publish("", "q", Properties(headers={"a": object()}), b"")
    assert (channel.published, channel.oldest, channel.written) == (0, None, [])


async def get(channel: MemoryChannel) -> asyncio.Task[Any]:
    """Ask for a message."""
    task = asyncio.create_task(channel.get("q"))
    await asyncio.sleep(0)
    return task


async def test_a_message_is_got_or_there_is_none_and_what_nobody_waits_for_is_ignored(channel: MemoryChannel) -> None:
    assert channel.receive(EMPTY) == []
    getting = await get(channel)
    assert channel.written == [frame.marshal(commands.Basic.Get(queue="q"), 1)]
    channel.receive(frame.marshal(commands.Basic.GetOk(4, True, "exchange", "key", 11), 1))
    channel.receive(delivery(1, b"x" * 10_000), slice(1, None))
    found = await getting
    assert (found.tag, found.redelivered, found.address) == (4, True, ("exchange", "key", 11))
    assert (found.body, channel.delivered) == (b"x" * 10_000, [])
    getting = await get(channel)
    channel.receive(EMPTY)
    assert await getting is None
    getting = await get(channel)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert channel.receive(EMPTY) == []


@for_each([
    (lambda channel: channel.leave(frames.CLOSE), "the channel is being closed", None),
    (lambda channel: channel.receive(closing(406, "DIFFERS")), "the broker closed the channel: 406 DIFFERS", 406),
    (lambda channel: channel.end(LOST), LOST, None),
])  # fmt: skip
async def test_at_the_end_whatever_waits_fails_and_nothing_is_sent_any_more(
    end: Callable[[MemoryChannel], object], text: str, code: int | None
) -> None:
    channel = MemoryChannel()
    confirms = [channel.send("a"), channel.send(), channel.send("c")]
    channel.receive(ack(2))
    getting = await get(channel)
    channel.written.clear()
    end(channel)
    assert states(*confirms) == ["ChannelEnded", "taken", "ChannelEnded"]
    for waiting in (confirms[0], getting):
        with pytest.raises(ChannelEnded) as caught:
            await waiting
        assert (str(caught.value), caught.value.code) == (text, code)
    assert (channel.ack(1), channel.nack(1), channel.nack(0, multiple=True), channel.reject(1)) == (False,) * 4
    with pytest.raises(ChannelEnded, match=text):
        channel.send()
    with pytest.raises(ChannelEnded, match=text):
        await channel.get("q")
    assert (channel.written, channel._unconfirmed, channel._mandatory) == ([], {}, {})
    channel.end("later")
    assert str(channel.ended) == text, "the first reason counts"


async def test_a_confirm_that_nobody_waits_for_ends_silently(channel: MemoryChannel) -> None:
    """Otherwise the loop would complain of an exception that was never retrieved."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    channel.send("a")
    channel.end(LOST)
    await asyncio.sleep(0)
    assert said == []


async def probe_until(channel: MemoryChannel, happens: Callable[[], object], alarm: Alarm | None = None) -> None:
    """Probe, and let that happen meanwhile."""
    probing = asyncio.create_task(probe(channel, alarm or Alarm()))
    await asyncio.sleep(0)
    assert not probing.done()
    happens()
    await probing


async def test_a_probe_says_whether_we_may_publish_and_the_end_of_its_channel_is_no_refusal() -> None:
    channels = [MemoryChannel() for _ in range(3)]
    await probe_until(channels[0], lambda: channels[0].receive(ack(1)))
    words = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'"
    with pytest.raises(BrokerRefusal, match=r"needs the right to write to the exchange 'amq\.default'") as raised:
        await probe_until(channels[1], lambda: channels[1].receive(closing(403, words)))
    assert raised.value.code is Code.PERMISSION_DENIED
    with pytest.raises(ChannelEnded, match=LOST):
        await probe_until(channels[2], lambda: channels[2].end(LOST))


async def test_nobody_waits_for_the_end_of_an_alarm(channel: MemoryChannel) -> None:
    alarm = Alarm()
    await probe_until(channel, alarm.begin, alarm)
    assert channel.oldest == 1, "the broker has not answered"
    await probe(channel, alarm)
