"""The proxy forwards everything, until it is told to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import repeat

import pytest

from tests.faults.proxy import Proxy, Way
from tests.faults.streams import HEARTBEAT, in_turn, without_heartbeats

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BRIEFLY = 0.2


class Server:
    """Keeps what arrives, and echoes it."""

    def __init__(self) -> None:
        self.arrived = bytearray()
        self.ended = 0
        self.end = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1000):
                self.arrived += data
                writer.write(data)
                await writer.drain()
        self.ended += 1
        self.end.set()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Proxy]]:
    echo = Server()
    listening = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with listening, Proxy(listening.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(stream: Stream, data: bytes) -> bytes:
    """What comes back for that."""
    stream[1].write(data)
    async with asyncio.timeout(5):
        return await stream[0].readexactly(len(data))


async def ended(stream: Stream) -> bool:
    """Whether the connection is cut, by RST."""
    try:
        async with asyncio.timeout(5):
            while await stream[0].read(100):
                pass
    except ConnectionResetError:
        return True
    return False


async def test_everything_passes(server: tuple[Server, Proxy]) -> None:
    _, proxy = server
    async with connected(proxy) as one, connected(proxy) as two:
        assert await exchange(one, b"a" * 200_000) == b"a" * 200_000
        assert await exchange(two, b"b") == b"b"


async def test_a_reset_ends_all_connections_and_new_ones_work(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    async with connected(proxy) as one, connected(proxy) as two:
        await exchange(one, b"a")
        await exchange(two, b"b")
        proxy.reset()
        assert await ended(one)
        assert await ended(two)
    async with connected(proxy) as three:
        assert await exchange(three, b"c") == b"c"
    assert echo.ended == 2


async def test_a_frozen_connection_says_nothing_and_stays_open(server: tuple[Server, Proxy]) -> None:
    _, proxy = server
    async with connected(proxy) as one:
        await exchange(one, b"a")
        proxy.freeze()
        one[1].write(b"b")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one[0].read(1), BRIEFLY)
        async with connected(proxy) as two:
            assert await exchange(two, b"c") == b"c"


async def test_delayed_data_arrives(server: tuple[Server, Proxy]) -> None:
    _, proxy = server
    proxy.delay = 0.01
    async with connected(proxy) as one:
        assert await exchange(one, b"a") == b"a"


async def test_a_connection_is_cut_after_so_many_bytes(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    cutting = asyncio.create_task(proxy.cut_after(5))
    await asyncio.sleep(0)
    async with connected(proxy) as one:
        one[1].write(b"0123456789")
        assert await ended(one)
    await cutting
    assert echo.arrived == b"01234"
    async with connected(proxy) as two:
        assert await exchange(two, b"0123456789") == b"0123456789"


@pytest.mark.parametrize("way", Way)
async def test_what_is_held_from_a_pattern_on_goes_on_when_released(server: tuple[Server, Proxy], way: Way) -> None:
    echo, proxy = server
    async with connected(proxy) as one:
        proxy.hold(way, b"x")
        assert await exchange(one, b"a") == b"a"
        one[1].write(b"x")
        await proxy.held(1)
        one[1].write(b"x")
        await proxy.held(2)
        assert bytes(echo.arrived) == (b"a" if way is Way.UP else b"axx")
        proxy.release()
        assert await one[0].readexactly(2) == b"xx"
        assert await exchange(one, b"x") == b"x"


async def test_what_is_held_is_lost_with_its_connection(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    proxy.hold(Way.UP)
    async with connected(proxy) as one:
        one[1].write(b"x")
        await proxy.held(1)
    await asyncio.wait_for(echo.end.wait(), 5)
    proxy.release()
    assert echo.arrived == b""


async def test_a_server_that_is_away_ends_the_client(server: tuple[Server, Proxy]) -> None:
    async with Proxy(1) as proxy, connected(proxy) as one:
        assert await ended(one)


async def read_pieces(stream: Stream, number: int) -> list[bytes]:
    """That many bytes, as they come."""
    found: list[bytes] = []
    async with asyncio.timeout(5):
        while sum(map(len, found)) < number:
            found.append(await stream[0].read(number))
    return found


async def test_what_passes_is_cut_into_pieces_that_arrive_one_by_one(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    data = bytes(range(100))
    async with connected(proxy) as one:
        await exchange(one, b"whole")
        proxy.cutting = in_turn(5)
        one[1].write(data)
        found = await read_pieces(one, len(data))
        assert b"".join(found) == data
        assert len(found) > 20, found
        proxy.cutting = None
        assert await exchange(one, b"whole again") == b"whole again"
    assert bytes(echo.arrived) == b"whole" + data + b"whole again"


async def test_every_connection_has_a_number_of_its_own(server: tuple[Server, Proxy]) -> None:
    _, proxy = server
    numbers: list[int] = []

    def cutting(number: int) -> Iterator[int]:
        numbers.append(number)
        return repeat(3)

    proxy.cutting = cutting
    for _ in range(3):
        async with connected(proxy) as one:
            assert await exchange(one, b"abcdef") == b"abcdef"
    assert numbers == [0, 0, 1, 1, 2, 2]
    assert proxy.made == 3


async def test_one_connection_alone_can_go_silent_by_what_its_client_said(server: tuple[Server, Proxy]) -> None:
    _, proxy = server
    async with connected(proxy) as one, connected(proxy) as two:
        await exchange(one, b"I am one")
        await exchange(two, b"I am two")
        proxy.freeze(b"am one")
        assert await exchange(two, b"b") == b"b"
        one[1].write(b"a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one[0].read(1), BRIEFLY)


async def test_a_server_that_takes_nothing_stops_its_client_and_loses_nothing(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    data = bytes(range(256)) * 40_000
    async with connected(proxy) as one:
        await exchange(one, b"a")
        proxy.stall(Way.UP)
        one[1].write(data)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one[1].drain(), BRIEFLY)
        assert bytes(echo.arrived) == b"a"
        proxy.go_on(Way.UP)
        async with asyncio.timeout(5):
            assert await one[0].readexactly(len(data)) == data


async def test_heartbeats_of_the_server_are_left_out_on_new_connections(server: tuple[Server, Proxy]) -> None:
    echo, proxy = server
    frame = b"\x01\0\1\0\0\0\2ab\xce"
    async with connected(proxy) as old:
        await exchange(old, b"a")
        proxy.filtering = without_heartbeats
        assert await exchange(old, HEARTBEAT) == HEARTBEAT
    echo.arrived.clear()
    async with connected(proxy) as new:
        new[1].write(HEARTBEAT + frame + HEARTBEAT + frame)
        async with asyncio.timeout(5):
            assert await new[0].readexactly(2 * len(frame)) == 2 * frame
    assert bytes(echo.arrived) == HEARTBEAT + frame + HEARTBEAT + frame
