"""Connections to the broker: how one fails, what the broker refuses, and what is advised for that."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import aio_pika
import pytest
from aiormq import Connection as AmqpConnection
from aiormq import exceptions
from aiormq.exceptions import AuthenticationError, ConnectionClosed, ProbableAuthenticationError

from tests.cases import check_each, for_each
from tests.fakes.sockets import ends, is_a_page, is_silent, served
from zeebe_amqp.amqp import connection as module
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, LoginRefused, connect, describe, explain, translated_errors
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.refusal import (
    BIND,
    CONSUME,
    DECLARE,
    PUBLISH,
    BrokerRefusal,
    Rights,
    max_message_size,
    refusal,
    refusals,
)
from zeebe_amqp.errors import Code

NOPE, CLOSED = "530 NOT_ALLOWED - vhost nope not found", "530 NOT_ALLOWED - access to vhost '/' refused for user 'ann'"
DENIED = Code.PERMISSION_DENIED
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


@for_each([
    ("amqp://ann:secret@host/nope", NOPE, Code.NOT_FOUND, "host:5672 has no virtual host 'nope': look at the end"),
    ("amqp://ann:secret@host", CLOSED, DENIED, "does not let user 'ann' into the virtual host '/'"),
    ("amqps://host?auth=external", CLOSED, DENIED, "the client certificate's user into"),
])  # fmt: skip
async def test_a_virtual_host_that_is_missing_or_closed_is_told_in_the_broker_s_words(
    url: str, words: str, code: Code, said: str, library: AsyncMock
) -> None:
    library.side_effect = ConnectionClosed(words)
    with pytest.raises(LoginRefused, match=said) as raised:
        await connect(url, "test")
    assert (raised.value.code, words in str(raised.value), "secret" in str(raised.value)) == (code, True, False)


async def test_a_virtual_host_that_is_only_down_or_full_is_not_refused(library: AsyncMock) -> None:
    for more in (": connection limit (1) is reached", ": vhost '/' is down"):
        library.side_effect = ConnectionClosed(CLOSED + more)
        with pytest.raises(ConnectionClosed, match="NOT_ALLOWED"):
            await connect("amqp://ann@host", "test")


NO_LOGIN = ProbableAuthenticationError("no")
EXTERNAL = AuthenticationError("PLAIN AMQPLAIN", ["PLAIN", "EXTERNAL"])
OWN = "; the broker lets guest in only from its own host"
GUEST = "user 'guest' with this password"


@for_each([
    ("amqp://far", "far:5672", GUEST, NO_LOGIN, f"{OWN} ({NO_LOGIN})"),
    ("amqp://guest:secret@127.0.0.1", "127.0.0.1:5672", GUEST, NO_LOGIN, f" ({NO_LOGIN})"),
    ("amqp://localhost", "localhost:5672", GUEST, NO_LOGIN, f" ({NO_LOGIN})"),
    ("amqp://ann:secret@far", "far:5672", "user 'ann' with this password", NO_LOGIN, f" ({NO_LOGIN})"),
    ("amqps://far?auth=external", "far:5671", "the client certificate", EXTERNAL,
     ": it offers PLAIN AMQPLAIN, and not EXTERNAL"),
])  # fmt: skip
async def test_a_refused_login_has_advice_that_fits(
    url: str, where: str, who: str, error: Exception, advice: str, library: AsyncMock
) -> None:
    library.side_effect = error
    with pytest.raises(LoginRefused) as raised:
        await connect(url, "test")
    assert str(raised.value) == f"the broker at {where} does not let {who} log in{advice}"


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


async def test_files_of_an_address_that_cannot_be_used_are_named() -> None:
    with pytest.raises(ConnectionError, match=r"\Acafile of the address cannot be used \(.*No such file"):
        await connect("amqps://127.0.0.1:1?cafile=/nowhere.pem", "test")


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


MORE = {Code.PERMISSION_DENIED: ", or else", Code.FAILED_PRECONDITION: ", or otherwise"}
DIFFERS = Code.FAILED_PRECONDITION
ACCESS, MISSING = exceptions.ChannelAccessRefused, exceptions.ChannelNotFoundEntity
LOCKED, UNEQUAL = exceptions.ChannelLockedResource, exceptions.ChannelPreconditionFailed
ANN = "in vhost '/' refused for user 'ann'"
CONFIGURE = "user 'ann' needs the right to configure the queue 'q', which `rabbitmqctl set_permissions` gives, or else"
SIZE = "message size 70 is larger than configured max size 64"

REFUSALS: list[tuple[Exception, Code, str]] = [
    (ACCESS(f"ACCESS_REFUSED - access to queue 'q' {ANN}"), DENIED, CONFIGURE),
    (ACCESS(f"ACCESS_REFUSED - configure access to queue 'q' {ANN}"), DENIED, "the right to configure the queue 'q'"),
    (ACCESS(f"ACCESS_REFUSED - access to queue 'amq.gen-x1' {ANN}"), DENIED, "to configure the queue 'amq.gen-*'"),
    (ACCESS("ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"), DENIED, "another client reads it"),
    (ACCESS("ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'"), DENIED, "use another name"),
    (MISSING("NOT_FOUND - no queue 'q' in vhost '/'"), Code.NOT_FOUND, "declare the queue first"),
    (MISSING("NOT_FOUND - no exchange 'x' in vhost '/'"), Code.NOT_FOUND, "declare the exchange first"),
    (LOCKED("RESOURCE_LOCKED - locked queue 'q' in vhost '/'. It"), DENIED, "it belongs to another connection"),
    (UNEQUAL("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'"), DIFFERS, "the queue, or otherwise"),
    (UNEQUAL("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x'"), DIFFERS, "; delete the exchange"),
    # Of our own channels.
    (ChannelEnded(f"ACCESS_REFUSED - access to exchange 'amq.default' {ANN}", 403), DENIED, "the right to use"),
    (ChannelEnded(f"PRECONDITION_FAILED - {SIZE}", 406), DIFFERS, "send less"),
    (ChannelEnded("PRECONDITION_FAILED - invalid expiration", 406), DIFFERS, "log"),
]
"""What the broker says, its code, and what is advised."""
BACKEND = "backend rabbit_auth_backend_cache returned an error: {failed_connect}"
OUTAGES = (
    ChannelEnded("the connection was lost"),
    ChannelEnded("the broker closed the channel: 541 INTERNAL_ERROR", 541),
    MISSING("NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible"),
    MISSING("NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout"),
    ACCESS(f"ACCESS_REFUSED - access to exchange 'amq.default' {ANN}, {BACKEND}"),
    exceptions.ChannelClosed(504, "CHANNEL_ERROR"),
    exceptions.DuplicateConsumerTag("x"),
)


@for_each(REFUSALS)
def test_a_refusal_has_the_broker_s_words_a_code_and_what_to_do(error: Exception, code: Code, advice: str) -> None:
    found = refusal(error, DECLARE, MORE)
    assert found is not None
    assert (found.code, advice in str(found), str(error) in str(found)) == (code, True, True), str(found)


@for_each([
    (ChannelEnded(f"the broker closed the channel: 406 PRECONDITION_FAILED - {SIZE}", 406), 64),
    (UNEQUAL("PRECONDITION_FAILED - message size 70 larger than max size 64"), 64),
    (UNEQUAL("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'"), None),
    (ChannelEnded("the connection was lost"), None),
    (None, None),
])  # fmt: skip
def test_the_limit_of_a_message_is_read_from_the_end_of_a_channel(error: Exception | None, limit: int | None) -> None:
    assert max_message_size(error) == limit


def test_what_may_pass_is_no_refusal() -> None:
    for error in OUTAGES:
        assert refusal(error, PUBLISH) is None, error
        with pytest.raises(type(error)), refusals(PUBLISH):
            raise error


@for_each([
    ("", "queue", DECLARE, "to configure"),
    ("", "exchange", PUBLISH, "to write to"),
    ("", "queue", CONSUME, "to read from"),
    ("", "queue", BIND, "to write to"),
    ("", "exchange", BIND, "to read from"),
    ("configure ", "queue", CONSUME, "to configure"),
    ("write ", "exchange", DECLARE, "to write to"),
    ("read ", "queue", DECLARE, "to read from"),
])  # fmt: skip
def test_a_refusal_names_the_right_that_is_needed(said: str, kind: str, rights: Rights, words: str) -> None:
    with pytest.raises(BrokerRefusal, match=f"{words} the {kind}"), refusals(rights):
        raise ACCESS(f"ACCESS_REFUSED - {said}access to {kind} 'q' {ANN}")
