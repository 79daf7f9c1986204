"""An examination of the broker, for `doctor`: facts, without a judgement. Nothing is changed, no message is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from consumer.config import Amqp
from consumer.rabbitmq.inspection import ask_broker
from consumer.rabbitmq.look import NOT_ONE, ExchangeFacts, Look, QueueFacts
from consumer.rabbitmq.release import server_property
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import close, connect, login, place, tls_context
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.tap import TappedConnection

__all__ = ["BrokerFacts", "Limits", "examine_broker"]


@dataclass(frozen=True)
class Limits:
    """What the broker said of the connection; 0 is no limit."""

    frame_max: int = 131_072
    """Bytes."""
    channel_max: int = 2047
    heartbeat: int = 10
    """Seconds."""


@dataclass(frozen=True)
class BrokerFacts:
    """What was found at the broker."""

    host: str
    product: str
    version: str
    cluster: str
    login: str | None
    """The name we are logged in by; None where a certificate says it."""
    limits: Limits
    alarm: bool
    """Whether it takes no messages now, for want of memory or disk."""
    writing: str
    """Why we may not write to the exchange that replies go to, in the broker's words; empty when we may."""
    user_id: str
    """Why it does not take our login as the sender of a message; empty when it does."""
    largest: str
    """Why it does not take a message of the largest size; empty when it does."""
    queues: tuple[QueueFacts, ...]
    dead: QueueFacts
    exchange: ExchangeFacts
    reply_queues: tuple[QueueFacts, ...]


async def examine_broker(amqp: Amqp, reply_queues: Sequence[str] = ()) -> BrokerFacts:
    """Connect to the first host that answers and look.

    Args:
        amqp: the broker, and the queues that we use there.
        reply_queues: names of queues of callers, which are looked at, and never declared.

    Raises:
        BrokerError: no host answered, or none lets us in.
    """
    return await ask_broker(amqp, partial(_examine, amqp, reply_queues))


async def _examine(amqp: Amqp, reply_queues: Sequence[str], url: str) -> BrokerFacts:
    connection = await connect(url, "zeebe-amqp doctor", tls_context(amqp.ca, amqp.cert, amqp.key))
    look, name = Look(connection), login(url)
    try:
        queues = await look.all_declared({each: wire.queue_arguments(each) for each in amqp.queues})
        dead = await look.declared(wire.DEAD_LETTER, wire.queue_arguments(wire.DEAD_LETTER))
        replies = tuple([await look.at(each) for each in reply_queues])
        exchange = await look.exchange(wire.DEAD_LETTER)
        # At the end: during an alarm a broker reads nothing more of a connection that has published.
        out = amqp.reply_exchange or ""
        writing = await look.publish(out, Properties())
        published = not (writing or connection.alarm.is_on)
        if published and exchange.there:
            exchange = replace(exchange, writing=await look.publish(wire.DEAD_LETTER, Properties(expiration=NOT_ONE)))
        return BrokerFacts(
            place(url),
            server_property(connection, "product"),
            server_property(connection, "version"),
            server_property(connection, "cluster_name"),
            name,
            _limits(connection),
            connection.alarm.is_on,
            writing,
            await look.publish(out, Properties(user_id=name)) if published and name is not None else "",
            await look.publish(out, Properties(), bytes(wire.MAX_BODY)) if published else "",
            queues,
            dead,
            exchange,
            replies,
        )
    finally:
        await close(connection)


def _limits(connection: TappedConnection) -> Limits:
    transport = connection.transport
    assert transport is not None
    agreed = transport.connection.connection_tune
    return Limits(agreed.frame_max, agreed.channel_max, agreed.heartbeat)
