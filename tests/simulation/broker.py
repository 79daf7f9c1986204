"""A broker: queues, consumers, what they have not acknowledged, and confirms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.history import History
from zeebe_amqp import wire
from zeebe_amqp.amqp.probe import PROBE
from zeebe_amqp.amqp.properties import Properties

QUEUE = wire.COMMANDS_QUEUE
REPLIES = "replies"


@dataclass(eq=False, slots=True)
class Stored:
    """A message in a queue, or delivered and not acknowledged."""

    properties: Properties
    body: bytes
    send: int
    """Which one of the callers' it is."""
    deliveries: int = 0


@dataclass(eq=False, slots=True)
class Subscription:
    """Somebody who consumes the queue, as the broker sees it."""

    deliver: Callable[[int, Stored], None]
    """Sends it to him, with its tag."""
    prefetch: int
    consuming: bool = False
    unacked: dict[int, Stored] = field(default_factory=dict)
    tags: int = 0


class Broker:
    """The queue of commands, and where replies and dead letters arrive.

    Args:
        chance: decides who gets what, and in which order what comes back is delivered again.
        history: is told.
        replied: is given each reply: properties and body.
        buried: is given each dead letter.
    """

    def __init__(
        self,
        chance: Random,
        history: History,
        replied: Callable[[Properties, bytes], None],
        buried: Callable[[Properties, bytes], None],
    ) -> None:
        self._random = chance
        self._history = history
        self._replied, self._buried = replied, buried
        self.waiting: list[Stored] = []
        self.subscriptions: list[Subscription] = []
        self.is_down = False
        self.refuses = False
        """Whether the callers' queue takes no more."""

    @property
    def is_empty(self) -> bool:
        """Whether every message was acknowledged."""
        return not self.waiting and not any(each.unacked for each in self.subscriptions)

    def kept(self) -> set[int]:
        """The callers' messages that are still here."""
        unacked = (message for each in self.subscriptions for message in each.unacked.values())
        return {message.send for message in (*self.waiting, *unacked)}

    def put(self, message: Stored) -> None:
        """A caller's message is in the queue."""
        self.waiting.append(message)
        self.distribute()

    def distribute(self) -> None:
        """Deliver what may be delivered."""
        while self.waiting:
            free = [each for each in self.subscriptions if each.consuming and len(each.unacked) < each.prefetch]
            if not free:
                return
            chosen = free[int(self._random.random() * len(free))]
            message = self.waiting.pop(0)
            message.deliveries += 1
            chosen.tags += 1
            chosen.unacked[chosen.tags] = message
            chosen.deliver(chosen.tags, message)

    def ack(self, subscription: Subscription, tag: int) -> None:
        """An ack arrived."""
        message = subscription.unacked.pop(tag, None)
        if message is not None:
            self._history.note("broker", "acked", message.send)
            self.distribute()

    def nack(self, subscription: Subscription, tag: int) -> None:
        """A message is given back."""
        message = subscription.unacked.pop(tag, None)
        if message is not None:
            self._history.note("broker", "given back", message.send)
            self._put_back([message])

    def drop(self, subscription: Subscription) -> None:
        """A consumer is gone: what it has not acknowledged is delivered again."""
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
            back, subscription.unacked = [*subscription.unacked.values()], {}
            self._put_back(back)

    def _put_back(self, messages: list[Stored]) -> None:
        if self._random.random() < 0.5:
            self._random.shuffle(messages)
        at = 0 if self._random.random() < 0.7 else int(self._random.random() * (len(self.waiting) + 1))
        self.waiting[at:at] = messages
        self.distribute()

    def publish(self, exchange: str, routing_key: str, properties: Properties, body: bytes) -> bool:
        """A publish arrived; whether it is taken."""
        if exchange == wire.DEAD_LETTER:
            self._buried(properties, body)
        elif routing_key == REPLIES:
            if self.refuses:
                return False
            self._replied(properties, body)
        elif routing_key != PROBE:
            raise AssertionError(f"published to {exchange!r}, {routing_key!r}")
        return True


def redelivered(message: Stored) -> bool:
    """Whether it was delivered before."""
    return message.deliveries > 1
