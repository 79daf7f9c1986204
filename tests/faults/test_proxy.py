"""The proxy forwards everything, until it is told to break; what it cuts and leaves out is right, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import accumulate, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.proxy import Proxy, Way
from tests.faults.streams import HEARTBEAT, Filter, frames, in_turn, mixed, moved, pieces, without_heartbeats
from tests.integration.service import eventually

BRIEFLY, SOON = 0.2, 5.0
END = b"(end)"


@pytest.fixture
def arrived() -> bytearray:
    """What the server got, with a mark for the end of a connection."""
    return bytearray()


@pytest.fixture
async def proxy(arrived: bytearray) -> AsyncIterator[Proxy]:
    """A proxy before a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1000):
                arrived.extend(data)
                writer.write(data)
                await writer.drain()
        arrived.extend(END)
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with listening, Proxy(listening.sockets[0].getsockname()[1]) as between:
        yield between


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.write = reader, writer, writer.write

    async def gets(self, data: bytes) -> None:
        """So much comes."""
        assert await asyncio.wait_for(self.reader.readexactly(len(data)), SOON) == data

    async def exchange(self, data: bytes) -> None:
        """What is sent comes back."""
        self.write(data)
        await self.gets(data)

    async def is_silent(self) -> None:
        """What is sent gets no answer, and the connection stays open."""
        self.write(b"?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), BRIEFLY)

    async def is_cut(self) -> None:
        """It ends by RST."""
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(self.reader.read(-1), SOON)


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    try:
        yield client
    finally:
        client.writer.transport.abort()


async def test_everything_passes_until_a_reset_ends_all_connections_and_new_ones_work(
    proxy: Proxy, arrived: bytearray
) -> None:
    async with connected(proxy) as one, connected(proxy) as two:
        await one.exchange(b"a" * 200_000)
        proxy.delay = 0.01
        await two.exchange(b"b")
        proxy.reset()
        await one.is_cut()
        await two.is_cut()
    async with connected(proxy) as three:
        await three.exchange(b"c")
    assert arrived.count(END) == 2


async def test_connections_can_go_silent_and_stay_open_one_alone_by_what_its_client_said(proxy: Proxy) -> None:
    async with connected(proxy) as one, connected(proxy) as two:
        await one.exchange(b"I am one")
        await two.exchange(b"I am two")
        proxy.freeze(b"am one")
        await two.exchange(b"b")
        await one.is_silent()
        proxy.freeze()
        await two.is_silent()
        async with connected(proxy) as three:
            await three.exchange(b"c")


async def test_a_connection_is_cut_after_so_many_bytes_or_where_the_server_is_away(
    proxy: Proxy, arrived: bytearray
) -> None:
    cutting = asyncio.create_task(proxy.cut_after(5))
    await asyncio.sleep(0)
    async with connected(proxy) as one:
        one.write(b"0123456789")
        await one.is_cut()
    await cutting
    assert arrived.replace(END, b"") == b"01234"
    async with connected(proxy) as two:
        await two.exchange(b"0123456789")
    async with Proxy(1) as away, connected(away) as three:
        await three.is_cut()


@pytest.mark.parametrize("way", Way)
async def test_what_is_held_from_a_pattern_on_goes_on_when_released(way: Way, proxy: Proxy, arrived: bytearray) -> None:
    async with connected(proxy) as one:
        proxy.hold(way, b"x")
        await one.exchange(b"a")
        for number in (1, 2):
            one.write(b"x")
            await proxy.held(number)
        assert bytes(arrived) == (b"a" if way is Way.UP else b"axx")
        proxy.release()
        await one.gets(b"xx")
        await one.exchange(b"x")


async def test_what_is_held_is_lost_with_its_connection(proxy: Proxy, arrived: bytearray) -> None:
    proxy.hold(Way.UP)
    async with connected(proxy) as one:
        one.write(b"x")
        await proxy.held(1)
    await eventually(lambda: arrived, "the server sees the end")
    proxy.release()
    assert arrived == END


async def test_what_passes_is_cut_into_pieces_that_arrive_one_by_one(proxy: Proxy, arrived: bytearray) -> None:
    data, found = bytes(range(100)), list[bytes]()
    async with connected(proxy) as one:
        await one.exchange(b"whole")
        proxy.cutting = in_turn(5)
        one.write(data)
        async with asyncio.timeout(SOON):
            while sum(map(len, found)) < len(data):
                found.append(await one.reader.read(len(data)))
        assert b"".join(found) == data
        assert len(found) > 20, found
        proxy.cutting = None
        await one.exchange(b"whole again")
        assert bytes(arrived) == b"whole" + data + b"whole again"


async def test_every_connection_has_a_number_of_its_own(proxy: Proxy) -> None:
    numbers: list[int] = []

    def cutting(number: int) -> Iterator[int]:
        numbers.append(number)
        return repeat(3)

    proxy.cutting = cutting
    for _ in range(3):
        async with connected(proxy) as one:
            await one.exchange(b"abcdef")
    assert (numbers, proxy.made) == ([0, 0, 1, 1, 2, 2], 3)


async def test_a_server_that_takes_nothing_stops_its_client_and_loses_nothing(proxy: Proxy, arrived: Any) -> None:
    data = bytes(range(256)) * 40_000
    async with connected(proxy) as one:
        await one.exchange(b"a")
        proxy.stall(Way.UP)
        one.write(data)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.writer.drain(), BRIEFLY)
        assert bytes(arrived) == b"a"
        proxy.go_on(Way.UP)
        await one.gets(data)


async def test_heartbeats_of_the_server_are_left_out_on_new_connections(proxy: Proxy, arrived: bytearray) -> None:
    frame = b"\x01\0\1\0\0\0\2ab\xce"
    async with connected(proxy) as old:
        await old.exchange(b"a")
        proxy.filtering = without_heartbeats
        await old.exchange(HEARTBEAT)
        arrived.clear()
        async with connected(proxy) as new:
            new.write(HEARTBEAT + frame + HEARTBEAT + frame)
            await new.gets(2 * frame)
            assert bytes(arrived) == HEARTBEAT + frame + HEARTBEAT + frame


STREAM = bytes(range(250))
STREAMS = st.lists(
    st.just(HEARTBEAT)
    | st.builds(
        lambda kind, channel, payload: bytes([kind, 0, channel]) + len(payload).to_bytes(4) + payload + b"\xce",
        st.sampled_from([1, 2, 3]),
        st.integers(0, 3),
        st.binary(max_size=30) | st.just(HEARTBEAT * 2),
    )
)


def test_pieces_grow_by_one_byte_in_turn_also_over_two_chunks_and_lose_nothing() -> None:
    sizes = in_turn(4)(0)
    cut = [*pieces(STREAM[:3], sizes), *pieces(STREAM[3:], sizes)]
    assert [len(piece) for piece in cut[:9]] == [1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert b"".join(cut) == STREAM


def test_as_many_connections_as_a_piece_has_bytes_cut_at_every_offset() -> None:
    step, cuts = 16, set[int]()
    for number in range(100, 100 + step):
        cut = list(pieces(STREAM, moved(step)(number)))
        assert b"".join(cut) == STREAM
        cuts |= set(accumulate(map(len, cut)))
    assert cuts == set(range(1, len(STREAM) + 1))


def through(change: Filter, data: bytes, size: int) -> bytes:
    """What comes out when the data comes in so many bytes at a time."""
    return b"".join(change(data[start : start + size]) for start in range(0, len(data), size))


@given(STREAMS, st.integers(1, 400))
def test_only_heartbeats_are_left_out_and_channels_keep_their_order(stream: list[bytes], size: int) -> None:
    """Eight bytes that look like a heartbeat stay where they are part of another frame; however the stream is cut."""
    passed = through(without_heartbeats(), b"".join(stream), size)
    assert passed == b"".join(frame for frame in stream if frame != HEARTBEAT)
    again = frames()(through(mixed(), b"".join(stream), size))
    assert sorted(again) == sorted(stream)
    for channel in range(4):
        assert [frame for frame in again if frame[2] == channel] == [frame for frame in stream if frame[2] == channel]


def test_channels_take_turns_where_their_frames_are_there_together() -> None:
    one, two = (b"\3\0%c\0\0\0\1x\xce" % channel for channel in (1, 2))
    assert mixed()(one * 3 + two * 2) == one + two + one + two + one
