"""Connections to the broker: how one fails, what is advised, and the library's odd ways to tell that one was lost."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import aio_pika
import pytest
from aiormq import Connection as AmqpConnection
from aiormq.exceptions import AuthenticationError, ConnectionClosed, ProbableAuthenticationError

from tests.cases import check_each
from tests.fakes.sockets import ends, is_a_page, is_silent, served
from zeebe_amqp.amqp import connection as module
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, LoginRefused, connect, describe, explain, translated_errors
from zeebe_amqp.errors import Code

NOPE, CLOSED = "530 NOT_ALLOWED - vhost nope not found", "530 NOT_ALLOWED - access to vhost '/' refused for user 'ann'"
NO_AMQP, NO_TLS = "that is no port for amqp://", "that is no port for amqps://"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """What connects; its errors are its `side_effect`."""
    mock = AsyncMock()
    monkeypatch.setattr(aio_pika, "connect", mock)
    return mock


async def test_an_address_without_a_path_means_the_broker_s_first_virtual_host(library: AsyncMock) -> None:
    first = ("amqp://ann:secret@host:5672", "amqp://host:5672/", "amqps://host", "amqp://host?heartbeat=5")
    for url in (*first, "amqp://host/%2f", "amqp://host/orders"):
        await connect(url, "test")
    assert [AmqpConnection(call.args[0]).vhost for call in library.await_args_list] == ["/"] * 5 + ["orders"]


async def test_a_virtual_host_that_is_missing_or_closed_is_told_in_the_broker_s_words(library: AsyncMock) -> None:
    async def is_told(url: str, words: str, code: Code, said: str) -> None:
        library.side_effect = ConnectionClosed(words)
        with pytest.raises(LoginRefused, match=said) as raised:
            await connect(url, "test")
        assert (raised.value.code, words in str(raised.value), "secret" in str(raised.value)) == (code, True, False)

    missing, closed = "host:5672 has no virtual host 'nope': look at the end of", "'ann' into the virtual host '/'"
    cases = [
        ("amqp://ann:secret@host/nope", NOPE, Code.NOT_FOUND, missing),
        ("amqp://ann:secret@host", CLOSED, Code.PERMISSION_DENIED, f"does not let user {closed}"),
        ("amqps://host?auth=external", CLOSED, Code.PERMISSION_DENIED, "the client certificate's user into"),
    ]
    await check_each(cases, is_told)


async def test_a_virtual_host_that_is_only_down_or_full_is_not_refused(library: AsyncMock) -> None:
    for more in (": connection limit (1) is reached", ": vhost '/' is down"):
        library.side_effect = ConnectionClosed(CLOSED + more)
        with pytest.raises(ConnectionClosed, match="NOT_ALLOWED"):
            await connect("amqp://ann@host", "test")


async def test_a_refused_login_has_advice_that_fits(library: AsyncMock) -> None:
    async def has_advice(url: str, where: str, who: str, error: Exception, advice: str) -> None:
        library.side_effect = error
        with pytest.raises(LoginRefused) as raised:
            await connect(url, "test")
        assert str(raised.value) == f"the broker at {where} does not let {who} log in{advice}"

    refused, guest = ProbableAuthenticationError("no"), "user 'guest' with this password"
    own = f"; the broker lets guest in only from its own host ({refused})"
    external = AuthenticationError("PLAIN AMQPLAIN", ["PLAIN", "EXTERNAL"])
    offers = ": it offers PLAIN AMQPLAIN, and not EXTERNAL"
    cases = [
        ("amqp://far", "far:5672", guest, refused, own),
        ("amqp://guest:secret@127.0.0.1", "127.0.0.1:5672", guest, refused, f" ({refused})"),
        ("amqp://localhost", "localhost:5672", guest, refused, f" ({refused})"),
        ("amqp://ann:secret@far", "far:5672", "user 'ann' with this password", refused, f" ({refused})"),
        ("amqps://far?auth=external", "far:5671", "the client certificate", external, offers),
    ]
    await check_each(cases, has_advice)


async def is_another_protocol(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"AMQP\x00\x01\x00\x00")


async def test_what_is_advised_when_a_broker_is_not_reached_fits_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.5)

    async def is_advised(url: str, words: str) -> None:
        with pytest.raises(CONNECTION_ERRORS) as raised:
            await connect(url, "test")
        assert f"({words}" in explain(raised.value)

    async with (
        served(ends) as ending,
        served(is_silent) as silent,
        served(is_a_page) as page,
        served(is_another_protocol) as other,
    ):
        cases = {
            "nobody": ("amqp://127.0.0.1:1", "nothing listens there"),
            "no name": ("amqp://no.such.invalid", "the host name is not known"),
            "ends": (f"amqp://{ending}", NO_AMQP),
            "a page": (f"amqp://{page}", NO_AMQP),
            "another protocol": (f"amqp://{other}", "what listens there speaks another protocol"),
            "silence": (f"amqp://{silent}", "no answer in time: is a firewall between?"),
            "no TLS": (f"amqps://{page}", NO_TLS),
        }
        await check_each(cases, is_advised)


async def test_a_real_cancellation_passes() -> None:
    async def wait() -> None:
        with translated_errors():
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.01)


def test_a_lost_connection_is_said_in_one_line() -> None:
    for error in (None, asyncio.CancelledError()):
        assert describe(error) == "closed"
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(OSError("refused")) == "OSError: refused"
