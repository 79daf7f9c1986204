"""The one signature of the service: `async (Incoming) -> Reply`.

`Incoming` is a request as plain Python, `Reply` (from the contracts) its answer as plain Python;
neither knows aio-pika, grpc or OpenTelemetry.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from zeebe_amqp import envelope, wire
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import CommandError
from zeebe_amqp.reply import Reply

__all__ = [
    "CallObserver",
    "CallSpan",
    "Handler",
    "Incoming",
    "Reply",
    "Request",
    "RestRequest",
    "Unwatched",
    "unobserved",
]


@dataclass(eq=False)
class Incoming:
    """One delivery of a request message, as the caller sent it.

    Properties that the message did not carry are None. `malformed_properties` names the properties whose bytes
    could not be decoded as AMQP; such a message is answered by the dead-letter queue only.
    """

    body: bytes
    queue: str = ""
    type: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    timestamp: datetime | None = None
    priority: int | None = None
    delivery_mode: int | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    malformed_properties: tuple[str, ...] = ()
    max_depth: int = wire.MAX_DEPTH
    received: float = field(default_factory=time.time)
    """When it arrived, seconds since 1970."""
    called: bool = False
    """Whether the gateway has been called for it: a defect after that has an unknown outcome."""
    alive: Callable[[], bool] = lambda: True
    """Whether the channel that delivered it is open; when it is not, the broker delivers it again."""
    acknowledged: Callable[[], None] = lambda: None
    """Called once its ack was handed to an open channel: the broker should not deliver it again."""
    aside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Within it the request waits for what another run does: others may have its place meanwhile."""
    trace: object = None
    """The trace context of the handling, for the reply's headers; telemetry writes and reads it."""

    @property
    def request(self) -> Request:
        """The decoded command.

        Raises:
            CommandError: INVALID_ARGUMENT or UNIMPLEMENTED, as the contract's table of errors says.
        """
        if isinstance(self._decoded, CommandError):
            raise self._decoded
        return self._decoded

    @cached_property
    def _decoded(self) -> Request | CommandError:
        # A refusal is kept as well: several wrappers ask, and a hostile body should cost us once.
        try:
            return self._decode()
        except CommandError as refusal:
            return refusal

    def _decode(self) -> Request:
        return envelope.decode(
            self.body,
            type=self.type,
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            headers=self.headers,
            max_depth=self.max_depth,
        )

    @cached_property
    def deadline(self) -> float | None:
        """When the caller stops waiting, seconds since 1970; None when it did not say.

        Raises:
            CommandError: INVALID_ARGUMENT for a `deadline` header that is not a whole number.
        """
        return envelope.deadline(self.headers)

    @cached_property
    def request_id(self) -> str | None:
        """Header `request-id`, else `message_id`, else None: the identity for "do it once".

        Raises:
            CommandError: INVALID_ARGUMENT for a `request-id` header that is not text of at most 255 bytes.
        """
        return envelope.request_id(self.headers) or self.message_id or None


@dataclass(frozen=True)
class RestRequest:
    """A request to the REST API of a Camunda 7 engine: POST `body`, JSON, to `path` below the engine's URL."""

    path: str
    body: bytes


Handler: TypeAlias = Callable[[Incoming], Awaitable[Reply]]


class CallSpan(Protocol):
    """What the funnel tells an observer about one logical call to the gateway."""

    metadata: tuple[tuple[str, str], ...]
    """gRPC metadata, or HTTP headers, to send along: the trace context."""

    def attempt(self, number: int, code: str, delay: float) -> None:
        """Attempt `number` (from 1) ended with gRPC status `code`; the next one follows after `delay` seconds."""

    def finish(self, code: str) -> None:
        """The call ended with gRPC status name `code` ("OK" for success)."""


class CallObserver(Protocol):
    """Watches calls to an engine; telemetry is one."""

    def __call__(self, rpc: str, target: str) -> AbstractContextManager[CallSpan]:
        """Open the span of a call of `rpc` ("CreateProcessInstance", "POST /signal") to `target` ("host:port")."""


class Unwatched:
    """The span of a call that nobody observes."""

    metadata: tuple[tuple[str, str], ...] = ()

    def attempt(self, number: int, code: str, delay: float) -> None:
        """Nobody listens."""

    def finish(self, code: str) -> None:
        """Nobody listens."""


def unobserved(rpc: str, target: str) -> AbstractContextManager[CallSpan]:
    """The `CallObserver` where nobody watches."""
    return nullcontext(Unwatched())
