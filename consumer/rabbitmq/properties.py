"""AMQP properties and plain Python: reading what a caller sent, writing what we publish."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from consumer.config.values import AuditSink
from consumer.core.large import LARGE
from consumer.core.message import Message, Reply
from consumer.core.seal import Purpose, Seal, digest_of
from consumer.core.sender import ROUTING, of_broker, text
from consumer.rabbitmq.queue_address import queue_of
from zeebe_amqp import __version__, wire
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import NO_HEADERS, Properties, fresh_id
from zeebe_amqp.amqp.table import encoded_size

__all__ = [
    "APP_ID",
    "audit_address",
    "audit_properties",
    "dead_letter_properties",
    "message",
    "reply_properties",
]


APP_ID: Final = f"zeebe-amqp-consumer/{__version__}"

_DELIVERY_MODES: Final = (1, 2)
"""Transient and persistent; some brokers deliver others too, and none can be written."""

_MAX_ERROR_TEXT: Final = 1024
"""Bytes of one error header of a dead letter."""

_MAX_HEADERS: Final = 64 * 1024
"""Bytes of all headers of a dead letter: they must fit into one frame of at least 128 KiB."""

_DROPPED: Final = frozenset(
    {
        wire.ORIGINAL_USER_ID,
        wire.ORIGINAL_QUEUE,
        wire.TRUNCATED,
        wire.ORIGINAL_SIZE,
        wire.SIGNATURE,
        wire.RENEWED_USER_ID,
        wire.RENEWAL,
        *ROUTING,
    }
)
"""Headers of a request that its dead letter does not get from there: they say something only where we wrote them, or
route. Those that every letter gets from us are not listed."""


def message(incoming: Incoming, queue: str, own: Collection[str] = (), seal: Seal | None = None) -> Message:
    """A delivered message as plain Python.

    Args:
        incoming: what was delivered.
        queue: where.
        own: the names under which we log in ourselves.
        seal: verifies what we say of the first sender of what we sent again.
    """
    properties = incoming.properties
    headers = NO_HEADERS if properties.headers is None else properties.headers
    arrived = Message(
        body=incoming.body,
        announced_size=incoming.size,
        queue=queue,
        type=properties.type,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        reply_to=queue_of(properties.reply_to or "") or None,
        correlation_id=properties.correlation_id,
        message_id=properties.message_id,
        user_id=properties.user_id,
        app_id=properties.app_id,
        timestamp=properties.timestamp,
        priority=properties.priority,
        delivery_mode=properties.delivery_mode,
        headers=headers,
        redelivered=incoming.redelivered,
        malformed_properties=properties.malformed,
    )
    if seal is not None and properties.user_id in own and _is_replay(incoming, headers, queue, seal):
        arrived.user_id, arrived.resent_by = text(headers.get(wire.ORIGINAL_USER_ID)), properties.user_id
    return arrived


def _is_replay(incoming: Incoming, headers: Mapping[str, Any], queue: str, seal: Seal) -> bool:
    """Whether our signature proves who sent a message first."""
    signature = headers.get(wire.SIGNATURE)
    if signature is None:
        return False
    digest = seal.verify(signature, Purpose.REPLAY, incoming.properties, headers, queue)
    if digest is None or incoming.size > wire.MAX_BODY:  # such a body is not all there, and is never sent again
        return False
    return _is_checked_later(incoming) or digest == digest_of(incoming.body)


def _is_checked_later(incoming: Incoming) -> bool:
    """Whether the body is not here yet, or so large that its digest holds up the event loop.

    The digest that it must have is signed itself: so the sender of such a message is known before the body is read.
    """
    return incoming.elsewhere is not None or incoming.size > LARGE


def reply_properties(request: Message, reply: Reply, trace: Mapping[str, str]) -> Properties:
    """The properties of a reply, as the contract's section 3 lists them; `trace` are the trace context's headers."""
    return Properties(
        content_type=wire.CONTENT_TYPE,
        correlation_id=request.correlation_id or request.message_id,
        message_id=fresh_id(),
        type=reply.type,
        timestamp=int(time.time()),
        app_id=APP_ID,
        delivery_mode=request.delivery_mode if request.delivery_mode in _DELIVERY_MODES else None,
        priority=request.priority,
        expiration=_remaining(request),
        headers={**trace, **_status_headers(request, reply)},
    )


def _status_headers(request: Message, reply: Reply) -> dict[str, Any]:
    headers: dict[str, Any] = {
        wire.STATUS: "ok" if reply.error is None else "error",
        wire.DURATION_MS: max(0, round((time.time() - request.received) * 1000)),
    }
    if reply.error is not None:
        headers[wire.ERROR_CODE] = str(reply.error.code)
    if reply.replayed:
        headers[wire.REPLAYED] = True
    if (request_id := request.known_request_id) is not None:
        headers[wire.REQUEST_ID] = request_id
    return headers


_DAY_MS: Final = 24 * 60 * 60 * 1000


def _remaining(request: Message) -> str | None:
    """Milliseconds until the caller's deadline as the wire wants them, between a second and a day; None without one."""
    try:
        deadline = request.deadline
    except Exception:  # whatever is wrong with it: the reply says so
        return None
    if deadline is None:
        return None
    return str(int(min(max((deadline - time.time()) * 1000, 1000), _DAY_MS)))


def dead_letter_properties(request: Message, reply: Reply, seal: Seal, digest: bytes) -> Properties:
    """The request's own properties, so that it can be sent again, and in headers why it is dead, and what is missing.

    Without `expiration`, which would delete it there; `user_id`, which only its owner may send, as a header. Signed, so
    that nobody else can say what only we know.

    Args:
        request: what is dead.
        reply: why.
        seal: signs it.
        digest: of the body that it has.
    """
    letter = _unsigned(request, reply)
    headers = letter.headers or {}
    signature = seal.make(Purpose.LETTER, letter, headers, digest, request.queue)
    if signature is not None:
        letter.headers = {**headers, wire.SIGNATURE: signature}
    return letter


def _unsigned(request: Message, reply: Reply) -> Properties:
    return Properties(
        content_type=request.content_type,
        content_encoding=request.content_encoding,
        correlation_id=request.correlation_id,
        reply_to=request.reply_to,
        # The request's own identity is kept as a header.
        message_id=fresh_id(),
        type=request.type,
        timestamp=request.timestamp,
        app_id=request.app_id,
        delivery_mode=2,
        priority=request.priority,
        headers={
            **_encodable(_own(request.headers)),
            **_identity_headers(request),
            **_reason_headers(reply),
            **_size_headers(request),
        },
    )


def audit_address(sink: AuditSink, topic: str) -> tuple[str, str]:
    """Exchange and routing key of a record of the audit."""
    return (sink.name, topic) if sink.kind == "exchange" else ("", sink.name)


def audit_properties(login: str | None) -> Properties:
    """Of a record of the audit. The broker validates `login`: others may publish to a stream by its name, too."""
    return Properties(
        content_type=wire.CONTENT_TYPE,
        message_id=fresh_id(),
        timestamp=int(time.time()),
        type="audit",
        app_id=APP_ID,
        user_id=login,
        delivery_mode=2,
    )


def _own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A request's headers without what only the broker or we may say about it; else a caller could claim anything."""
    return {name: value for name, value in headers.items() if name not in _DROPPED and not of_broker(name)}


def _identity_headers(request: Message) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if (request_id := request.known_request_id) is not None:
        headers[wire.REQUEST_ID] = request_id
    if request.user_id:
        headers[wire.ORIGINAL_USER_ID] = request.user_id
    return headers


def _size_headers(request: Message) -> dict[str, Any]:
    if len(request.kept_body) == request.size:
        return {}
    return {wire.TRUNCATED: True, wire.ORIGINAL_SIZE: request.size}


def _reason_headers(reply: Reply) -> dict[str, Any]:
    headers: dict[str, Any] = {wire.FAILED_AT: datetime.now(UTC).isoformat(timespec="milliseconds")}
    if reply.operation is not None:
        headers[wire.OPERATION] = reply.operation
    if reply.error is not None:
        headers[wire.ERROR_CODE] = str(reply.error.code)
        headers[wire.ERROR_MESSAGE] = reply.error.message
        headers[wire.ERROR_SOURCE] = str(reply.error.source)
        headers[wire.ERROR_OUTCOME] = str(reply.error.outcome)
    return {name: _truncate(value) for name, value in headers.items()}


def _truncate(text: str) -> str:
    return text.encode()[:_MAX_ERROR_TEXT].decode(errors="ignore")


def _encodable(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those headers that the library can write, as many as fit."""
    kept: dict[str, Any] = {}
    room = _MAX_HEADERS
    for name, value in headers.items():
        size = encoded_size(name, value)
        if size is not None and size <= room:
            kept[name] = value
            room -= size
    return kept
