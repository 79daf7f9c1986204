"""Every span of the service, its attributes and its events. The page of monitoring is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consumer.telemetry import names

__all__ = ["EVENTS", "SPANS", "SpanEvent", "SpanKind"]

_SYSTEM: Final[Mapping[str, str]] = {
    names.SYSTEM: "`rabbitmq`",
    names.OPERATION_NAME: "`process` or `publish`",
    names.OPERATION_TYPE: "`process` or `send`",
}
_COMMON: Final[Mapping[str, str]] = {
    names.CONVERSATION_ID: "the request's `correlation_id`",
    names.ZEEBE_OPERATION: "the operation, such as `create-instance`",
}
_ERROR: Final[Mapping[str, str]] = {names.ERROR_TYPE: "why it failed: a code, or the name of an exception"}
_JOB_KEYS: Final = ("job_key", "process_instance_key", "element_instance_key")


@dataclass(frozen=True)
class SpanKind:
    """The spans of one kind: what they are about, and their attributes with their meaning."""

    name: str
    kind: str
    meaning: str
    attributes: Mapping[str, str]
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpanEvent:
    """An event within a span, and its attributes with their meaning."""

    meaning: str
    attributes: Mapping[str, str]


SPANS: Final = (
    SpanKind(
        "process <queue>",
        "consumer",
        "Handling a request; a child of the caller's span. A request that is run again has one for each run. It begins "
        "when the request began to wait for its run. That of a worker's answer without a trace of its own has a link "
        "to the publishing of the job",
        {
            **_SYSTEM,
            **_COMMON,
            names.DESTINATION: "the request queue, or that of answers",
            names.ROUTING_KEY: "the same",
            names.MESSAGE_ID: "the request's `message_id`",
            names.REQUEST_ID: "its header `request-id`",
            names.BODY_SIZE: "bytes of its body",
            names.USER: "its validated `user_id`",
            names.WAITED_IN_QUEUE: "seconds from its timestamp to its delivery; callers give whole seconds",
            names.REDELIVERED: "whether the broker had delivered it before",
            names.REPLAYS: "how often it was replayed from the dead letters",
            names.REPLAYED: "true: the answer is that of an earlier run. A link leads to its span if this process runs "
            "it, or has not settled it",
            **{attribute: "the key, as text" for _, attribute in names.KEYS.values()},
            names.ERROR_SOURCE: "who says that it failed: `gateway`, `consumer` …",
            names.ERROR_OUTCOME: "`not-executed` or `unknown`",
            **_ERROR,
        },
        (names.WAIT,),
    ),
    SpanKind(
        "gateway_protocol.Gateway/<RPC>, or POST <path>",
        "client",
        "A call to the gateway, with all its attempts; POST for a Camunda 7 engine. It carries the trace context",
        {
            names.RPC_SYSTEM: "`grpc` or `camunda7_rest`",
            names.RPC_METHOD: "as the span's name",
            names.SERVER_ADDRESS: "the gateway's host",
            names.SERVER_PORT: "its port",
            names.RPC_STATUS: "how the last attempt ended",
            **_ERROR,
        },
        (names.ATTEMPT,),
    ),
    SpanKind(
        names.PUBLISH_REPLY,
        "producer",
        "Publishing a reply until the broker confirms it; its context is the reply's `traceparent`",
        {
            **_SYSTEM,
            **_COMMON,
            names.DESTINATION_TEMPLATE: "`reply`",
            names.DESTINATION_TEMPORARY: "whether the broker named the reply queue",
            **_ERROR,
        },
    ),
    SpanKind(
        "publish <queue>",
        "producer",
        "Publishing a job until the broker confirms it, from when it was fetched; its context is the job's "
        "`traceparent`. It continues the trace in the job's variables. A link leads to the call that fetched the job",
        {
            **_SYSTEM,
            names.DESTINATION: "the queue of the job's type",
            names.ROUTING_KEY: "the same",
            names.BODY_SIZE: "bytes of the job's variables",
            names.JOB_TYPE: "the job's type",
            **{names.KEYS[each][1]: "the key, as text" for each in _JOB_KEYS},
            **_ERROR,
        },
    ),
)
EVENTS: Final[Mapping[str, SpanEvent]] = {
    names.WAIT: SpanEvent(
        "It waited, from the event's time on",
        {
            names.WAIT_REASON: "`slot`: others run, as many as may; `gateway`: none is reached; `broker`: no reply can "
            "be published; `retry`: the next try follows; `body`: a large body is decoded; `run`: the same request "
            "runs already; `ledger`: it cannot be used",
            names.WAIT_DURATION: "seconds",
        },
    ),
    names.ATTEMPT: SpanEvent(
        "An attempt failed, and another follows",
        {
            names.ATTEMPT_NUMBER: "from 1",
            names.ATTEMPT_DELAY: "seconds until the next attempt",
            names.RPC_STATUS: "how it ended",
        },
    ),
}
"""By name."""
