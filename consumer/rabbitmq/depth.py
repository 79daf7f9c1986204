"""How many messages wait in a queue."""

from __future__ import annotations

import asyncio
import logging

from aio_pika.abc import AbstractConnection

from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, describe, translated_errors
from zeebe_amqp.cancellation import raise_if_cancelled

__all__ = ["count_waiting"]

log = logging.getLogger(__name__)


async def count_waiting(connection: AbstractConnection, queue: str) -> int | None:
    """How many messages nobody has taken yet; None when the broker does not say. Never raises for that."""
    try:
        with translated_errors():
            # A refused declaration closes its channel, so this one is for nothing else.
            async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
                found = await channel.declare_queue(queue, passive=True)
    except CONNECTION_ERRORS as error:
        raise_if_cancelled()
        log.debug("queue %r cannot be counted: %s", queue, describe(error))
        return None
    return found.declaration_result.message_count or 0
