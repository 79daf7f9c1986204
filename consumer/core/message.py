"""A request as it arrived, as plain Python: it knows neither aio-pika, grpc nor OpenTelemetry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zeebe_amqp import envelope, wire
from zeebe_amqp.reply import Reply

__all__ = ["Message", "Reply"]

_UNREAD: Final[Any] = object()
"""Stands for what was not looked for yet; None is what was looked for and is not there."""


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
    """Its sender, as the broker validated it."""
    resent_by: str | None = None
    """Our own login, where we sent it again for `user_id`."""
    app_id: str | None = None
    timestamp: int | None = None
    """When the caller sent it, seconds since 1970, as far as that is to be believed."""
    priority: int | None = None
    delivery_mode: int | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    malformed_properties: tuple[str, ...] = ()
    announced_size: int | None = None
    """How many bytes the sender sent, where `body` has only the first of them; None: it has all."""
    received: float = field(default_factory=time.time)
    """When it arrived, seconds since 1970."""
    _deadline: float | None = field(default=_UNREAD, init=False, repr=False)
    _request_id: str | None = field(default=_UNREAD, init=False, repr=False)

    @property
    def size(self) -> int:
        """How many bytes of body the sender sent."""
        return len(self.body) if self.announced_size is None else self.announced_size

    @property
    def kept_body(self) -> bytes:
        """What its dead letter keeps of the body: of one above the limit the first bytes, for nobody can use it."""
        return self.body if self.size <= wire.MAX_BODY else self.body[: wire.KEPT_OF_LARGE]

    def decode(self, max_depth: int, max_body: int = wire.MAX_BODY) -> envelope.Request:
        """The command in it; a body of more than `max_body` bytes is not looked through.

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
            size=self.size,
            max_body=max_body,
        )

    @property
    def sent(self) -> float:
        """When it was sent, as far as it says, and no later than it came; seconds since 1970."""
        return self.received if self.timestamp is None else min(self.received, self.timestamp)

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting, seconds since 1970; None when it did not say.

        Raises:
            CommandError: INVALID_ARGUMENT for a `deadline` header that is not a whole number.
        """
        if self._deadline is _UNREAD:
            self._deadline = envelope.deadline(self.headers)
        return self._deadline

    @property
    def request_id(self) -> str | None:
        """Header `request-id`, else `message_id`, else None: the identity for "do it once".

        Raises:
            CommandError: INVALID_ARGUMENT for a `request-id` header that is not text of at most 255 bytes.
        """
        if self._request_id is _UNREAD:
            self._request_id = envelope.request_id(self.headers) or self.message_id or None
        return self._request_id

    @property
    def known_request_id(self) -> str | None:
        """`request_id` for telling it: None also where the header is none; the reply says what is wrong with that."""
        try:
            return self.request_id
        except Exception:  # whatever it is: what was to be told must be told all the same
            return None
