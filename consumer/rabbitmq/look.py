"""Looks at queues and exchanges, for `doctor`, `check` and `jobs`: nothing is changed, and no message is taken.

Three things that a broker refuses tell what nothing else does over AMQP. Each is refused before anything happens:

- An existing queue or exchange is declared again. That changes nothing; the refusal names the argument that differs, or
  the right that is missing.
- A message with an expiration that is none is refused by an exchange to which we may write, and leads nowhere.
- A consumer with a priority that is none is refused by a queue from which we may read, and takes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from consumer.rabbitmq.differences import Difference, compare
from consumer.rabbitmq.inspection import on_channel
from consumer.rabbitmq.topology import DECLARE_EXCHANGE, DECLARE_QUEUE
from zeebe_amqp.amqp.connection import describe
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import CONSUME, BrokerRefusal, Rights, is_in_use, refusal
from zeebe_amqp.amqp.tap import TappedConnection, unheard

__all__ = ["NOT_ONE", "ExchangeFacts", "Look", "QueueFacts"]

PAUSE: Final = 1.0
"""Seconds between the two looks at messages that wait."""
NOT_ONE: Final = "none"
"""No expiration, and no priority: each has to be a number."""


@dataclass(frozen=True)
class QueueFacts:
    """What was found of one queue."""

    name: str
    there: bool | None = True
    """None when we are not told."""
    failing: str = ""
    """Why it does not answer; empty when it does."""
    locked: bool = False
    """Whether it belongs to the connection of somebody else."""
    messages: int = 0
    """How many wait in it; of two looks the smaller number."""
    consumers: int = 0
    differences: tuple[Difference, ...] = ()
    """In what it differs from what we would declare."""
    arguments: Mapping[str, Any] | None = field(default_factory=dict)
    """The ones it has; None when they cannot be compared."""
    declaring: str = ""
    """Why we may not declare it, in the broker's words; empty when we may."""
    reading: str = ""
    """The same for reading from it."""


@dataclass(frozen=True)
class ExchangeFacts:
    """What was found of an exchange that takes dead letters."""

    there: bool = True
    declaring: str = ""
    """Why we may not declare it as it is, in the broker's words; empty when we may."""
    writing: str = ""
    """The same for writing to it."""


class Look:
    """Looks at one thing after the other over one connection."""

    def __init__(self, connection: TappedConnection) -> None:
        self._connection = connection

    async def at(self, name: str) -> QueueFacts:
        """A queue that we do not declare."""
        try:
            found = await self._ask(lambda channel: channel.declare_queue(name, passive=True))
        except ChannelLockedResource:
            return QueueFacts(name, locked=True)
        except ChannelAccessRefused:
            return QueueFacts(name, there=None, arguments=None)
        except (ChannelClosed, TimeoutError) as error:
            if isinstance(error, ChannelNotFoundEntity) and "no queue" in str(error):
                return QueueFacts(name, there=False)
            # Its node is down, or most of its members are.
            return QueueFacts(name, there=None, arguments=None, failing=describe(error))
        declared = found.declaration_result
        return QueueFacts(name, messages=declared.message_count or 0, consumers=declared.consumer_count or 0)

    async def all_declared(self, queues: Mapping[str, Mapping[str, Any]]) -> tuple[QueueFacts, ...]:
        """Queues by the arguments that we declare; where messages wait although somebody reads, a second time."""
        found = [await self.declared(name, arguments) for name, arguments in queues.items()]
        if any(each.messages and each.consumers for each in found):
            await asyncio.sleep(PAUSE)
            again = [await self.at(name) for name in queues]
            found = [_fewer(one, other) for one, other in zip(found, again, strict=True)]
        return tuple(found)

    async def declared(self, name: str, arguments: Mapping[str, Any]) -> QueueFacts:
        """One of the queues that the service declares, with these arguments."""
        found = await self.at(name)
        # What is not there would be made.
        if not found.there or found.locked:
            return found
        return await self._compare(found, arguments)

    async def _compare(self, found: QueueFacts, ours: Mapping[str, Any]) -> QueueFacts:
        try:
            differences, arguments = await compare(self._redeclare(found.name), ours)
        except ChannelAccessRefused as error:
            reading = await self._consume(found.name)
            return replace(found, arguments=None, declaring=_words(error, DECLARE_QUEUE), reading=reading)
        except (ChannelClosed, TimeoutError) as error:
            return replace(found, there=None, arguments=None, failing=describe(error))
        return replace(found, differences=differences, arguments=arguments)

    def _redeclare(self, name: str) -> Callable[[bool, Mapping[str, Any]], Awaitable[Any]]:
        async def declare(durable: bool, arguments: Mapping[str, Any]) -> None:
            await self._ask(lambda channel: channel.declare_queue(name, durable=durable, arguments=dict(arguments)))

        return declare

    async def exchange(self, name: str) -> ExchangeFacts:
        """A fanout exchange of ours, without whether we may write to it."""
        try:
            await self._ask(lambda channel: channel.declare_exchange(name, passive=True))
        except ChannelNotFoundEntity:
            return ExchangeFacts(there=False)
        except ChannelAccessRefused as error:
            return ExchangeFacts(declaring=_words(error, DECLARE_EXCHANGE))
        try:
            await self._ask(lambda channel: channel.declare_exchange(name, ExchangeType.FANOUT, durable=True))
        except (ChannelAccessRefused, ChannelPreconditionFailed) as error:
            return ExchangeFacts(declaring=_words(error, DECLARE_EXCHANGE))
        return ExchangeFacts()

    async def publish(self, exchange: str, properties: Properties, body: bytes = b"") -> str:
        """Why a message to nobody is not taken; empty when it is, or would be if its properties were right."""

        async def publish(channel: AbstractChannel) -> None:
            connection = self._connection
            await probe(await connection.hot(channel), connection.alarm, exchange, properties, body)

        try:
            await self._ask(publish)
        except BrokerRefusal as error:
            return "" if properties.expiration == NOT_ONE and "invalid expiration" in str(error) else str(error)
        return ""

    async def _consume(self, name: str) -> str:
        """Why we may not read from a queue; empty when we may."""

        async def consume(channel: AbstractChannel) -> None:
            queue = await channel.get_queue(name, ensure=False)
            await queue.consume(unheard, arguments={"x-priority": NOT_ONE})

        try:
            await self._ask(consume)
        except ChannelAccessRefused as error:
            # Who reads exclusively may be another client with our rights.
            return "" if is_in_use(error) else _words(error, CONSUME)
        except ChannelClosed:  # by the priority
            return ""
        return ""

    async def _ask(self, what: Callable[[AbstractChannel], Awaitable[Any]]) -> Any:
        return await on_channel(self._connection, what)


def _fewer(one: QueueFacts, other: QueueFacts) -> QueueFacts:
    return replace(one, messages=min(one.messages, other.messages))


def _words(error: Exception, rights: Rights) -> str:
    """What the broker says, with what to do."""
    return str(refusal(error, rights) or error)
