"""Publishing over AMQP: whatever keeps a confirm from coming, there is one way back, a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aio_pika
import pytest
from aiormq import Channel as RawChannel
from aiormq.exceptions import ProbableAuthenticationError

from zeebe_amqp import Unauthenticated, Unavailable
from zeebe_amqp.client import amqp
from zeebe_amqp.client.transport import Lost, NotConnected, Outgoing, Peer
from zeebe_amqp.errors import CommandError, Outcome


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
    act: Callable[[], Awaitable[Any]], said: str
) -> None:
    transport, reasons = amqp.AmqpTransport(["amqp://localhost"], confirm_timeout=0.01), list[str]()
    transport._channel, transport._on_lost = cast("RawChannel", FakeChannel(act)), reasons.append
    request = Outgoing(body=b"{}", queue="q", correlation_id="c", request_id="r", deadline=None)
    with pytest.raises(Lost):
        await transport.publish(request)
    [reason] = reasons
    assert said in reason
    with pytest.raises(NotConnected):
        await transport.publish(request)


@pytest.mark.parametrize(
    ("raised", "error", "said"),
    [
        (ProbableAuthenticationError("no"), Unauthenticated, r"a:5672 does not let user 'guest' .* log in"),
        (OSError("down"), Unavailable, r"no broker: a:5672: OSError: down; is it up, and the address right\?"),
    ],
    ids=["a login that is refused", "no host that answers"],
)
async def test_what_keeps_a_client_from_opening_is_an_error_of_the_client(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, error: type[CommandError], said: str
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(aio_pika, "connect", refuse)
    with pytest.raises(error, match=said) as found:
        await amqp.AmqpTransport(["amqp://a/"]).open(cast("Peer", None))
    assert found.value.outcome is Outcome.NOT_EXECUTED
    assert found.value.retryable is (error is Unavailable)
