"""A tap takes the messages of its channels out of a connection's bytes, whatever pieces they come in, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from pamqp import commands, frame
from pamqp.body import ContentBody

from tests.unit.contracts.amqp.frames import delivery, split
from tests.unit.contracts.amqp.taps import ALL, BLOCKED, LOOKALIKE, PAGE, REFUSED, THEIRS, UNBLOCKED, Library, TapScene
from zeebe_amqp.amqp.frames import HEARTBEAT
from zeebe_amqp.amqp.tap import FEED, Tap


@pytest.fixture
async def scene() -> AsyncIterator[TapScene]:
    with TapScene() as made:
        yield made


def cuts(stream: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The stream in pieces, in every way that has a name."""
    yield "whole", [stream]
    yield "byte by byte", [stream[at : at + 1] for at in range(len(stream))]
    for size in (2, 3, 7, 8, 9, 100):
        yield f"pieces of {size}", [stream[at : at + size] for at in range(0, len(stream), size)]
    for at in range(1, len(stream)):
        yield f"two pieces, the first of {at}", [stream[:at], stream[at:]]


# --- what comes -------------------------------------------------------------------------------------------------------


async def test_in_whatever_pieces_they_come_messages_are_ours_and_every_other_byte_is_the_librarys_in_its_order() -> (
    None
):
    for name, pieces in cuts(ALL):
        scene = TapScene()
        scene.receive(*pieces)
        assert scene.seen == [(1, 5, b"first"), (2, len(LOOKALIKE), LOOKALIKE), (3, 0, b"")], name
        assert scene.answers == ["NoneType", "Returned", "NoneType"], name
        assert scene.library.heard == THEIRS, name
        assert (scene.tap.alarm.is_on, scene.publishing.ended, scene.consuming.ended) == (True, None, None), name


async def test_the_library_gets_whole_frames_only(scene: TapScene) -> None:
    """Otherwise what is fed to it between two pieces would tear one."""
    for at in range(len(ALL)):
        scene.receive(ALL[at : at + 1])
        assert split(scene.library.heard) is not None, at


async def test_without_channels_of_ours_every_byte_is_the_librarys() -> None:
    for name, pieces in cuts(ALL):
        library = Library()
        tap = Tap(library, asyncio.get_running_loop())
        for piece in pieces:
            tap.data_received(piece)
        assert library.heard == ALL, name


async def test_an_alarm_begins_and_ends_with_the_frames_that_say_so_on_the_connection_s_own_channel(
    scene: TapScene,
) -> None:
    scene.receive(frame.marshal(commands.Connection.Blocked("no"), 3))
    scene.receive(frame.marshal(ContentBody(BLOCKED[7:-1]), 0))
    assert not scene.tap.alarm.is_on
    for data, is_on in ((HEARTBEAT, False), (BLOCKED, True), (BLOCKED, True), (delivery(1), True), (UNBLOCKED, False),
                        (UNBLOCKED, False), (BLOCKED + UNBLOCKED, False), (UNBLOCKED + BLOCKED, True)):  # fmt: skip
        scene.receive(data)
        assert scene.tap.alarm.is_on is is_on, data


async def test_who_waits_for_an_alarm_goes_on_when_it_is_over_or_the_connection_is(scene: TapScene) -> None:
    await scene.tap.alarm.wait_over()
    for end in (lambda: scene.receive(UNBLOCKED), lambda: scene.tap.connection_lost(None)):
        scene.receive(BLOCKED)
        waiting = asyncio.create_task(scene.tap.alarm.wait_over())
        await asyncio.sleep(0)
        assert not waiting.done()
        end()
        await waiting


async def test_what_is_no_amqp_passes_whole_and_all_that_follows_it() -> None:
    """A refusal of the version, a web server's page, or a frame that does not end as it says."""
    torn = bytearray(delivery(5, b"torn", channel=1))
    torn[-1] = 0
    for strange in (REFUSED, PAGE, bytes(torn), b"\x00", b"\x04\0\1\0\0\0\0\xce", b"\xff" * 20):
        for before in (b"", ALL):
            for name, pieces in cuts(strange + delivery(6, b"later", channel=1)):
                scene = TapScene()
                scene.receive(*([before] if before else []), *pieces)
                scene.tap.eof_received()
                theirs = THEIRS if before else b""
                whole = theirs + strange + delivery(6, b"later", channel=1)
                found, where = scene.library.heard, (strange, name)
                if strange == bytes(torn):  # its method and header are whole, and ours
                    assert whole.endswith(found.removeprefix(theirs)), where
                    assert found.endswith(b"torn\0" + delivery(6, b"later", channel=1)), where
                else:
                    assert found == whole, where
                assert len(scene.seen) == (3 if before else 0), where


async def test_when_the_stream_ends_in_the_middle_the_library_gets_what_is_there_and_finds_out() -> None:
    whole = delivery(1, b"x", channel=1)
    *_, last = split(whole)
    start = len(whole) - len(last[2]) - 8
    for size in range(1, len(last[2]) + 8):
        scene = TapScene()
        scene.receive(HEARTBEAT + whole[:start], whole[start : start + size])
        scene.tap.eof_received()
        assert scene.library.heard == HEARTBEAT + whole[start : start + size], size
        assert (scene.library.ended, scene.seen) == (True, []), size


# --- the library's heartbeats -----------------------------------------------------------------------------------------


async def test_under_steady_traffic_of_ours_the_library_sees_that_the_peer_lives(scene: TapScene) -> None:
    for second in range(60):
        scene.clock.now = float(second)
        scene.receive(delivery(second + 1, b"x", channel=1))
    beats = len(scene.library.heard) // len(HEARTBEAT)
    assert scene.library.heard == HEARTBEAT * beats
    assert beats == 59 // (FEED + 1)


async def test_without_traffic_it_sees_nothing_so_that_a_dead_peer_is_noticed(scene: TapScene) -> None:
    for second in range(60):
        scene.clock.now = float(second)
        await asyncio.sleep(0)
    assert scene.library.heard == b""
    scene.receive(delivery(1, b"x", channel=1))
    assert scene.library.heard == HEARTBEAT


async def test_while_the_library_gets_frames_of_its_own_none_is_added(scene: TapScene) -> None:
    other = frame.marshal(commands.Basic.ConsumeOk("c"), 1)
    for second in range(60):
        scene.clock.now = float(second)
        scene.receive(delivery(second + 1, b"x", channel=1) + other)
    assert scene.library.heard == other * 60


async def test_a_large_frame_that_comes_slowly_is_life_too_and_no_frame_is_torn(scene: TapScene) -> None:
    for data in (delivery(1, b"x" * 50, channel=1), frame.marshal(ContentBody(b"y" * 50), 3)):
        for at in range(len(data)):
            scene.clock.now += 1
            scene.receive(data[at : at + 1])
    frames = [kind for kind, _, _ in split(scene.library.heard)]
    assert (frames.count(8) > 20, [kind for kind in frames if kind != 8]) == (True, [3])
    assert scene.seen == [(1, 50, b"x" * 50)]


async def test_what_is_no_amqp_gets_no_heartbeats_between(scene: TapScene) -> None:
    for at in range(len(PAGE)):
        scene.clock.now += 10
        scene.receive(PAGE[at : at + 1])
    assert scene.library.heard.replace(HEARTBEAT, b"") == PAGE
    assert PAGE[8:] in scene.library.heard
