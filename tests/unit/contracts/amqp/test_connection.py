"""Connections to the broker: the AMQP library's odd ways to tell that one was lost."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from aiormq import Connection as AmqpConnection
from aiormq.exceptions import ConnectionClosed
from yarl import URL

from zeebe_amqp.amqp.connection import LoginRefused, connect, describe, translated_errors
from zeebe_amqp.errors import Code


@pytest.mark.parametrize(
    ("url", "virtual_host"),
    [
        ("amqp://ann:secret@host:5672", "/"),
        ("amqp://host:5672/", "/"),
        ("amqps://host", "/"),
        ("amqp://host?heartbeat=5", "/"),
        ("amqp://host/orders", "orders"),
        ("amqp://host/%2f", "/"),
    ],
)
async def test_an_address_without_a_path_means_the_broker_s_first_virtual_host(
    monkeypatch: pytest.MonkeyPatch, url: str, virtual_host: str
) -> None:
    found: list[str] = []

    async def noted(address: URL, **_: Any) -> None:
        found.append(AmqpConnection(address).vhost)

    monkeypatch.setattr(aio_pika, "connect", noted)
    await connect(url, "test")
    assert found == [virtual_host]


NOPE, CLOSED = "530 NOT_ALLOWED - vhost nope not found", "530 NOT_ALLOWED - access to vhost '/' refused for user 'ann'"


@pytest.mark.parametrize(
    ("url", "words", "code", "said"),
    [
        (
            "amqp://ann:secret@host/nope",
            NOPE,
            Code.NOT_FOUND,
            "host:5672 has no virtual host 'nope': look at the end of",
        ),
        ("amqp://ann:secret@host", CLOSED, Code.PERMISSION_DENIED, "does not let user 'ann' into the virtual host '/'"),
        ("amqps://host?auth=external", CLOSED, Code.PERMISSION_DENIED, "the client certificate's user into"),
    ],
)
async def test_a_virtual_host_that_is_missing_or_closed_is_told_in_the_broker_s_words(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str, code: Code, said: str
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionClosed(words)

    monkeypatch.setattr(aio_pika, "connect", refuse)
    with pytest.raises(LoginRefused, match=said) as raised:
        await connect(url, "test")
    assert (raised.value.code, words in str(raised.value), "secret" in str(raised.value)) == (code, True, False)


async def test_a_virtual_host_that_is_only_down_or_full_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for more in (": connection limit (1) is reached", ": vhost '/' is down"):

        async def refuse(*_: Any, more: str = more, **__: Any) -> None:
            raise ConnectionClosed(CLOSED + more)

        monkeypatch.setattr(aio_pika, "connect", refuse)
        with pytest.raises(ConnectionClosed, match="NOT_ALLOWED"):
            await connect("amqp://ann@host", "test")


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), Exception()], ids=repr)
async def test_what_the_library_raises_for_a_lost_connection_is_a_connection_error(raised: BaseException) -> None:
    with pytest.raises(ConnectionError), translated_errors():
        raise raised


@pytest.mark.parametrize("raised", [ValueError("x"), OSError("x"), KeyboardInterrupt()], ids=repr)
async def test_any_other_error_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)), translated_errors():
        raise raised


async def test_a_real_cancellation_passes() -> None:
    async def wait() -> None:
        with translated_errors():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "closed"),
        (asyncio.CancelledError(), "closed"),
        (TimeoutError(), "TimeoutError"),
        (OSError("refused"), "OSError: refused"),
    ],
    ids=repr,
)
def test_a_lost_connection_is_said_in_one_line(error: BaseException | None, text: str) -> None:
    assert describe(error) == text
