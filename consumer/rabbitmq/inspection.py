"""A look at the broker, for `check`: connect once, see what is there; and what `examination` needs for that, too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.rabbitmq.release import check_release, server_property
from consumer.rabbitmq.topology import DECLARE_QUEUE, OTHERWISE
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import (
    RPC_TIMEOUT,
    BrokerError,
    LoginRefused,
    Unreachable,
    close,
    connect,
    first_answer,
    place,
    tls_context,
)
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.refusal import BrokerRefusal, refusals
from zeebe_amqp.amqp.tap import TappedConnection
from zeebe_amqp.errors import Code

__all__ = ["BrokerError", "BrokerReport", "QueueReport", "ask_broker", "inspect", "on_channel"]

T = TypeVar("T")

_LENGTH: Final = re.compile(r"inequivalent arg '(x-max-length(?:-bytes)?)'.* current is the value '(\d+)'")
"""How a broker refuses to declare a queue anew that has a bound of its own."""


@dataclass(frozen=True)
class QueueReport:
    """What was found of one queue."""

    state: str
    """What is in it and who reads it, or why that is not known."""
    messages: int | None = 0
    """How many wait in it; None when that may not be looked at."""
    bound: str | None = None
    """The argument that bounds it, or why that is not known; None when it has none. Policies cannot be seen."""


@dataclass(frozen=True)
class BrokerReport:
    """What was found at the broker."""

    host: str
    product: str
    queues: dict[str, QueueReport]
    """Per queue of ours; the dead-letter queue is the last."""


async def inspect(amqp: Amqp) -> BrokerReport:
    """Connect to the first host that answers and look.

    Raises:
        BrokerError: no host answered, with what each of them said; or the service could not consume there.
    """
    return await ask_broker(amqp, partial(_look, amqp))


async def ask_broker(amqp: Amqp, attempt: Callable[[str], Awaitable[T]]) -> T:
    """What `attempt` gives for the address of the first host that answers.

    Raises:
        BrokerError: as `inspect`.
    """
    try:
        return await first_answer(amqp.urls, attempt)
    except LoginRefused as error:
        raise BrokerError(f"{error.code}: {error} ({amqp.names['AMQP_URL']})") from error
    except BrokerRefusal as error:
        raise BrokerError(f"{error.code}: {error}") from error
    except Unreachable as error:
        raise BrokerError(f"{error} ({amqp.names['AMQP_URL']})") from error


async def _look(amqp: Amqp, url: str) -> BrokerReport:
    connection = await connect(url, "zeebe-amqp check", tls_context(amqp.ca, amqp.cert, amqp.key))
    try:
        check_release(connection)
        found = {name: await _queue(connection, name, amqp) for name in (*amqp.queues, wire.DEAD_LETTER)}
        await on_channel(connection, partial(_publish, amqp, connection))
        return BrokerReport(place(url), _product(connection), found)
    finally:
        await close(connection)


def _product(connection: AbstractConnection) -> str:
    return " ".join(filter(None, (server_property(connection, name) for name in ("product", "version"))))


async def _queue(connection: AbstractConnection, name: str, amqp: Amqp) -> QueueReport:
    try:
        found = await on_channel(connection, lambda channel: channel.declare_queue(name, passive=True))
    except ChannelNotFoundEntity:
        if amqp.declare == "passive":
            raise BrokerError(f"queue {name!r} is missing and AMQP_DECLARE=passive: declare it first") from None
        return QueueReport("not there yet; the service declares it")
    except ChannelAccessRefused:
        return QueueReport("not allowed to look", None, "not allowed to look")
    declared = found.declaration_result
    state = f"{declared.message_count} messages, {declared.consumer_count} consumers"
    with refusals(DECLARE_QUEUE, OTHERWISE):
        return QueueReport(state, declared.message_count, await _redeclare(connection, name, amqp))


async def _redeclare(connection: AbstractConnection, name: str, amqp: Amqp) -> str | None:
    """Declare an existing queue again, which changes nothing but tells whether the service could, or what differs."""
    arguments = wire.queue_arguments(name)
    try:
        await on_channel(connection, lambda channel: channel.declare_queue(name, durable=True, arguments=arguments))
    except (ChannelPreconditionFailed, ChannelAccessRefused) as error:
        if amqp.declare == "active":
            raise
        length = _LENGTH.search(str(error))
        return f"{length[1]} {length[2]}" if length else f"not known ({error})"
    return None


async def _publish(amqp: Amqp, connection: TappedConnection, channel: AbstractChannel) -> None:
    """Answers need the right to publish."""
    try:
        await probe(await connection.hot(channel), connection.alarm, amqp.reply_exchange or "")
    except BrokerRefusal as error:
        if error.code is not Code.NOT_FOUND or amqp.declare == "passive":
            raise
        # The service declares the exchange.


async def on_channel(connection: AbstractConnection, declare: Callable[[AbstractChannel], Awaitable[T]]) -> T:
    """What `declare` gives for a channel of its own."""
    # A refused declaration closes its channel, so each one has its own.
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        return await declare(channel)
