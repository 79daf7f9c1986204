"""What the client needs of whatever carries its requests: a broker, or something in memory in a caller's tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zeebe_amqp import wire
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.errors import Code

__all__ = [
    "ConnectionLost",
    "Denied",
    "NotConnected",
    "Outgoing",
    "Peer",
    "QueueState",
    "Refused",
    "Transport",
    "Unroutable",
]


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A request to publish, and to publish again after a lost connection.

    `deadline` is in seconds since 1970, None for fire and forget. `replied` says whether the caller wants a reply.
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
    """The request queue does not exist."""


class Refused(Exception):
    """The broker rejected the request."""


class Peer(Protocol):
    """Receives the events of a transport. Its methods neither wait nor raise."""

    def on_connected(self) -> None:
        """The transport is connected. Publish again what has no answer yet."""

    def on_denied(self, reason: str, code: Code = Code.UNAUTHENTICATED) -> None:
        """The broker refuses access. Fail the calls that wait."""

    def on_received(self, correlation_id: str | None, body: bytes) -> None:
        """A reply arrived."""


class Transport(Protocol):
    """Publishes requests and receives replies."""

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

    async def look(self, queue: str) -> QueueState | None:
        """The state of a request queue, or None when it is unknown. Does not raise."""

    async def close(self) -> None:
        """Disconnect for good. Does nothing when there is no connection."""
