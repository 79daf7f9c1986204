"""Connections to the broker: the AMQP library's odd ways to tell that one was lost."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from aiormq import Connection as AmqpConnection
from aiormq.exceptions import ConnectionClosed
from yarl import URL

from tests.cases import check_all, check_each
from zeebe_amqp.amqp.connection import LoginRefused, connect, describe, translated_errors
from zeebe_amqp.errors import Code


async def test_an_address_without_a_path_means_the_broker_s_first_virtual_host(monkeypatch: pytest.MonkeyPatch) -> None:
    async def noted(address: URL, **_: Any) -> None:
        found.append(AmqpConnection(address).vhost)

    found: list[str] = []
    monkeypatch.setattr(aio_pika, "connect", noted)
    first = ("amqp://ann:secret@host:5672", "amqp://host:5672/", "amqps://host", "amqp://host?heartbeat=5")
    for url in (*first, "amqp://host/%2f", "amqp://host/orders"):
        await connect(url, "test")
    assert found == ["/"] * 5 + ["orders"]


NOPE, CLOSED = "530 NOT_ALLOWED - vhost nope not found", "530 NOT_ALLOWED - access to vhost '/' refused for user 'ann'"


async def test_a_virtual_host_that_is_missing_or_closed_is_told_in_the_broker_s_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def is_told(url: str, words: str, code: Code, said: str) -> None:
        async def refuse(*_: Any, **__: Any) -> None:
            raise ConnectionClosed(words)

        monkeypatch.setattr(aio_pika, "connect", refuse)
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


async def test_a_virtual_host_that_is_only_down_or_full_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for more in (": connection limit (1) is reached", ": vhost '/' is down"):

        async def refuse(*_: Any, more: str = more, **__: Any) -> None:
            raise ConnectionClosed(CLOSED + more)

        monkeypatch.setattr(aio_pika, "connect", refuse)
        with pytest.raises(ConnectionClosed, match="NOT_ALLOWED"):
            await connect("amqp://ann@host", "test")


async def test_what_the_library_raises_for_a_lost_connection_is_a_connection_error_and_any_other_error_passes() -> None:
    def becomes(raised: BaseException, expected: type[BaseException]) -> None:
        with pytest.raises(expected), translated_errors():
            raise raised

    lost = [asyncio.CancelledError(), Exception()]
    others = [ValueError("x"), OSError("x"), KeyboardInterrupt()]
    check_all([*((each, ConnectionError) for each in lost), *((each, type(each)) for each in others)], becomes)


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


def test_a_lost_connection_is_said_in_one_line() -> None:
    for error in (None, asyncio.CancelledError()):
        assert describe(error) == "closed"
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(OSError("refused")) == "OSError: refused"
