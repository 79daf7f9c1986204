"""The way of replies: which requests may have one, and the exchange and routing key with which it is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final, NamedTuple

from consumer.config import Settings
from consumer.core.message import Message
from consumer.rabbitmq import reply_policy
from consumer.rabbitmq.topology import queue_names
from zeebe_amqp import strict, wire

__all__ = ["Address", "ReplyRoute", "reply_route", "to_own_key", "to_queue"]

_DIRECT: Final = wire.DIRECT_REPLY_TO + "."


class Address(NamedTuple):
    """Where a reply is published."""

    exchange: str
    routing_key: str
    mandatory: bool = True
    """Whether the broker returns a reply that nobody gets."""


@dataclass(frozen=True)
class ReplyRoute:
    """What is asked with every request."""

    refusal: Callable[[Message], str | None]
    """Says why no reply may be sent; None when one may, or nobody waits for one."""
    address: Callable[[Message], Address]
    """Where the reply goes of a request that has a `reply_to` and is not refused."""


def to_queue(message: Message) -> Address:
    """To the queue that `reply_to` names, through the default exchange."""
    queue = message.reply_to or ""
    # Direct reply-to: the broker both delivers and returns a mandatory message on versions before 4.2.
    return Address("", queue, mandatory=not queue.startswith(_DIRECT))


def to_own_key(message: Message, exchange: str) -> Address:
    """To an exchange under a routing key that belongs to the sender."""
    return Address(exchange, strict.routing_key(message.user_id or "", message.reply_to or ""))


def reply_route(settings: Settings) -> ReplyRoute:
    """The one that the settings ask for."""
    exchange = settings.amqp.reply_exchange
    # Callers have few reply queues and ask often.
    remember = lru_cache(maxsize=4096)
    if exchange is not None:
        strictly = remember(reply_policy.strict_refusal)
        return ReplyRoute(
            lambda message: strictly(message.reply_to, message.user_id), partial(to_own_key, exchange=exchange)
        )
    own_queues = frozenset(queue_names(settings.amqp, settings.jobs))
    judge = remember(partial(reply_policy.refusal, own_queues=own_queues, allow=settings.reply_allow))
    return ReplyRoute(lambda message: judge(message.reply_to), to_queue)
