"""A look at the broker, for `check`: connect once, see what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.rabbitmq.connection import connect
from consumer.rabbitmq.topology import DEAD_QUEUE, REQUEST_QUEUE
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, LoginRefused, close, translated_errors

__all__ = ["BrokerError", "BrokerReport", "inspect"]


class BrokerError(Exception):
    """The broker cannot be used; the text says why and what to set."""


@dataclass(frozen=True)
class BrokerReport:
    """What was found at the broker."""

    host: str
    product: str
    queues: dict[str, str]
    """Per queue of ours what is in it, or that it is not there yet."""


async def inspect(amqp: Amqp) -> BrokerReport:
    """Connect to the first host that answers and look.

    Raises:
        BrokerError: no host answered, with what each of them said; or the service could not consume there.
    """
    failures = []
    for url in amqp.urls:
        try:
            return await _look(amqp, url)
        except LoginRefused as error:  # the other hosts have the same users
            raise BrokerError(f"UNAUTHENTICATED: {error}") from error
        except CONNECTION_ERRORS as error:
            failures.append(f"{_host(url)}: {error or type(error).__name__}")
    raise BrokerError("; ".join(failures))


async def _look(amqp: Amqp, url: str) -> BrokerReport:
    with translated_errors():
        connection = await connect(amqp, url, "zeebe-amqp check")
        try:
            found = {name: await _queue(connection, name, amqp) for name in (*amqp.queues, wire.DEAD_LETTER)}
            return BrokerReport(_host(url), _product(connection), found)
        finally:
            await close(connection)


def _host(url: str) -> str:
    return url.rsplit("@", 1)[-1].removeprefix("amqp://").removeprefix("amqps://").partition("?")[0]


def _product(connection: AbstractConnection) -> str:
    transport = connection.transport
    assert transport is not None
    properties = transport.connection.server_properties
    return " ".join(str(properties[name]) for name in ("product", "version") if name in properties)


async def _queue(connection: AbstractConnection, name: str, amqp: Amqp) -> str:
    try:
        found = await _on_channel(connection, lambda channel: channel.declare_queue(name, passive=True))
    except ChannelNotFoundEntity:
        if amqp.declare == "passive":
            raise BrokerError(f"queue {name!r} is missing and AMQP_DECLARE=passive: declare it first") from None
        return "not there yet; the service declares it"
    except ChannelAccessRefused:
        return "not allowed to look"
    if amqp.declare == "active":
        await _compare(connection, name)
    declared = found.declaration_result
    return f"{declared.message_count} messages, {declared.consumer_count} consumers"


async def _compare(connection: AbstractConnection, name: str) -> None:
    """Declare an existing queue again, which changes nothing but tells whether the service could."""
    arguments = DEAD_QUEUE if name == wire.DEAD_LETTER else REQUEST_QUEUE
    try:
        await _on_channel(connection, lambda channel: channel.declare_queue(name, durable=True, arguments=arguments))
    except (ChannelPreconditionFailed, ChannelAccessRefused) as error:
        raise BrokerError(f"{error}; delete the queue, or take it as it is with AMQP_DECLARE=passive") from error


async def _on_channel(connection: AbstractConnection, declare: Callable[[AbstractChannel], Awaitable[Any]]) -> Any:
    # A refused declaration closes its channel, so each one has its own.
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        return await declare(channel)
