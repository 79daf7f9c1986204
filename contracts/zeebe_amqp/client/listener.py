"""Replies as they come to a queue: somebody else's queue, or copies of what goes to an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from aio_pika.abc import AbstractChannel, AbstractQueue
from aiormq import Channel as RawChannel

from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import (
    CONNECTION_ERRORS,
    close,
    connect,
    describe,
    first_answer,
    translated_errors,
)
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import NO_HEADERS, fresh_id
from zeebe_amqp.amqp.refusal import BIND, CONSUME, DECLARE, BrokerRefusal, refusals
from zeebe_amqp.amqp.tap import TappedConnection, unheard
from zeebe_amqp.client.answers import failure
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.strict import PRIVATE

__all__ = ["Arrival", "Listener", "listening"]

AHEAD: Final = 10
"""How many messages the broker sends before the first is taken: what was not taken goes back at once."""


@dataclass(frozen=True)
class Arrival:
    """A message that came; `time` is when it was sent, else when it came."""

    body: bytes
    time: datetime
    type: str | None
    correlation_id: str | None
    request_id: Any
    replayed: Any
    tag: int


class Listener:
    """What comes to a queue; made by `listening`.

    Args:
        arrived: messages as they come, None at the end of the queue.
        channel: where they come from.
        keep: leave everything in the queue.
    """

    def __init__(self, arrived: asyncio.Queue[Incoming | None], channel: HotChannel, *, keep: bool) -> None:
        self._arrived = arrived
        self._channel = channel
        self._keep = keep

    async def take(self) -> Arrival:
        """Wait for the next message; it is still in its queue until it is `done`.

        Raises:
            Unavailable: the connection was lost, or the queue deleted.
        """
        incoming = await self._arrived.get()
        if incoming is None:
            ended = self._channel.ended
            why = "the queue was deleted" if ended is None else str(ended)
            raise _failed(Code.UNAVAILABLE, f"lost the connection to the broker: {why}")
        found = incoming.properties
        headers = found.headers or NO_HEADERS
        return Arrival(
            body=incoming.body,
            time=datetime.now(UTC) if found.timestamp is None else datetime.fromtimestamp(found.timestamp, UTC),
            type=found.type,
            correlation_id=found.correlation_id,
            request_id=headers.get(wire.REQUEST_ID),
            replayed=headers.get(wire.REPLAYED),
            tag=incoming.tag,
        )

    def acknowledge(self, arrival: Arrival) -> None:
        """Take a message out of its queue, unless everything is kept.

        Raises:
            Unavailable: the connection was lost; it is still there.
        """
        if not self._keep and not self._channel.ack(arrival.tag):
            raise _failed(Code.UNAVAILABLE, "lost the connection to the broker")


@asynccontextmanager
async def listening(
    urls: Sequence[str], name: str, *, connection_name: str, exchange: str | None = None, keep: bool = False
) -> AsyncIterator[Listener]:
    """What comes to the queue `name`, or to `exchange` under routing keys of the pattern `name`.

    Args:
        urls: addresses of a broker's hosts; the first that answers is taken.
        name: the queue, which must be there; with `exchange` a pattern of routing keys.
        connection_name: shown in the broker's list of connections.
        exchange: a topic exchange; copies of what goes there come, and no queue is touched.
        keep: put everything back into the queue at the end.

    Raises:
        NotFound, PermissionDenied: the queue, the exchange or the virtual host is missing, or may not be used.
        Unauthenticated: the broker does not accept the credentials.
        Unavailable: no host answered, or the connection was lost.
    """
    with _translate_errors():
        connection = await first_answer(urls, lambda url: connect(url, connection_name))
    try:
        with _translate_errors():
            channel = await connection.channel()
            # What is kept is held until the end.
            await channel.set_qos(prefetch_count=0 if keep else AHEAD)
            arrived, hot = await _consume(connection, channel, await _queue(channel, name, exchange))
        yield Listener(arrived, hot, keep=keep)
    finally:
        await close(connection)


async def _queue(channel: AbstractChannel, name: str, exchange: str | None) -> AbstractQueue:
    if exchange is None:
        with refusals(CONSUME):
            return await channel.declare_queue(name, passive=True)
    # With strict replies the first word is a user, who may declare queues of such names, and no others.
    user = name.partition(".")[0]
    with refusals(DECLARE):
        queue = await channel.declare_queue(f"{PRIVATE}{user}.{fresh_id()}", exclusive=True)
    with refusals(BIND):
        await queue.bind(exchange, name)
    return queue


async def _consume(
    connection: TappedConnection, channel: AbstractChannel, queue: AbstractQueue
) -> tuple[asyncio.Queue[Incoming | None], HotChannel]:
    """What comes to the queue, and None at its end; and the channel it comes on."""
    arrived: asyncio.Queue[Incoming | None] = asyncio.Queue()
    hot = await connection.hot(channel, arrived.put_nowait)
    raw = cast("RawChannel", await channel.get_underlay_channel())
    channel.close_callbacks.add(lambda *_: arrived.put_nowait(None))
    raw.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
    with refusals(CONSUME):
        await queue.consume(unheard)
    return arrived, hot


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise what goes wrong at the broker as a command's error."""
    try:
        with translated_errors():
            yield
    except BrokerRefusal as error:
        raise _failed(error.code, str(error)) from error
    except CONNECTION_ERRORS as error:
        raise _failed(Code.UNAVAILABLE, f"no connection to the broker: {describe(error)}") from error


def _failed(code: Code, message: str) -> CommandError:
    return failure(code, message, None, outcome=Outcome.NOT_EXECUTED, retryable=code is Code.UNAVAILABLE)
