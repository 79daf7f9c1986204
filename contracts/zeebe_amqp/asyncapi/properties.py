"""What stands beside a body: headers, and the properties of AMQP, as JSON Schemas."""

from __future__ import annotations

from typing import Any, Final

from zeebe_amqp import wire
from zeebe_amqp.asyncapi.bodies import METADATA
from zeebe_amqp.asyncapi.data import Schema, reference
from zeebe_amqp.errors import Outcome

__all__ = ["REPLY_PROPERTIES", "REQUEST_PROPERTIES", "headers"]


_TRACE: Final[Schema] = {
    wire.TRACEPARENT: {"type": "string", "description": "W3C trace context"},
    wire.TRACESTATE: {"type": "string", "description": "W3C trace context"},
    wire.BAGGAGE: {"type": "string", "description": "W3C baggage"},
}
_REQUEST_ID: Final[Schema] = {
    "type": ["string", "null"],
    "maxLength": wire.MAX_TEXT,
    "description": "the identity of the request: sent or delivered again, it is answered again, not run again",
}
_REQUEST: Final[Schema] = {
    wire.REQUEST_ID: _REQUEST_ID,
    wire.DEADLINE: {
        "type": ["integer", "null"],
        "description": "milliseconds since 1970 UTC when the caller stops waiting; a request past it is not run",
    },
    **_TRACE,
}
_REPLY: Final[Schema] = {
    wire.STATUS: {"type": "string", "enum": ["ok", "error"]},
    wire.ERROR_CODE: reference("Code"),
    wire.DURATION_MS: {"type": "integer", "minimum": 0, "description": "how long the handling took"},
    wire.REPLAYED: {"type": "boolean", "description": "true: the stored answer of an earlier run was sent again"},
    wire.REQUEST_ID: {"type": "string", "description": "that of the request, when it had one"},
    **_TRACE,
}
_FILE: Final[Schema] = {
    wire.FILE_NAME: {"type": "string", "pattern": r"\S", "description": METADATA[wire.FILE_NAME]},
    wire.ENCODING: {"type": "string", "enum": ["base64"], "description": "when the body is base64"},
    wire.TENANT_ID: {"type": "string", "description": METADATA[wire.TENANT_ID]},
    wire.KEYS: {"type": "string", "enum": ["string"], "description": "for keys as text in the reply"},
}
_DEAD: Final[Schema] = {
    wire.ERROR_CODE: reference("Code"),
    wire.ERROR_MESSAGE: {"type": "string", "description": "for people"},
    wire.ERROR_SOURCE: reference("Source"),
    wire.ERROR_OUTCOME: {"type": "string", "enum": list(Outcome)},
    wire.OPERATION: {"type": "string"},
    wire.FAILED_AT: {"type": "string", "description": "when the message was given up"},
    wire.SIGNATURE: {"type": "string", "description": "proves that the service wrote it"},
    wire.TRUNCATED: {
        "type": "boolean",
        "description": f"true: the body was above {wire.MAX_BODY} bytes, its first {wire.KEPT_OF_LARGE} are here",
    },
    wire.ORIGINAL_SIZE: {"type": "integer", "description": "how many bytes the body of a truncated letter had"},
}

REQUEST_PROPERTIES: Final[dict[str, Any]] = {
    "reply_to": "the queue for the reply; without it the request is fire and forget. Its name must match the service's "
    "REPLY_ALLOW, by default contain reply, replies or response in any case",
    "correlation_id": "comes back unchanged, at most 255 bytes; without it the message_id comes back instead",
    "message_id": "the identity of the request when there is no header request-id",
    "type": "in the bare form the operation, such as publish-message; else it is not read",
    "content_type": "application/json or absent; text/plain and application/octet-stream, which many clients set "
    "unasked, count as absent; in the bare form of a deployment anything",
    "content_encoding": "absent, identity or utf-8",
    "expiration": "the broker's own time to live, milliseconds as text",
    "user_id": "the sender: the name of the login, which the broker checks. Request ids belong to it; requests without "
    "it share theirs",
    "priority": "from 0 to 31, mirrored in the reply. RabbitMQ 4.3 delivers a higher one first; 4.0 to 4.2 know two "
    "levels, 0 to 4 and 5 to 31; older ones ignore it",
    "delivery_mode": "mirrored in the reply",
}
"""The properties of a request that are read, and what they mean."""
REPLY_PROPERTIES: Final[dict[str, Any]] = {
    "correlation_id": "that of the request, or its message_id",
    "message_id": "a fresh UUID for every attempt to publish",
    "content_type": "application/json",
    "type": "<operation>.result or <operation>.error; error alone when the operation is missing or unknown",
    "timestamp": "now",
    "app_id": "zeebe-amqp-consumer/<version>",
    "expiration": "the rest of the caller's deadline, at least 1 s and at most 24 h, when one was given",
    "priority": "as in the request",
    "delivery_mode": "as in the request",
}
"""The properties of a reply."""


def headers() -> dict[str, Schema]:
    """The schemas of the headers of each kind of message, by name."""
    return {
        "RequestHeaders": _headers(_REQUEST),
        "FileHeaders": _headers(_REQUEST | _FILE, [wire.FILE_NAME]),
        "ReplyHeaders": _headers(_REPLY, [wire.STATUS]),
        "DeadLetterHeaders": _headers(_REQUEST | _DEAD),
    }


def _headers(known: Schema, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": known} | ({"required": required} if required else {})
