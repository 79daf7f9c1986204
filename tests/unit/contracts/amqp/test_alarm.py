"""An alarm is known from the bytes of a connection, whatever pieces they come in, and they pass unchanged."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiormq.connection import SSLCerts, SSLContextProvider
from aiormq.exceptions import AMQPConnectionError
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat
from yarl import URL

from scripts.process import free_port
from zeebe_amqp.amqp.alarm import Alarm, AlarmedConnection
from zeebe_amqp.amqp.connection import tls_context

CERTIFICATES = Path(__file__).parents[2] / "consumer" / "zeebe"

BLOCKED = frame.marshal(commands.Connection.Blocked("low on memory"), 0)
UNBLOCKED = frame.marshal(commands.Connection.Unblocked(), 0)
OTHERS = b"".join(
    frame.marshal(each, channel)
    for each, channel in [
        (commands.Connection.OpenOk(), 0),
        (Heartbeat(), 0),
        (commands.Basic.Deliver("tag", 7, False, "", "q"), 1),
        (ContentHeader(0, 3, commands.Basic.Properties(timestamp=datetime.now(UTC))), 1),
        # A caller may send what looks like an alarm, or its end.
        (ContentBody(BLOCKED + UNBLOCKED + BLOCKED), 1),
        (ContentBody(b""), 1),
        (commands.Basic.Ack(7), 2),
    ]
)


def told(*pieces: bytes) -> bool:
    alarm = Alarm()
    for piece in pieces:
        alarm.watch(piece)
    return alarm.is_on


async def test_an_alarm_begins_and_ends_with_the_frames_that_say_so() -> None:
    assert not told(OTHERS)
    assert told(OTHERS + BLOCKED + OTHERS)
    assert not told(OTHERS + BLOCKED + OTHERS + UNBLOCKED + OTHERS)


async def test_frames_are_known_in_whatever_pieces_they_come() -> None:
    for stream, expected in ((OTHERS + BLOCKED, True), (BLOCKED + OTHERS + UNBLOCKED + OTHERS, False)):
        assert told(*(stream[at : at + 1] for at in range(len(stream)))) is expected, "byte by byte"
        for at in range(len(stream)):
            assert told(stream[:at], stream[at:]) is expected, f"in two pieces, {at} bytes first"


async def test_a_broker_that_speaks_another_version_is_no_alarm() -> None:
    assert not told(b"AMQP\x00\x00\x09\x01", BLOCKED)


async def test_who_waits_goes_on_when_the_alarm_is_over() -> None:
    alarm = Alarm()
    await alarm.over()
    alarm.watch(BLOCKED)
    waiting = asyncio.create_task(alarm.over())
    await asyncio.sleep(0)
    assert not waiting.done()
    alarm.watch(UNBLOCKED)
    await waiting


async def open_streams(
    connection: AlarmedConnection, port: int, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What the library would read and write."""
    certificates = SSLCerts(None, None, None, None, None, verify=True)
    provider = SSLContextProvider(ssl_context=tls, ssl_certs=certificates, loop=asyncio.get_running_loop())
    factory = connection.kwargs["transport_factory"]
    url = URL(f"{'amqp' if tls is None else 'amqps'}://127.0.0.1:{port}")
    reader, writer = await factory.create(url, ssl_context_provider=provider)
    return reader, writer


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
async def test_the_library_reads_and_writes_every_byte_and_a_lost_connection_ends_its_alarm(secure: bool) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OTHERS + BLOCKED)
        heard.set_result(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()

    served, trusted = contexts() if secure else (None, None)
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        connection = AlarmedConnection(URL("amqp://unused"))
        reader, writer = await open_streams(connection, server.sockets[0].getsockname()[1], trusted)
        assert await reader.readexactly(len(OTHERS + BLOCKED)) == OTHERS + BLOCKED
        assert connection.alarm.is_on
        writer.write(b"hello")
        assert await heard == b"hello"
        assert await reader.read() == b""
        writer.close()
        await connection.alarm.over()
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
    connection = AlarmedConnection(URL("amqp://unused"))
    with pytest.raises(AMQPConnectionError):
        await open_streams(connection, free_port())
    await connection.close()
