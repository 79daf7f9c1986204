"""Connections to the broker: the AMQP library's odd ways to tell that one was lost."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from aiormq import Connection as AmqpConnection
from yarl import URL

from zeebe_amqp.amqp.connection import connect, describe, translated_errors


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
