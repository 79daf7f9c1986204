"""What goes out through a tap: ours before the library's, and nothing of a channel after its end."""

from __future__ import annotations

import asyncio
from contextlib import closing as closed_at_end

import pytest
from pamqp import commands, frame

from tests.unit.contracts.amqp.frames import BLOCKED, CLOSED, ack, closing, delivery, returned
from tests.unit.contracts.amqp.memory import Library, MemoryTap, states
from zeebe_amqp.amqp.hot import ChannelEnded, Incoming
from zeebe_amqp.amqp.tap import Tap

CLOSE = frame.marshal(commands.Channel.Close(0, "", 0, 0), 1)


@pytest.fixture
async def tap(tap: MemoryTap) -> MemoryTap:
    """What it published first has gone out, at once."""
    await asyncio.sleep(0)
    assert len(tap.written) == 1, "three publishes"
    tap.written.clear()
    return tap


# --- what goes --------------------------------------------------------------------------------------------------------


async def test_what_is_written_in_a_turn_of_the_loop_goes_out_at_once(tap: MemoryTap) -> None:
    assert tap.consuming.ack(1)
    assert tap.consuming.nack(2)
    assert tap.consuming.nack(0, multiple=True)
    assert tap.written == []
    await asyncio.sleep(0)
    nacks = (commands.Basic.Nack(2, requeue=True), commands.Basic.Nack(0, multiple=True, requeue=True))
    assert tap.written == [ack(1) + b"".join(frame.marshal(each, 1) for each in nacks)]
    await asyncio.sleep(0)
    assert len(tap.written) == 1, "nothing more"


async def test_ours_goes_out_before_what_the_library_writes_after_it(tap: MemoryTap) -> None:
    theirs = frame.marshal(commands.Basic.Qos(0, 1), 3)
    tap.consuming.ack(1)
    tap.writer.write(theirs)
    tap.consuming.ack(2)
    tap.writer.write(memoryview(theirs))
    await asyncio.sleep(0)
    assert tap.written == [ack(1), theirs, ack(2), theirs]


async def test_nothing_is_written_to_a_connection_that_is_closing_or_not_made_or_lost(tap: MemoryTap) -> None:
    tap.is_closing = True
    assert tap.consuming.ack(1)
    await asyncio.sleep(0)
    tap.is_closing = False
    tap.consuming.ack(2)
    tap.connection_lost(None)
    await asyncio.sleep(0)
    assert tap.written == []
    early = Tap(Library(), asyncio.get_running_loop())
    early.write(b"early")
    early.flush()


async def test_who_writes_waits_while_the_peer_takes_nothing_unless_the_connection_is_lost(tap: MemoryTap) -> None:
    assert tap.publishing.is_writable
    await tap.publishing.writable()
    for end in (tap.resume_writing, lambda: tap.connection_lost(None)):
        tap.pause_writing()
        draining, waiting = (asyncio.create_task(each) for each in (tap.writer.drain(), tap.publishing.writable()))
        await asyncio.sleep(0)
        assert (tap.publishing.is_writable, waiting.done(), draining.done()) == (False, False, False)
        end()
        await waiting
        await asyncio.gather(draining, return_exceptions=True)
        assert tap.publishing.is_writable


# --- the end of a channel ---------------------------------------------------------------------------------------------


async def test_a_channel_that_the_library_closes_ends_as_that_goes_out_and_no_other_does() -> None:
    before = frame.marshal(commands.Basic.Cancel("c"), 1) + CLOSED
    another = frame.marshal(commands.Channel.Close(0, "", 0, 0), 3)
    for data, ended in (
        (CLOSE, "the channel is being closed"),
        (before + CLOSE, "the channel is being closed"),
        (another + CLOSE + before, "the channel is being closed"),
        (before + another, "None"),
        (b"", "None"),
    ):
        with closed_at_end(MemoryTap()) as tap:
            tap.consuming.ack(7)
            tap.writer.write(data)
            assert tap.written[-1] == data
            assert ack(7) in tap.written[0]
            assert (str(tap.consuming.ended), tap.publishing.ended) == (ended, None), data
            assert tap.consuming.ack(8) is (ended == "None")


async def test_after_that_what_still_comes_is_swallowed_until_the_broker_is_done_and_then_the_number_is_free(
    tap: MemoryTap,
) -> None:
    begun, later = delivery(1, b"y" * 10_000), delivery(3, b"z")
    tap.receive(begun[:5_000])
    tap.writer.write(CLOSE)
    tap.receive(begun[5_000:] + delivery(2, b"x") + ack(1) + returned("a"))
    assert (tap.seen, tap.library.heard) == ([], b"")
    tap.receive(CLOSED + later)
    assert tap.library.heard == CLOSED + later


async def test_a_channel_that_the_broker_closes_ends_and_its_number_is_free(tap: MemoryTap) -> None:
    closed = closing(406, "PRECONDITION_FAILED", channel=2)
    tap.receive(closed + ack(1, channel=2))
    assert tap.library.heard == closed + ack(1, channel=2)
    assert states(*tap.confirms) == ["ChannelEnded"] * 3
    with pytest.raises(ChannelEnded, match="406 PRECONDITION_FAILED"):
        await tap.confirms[0]
    assert tap.consuming.ended is None


async def test_a_number_that_is_used_again_is_another_channel(tap: MemoryTap) -> None:
    later: list[Incoming] = []
    tap.writer.write(CLOSE)
    tap.receive(CLOSED)
    again = tap.channel(1, later)
    tap.receive(delivery(1, b"anew"))
    assert ([each.body for each in later], tap.seen) == ([b"anew"], [])
    assert (tap.consuming.ack(1), again.ack(1)) == (False, True)
    await asyncio.sleep(0)
    assert tap.written == [CLOSE, ack(1)]


async def test_a_lost_connection_ends_every_channel(tap: MemoryTap) -> None:
    tap.receive(BLOCKED + delivery(1, b"x" * 10_000)[:5_000])
    tap.connection_lost(ConnectionResetError())
    assert states(*tap.confirms) == ["ChannelEnded"] * 3
    assert [str(each.ended) for each in (tap.consuming, tap.publishing)] == ["the connection was lost"] * 2
    assert (tap.consuming.ack(1), tap.seen, tap.alarm.is_on) == (False, [], False)
