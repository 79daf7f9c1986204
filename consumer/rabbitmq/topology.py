"""The queues and exchanges at the broker: declared with each connection that uses them, or checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.config import Amqp
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import RPC_TIMEOUT

__all__ = ["declare_dead_letters", "declare_requests"]

log = logging.getLogger(__name__)


async def declare_requests(connection: AbstractConnection, amqp: Amqp, queues: Sequence[str]) -> None:
    """Declare request queues, or with AMQP_DECLARE=passive check them.

    Raises:
        aiormq.exceptions.AMQPError: missing, different (the text names the argument), or not allowed.
    """
    passive = amqp.declare == "passive"
    async with asyncio.timeout(RPC_TIMEOUT):
        # A channel of its own: a refused declaration closes its channel and fails whatever else is on it.
        async with connection.channel() as channel:
            for name in queues:
                await channel.declare_queue(name, durable=True, arguments=wire.queue_arguments(name), passive=passive)
        if passive:
            for name in queues:
                await _compare(connection.channel(), name)


async def declare_dead_letters(connection: AbstractConnection, amqp: Amqp) -> None:
    """Declare the dead-letter exchange and queue, or with AMQP_DECLARE=passive check them.

    Raises:
        aiormq.exceptions.AMQPError: missing, different (the text names the argument), or not allowed.
    """
    passive = amqp.declare == "passive"
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        exchange = await channel.declare_exchange(wire.DEAD_LETTER, ExchangeType.FANOUT, durable=True, passive=passive)
        arguments = wire.queue_arguments(wire.DEAD_LETTER)
        queue = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=arguments, passive=passive)
        if not passive:
            await queue.bind(exchange)


async def _compare(channel: AbstractChannel, name: str) -> None:
    """Warn of the argument in which an existing queue differs; AMQP says it only in the refusal of a declaration."""
    try:
        async with channel:
            await channel.declare_queue(name, durable=True, arguments=wire.queue_arguments(name))
    except ChannelPreconditionFailed as error:
        log.warning("queue %r is used as it is, but differs from what we would declare: %s", name, error)
    except ChannelAccessRefused:
        log.info("queue %r exists; its arguments cannot be compared without the right to configure it", name)
