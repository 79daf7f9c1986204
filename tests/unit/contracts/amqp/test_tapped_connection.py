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
from tests.unit.contracts.amqp.frames import ack, delivery, split
from tests.unit.contracts.amqp.taps import ALL, THEIRS, FakeTransport, Library
from zeebe_amqp.amqp.connection import tls_context
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.tap import FRAME_MAX, Tap, TappedConnection

CERTIFICATES = Path(__file__).parents[2] / "consumer" / "zeebe"


async def test_a_channel_writes_frames_as_large_as_the_broker_takes_also_when_it_sets_no_limit() -> None:
    for given, taken in ((4096, 4096), (131_072, 131_072), (0, FRAME_MAX)):
        connection = TappedConnection(URL("amqp://unused"))
        connection._transports.tap = tap = Tap(Library(), asyncio.get_running_loop())
        raw = SimpleNamespace(number=7, max_content_size=given - 8, CONTENT_FRAME_SIZE=8)
        channel: Any = SimpleNamespace(get_underlay_channel=lambda raw=raw: asyncio.sleep(0, raw))
        transport = FakeTransport()
        tap.connection_made(transport)
        hot = await connection.hot(channel)
        hot.publish("", "q", Properties(), b"x" * 200_000)
        tap.flush()
        frames = split(b"".join(transport.written))
        assert {number for _, number, _ in frames} == {7}
        assert max(len(payload) + 8 for _, _, payload in frames) == taken
        tap.data_received(delivery(1, b"x", channel=7) + ack(1, channel=7))
        assert hot.oldest is None
        assert connection.alarm is tap.alarm
        await connection.close()


async def open_streams(
    connection: TappedConnection, port: int, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What the library would read and write."""
    certificates = SSLCerts(None, None, None, None, None, verify=True)
    provider = SSLContextProvider(ssl_context=tls, ssl_certs=certificates, loop=asyncio.get_running_loop())
    factory = connection.kwargs["transport_factory"]
    url = URL(f"{'amqp' if tls is None else 'amqps'}://127.0.0.1:{port}")
    reader, writer = await factory.create(url, ssl_context_provider=provider)
    return reader, writer


async def test_the_library_reads_and_writes_all_but_our_frames_and_a_lost_connection_ends_its_alarm() -> None:
    await reads_and_writes(None, None)
    await reads_and_writes(*contexts())


async def reads_and_writes(served: ssl.SSLContext | None, trusted: ssl.SSLContext | None) -> None:
    heard = asyncio.get_running_loop().create_future()
    theirs = frame.marshal(commands.Basic.Qos(0, 1), 3)
    ours = frame.marshal(commands.Basic.Ack(1), 1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(theirs))
        writer.write(ALL)
        heard.set_result(await reader.readexactly(len(ours + theirs)))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        connection = TappedConnection(URL("amqp://unused"))
        reader, writer = await open_streams(connection, server.sockets[0].getsockname()[1], trusted)
        delivered: list[Incoming] = []
        channel = HotChannel(connection.tap, 1, 4096, deliver=delivered.append)
        for number in (1, 2):
            connection.tap.register(number, channel if number == 1 else HotChannel(connection.tap, 2, 4096))
        writer.write(theirs)
        assert await reader.readexactly(len(THEIRS)) == THEIRS
        assert ([each.tag for each in delivered], connection.alarm.is_on) == ([1, 2, 3], True)
        assert channel.ack(1)
        writer.write(theirs)
        assert await heard == ours + theirs
        assert await reader.read() == b""
        writer.close()
        await connection.alarm.wait_over()
        assert str(channel.ended) == "the connection was lost"
    await connection.close()


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, and that of a client who trusts it."""
    certificate, key = (CERTIFICATES / f"gateway_{each}.pem" for each in ("certificate", "key"))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate, key)
    trusted = tls_context(certificate, None, None)
    assert trusted is not None
    trusted.check_hostname = False
    return served, trusted


async def test_a_host_that_does_not_answer_is_the_library_s_own_error() -> None:
    connection = TappedConnection(URL("amqp://unused"))
    with pytest.raises(AMQPConnectionError):
        await open_streams(connection, free_port())
    await connection.close()
