"""Connections of a server are bounded in number, and in how long they may say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import pytest

from consumer.core.connections import Connections
from tests.cases import for_each
from tests.unit.consumer.workers import until

FOREVER = 3600.0


class Inside(asyncio.Protocol):
    """What a server would do with a connection: it keeps what came."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def eof_received(self) -> None:
        self.events.append("eof")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")


class Served:
    """A server with its connections, and how to connect to it."""

    def __init__(self, maximum: int, silence: float) -> None:
        self.inside: list[Inside] = []
        self.connections = Connections(self._make, maximum=maximum, silence=silence)
        self._writers: list[asyncio.StreamWriter] = []

    def _make(self) -> Inside:
        self.inside.append(Inside())
        return self.inside[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self.connections, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        yield
        server.close()
        for each in self._writers:
            each.close()
        for made in self.inside:
            made.transport.abort()
        await until(lambda: len(self.connections) == 0)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Inside]:
        number = len(self.inside)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        await until(lambda: len(self.inside) > number and self.inside[number].transport is not None)
        return reader, writer, self.inside[number]


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    running = []

    async def start(maximum: int = 2, silence: float = FOREVER) -> Served:
        served = Served(maximum, silence)
        running.append(served.running())
        await running[-1].__aenter__()
        return served

    yield start
    for each in running:
        await each.__aexit__(None, None, None)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server has closed the connection, or does so soon."""
    async with asyncio.timeout(30):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def test_everything_is_passed_on(serve: Serve) -> None:
    served = await serve()
    reader, writer, inside = await served.connect()
    writer.write(b"a")
    inside.transport.write(bytes(2**24))
    await until(lambda: {b"a", "pause"} <= set(inside.events))
    await reader.readexactly(2**24)
    writer.write_eof()
    await until(lambda: {"resume", "eof", "lost"} <= set(inside.events))


async def test_the_one_that_has_waited_longest_makes_room(serve: Serve) -> None:
    served = await serve()
    (first, _, one), (second, _, two) = [await served.connect() for _ in range(2)]
    with served.connections.serving(one.transport):
        pass  # from here on it waits again, and the other one has waited for longer
    await served.connect()
    assert await ended(second)
    assert (len(served.connections), two.events, one.events) == (2, ["lost"], [])
    await served.connect()
    assert await ended(first)


async def test_where_all_are_at_work_a_new_one_is_closed(serve: Serve) -> None:
    served = await serve(silence=0.01)
    (_, _, one), (_, _, two) = [await served.connect() for _ in range(2)]
    with served.connections.serving(one.transport), served.connections.serving(two.transport):
        new, _, _ = await served.connect()
        assert await ended(new)
        await asyncio.sleep(0.05)  # at work they may take as long as they take
        assert (one.events, two.events, len(served.connections)) == ([], [], 2)


async def test_one_whose_request_is_not_all_there_makes_room_also_where_all_are_at_work(serve: Serve) -> None:
    served = await serve()
    (_, _, one), (second, _, two) = [await served.connect() for _ in range(2)]
    with served.connections.serving(one.transport), served.connections.serving(two.transport):
        with served.connections.reading(one.transport):
            pass
        with served.connections.reading(two.transport), served.connections.reading(None):
            await served.connect()
            assert await ended(second)
    assert (one.events, two.events, len(served.connections)) == ([], ["lost"], 2)


async def test_who_says_nothing_or_no_request_is_closed_in_time(serve: Serve) -> None:
    served = await serve(silence=0.05)
    silent, _, _ = await served.connect()
    slow, writer, inside = await served.connect()
    closing = asyncio.create_task(ended(slow))
    while not closing.done():  # a byte now and then is no request
        writer.write(b"x")
        await asyncio.sleep(0.005)
    assert await closing
    assert await ended(silent)
    assert b"x" in inside.events


@for_each([[0], [9, 9], [9, 5, 5], [9, 5, 3, 0]])
async def test_who_takes_an_answer_slowly_has_time_and_who_takes_nothing_has_none(unread: list[int]) -> None:
    """Bytes that the peer has not taken, each time it is looked at."""
    transport = Mock(get_write_buffer_size=Mock(side_effect=unread))
    Connections(Inside, silence=0.0)().connection_made(transport)
    await until(lambda: transport.abort.called)
    assert transport.get_write_buffer_size.call_count == len(unread)


async def test_a_request_of_a_connection_that_is_gone_disturbs_nothing(serve: Serve) -> None:
    served = await serve()
    _, writer, inside = await served.connect()
    with served.connections.serving(inside.transport):
        writer.close()
        inside.transport.abort()
        await until(lambda: "lost" in inside.events)
    with served.connections.serving(inside.transport), served.connections.serving(None):
        assert len(served.connections) == 0
