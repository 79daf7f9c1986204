"""A tap takes the messages of its channels out of a connection's bytes, whatever pieces they come in, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pamqp import commands, frame
from pamqp.body import ContentBody

from tests.unit.contracts.amqp.frames import ALL, BLOCKED, LOOKALIKE, THEIRS, UNBLOCKED, delivery, split
from tests.unit.contracts.amqp.memory import MemoryTap, states
from zeebe_amqp.amqp.frames import HEARTBEAT
from zeebe_amqp.amqp.tap import FEED

PAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
CONFIRMED = ["taken", "Returned", "taken"]
"""What came of our publishes with all that the broker sends."""


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The stream whole, byte by byte, in other pieces of one size, and in any two."""
    for size in (len(stream), 1, 2, 3, 7, 8, 9, 100):
        yield [stream[at : at + size] for at in range(0, len(stream), size)]
    for at in range(1, len(stream)):
        yield [stream[:at], stream[at:]]


# --- what comes -------------------------------------------------------------------------------------------------------


async def test_in_whatever_pieces_they_come_messages_are_ours_and_every_other_byte_is_the_librarys_in_its_order() -> (
    None
):
    for pieces in cuts(ALL):
        tap, where = MemoryTap(), [len(piece) for piece in pieces]
        tap.receive(*pieces)
        assert tap.seen == [(1, 5, b"first"), (2, len(LOOKALIKE), LOOKALIKE), (3, 0, b"")], where
        assert states(*tap.confirms) == CONFIRMED, where
        assert tap.library.heard == THEIRS, where
        assert (tap.alarm.is_on, tap.publishing.ended, tap.consuming.ended) == (True, None, None), where


async def test_the_library_gets_whole_frames_only(tap: MemoryTap) -> None:
    """Otherwise what is fed to it between two pieces would tear one."""
    for at in range(len(ALL)):
        tap.receive(ALL[at : at + 1])
        assert split(tap.library.heard) is not None, at


async def test_an_alarm_begins_and_ends_with_the_frames_that_say_so_on_the_connection_s_own_channel(
    tap: MemoryTap,
) -> None:
    elsewhere = frame.marshal(commands.Connection.Blocked("no"), 3) + frame.marshal(ContentBody(BLOCKED[7:-1]), 0)
    for data, is_on in ((elsewhere, False), (HEARTBEAT, False), (BLOCKED, True), (BLOCKED, True), (delivery(1), True),
                        (UNBLOCKED, False), (UNBLOCKED, False), (BLOCKED + UNBLOCKED, False),
                        (UNBLOCKED + BLOCKED, True)):  # fmt: skip
        tap.receive(data)
        assert tap.alarm.is_on is is_on, data


async def test_who_waits_for_an_alarm_goes_on_when_it_is_over_or_the_connection_is(tap: MemoryTap) -> None:
    await tap.alarm.wait_over()
    for end in (lambda: tap.receive(UNBLOCKED), lambda: tap.connection_lost(None)):
        tap.receive(BLOCKED)
        waiting = asyncio.create_task(tap.alarm.wait_over())
        await asyncio.sleep(0)
        assert not waiting.done()
        end()
        await waiting


async def test_what_is_no_amqp_passes_whole_and_all_that_follows_it() -> None:
    """A refusal of the version, a web server's page, or a frame that does not end as it says."""
    later = delivery(6, b"later")
    torn = delivery(5, b"torn")[:-1] + b"\0"
    for strange in (b"AMQP\0\0\x09\1", PAGE, torn, b"\0", b"\4\0\1\0\0\0\0\xce", b"\xff" * 20):
        # The method and the header of the torn one are whole, and ours.
        theirs = strange[strange.rindex(b"\3\0\1\0\0") :] if strange is torn else strange
        for before, passed, taken in (([], b"", (0, ["waits"] * 3)), ([ALL], THEIRS, (3, CONFIRMED))):
            for pieces in cuts(strange + later):
                tap, where = MemoryTap(), (strange, [len(piece) for piece in pieces])
                tap.receive(*before, *pieces)
                tap.eof_received()
                found = tap.library.heard.removeprefix(passed)
                assert found.endswith(theirs + later), where
                assert (strange + later).endswith(found), where
                assert (len(tap.seen), states(*tap.confirms)) == taken, where


async def test_when_the_stream_ends_in_the_middle_the_library_gets_what_is_there_and_finds_out() -> None:
    whole = delivery(1, b"x")
    start = len(whole) - 9  # of its last frame
    for end in range(start + 1, len(whole)):
        tap = MemoryTap()
        tap.receive(HEARTBEAT + whole[:start], whole[start:end])
        tap.eof_received()
        assert tap.library.heard == HEARTBEAT + whole[start:end], end
        assert (tap.library.ended, tap.seen) == (True, []), end


# --- the library's heartbeats -----------------------------------------------------------------------------------------


async def test_under_steady_traffic_of_ours_the_library_sees_that_the_peer_lives(tap: MemoryTap) -> None:
    for second in range(60):
        tap.now = float(second)
        tap.receive(delivery(1, b"x"))
    assert tap.library.heard == HEARTBEAT * int(59 // (FEED + 1))


async def test_without_traffic_it_sees_nothing_so_that_a_dead_peer_is_noticed(tap: MemoryTap) -> None:
    for second in range(60):
        tap.now = float(second)
        await asyncio.sleep(0)
    assert tap.library.heard == b""
    tap.receive(delivery(1, b"x"))
    assert tap.library.heard == HEARTBEAT


async def test_while_the_library_gets_frames_of_its_own_none_is_added(tap: MemoryTap) -> None:
    other = frame.marshal(commands.Basic.ConsumeOk("c"), 1)
    for second in range(60):
        tap.now = float(second)
        tap.receive(delivery(1, b"x") + other)
    assert tap.library.heard == other * 60


async def test_a_large_frame_that_comes_slowly_is_life_too_and_no_frame_is_torn(tap: MemoryTap) -> None:
    for data in (delivery(1, b"x" * 50), frame.marshal(ContentBody(b"y" * 50), 3)):
        for at in range(len(data)):
            tap.now += 1
            tap.receive(data[at : at + 1])
    kinds = [kind for kind, _, _ in split(tap.library.heard)]
    assert (kinds.count(8) > 20, [kind for kind in kinds if kind != 8]) == (True, [3])
    assert tap.seen == [(1, 50, b"x" * 50)]


async def test_what_is_no_amqp_gets_no_heartbeats_between(tap: MemoryTap) -> None:
    for at in range(len(PAGE)):
        tap.now += 10
        tap.receive(PAGE[at : at + 1])
    assert tap.library.heard.replace(HEARTBEAT, b"") == PAGE
    assert PAGE[8:] in tap.library.heard
