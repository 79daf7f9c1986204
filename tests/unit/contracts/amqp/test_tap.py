"""A tap takes the messages of its channels out of a connection's bytes, and writes ours before the library's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiormq.exceptions import AMQPConnectionError
from pamqp import commands, frame
from pamqp.body import ContentBody
from yarl import URL

from scripts.process import free_port
from tests.cases import check_each, for_each
from tests.unit.contracts.amqp import broker
from tests.unit.contracts.amqp.broker import ALL, BLOCKED, CLOSED, THEIRS, UNBLOCKED, MemoryTap, ack, delivery, states
from zeebe_amqp.amqp.connection import tls_context
from zeebe_amqp.amqp.frames import HEARTBEAT
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.tap import FEED, FRAME_MAX, Tap, TappedConnection

CERTIFICATES = Path(__file__).parents[2] / "consumer" / "zeebe"
PAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
QOS = frame.marshal(commands.Basic.Qos(0, 1), 3)
CLOSE = frame.marshal(commands.Channel.Close(0, "", 0, 0), 1)
CONFIRMED = ["taken", "Returned", "taken"]
"""What came of our publishes with all that the broker sends."""


@pytest.fixture
async def tap() -> AsyncIterator[MemoryTap]:
    """What it published first has gone out."""
    with closing(MemoryTap()) as made:
        made.flush()
        made.written.clear()
        yield made


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The stream whole, byte by byte, in other pieces of one size, and in any two."""
    for size in (len(stream), 1, 2, 3, 7, 8, 9, 100):
        yield [stream[at : at + size] for at in range(0, len(stream), size)]
    for at in range(1, len(stream)):
        yield [stream[:at], stream[at:]]


async def test_in_whatever_pieces_they_come_messages_are_ours_and_every_other_byte_is_the_librarys() -> None:
    seen = [(1, 5, b"first"), (2, len(broker.LOOKALIKE), broker.LOOKALIKE), (3, 0, b"")]
    for pieces in cuts(ALL):
        tap, where = MemoryTap(), [len(piece) for piece in pieces]
        for piece in pieces:
            tap.receive(piece)
            # What is fed to it between two pieces must not tear a frame.
            assert broker.split(tap.library.heard) is not None, where
        assert (tap.consuming.seen, states(*tap.confirms), tap.library.heard) == (seen, CONFIRMED, THEIRS), where
        assert (tap.alarm.is_on, tap.publishing.ended, tap.consuming.ended) == (True, None, None), where


async def test_an_alarm_begins_and_ends_with_frames_on_the_connection_s_own_channel(tap: MemoryTap) -> None:
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
    later, torn = delivery(6, b"later"), delivery(5, b"torn")[:-1] + b"\0"
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
                assert (len(tap.consuming.seen), states(*tap.confirms)) == taken, where


async def test_when_the_stream_ends_in_the_middle_the_library_gets_what_is_there_and_finds_out() -> None:
    whole = delivery(1, b"x")
    start = len(whole) - 9  # of its last frame
    for end in range(start + 1, len(whole)):
        tap = MemoryTap()
        tap.receive(HEARTBEAT + whole[:start], whole[start:end])
        tap.eof_received()
        assert (tap.library.heard, tap.library.ended) == (HEARTBEAT + whole[start:end], True), end
        assert tap.consuming.seen == [], end


async def test_the_library_sees_that_the_peer_lives_by_our_frames_where_it_gets_none_of_its_own() -> None:
    other = frame.marshal(commands.Basic.ConsumeOk("c"), 1)
    for each_second, heard in (
        (delivery(1, b"x"), HEARTBEAT * int(59 // (FEED + 1))),
        (delivery(1, b"x") + other, other * 60),
        (b"", b""),  # a dead peer is noticed
    ):
        tap = MemoryTap()
        for second in range(60):
            tap.now = float(second)
            tap.receive(*[each_second] * bool(each_second))
        assert tap.library.heard == heard, each_second
    tap.receive(delivery(1, b"x"))
    assert tap.library.heard == HEARTBEAT


async def test_what_comes_slowly_is_life_too_and_neither_a_frame_nor_what_is_no_amqp_is_torn(tap: MemoryTap) -> None:
    for data in (delivery(1, b"x" * 50), frame.marshal(ContentBody(b"y" * 50), 3)):
        for at in range(len(data)):
            tap.now += 1
            tap.receive(data[at : at + 1])
    kinds = [kind for kind, _, _ in broker.split(tap.library.heard)]
    assert (kinds.count(8) > 20, [kind for kind in kinds if kind != 8]) == (True, [3])
    assert tap.consuming.seen == [(1, 50, b"x" * 50)]
    before = tap.library.heard
    for at in range(len(PAGE)):
        tap.now += 10
        tap.receive(PAGE[at : at + 1])
    heard = tap.library.heard.removeprefix(before)
    assert (heard.replace(HEARTBEAT, b""), PAGE[8:] in heard) == (PAGE, True)


async def test_what_is_written_in_a_turn_of_the_loop_goes_out_at_once(tap: MemoryTap) -> None:
    assert tap.consuming.ack(1)
    assert tap.consuming.nack(2)
    assert tap.consuming.nack(0, multiple=True)
    assert tap.consuming.nack(3, requeue=False)
    assert tap.consuming.reject(4)
    assert tap.written == []
    await asyncio.sleep(0)
    nack = commands.Basic.Nack
    nacks = (nack(2, requeue=True), nack(0, multiple=True, requeue=True), nack(3, requeue=False))
    rejected = commands.Basic.Reject(4, requeue=True)
    assert tap.written == [ack(1) + b"".join(frame.marshal(each, 1) for each in (*nacks, rejected))]
    await asyncio.sleep(0)
    assert len(tap.written) == 1, "nothing more"


async def test_ours_goes_out_before_what_the_library_writes_after_it(tap: MemoryTap) -> None:
    tap.consuming.ack(1)
    tap.writer.write(QOS)
    tap.consuming.ack(2)
    tap.writer.write(memoryview(QOS))
    await asyncio.sleep(0)
    assert tap.written == [ack(1), QOS, ack(2), QOS]


async def test_nothing_is_written_to_a_connection_that_is_closing_or_not_made_or_lost(tap: MemoryTap) -> None:
    tap.is_closing = True
    assert tap.consuming.ack(1)
    await asyncio.sleep(0)
    tap.is_closing = False
    tap.consuming.ack(2)
    tap.connection_lost(None)
    await asyncio.sleep(0)
    assert tap.written == []
    early = Tap(broker.Library(), asyncio.get_running_loop())
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


async def test_a_channel_that_the_library_closes_ends_as_that_goes_out_and_no_other_does() -> None:
    before = frame.marshal(commands.Basic.Cancel("c"), 1) + CLOSED
    another = frame.marshal(commands.Channel.Close(0, "", 0, 0), 3)
    for data in (CLOSE, before + CLOSE, another + CLOSE + before, before + another, b""):
        with closing(MemoryTap()) as tap:
            tap.consuming.ack(7)
            tap.writer.write(data)
            assert tap.written[-1] == data
            assert ack(7) in tap.written[0]
            assert tap.consuming.ack(8) is (CLOSE not in data), data
            assert str(tap.consuming.ended) == ("the channel is being closed" if CLOSE in data else "None")
            assert tap.publishing.ended is None


async def test_what_still_comes_for_a_closed_channel_is_swallowed_until_its_number_is_free(tap: MemoryTap) -> None:
    begun, later = delivery(1, b"y" * 10_000), delivery(3, b"z")
    tap.receive(begun[:5_000])
    tap.writer.write(CLOSE)
    tap.receive(begun[5_000:] + delivery(2, b"x") + ack(1) + broker.returned("a"))
    assert (tap.consuming.seen, tap.library.heard) == ([], b"")
    tap.receive(CLOSED + later)
    assert tap.library.heard == CLOSED + later
    again = tap.channel(1)
    tap.receive(delivery(1, b"anew"))
    assert (again.seen, tap.consuming.seen) == ([(1, 4, b"anew")], [])
    assert (tap.consuming.ack(1), again.ack(1)) == (False, True)
    tap.flush()
    assert tap.written == [CLOSE, ack(1)]


async def test_a_channel_that_the_broker_closes_ends_and_its_number_is_free(tap: MemoryTap) -> None:
    closed = broker.closing(406, "PRECONDITION_FAILED", channel=2)
    tap.receive(closed + ack(1, channel=2))
    assert tap.library.heard == closed + ack(1, channel=2)
    assert states(*tap.confirms) == ["ChannelEnded"] * 3
    with pytest.raises(ChannelEnded, match="406 PRECONDITION_FAILED"):
        await tap.confirms[0]
    assert tap.consuming.ended is None


async def test_a_lost_connection_ends_every_channel(tap: MemoryTap) -> None:
    tap.receive(BLOCKED + delivery(1, b"x" * 10_000)[:5_000])
    tap.connection_lost(ConnectionResetError())
    assert states(*tap.confirms) == ["ChannelEnded"] * 3
    assert [str(each.ended) for each in (tap.consuming, tap.publishing)] == ["the connection was lost"] * 2
    assert (tap.consuming.ack(1), tap.consuming.seen, tap.alarm.is_on) == (False, [], False)


@for_each([(4096, 4096), (131_072, 131_072), (0, FRAME_MAX)])
async def test_a_channel_writes_frames_as_large_as_the_broker_takes_also_without_limit(given: int, taken: int) -> None:
    connection = TappedConnection(URL("amqp://unused"))
    connection._transports.tap = tap = MemoryTap()
    tap.flush()
    raw = SimpleNamespace(number=7, max_content_size=given - 8, CONTENT_FRAME_SIZE=8)
    hot = await connection.hot(AsyncMock(get_underlay_channel=AsyncMock(return_value=raw)))
    hot.publish("", "q", Properties(), b"x" * 200_000)
    tap.flush()
    frames = broker.split(b"".join(tap.written[1:]))
    assert {number for _, number, _ in frames} == {7}
    assert max(len(payload) + 8 for _, _, payload in frames) == taken
    tap.receive(delivery(1, b"x", channel=7) + ack(1, channel=7))
    assert hot.oldest is None
    assert connection.alarm is tap.alarm
    await connection.close()


async def streams(connection: TappedConnection, port: int, tls: ssl.SSLContext | None = None) -> tuple[Any, Any]:
    """What the library would read and write."""
    url = URL(f"{'amqp' if tls is None else 'amqps'}://127.0.0.1:{port}")
    provider = SimpleNamespace(get_context=AsyncMock(return_value=tls))
    reader, writer = await connection.kwargs["transport_factory"].create(url, ssl_context_provider=provider)
    return reader, writer


async def test_the_library_reads_and_writes_all_but_our_frames_over_a_socket_or_tls() -> None:
    async def reads_and_writes(server_tls: ssl.SSLContext | None, tls: ssl.SSLContext | None) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(QOS))
            writer.write(ALL)
            heard.set_result(await reader.readexactly(len(ack(1) + QOS)))
            writer.close()
            await writer.wait_closed()

        heard = asyncio.get_running_loop().create_future()
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls) as server:
            connection = TappedConnection(URL("amqp://unused"))
            reader, writer = await streams(connection, server.sockets[0].getsockname()[1], tls)
            channel, publishing = (broker.MemoryChannel(number, connection.tap) for number in (1, 2))
            connection.tap.register(1, channel)
            connection.tap.register(2, publishing)
            writer.write(QOS)
            assert await reader.readexactly(len(THEIRS)) == THEIRS
            assert ([each.tag for each in channel.delivered], connection.alarm.is_on) == ([1, 2, 3], True)
            assert channel.ack(1)
            writer.write(QOS)
            assert await heard == ack(1) + QOS
            assert await reader.read() == b""
            writer.close()
            await connection.alarm.wait_over()
            assert str(channel.ended) == "the connection was lost"
        await connection.close()

    certificate, key = (CERTIFICATES / f"gateway_{each}.pem" for each in ("certificate", "key"))
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(certificate, key)
    trusting = tls_context(certificate, None, None)
    assert trusting is not None
    trusting.check_hostname = False
    await check_each([(None, None), (server_tls, trusting)], reads_and_writes)


async def test_a_host_that_does_not_answer_is_the_library_s_own_error() -> None:
    connection = TappedConnection(URL("amqp://unused"))
    with pytest.raises(AMQPConnectionError):
        await streams(connection, free_port())
    await connection.close()
