"""A connection that records what a command does, or looks where records would go; the service has one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from consumer.config import Amqp
from consumer.config.values import AuditSink
from consumer.rabbitmq.inspection import ask_broker, on_channel
from consumer.rabbitmq.properties import audit_address, audit_properties
from consumer.rabbitmq.topology import declare_audit
from zeebe_amqp.amqp.connection import CONFIRM_TIMEOUT, BrokerError, close, connect, login, tls_context
from zeebe_amqp.amqp.hot import HotChannel, Returned
from zeebe_amqp.amqp.tap import TappedConnection

__all__ = ["PublishRecord", "look_for_audit", "open_audit"]

PublishRecord: TypeAlias = Callable[[bytes, str], Awaitable[None]]
"""Publishes a record with its topic; raises anything when the broker does not confirm that it keeps it."""


@asynccontextmanager
async def open_audit(amqp: Amqp, sink: AuditSink) -> AsyncIterator[PublishRecord]:
    """A connection that publishes records of the audit.

    Raises:
        BrokerError: no host answered, or records may not be published there.
    """
    connection, name = await ask_broker(amqp, partial(_connect, amqp))
    try:
        await declare_audit(connection, amqp, sink)
        channel = connection.channel(publisher_confirms=True)
        await channel.initialize()
        hot = await connection.hot(channel)
        yield partial(_publish, hot, sink, name)
    finally:
        await close(connection)


async def _connect(amqp: Amqp, url: str) -> tuple[TappedConnection, str | None]:
    return await connect(url, "zeebe-amqp audit", tls_context(amqp.ca, amqp.cert, amqp.key)), login(url)


async def _publish(channel: HotChannel, sink: AuditSink, name: str | None, line: bytes, topic: str) -> None:
    exchange, routing_key = audit_address(sink, topic)
    try:
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            await channel.publish(exchange, routing_key, audit_properties(name), line, mandatory=True)
    except TimeoutError as error:
        raise BrokerError(f"nothing is confirmed for {CONFIRM_TIMEOUT:g} s (an alarm of the broker?)") from error
    except Returned as error:
        raise BrokerError(f"no queue takes what is published with {routing_key!r}") from error


async def look_for_audit(amqp: Amqp, sink: AuditSink) -> str:
    """What is there for the records; nothing is declared.

    Raises:
        BrokerError: no host answered, or there is nothing and the service will not declare it.
    """
    return await ask_broker(amqp, partial(_look, amqp, sink))


async def _look(amqp: Amqp, sink: AuditSink, url: str) -> str:
    connection, _ = await _connect(amqp, url)
    try:
        return await _find(connection, sink)
    except ChannelNotFoundEntity as error:
        if sink.kind == "exchange" or amqp.declare == "passive":
            raise BrokerError(f"{sink} is missing: declare it first") from error
        return "not there yet; the service declares it"
    except ChannelAccessRefused as error:
        raise BrokerError(f"{sink} cannot be looked at: {error}") from error
    finally:
        await close(connection)


async def _find(connection: TappedConnection, sink: AuditSink) -> str:
    if sink.kind == "exchange":
        await on_channel(connection, lambda channel: channel.declare_exchange(sink.name, passive=True))
        return "exists; a record that no queue takes is returned, and nothing is consumed then"
    found = await on_channel(connection, lambda channel: channel.declare_queue(sink.name, passive=True))
    return f"{found.declaration_result.message_count} messages"
