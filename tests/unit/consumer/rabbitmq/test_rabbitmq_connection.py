"""The service's connections are kept as its settings say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.config import Amqp
from consumer.rabbitmq.connection import reconnecting
from zeebe_amqp.amqp import reconnecting as module
from zeebe_amqp.amqp.connection import LoginRefused


async def test_the_service_names_its_setting_when_a_login_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> Any:
        raise LoginRefused("not you")

    monkeypatch.setattr(module, "connect", refuse)
    connection = reconnecting(Amqp(), "test", lambda *_: asyncio.sleep(0))
    running = asyncio.create_task(connection.run())
    while connection.refusal is None:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert connection.problem == "UNAUTHENTICATED: not you; check AMQP_URL"
