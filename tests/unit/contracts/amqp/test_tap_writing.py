"""What goes out through a tap: ours before the library's, and nothing of a channel after its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pamqp import commands, frame

from tests.unit.contracts.amqp.frames import ack, closing, delivery
from tests.unit.contracts.amqp.taps import BLOCKED, CLOSED, Library, TapScene
from zeebe_amqp.amqp.hot import ChannelEnded, Incoming
from zeebe_amqp.amqp.tap import Tap


@pytest.fixture
async def scene() -> AsyncIterator[TapScene]:
    with TapScene() as made:
        yield made


# --- what goes --------------------------------------------------------------------------------------------------------


async def test_what_is_written_in_a_turn_of_the_loop_goes_out_at_once(scene: TapScene) -> None:
    await asyncio.sleep(0)
    assert len(scene.transport.written) == 1, "three publishes"
    scene.transport.written.clear()
    scene.consuming.ack(1)
    scene.consuming.ack(2)
    scene.consuming.nack(3)
    assert scene.transport.written == []
    await asyncio.sleep(0)
    acks = frame.marshal(commands.Basic.Ack(1), 1) + frame.marshal(commands.Basic.Ack(2), 1)
    assert scene.transport.written == [acks + frame.marshal(commands.Basic.Nack(3, requeue=True), 1)]
    await asyncio.sleep(0)
    assert len(scene.transport.written) == 1, "nothing more"


async def test_ours_goes_out_before_what_the_library_writes_after_it(scene: TapScene) -> None:
    await asyncio.sleep(0)
    scene.transport.written.clear()
    theirs = frame.marshal(commands.Basic.Qos(0, 1), 3)
    scene.consuming.ack(1)
    scene.writer.write(theirs)
    scene.consuming.ack(2)
    scene.writer.write(memoryview(theirs))
    await asyncio.sleep(0)
    first, second = (frame.marshal(commands.Basic.Ack(tag), 1) for tag in (1, 2))
    assert scene.transport.written == [first, theirs, second, theirs]


async def test_nothing_is_written_to_a_connection_that_is_closing_or_not_made_or_lost(scene: TapScene) -> None:
    await asyncio.sleep(0)
    scene.transport.written.clear()
    scene.transport.closing = True
    assert scene.consuming.ack(1)
    await asyncio.sleep(0)
    scene.transport.closing = False
    scene.consuming.ack(2)
    scene.tap.connection_lost(None)
    await asyncio.sleep(0)
    assert scene.transport.written == []
    early = Tap(Library(), asyncio.get_running_loop())
    early.write(b"early")
    early.flush()


async def test_who_writes_waits_while_the_peer_takes_nothing_unless_the_connection_is_lost(scene: TapScene) -> None:
    assert scene.publishing.is_writable
    await scene.publishing.writable()
    for end in (scene.tap.resume_writing, lambda: scene.tap.connection_lost(None)):
        scene.tap.pause_writing()
        draining, waiting = (asyncio.create_task(each) for each in (scene.writer.drain(), scene.publishing.writable()))
        await asyncio.sleep(0)
        assert (scene.publishing.is_writable, waiting.done(), draining.done()) == (False, False, False)
        end()
        await waiting
        await asyncio.gather(draining, return_exceptions=True)
        assert scene.publishing.is_writable


# --- the end of a channel ---------------------------------------------------------------------------------------------


async def test_a_channel_that_the_library_closes_ends_as_that_goes_out_and_no_other_does() -> None:
    close = frame.marshal(commands.Channel.Close(0, "", 0, 0), 1)
    before = frame.marshal(commands.Basic.Cancel("c"), 1)
    another = frame.marshal(commands.Channel.Close(0, "", 0, 0), 3)
    for data in (close, before + close, another + close + before):
        with TapScene() as scene:
            scene.consuming.ack(7)
            scene.writer.write(data)
            assert scene.transport.written[-1] == data
            assert frame.marshal(commands.Basic.Ack(7), 1) in scene.transport.written[0]
            assert str(scene.consuming.ended) == "the channel is being closed"
            assert (scene.consuming.ack(8), scene.publishing.ended) == (False, None)
    for data in (before + another, b""):
        with TapScene() as scene:
            scene.writer.write(data)
            assert (scene.consuming.ended, scene.publishing.ended) == (None, None)


async def test_after_that_what_still_comes_is_swallowed_until_the_broker_is_done_and_then_the_number_is_free(
    scene: TapScene,
) -> None:
    scene.writer.write(frame.marshal(commands.Channel.Close(0, "", 0, 0), 1))
    scene.receive(delivery(1, b"x", channel=1) + delivery(2, b"y" * 10_000, channel=1))
    assert (scene.seen, scene.library.heard) == ([], b"")
    scene.receive(CLOSED + delivery(3, b"z", channel=1))
    assert scene.library.heard == CLOSED + delivery(3, b"z", channel=1)


async def test_a_channel_that_the_broker_closes_ends_and_its_number_is_free(scene: TapScene) -> None:
    closed = closing(406, "PRECONDITION_FAILED", channel=2)
    scene.receive(closed + ack(1, channel=2))
    assert scene.library.heard == closed + ack(1, channel=2)
    assert scene.answers == ["ChannelEnded"] * 3
    with pytest.raises(ChannelEnded, match="406 PRECONDITION_FAILED"):
        await scene.confirms[0]
    assert scene.consuming.ended is None


async def test_a_number_that_is_used_again_is_another_channel(scene: TapScene) -> None:
    later: list[Incoming] = []
    scene.writer.write(frame.marshal(commands.Channel.Close(0, "", 0, 0), 1))
    scene.receive(CLOSED)
    again = scene.channel(1, later)
    scene.receive(delivery(1, b"anew", channel=1))
    assert ([each.body for each in later], scene.seen) == ([b"anew"], [])
    await asyncio.sleep(0)
    scene.transport.written.clear()
    assert (scene.consuming.ack(1), again.ack(1)) == (False, True)
    await asyncio.sleep(0)
    assert scene.transport.written == [frame.marshal(commands.Basic.Ack(1), 1)]


async def test_a_lost_connection_ends_every_channel(scene: TapScene) -> None:
    scene.receive(BLOCKED + delivery(1, b"x" * 10_000, channel=1)[:5_000])
    scene.tap.connection_lost(ConnectionResetError())
    assert scene.answers == ["ChannelEnded"] * 3
    assert [str(each.ended) for each in (scene.consuming, scene.publishing)] == ["the connection was lost"] * 2
    assert (scene.consuming.ack(1), scene.seen, scene.tap.alarm.is_on) == (False, [], False)
