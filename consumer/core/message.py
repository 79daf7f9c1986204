"""A request as it arrived, as plain Python: it knows neither aio-pika, grpc nor OpenTelemetry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zeebe_amqp import envelope
from zeebe_amqp.reply import Reply

__all__ = ["Message", "Reply"]


@dataclass(eq=False, slots=True)
class Message:
    """One request message, as the caller sent it; nothing that happens to it later changes it.

    Not frozen all the same: making a frozen one takes four times as long, and every request makes one.

    Properties that the message did not carry are None. `malformed_properties` says which properties' bytes could not
    be decoded as AMQP, and why; such a message is answered by the dead-letter queue only.
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
    timestamp: int | None = None
    """When the caller sent it, seconds since 1970, as far as that is to be believed."""
    priority: int | None = None
    delivery_mode: int | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    malformed_properties: tuple[str, ...] = ()
    received: float = field(default_factory=time.time)
    """When it arrived, seconds since 1970."""

    def decode(self, max_depth: int) -> envelope.Request:
        """The command in it.

        Raises:
            CommandError: INVALID_ARGUMENT or UNIMPLEMENTED, as the contract's table of errors says.
        """
        return envelope.decode(
            self.body,
            type=self.type,
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            headers=self.headers,
            max_depth=max_depth,
        )

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting, seconds since 1970; None when it did not say.

        Raises:
            CommandError: INVALID_ARGUMENT for a `deadline` header that is not a whole number.
        """
        return envelope.deadline(self.headers)

    @property
    def request_id(self) -> str | None:
        """Header `request-id`, else `message_id`, else None: the identity for "do it once".

        Raises:
            CommandError: INVALID_ARGUMENT for a `request-id` header that is not text of at most 255 bytes.
        """
        return envelope.request_id(self.headers) or self.message_id or None
