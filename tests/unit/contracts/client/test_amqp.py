"""Publishing over AMQP: whatever keeps a confirm from coming, there is one way back, a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from aiormq import Channel as RawChannel

from zeebe_amqp.client import amqp
from zeebe_amqp.client.transport import Lost, NotConnected, Outgoing


class FakeChannel:
    """A channel whose publishing does as it is told."""

    def __init__(self, act: Callable[[], Awaitable[Any]]) -> None:
        self._act = act

    async def basic_publish(self, *_: Any, **__: Any) -> None:
        await self._act()


async def never() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise ConnectionResetError("gone")


@pytest.mark.parametrize(("act", "said"), [(never, "TimeoutError"), (broken, "ConnectionResetError: gone")])
async def test_a_request_that_is_not_confirmed_renews_the_connection(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[Any]], said: str
) -> None:
    monkeypatch.setattr(amqp, "CONFIRM_TIMEOUT", 0.01)
    transport, reasons = amqp.AmqpTransport(["amqp://localhost"]), list[str]()
    transport._channel, transport._renew = cast("RawChannel", FakeChannel(act)), reasons.append
    request = Outgoing(body=b"{}", queue="q", correlation_id="c", request_id="r", deadline=None)
    with pytest.raises(Lost):
        await transport.publish(request)
    [reason] = reasons
    assert said in reason
    with pytest.raises(NotConnected):
        await transport.publish(request)
