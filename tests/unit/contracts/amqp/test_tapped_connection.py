"""A connection of the library with a tap: over a socket or TLS, with frames as large as the broker takes."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiormq.connection import SSLCerts, SSLContextProvider
from aiormq.exceptions import AMQPConnectionError
from pamqp import commands, frame
from yarl import URL

from scripts.process import free_port
from tests.cases import check_each
from tests.unit.contracts.amqp.frames import ALL, THEIRS, ack, delivery, split
from tests.unit.contracts.amqp.memory import MemoryTap
from zeebe_amqp.amqp.connection import tls_context
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.tap import FRAME_MAX, TappedConnection

CERTIFICATES = Path(__file__).parents[2] / "consumer" / "zeebe"


async def test_a_channel_writes_frames_as_large_as_the_broker_takes_also_when_it_sets_no_limit() -> None:
    async def writes(given: int, taken: int) -> None:
        connection = TappedConnection(URL("amqp://unused"))
        connection._transports.tap = tap = MemoryTap()
        raw = SimpleNamespace(number=7, max_content_size=given - 8, CONTENT_FRAME_SIZE=8)
        channel: Any = SimpleNamespace(get_underlay_channel=lambda: asyncio.sleep(0, raw))
        tap.flush()
        tap.written.clear()
        hot = await connection.hot(channel)
        hot.publish("", "q", Properties(), b"x" * 200_000)
        tap.flush()
        frames = split(b"".join(tap.written))
        assert {number for _, number, _ in frames} == {7}
        assert max(len(payload) + 8 for _, _, payload in frames) == taken
        tap.receive(delivery(1, b"x", channel=7) + ack(1, channel=7))
        assert hot.oldest is None
        assert connection.alarm is tap.alarm
        await connection.close()

    await check_each([(4096, 4096), (131_072, 131_072), (0, FRAME_MAX)], writes)


async def open_streams(
    connection: TappedConnection, port: int, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What the library would read and write."""
    certificates = SSLCerts(None, None, None, None, None, verify=True)
    provider = SSLContextProvider(ssl_context=tls, ssl_certs=certificates, loop=asyncio.get_running_loop())
    url = URL(f"{'amqp' if tls is None else 'amqps'}://127.0.0.1:{port}")
    reader, writer = await connection.kwargs["transport_factory"].create(url, ssl_context_provider=provider)
    return reader, writer


async def test_the_library_reads_and_writes_all_but_our_frames_and_a_lost_connection_ends_its_alarm() -> None:
    await check_each([(None, None), contexts()], reads_and_writes)


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, and that of a client who trusts it."""
    certificate, key = (CERTIFICATES / f"gateway_{each}.pem" for each in ("certificate", "key"))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate, key)
    trusted = tls_context(certificate, None, None)
    assert trusted is not None
    trusted.check_hostname = False
    return served, trusted


async def reads_and_writes(served: ssl.SSLContext | None, trusted: ssl.SSLContext | None) -> None:
    heard = asyncio.get_running_loop().create_future()
    theirs = frame.marshal(commands.Basic.Qos(0, 1), 3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(theirs))
        writer.write(ALL)
        heard.set_result(await reader.readexactly(len(ack(1) + theirs)))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        connection = TappedConnection(URL("amqp://unused"))
        reader, writer = await open_streams(connection, server.sockets[0].getsockname()[1], trusted)
        delivered: list[Incoming] = []
        channel = HotChannel(connection.tap, 1, 4096, deliver=delivered.append)
        connection.tap.register(1, channel)
        connection.tap.register(2, HotChannel(connection.tap, 2, 4096))
        writer.write(theirs)
        assert await reader.readexactly(len(THEIRS)) == THEIRS
        assert ([each.tag for each in delivered], connection.alarm.is_on) == ([1, 2, 3], True)
        assert channel.ack(1)
        writer.write(theirs)
        assert await heard == ack(1) + theirs
        assert await reader.read() == b""
        writer.close()
        await connection.alarm.wait_over()
        assert str(channel.ended) == "the connection was lost"
    await connection.close()


async def test_a_host_that_does_not_answer_is_the_library_s_own_error() -> None:
    connection = TappedConnection(URL("amqp://unused"))
    with pytest.raises(AMQPConnectionError):
        await open_streams(connection, free_port())
    await connection.close()
