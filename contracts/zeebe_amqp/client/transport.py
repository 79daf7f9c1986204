"""What the client needs of whatever carries its requests: a broker, or something in memory in a caller's tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from zeebe_amqp import wire
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
    """A request to publish: the same one again when the connection was lost meanwhile.

    `deadline` is in seconds since 1970, None for requests nobody waits for. `replied` says whether a reply is wanted.
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


class QueueState(NamedTuple):
    """What is known of a request queue."""

    waiting: int
    """Requests that nobody has taken yet."""
    consumers: int


class NotConnected(Exception):
    """Nothing was written; `Peer.on_connected` will say when it makes sense again. The text may say why."""


class Denied(Exception):
    """The broker does not let us, and waiting would not help.

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
    """It is not known whether the request arrived; `Peer.on_connected` will say when to send it again."""


class Unroutable(Exception):
    """The request queue does not exist."""


class Refused(Exception):
    """The broker did not take the request."""


class Peer(Protocol):
    """What a transport tells its user; nothing here waits or raises."""

    def on_connected(self) -> None:
        """Requests can be published; those without an answer are to be published again."""

    def on_denied(self, reason: str, code: Code = Code.UNAUTHENTICATED) -> None:
        """The broker does not let us in any more, or refuses what we need there: nobody should wait."""

    def on_received(self, correlation_id: str | None, body: bytes) -> None:
        """A reply came."""


class Transport(Protocol):
    """Publishes requests and receives replies."""

    async def open(self, peer: Peer) -> None:
        """Connect, and stay connected until `close`.

        Raises:
            Unauthenticated: the server does not accept our credentials.
            PermissionDenied, NotFound, FailedPrecondition: it refuses what we need there.
            Unavailable: no server could be reached.
        """

    async def publish(self, request: Outgoing) -> None:
        """Publish a request; returns when it is safe with the broker.

        Raises:
            NotConnected, Denied, ConnectionLost, Unroutable, Refused: as they say.
            TimeoutError: the time of the request is up; for a transport with a time of its own.
        """

    async def look(self, queue: str) -> QueueState | None:
        """Who takes from a request queue, and what waits in it; None when that is not known. Never raises for it."""

    async def close(self) -> None:
        """Disconnect for good; harmless when there is nothing to close."""
