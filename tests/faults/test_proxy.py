"""The proxy forwards everything, until it is told to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import repeat

import pytest

from tests.faults.proxy import Proxy, Way
from tests.faults.streams import HEARTBEAT, in_turn, without_heartbeats

BRIEFLY = 0.2


class Stream:
    """A connection of a client through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.read, self.write, self.writer = reader.read, writer.write, writer
        self.exactly = reader.readexactly

    async def exchange(self, data: bytes, back: bytes | None = None) -> None:
        """Send something; it, or what else is told, comes back."""
        self.write(data)
        async with asyncio.timeout(5):
            assert await self.exactly(len(back or data)) == (back or data)

    async def is_silent(self) -> None:
        """What is sent gets no answer, and the connection stays open."""
        self.write(b"?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.read(1), BRIEFLY)

    async def is_cut(self) -> None:
        """It ends by RST."""
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(self.read(-1), 5)


class Server:
    """Keeps what arrives, and echoes it."""

    def __init__(self) -> None:
        self.arrived = bytearray()
        self.ended = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1000):
                self.arrived += data
                writer.write(data)
                await writer.drain()
        self.ended.release()
        writer.close()


@pytest.fixture
def echo() -> Server:
    return Server()


@pytest.fixture
async def proxy(echo: Server) -> AsyncIterator[Proxy]:
    listening = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with listening, Proxy(listening.sockets[0].getsockname()[1]) as between:
        yield between


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Stream]:
    stream = Stream(*await asyncio.open_connection("127.0.0.1", proxy.port))
    try:
        yield stream
    finally:
        stream.writer.transport.abort()


async def test_everything_passes_until_a_reset_ends_all_connections_and_new_ones_work(
    echo: Server, proxy: Proxy
) -> None:
    async with connected(proxy) as one, connected(proxy) as two:
        await one.exchange(b"a" * 200_000)
        await two.exchange(b"b")
        proxy.reset()
        await one.is_cut()
        await two.is_cut()
    async with connected(proxy) as three, asyncio.timeout(5):
        await three.exchange(b"c")
        await echo.ended.acquire()
        await echo.ended.acquire()


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


async def test_delayed_data_arrives(proxy: Proxy) -> None:
    proxy.delay = 0.01
    async with connected(proxy) as one:
        await one.exchange(b"a")


async def test_a_connection_is_cut_after_so_many_bytes(echo: Server, proxy: Proxy) -> None:
    cutting = asyncio.create_task(proxy.cut_after(5))
    await asyncio.sleep(0)
    async with connected(proxy) as one:
        one.write(b"0123456789")
        await one.is_cut()
    await cutting
    assert echo.arrived == b"01234"
    async with connected(proxy) as two:
        await two.exchange(b"0123456789")


@pytest.mark.parametrize("way", Way)
async def test_what_is_held_from_a_pattern_on_goes_on_when_released(echo: Server, proxy: Proxy, way: Way) -> None:
    async with connected(proxy) as one:
        proxy.hold(way, b"x")
        await one.exchange(b"a")
        one.write(b"x")
        await proxy.held(1)
        one.write(b"x")
        await proxy.held(2)
        assert bytes(echo.arrived) == (b"a" if way is Way.UP else b"axx")
        proxy.release()
        assert await one.exactly(2) == b"xx"
        await one.exchange(b"x")


async def test_what_is_held_is_lost_with_its_connection(echo: Server, proxy: Proxy) -> None:
    proxy.hold(Way.UP)
    async with connected(proxy) as one:
        one.write(b"x")
        await proxy.held(1)
    await asyncio.wait_for(echo.ended.acquire(), 5)
    proxy.release()
    assert echo.arrived == b""


async def test_a_server_that_is_away_ends_the_client() -> None:
    async with Proxy(1) as proxy, connected(proxy) as one:
        await one.is_cut()


async def test_what_passes_is_cut_into_pieces_that_arrive_one_by_one(echo: Server, proxy: Proxy) -> None:
    data, found = bytes(range(100)), list[bytes]()
    async with connected(proxy) as one:
        await one.exchange(b"whole")
        proxy.cutting = in_turn(5)
        one.write(data)
        async with asyncio.timeout(5):
            while sum(map(len, found)) < len(data):
                found.append(await one.read(len(data)))
        assert b"".join(found) == data
        assert len(found) > 20, found
        proxy.cutting = None
        await one.exchange(b"whole again")
    assert bytes(echo.arrived) == b"whole" + data + b"whole again"


async def test_every_connection_has_a_number_of_its_own(proxy: Proxy) -> None:
    numbers: list[int] = []

    def cutting(number: int) -> Iterator[int]:
        numbers.append(number)
        return repeat(3)

    proxy.cutting = cutting
    for _ in range(3):
        async with connected(proxy) as one:
            await one.exchange(b"abcdef")
    assert numbers == [0, 0, 1, 1, 2, 2]
    assert proxy.made == 3


async def test_a_server_that_takes_nothing_stops_its_client_and_loses_nothing(echo: Server, proxy: Proxy) -> None:
    data = bytes(range(256)) * 40_000
    async with connected(proxy) as one:
        await one.exchange(b"a")
        proxy.stall(Way.UP)
        one.write(data)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.writer.drain(), BRIEFLY)
        assert bytes(echo.arrived) == b"a"
        proxy.go_on(Way.UP)
        async with asyncio.timeout(5):
            assert await one.exactly(len(data)) == data


async def test_heartbeats_of_the_server_are_left_out_on_new_connections(echo: Server, proxy: Proxy) -> None:
    frame = b"\x01\0\1\0\0\0\2ab\xce"
    async with connected(proxy) as old:
        await old.exchange(b"a")
        proxy.filtering = without_heartbeats
        await old.exchange(HEARTBEAT)
    echo.arrived.clear()
    async with connected(proxy) as new:
        await new.exchange((HEARTBEAT + frame) * 2, back=2 * frame)
    assert bytes(echo.arrived) == (HEARTBEAT + frame) * 2
