"""The service's connections to the broker: kept open for ever, as the settings say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from aio_pika.abc import AbstractChannel

from consumer.config import Amqp
from consumer.rabbitmq.release import check_release
from zeebe_amqp.amqp.connection import RPC_TIMEOUT, tls_context
from zeebe_amqp.amqp.reconnecting import OnLost, Opened, ReconnectingConnection
from zeebe_amqp.amqp.tap import TappedConnection

__all__ = ["initialize", "reconnecting"]

FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 30.0
"""Seconds between two attempts, at most; half of it at least."""


def reconnecting(
    amqp: Amqp, name: str, opened: Opened, is_hurried: Callable[[], bool] = lambda: False
) -> ReconnectingConnection:
    """A connection that is still to be run; `opened` sets up each new one, unless the broker is too old. After a lost
    one the next comes soon while `is_hurried`."""

    async def set_up(connection: TappedConnection, on_lost: OnLost) -> None:
        check_release(connection)
        await opened(connection, on_lost)

    return ReconnectingConnection(
        amqp.urls,
        name,
        set_up,
        tls=partial(tls_context, amqp.ca, amqp.cert, amqp.key),
        login_hint=f"; check {amqp.names['AMQP_URL']}",
        first_pause=FIRST_PAUSE,
        max_pause=MAX_PAUSE,
        is_hurried=is_hurried,
    )


async def initialize(channel: AbstractChannel) -> None:
    """Open a channel, with a time limit."""
    async with asyncio.timeout(RPC_TIMEOUT):
        await channel.initialize()
