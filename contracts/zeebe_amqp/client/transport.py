"""What the client needs of whatever carries its requests: a broker, or something in memory in a caller's tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zeebe_amqp import wire
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.errors import Code

__all__ = [
    "ConnectionLost",
    "Delivery",
    "Denied",
    "NotConnected",
    "Outgoing",
    "Peer",
    "QueueState",
    "Refused",
    "Subscription",
    "Transport",
    "Unroutable",
]


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A request to publish, and to publish again after a lost connection.

    `deadline` is in seconds since 1970, None for fire and forget. `replied` says whether the caller wants a reply.
    `priority` is the message's, None = none.
    """

    body: bytes
    queue: str
    correlation_id: str
    request_id: str
    deadline: float | None = None
    replied: bool = True
    type: str | None = None
    content_type: str | None = wire.CONTENT_TYPE
    headers: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message of a queue, which stays there until its subscription acknowledges or rejects it."""

    body: bytes
    headers: Mapping[str, Any]
    correlation_id: str | None
    reply_to: str | None
    redelivered: bool
    """Whether it may have come before."""
    tag: int
    """Its number in the subscription."""


class NotConnected(Exception):
    """Nothing was sent. Retry after `Peer.on_connected`. The text may give the reason."""


class Denied(Exception):
    """The broker refuses access, and waiting does not help.

    `code` says why, and `sent` whether the request was written before the broker said so: then it may have arrived.
    `retryable` says that it may have been about another request.
    """

    def __init__(
        self, reason: str, code: Code = Code.UNAUTHENTICATED, *, sent: bool = False, retryable: bool = False
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.sent = sent
        self.retryable = retryable


class ConnectionLost(Exception):
    """The request may or may not have arrived. Resend it after `Peer.on_connected`."""


class Unroutable(Exception):
    """The queue does not exist."""


class Refused(Exception):
    """The broker rejected the message."""


class Peer(Protocol):
    """Receives the events of a transport. Its methods neither wait nor raise."""

    def on_connected(self) -> None:
        """The transport is connected. Publish again what has no answer yet."""

    def on_denied(self, reason: str, code: Code = Code.UNAUTHENTICATED) -> None:
        """The broker refuses access. Fail the calls that wait."""

    def on_received(self, correlation_id: str | None, body: bytes) -> None:
        """A reply arrived."""


class Subscription(Protocol):
    """The messages of a queue, on one connection: it ends with the connection."""

    async def take(self) -> Delivery | None:
        """Wait for the next message; None after `stop`, and when no more can come."""

    def stop(self) -> None:
        """Take no more; may be called from anywhere in the event loop."""

    async def cancel(self) -> None:
        """Get no more, and give back what nobody took. What was taken can still be acknowledged. Does not raise."""

    async def close(self) -> None:
        """End it; what is not acknowledged goes back to the queue. Does not raise."""

    def ack(self, delivery: Delivery) -> bool:
        """Remove a message from the queue; false when the subscription has ended, and the message comes again."""

    def nack(self, delivery: Delivery, *, requeue: bool) -> bool:
        """Give a message back, which its queue counts and bounds, or reject it: then it is dead. False as for `ack`."""


class Transport(Protocol):
    """Publishes requests and receives replies. Workers of queues also subscribe to these and publish answers."""

    async def open(self, peer: Peer) -> None:
        """Connect, and stay connected until `close`.

        Raises:
            Unauthenticated: the server rejected the credentials.
            PermissionDenied, NotFound, FailedPrecondition: the server refuses access to something we need.
            Unavailable: the transport could not reach a server.
        """

    async def publish(self, request: Outgoing) -> None:
        """Publish a request, and return when the broker has confirmed it.

        Raises:
            NotConnected, Denied, ConnectionLost, Unroutable, Refused: as they say.
            TimeoutError: the request timed out, for a transport with its own timeout.
        """

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Publish the answer to a message that came, as from this sender, and return when the broker has confirmed it.

        Raises:
            NotConnected, Denied, ConnectionLost, Unroutable, Refused: as they say.
        """

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Take messages of a queue, so many at a time.

        Raises:
            NotConnected, Denied, Unroutable: as they say.
        """

    async def look(self, queue: str) -> QueueState | None:
        """The state of a queue, or None when it is unknown or the queue not there. Does not raise."""

    async def close(self) -> None:
        """Disconnect for good. Does nothing when there is no connection."""
