"""Every name telemetry uses: spans, attributes, metrics.

The semantic conventions for messaging are in development and those for RPC a release candidate; when they
change, this file changes and nothing else.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ATTEMPT",
    "ATTEMPT_DELAY",
    "ATTEMPT_NUMBER",
    "BODY_SIZE",
    "BUCKETS",
    "CALL_DURATION",
    "CAMUNDA7",
    "COMMANDS",
    "COMMAND_DURATION",
    "CONSUMED",
    "CONVERSATION_ID",
    "CPU_TIME",
    "DESCRIPTORS",
    "DESTINATION",
    "DESTINATION_TEMPLATE",
    "DESTINATION_TEMPORARY",
    "ERROR_OUTCOME",
    "ERROR_SOURCE",
    "ERROR_TYPE",
    "EXCEPTION",
    "GRPC",
    "JOB_TYPE",
    "KEYS",
    "MEMORY",
    "MESSAGE_ID",
    "OPERATION_DURATION",
    "OPERATION_NAME",
    "OPERATION_TYPE",
    "OTHER",
    "OUTCOMES",
    "PROCESS",
    "PROCESS_DURATION",
    "PUBLISH",
    "PUBLISH_REPLY",
    "QUEUE_WAIT",
    "RABBITMQ",
    "REDELIVERED",
    "REDELIVERED_MESSAGES",
    "REPLAYED",
    "REPLAYED_REPLIES",
    "REPLAYS",
    "REPLY",
    "REQUEST_ID",
    "RETRIES",
    "ROUTING_KEY",
    "RPC_METHOD",
    "RPC_STATUS",
    "RPC_SYSTEM",
    "SCOPE",
    "SEND",
    "SENT",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "SERVICE",
    "SERVICE_NAME",
    "SERVICE_VERSION",
    "SYSTEM",
    "UPTIME",
    "USER",
    "WAIT",
    "WAITED_IN_QUEUE",
    "WAIT_DURATION",
    "WAIT_REASON",
    "ZEEBE_OPERATION",
    "is_rest",
    "method",
    "own",
    "process",
    "publish",
]


SCOPE: Final = "zeebe_amqp"
"""The instrumentation scope."""
SERVICE: Final = "zeebe-amqp-consumer"
"""`service.name` where the environment gives none."""
OTHER: Final = "_OTHER"
"""Stands for a value outside the known set, so that hostile text cannot multiply time series."""

# Attributes of the conventions

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
DESTINATION_TEMPLATE: Final = "messaging.destination.template"
DESTINATION_TEMPORARY: Final = "messaging.destination.temporary"
ROUTING_KEY: Final = "messaging.rabbitmq.destination.routing_key"
MESSAGE_ID: Final = "messaging.message.id"
CONVERSATION_ID: Final = "messaging.message.conversation_id"
BODY_SIZE: Final = "messaging.message.body.size"
USER: Final = "enduser.id"
ERROR_TYPE: Final = "error.type"
RPC_SYSTEM: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.response.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"

# Attributes of our own

ZEEBE_OPERATION: Final = "zeebe.operation"
JOB_TYPE: Final = "zeebe.job_type"
ERROR_SOURCE: Final = "zeebe_amqp.error.source"
ERROR_OUTCOME: Final = "zeebe_amqp.error.outcome"
REPLAYED: Final = "zeebe_amqp.replayed"
REDELIVERED: Final = "zeebe_amqp.redelivered"
REPLAYS: Final = "zeebe_amqp.replays"
REQUEST_ID: Final = "zeebe_amqp.request.id"
WAITED_IN_QUEUE: Final = "zeebe_amqp.queue.wait"
WAIT_REASON: Final = "zeebe_amqp.wait.reason"
WAIT_DURATION: Final = "zeebe_amqp.wait.duration"
ATTEMPT_NUMBER: Final = "zeebe_amqp.attempt.number"
ATTEMPT_DELAY: Final = "zeebe_amqp.attempt.delay"

KEYS: Final = {
    "process_instance_key": ("processInstanceKey", "zeebe.process_instance_key"),
    "process_definition_key": ("processDefinitionKey", "zeebe.process_definition_key"),
    "element_instance_key": ("elementInstanceKey", "zeebe.element_instance_key"),
    "incident_key": ("incidentKey", "zeebe.incident_key"),
    "job_key": ("jobKey", "zeebe.job_key"),
}
"""Keys worth finding a trace by: field of a command -> (field of a result, attribute)."""

# Values

RABBITMQ: Final = "rabbitmq"
GRPC: Final = "grpc"
CAMUNDA7: Final = "camunda7_rest"
PROCESS: Final = "process"
PUBLISH: Final = "publish"
SEND: Final = "send"
REPLY: Final = "reply"

# Spans and events

PUBLISH_REPLY: Final = "publish reply"
ATTEMPT: Final = "attempt"
WAIT: Final = "wait"
EXCEPTION: Final = "exception"


def process(queue: str) -> str:
    """The name of a handling span."""
    return f"{PROCESS} {queue}"


def publish(queue: str) -> str:
    """The name of the span of a job's publishing."""
    return f"{PUBLISH} {queue}"


def method(rpc: str) -> str:
    """The full name of a gateway RPC ("CreateProcessInstance"), which also names its span; "POST /signal" is one."""
    return rpc if is_rest(rpc) else f"gateway_protocol.Gateway/{rpc}"


def is_rest(rpc: str) -> bool:
    """Whether a call is a request to a REST API, "POST /signal", and no RPC."""
    return " " in rpc


# Metrics of the conventions

PROCESS_DURATION: Final = "messaging.process.duration"
OPERATION_DURATION: Final = "messaging.client.operation.duration"
CONSUMED: Final = "messaging.client.consumed.messages"
SENT: Final = "messaging.client.sent.messages"
CALL_DURATION: Final = "rpc.client.call.duration"
UPTIME: Final = "process.uptime"
CPU_TIME: Final = "process.cpu.time"
MEMORY: Final = "process.memory.usage"
DESCRIPTORS: Final = "process.unix.file_descriptor.count"

# Metrics of our own

COMMANDS: Final = "zeebe_amqp.commands"
QUEUE_WAIT: Final = "zeebe_amqp.queue.wait"
REDELIVERED_MESSAGES: Final = "zeebe_amqp.redelivered"
REPLAYED_REPLIES: Final = "zeebe_amqp.replayed"
RETRIES: Final = "zeebe_amqp.retries"
COMMAND_DURATION: Final = "zeebe_amqp.command.duration"
OUTCOMES: Final = "zeebe_amqp.outcomes"

BUCKETS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
)
"""Upper bounds of the duration histograms, seconds: the conventions' own, and up to the longest poll."""


def own(name: str) -> str:
    """The full name of a metric of ours: "dead_lettered" -> "zeebe_amqp.dead_lettered"."""
    return f"{SCOPE}.{name}"
