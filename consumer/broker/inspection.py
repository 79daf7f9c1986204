"""A look at the broker, for `check`: connect once, see what is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from consumer.broker.links import RPC_TIMEOUT, TROUBLE, close, connect
from consumer.config import Amqp
from zeebe_amqp import wire

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
        BrokerError: no host answered; with what each of them said.
    """
    failures = []
    for url in amqp.urls:
        try:
            connection = await connect(amqp, url, "zeebe-amqp check")
        except TROUBLE as error:
            failures.append(f"{_host(url)}: {error or type(error).__name__}")
            continue
        try:
            return BrokerReport(_host(url), _product(connection), await _queues(connection, amqp))
        finally:
            await close(connection)
    raise BrokerError("; ".join(failures))


def _host(url: str) -> str:
    return url.rsplit("@", 1)[-1].removeprefix("amqp://").removeprefix("amqps://")


def _product(connection: AbstractConnection) -> str:
    transport = connection.transport
    assert transport is not None
    properties = transport.connection.server_properties
    return " ".join(str(properties[name]) for name in ("product", "version") if name in properties)


async def _queues(connection: AbstractConnection, amqp: Amqp) -> dict[str, str]:
    return {name: await _queue(connection, name, amqp) for name in (*amqp.queues, wire.DEAD_LETTER)}


async def _queue(connection: AbstractConnection, name: str, amqp: Amqp) -> str:
    try:
        async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
            queue = await channel.declare_queue(name, passive=True)
    except ChannelNotFoundEntity:
        will = "the service declares it" if amqp.declare == "active" else "and AMQP_DECLARE=passive: declare it first"
        return f"not there yet; {will}"
    except ChannelAccessRefused:
        return "not allowed to look"
    found = queue.declaration_result
    return f"{found.message_count} messages, {found.consumer_count} consumers"
