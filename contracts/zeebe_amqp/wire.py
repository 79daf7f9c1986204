"""The names and limits on the wire: queues, headers, sizes. Contract sections 1 to 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "BAGGAGE",
    "COMMANDS_QUEUE",
    "CONTENT_TYPE",
    "DEADLINE",
    "DEAD_LETTER",
    "DEAD_QUEUE",
    "DIRECT_REPLY_TO",
    "DURATION_MS",
    "ENCODING",
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "ERROR_OUTCOME",
    "ERROR_SOURCE",
    "FAILED_AT",
    "FILE_NAME",
    "KEPT_OF_LARGE",
    "KEYS",
    "MAX_BODY",
    "MAX_DEPTH",
    "MAX_FOUND",
    "MAX_MESSAGE",
    "MAX_NAME",
    "MAX_PRIORITY",
    "MAX_TEXT",
    "METADATA_NAMES",
    "OPERATION",
    "ORIGINAL_QUEUE",
    "ORIGINAL_SIZE",
    "ORIGINAL_USER_ID",
    "POLLS_QUEUE",
    "RENEWAL",
    "RENEWED_USER_ID",
    "REPLAYED",
    "REPLAYS",
    "REPLIES_EXCHANGE",
    "REQUESTS_EXCHANGE",
    "REQUEST_ID",
    "REQUEST_QUEUE",
    "SIGNATURE",
    "STATUS",
    "STREAM",
    "TENANT_ID",
    "TRACEPARENT",
    "TRACESTATE",
    "TRACE_NAMES",
    "TRACE_VARIABLE",
    "TRUNCATED",
    "queue_arguments",
]


COMMANDS_QUEUE: Final = "zeebe.commands"
"""The request queue for short commands."""
POLLS_QUEUE: Final = "zeebe.polls"
"""The request queue for long-running requests, so that they don't delay short ones."""
DEAD_LETTER: Final = "zeebe.dead"
"""The dead-letter exchange, and its queue of the same name."""
REQUESTS_EXCHANGE: Final = "zeebe.requests"
"""With strict replies: the direct exchange that requests are published to; the routing key is the queue's name."""
REPLIES_EXCHANGE: Final = "zeebe.replies"
"""The usual name of the topic exchange of strict replies."""
DIRECT_REPLY_TO: Final = "amq.rabbitmq.reply-to"
"""The broker's direct reply-to pseudo queue; addresses made from it continue with a dot."""

REQUEST_QUEUE: Final[Mapping[str, Any]] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 20,
    "x-dead-letter-exchange": DEAD_LETTER,
    "x-dead-letter-strategy": "at-least-once",
    # At-least-once dead-lettering needs it: a full queue says no instead of dropping its oldest.
    "x-overflow": "reject-publish",
}
"""Arguments of a request queue."""
DEAD_QUEUE: Final[Mapping[str, Any]] = {"x-queue-type": "quorum"}
"""Arguments of the dead-letter queue."""

STREAM: Final[Mapping[str, Any]] = {"x-queue-type": "stream"}
"""Arguments of the stream of the audit."""

CONTENT_TYPE: Final = "application/json"
"""The content type of envelopes and replies."""

REQUEST_ID: Final = "request-id"
"""Request and reply header: the identity for "do it once", text of at most MAX_TEXT bytes."""
DEADLINE: Final = "deadline"
"""Request header: when the caller stops waiting, a whole number of milliseconds since 1970 UTC."""
TRACEPARENT: Final = "traceparent"
"""W3C trace context: the parent."""
TRACESTATE: Final = "tracestate"
"""W3C trace context: the vendors' state."""
BAGGAGE: Final = "baggage"
"""W3C baggage."""
FILE_NAME: Final = "fileName"
"""Metadata and bare form's header: the name of a deployed file."""
ENCODING: Final = "encoding"
"""Metadata: "base64" when the file's text is base64."""
TENANT_ID: Final = "tenantId"
"""Metadata: the tenant a file is deployed for."""
TRACE_VARIABLE: Final = "traceVariable"
"""Metadata: the variable that gets the trace context of a new instance, a message or a signal."""
KEYS: Final = "keys"
"""Metadata: "string" when the caller wants keys as text."""

STATUS: Final = "status"
"""Reply header: "ok" or "error"."""
DURATION_MS: Final = "duration-ms"
"""Reply header: how long the handling took, milliseconds."""
REPLAYED: Final = "replayed"
"""Reply header: true when the stored answer of an earlier run was sent again."""
ERROR_CODE: Final = "error-code"
"""Reply and dead-letter header: the error's code."""

ERROR_MESSAGE: Final = "error-message"
"""Dead-letter header: the error's text for people."""
ERROR_SOURCE: Final = "error-source"
"""Dead-letter header: "gateway" or "consumer"."""
ERROR_OUTCOME: Final = "error-outcome"
"""Dead-letter header: "not-executed" or "unknown"."""
OPERATION: Final = "operation"
"""Dead-letter header, and the envelope's key: the operation."""
FAILED_AT: Final = "failed-at"
"""Dead-letter header: when the message was given up."""
ORIGINAL_USER_ID: Final = "original-user-id"
"""Header of a dead letter and of its replay: the validated sender of the request."""
ORIGINAL_QUEUE: Final = "original-queue"
"""Header of a dead letter that was put anew into its queue: the request queue that it came from."""
TRUNCATED: Final = "truncated"
"""Dead-letter header: true when the letter has only the first KEPT_OF_LARGE bytes of the request's body."""
ORIGINAL_SIZE: Final = "original-size"
"""Dead-letter header beside TRUNCATED: how many bytes the request's body had."""
REPLAYS: Final = "replays"
"""Header of a replayed request: how often it was sent again, a whole number."""

SIGNATURE: Final = "signature"
"""Header of a dead letter and of its replay: proves that the service wrote it."""
RENEWED_USER_ID: Final = "renewed-user-id"
"""Header of a dead letter that was put anew into its queue: the `user_id` that it had."""
RENEWAL: Final = "renewal"
"""Header beside RENEWED_USER_ID: proves it."""

TRACE_NAMES: Final = (TRACEPARENT, TRACESTATE, BAGGAGE)
"""The metadata that carries the trace context."""
METADATA_NAMES: Final = (FILE_NAME, ENCODING, TENANT_ID, KEYS, TRACE_VARIABLE, *TRACE_NAMES)
"""The metadata that is read; other names are ignored."""

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""The largest gRPC message a gateway takes, bytes; a command's own size as such a message counts, not its JSON's."""
MAX_BODY: Final = 2 * MAX_MESSAGE
"""The largest request body, bytes: JSON text and base64 are larger than the message that they become."""
KEPT_OF_LARGE: Final = 64 * 1024
"""How much is kept of a body above MAX_BODY, bytes: enough to see what it was and whose."""
MAX_DEPTH: Final = 500
"""How many levels a document of variables may be nested; deeper ones hang or kill the engine."""
MAX_TEXT: Final = 255
"""The longest text of an AMQP property, bytes."""
MAX_PRIORITY: Final = 31
"""The highest priority of a message in a quorum queue; a broker takes a higher one for this."""
MAX_NAME: Final = 200
"""How many characters of an operation's name are repeated in a reply."""
MAX_FOUND: Final = 80
"""How many characters of a refused value are repeated in an error's message."""


def queue_arguments(name: str) -> dict[str, Any]:
    """Arguments with which a queue of the service is declared."""
    return dict(DEAD_QUEUE if name == DEAD_LETTER else REQUEST_QUEUE)
