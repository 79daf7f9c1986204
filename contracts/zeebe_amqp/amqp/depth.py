"""How many messages wait in a queue, and how many consumers take from it."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from aio_pika.abc import AbstractConnection

from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, describe, translated_errors
from zeebe_amqp.cancellation import raise_if_cancelled

__all__ = ["QueueState", "measure"]

log = logging.getLogger(__name__)


class QueueState(NamedTuple):
    """The state of a queue."""

    waiting: int
    """Messages that no consumer has taken yet."""
    consumers: int


async def measure(connection: AbstractConnection, queue: str) -> QueueState | None:
    """Ask the broker; None when it does not say. Never raises for that."""
    try:
        with translated_errors():
            # A refused declaration closes its channel, so this one is for nothing else.
            async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
                found = (await channel.declare_queue(queue, passive=True)).declaration_result
    except CONNECTION_ERRORS as error:
        raise_if_cancelled()
        fields = {"event": "queue.unmeasured", "queue": queue, "error": describe(error)}
        log.debug("queue %r cannot be measured: %s", queue, describe(error), extra=fields)
        return None
    return QueueState(found.message_count or 0, found.consumer_count or 0)
