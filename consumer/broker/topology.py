"""The queues and exchanges at the broker: declared at start, or checked."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.broker.links import RPC_TIMEOUT
from consumer.config import Amqp
from zeebe_amqp import wire

__all__ = ["REQUEST_QUEUE", "declare"]

log = logging.getLogger(__name__)

REQUEST_QUEUE: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 20,
    "x-dead-letter-exchange": wire.DEAD_LETTER,
    "x-dead-letter-strategy": "at-least-once",
    # At-least-once dead-lettering needs it: a full queue says no instead of dropping its oldest.
    "x-overflow": "reject-publish",
}
"""Arguments of a request queue."""

DEAD_QUEUE: dict[str, Any] = {"x-queue-type": "quorum"}
"""Arguments of the dead-letter queue."""


async def declare(connection: AbstractConnection, amqp: Amqp) -> None:
    """Declare what we need, or with AMQP_DECLARE=passive check it.

    Raises:
        aiormq.exceptions.AMQPError: missing, different (the text names the argument), or not allowed.
    """
    async with asyncio.timeout(RPC_TIMEOUT):
        if amqp.declare == "active":
            await _declare(connection, amqp)
        else:
            await _check(connection, amqp)


async def _declare(connection: AbstractConnection, amqp: Amqp) -> None:
    # A channel of its own: a refused declaration closes its channel and fails whatever else is on it.
    async with connection.channel() as channel:
        exchange = await channel.declare_exchange(wire.DEAD_LETTER, ExchangeType.FANOUT, durable=True)
        queue = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=DEAD_QUEUE)
        await queue.bind(exchange)
        for name in amqp.queues:
            await channel.declare_queue(name, durable=True, arguments=REQUEST_QUEUE)


async def _check(connection: AbstractConnection, amqp: Amqp) -> None:
    async with connection.channel() as channel:
        await channel.declare_exchange(wire.DEAD_LETTER, ExchangeType.FANOUT, durable=True, passive=True)
        for name in (wire.DEAD_LETTER, *amqp.queues):
            await channel.declare_queue(name, passive=True)
    for name in amqp.queues:
        await _compare(connection.channel(), name)


async def _compare(channel: AbstractChannel, name: str) -> None:
    """Warn of the argument in which an existing queue differs; AMQP says it only in the refusal of a declaration."""
    try:
        async with channel:
            await channel.declare_queue(name, durable=True, arguments=REQUEST_QUEUE)
    except ChannelPreconditionFailed as error:
        log.warning("queue %r is used as it is, but differs from what we would declare: %s", name, error)
    except ChannelAccessRefused:
        log.info("queue %r exists; its arguments cannot be compared without the right to configure it", name)
