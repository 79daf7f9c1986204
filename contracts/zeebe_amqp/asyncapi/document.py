"""The AsyncAPI document as a whole: servers, channels, operations with their replies, and everything they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zeebe_amqp import __version__, wire
from zeebe_amqp.asyncapi import jobs, messages
from zeebe_amqp.asyncapi.bodies import bodies
from zeebe_amqp.asyncapi.data import schemas
from zeebe_amqp.asyncapi.messages import BINDING_VERSION, DEAD_LETTER, ERROR
from zeebe_amqp.asyncapi.properties import REPLY_PROPERTIES, REQUEST_PROPERTIES, headers
from zeebe_amqp.commands import COMMANDS, ActivateJobs, Command, CreateInstance
from zeebe_amqp.jobs.names import DELIVERY_LIMIT, LIMIT, RESULTS, job_queue, job_queue_arguments

__all__ = ["WAITING", "document"]


VERSION: Final = "3.0.0"
"""The version of AsyncAPI."""
WAITING: Final = (CreateInstance, ActivateJobs)
"""The commands that may be long-running, and then belong in the queue for polls."""

_ABOUT: Final = """\
Command a Zeebe workflow engine over RabbitMQ: a request in a queue, the answer in the caller's own.

A request is published to a request queue through the default exchange, `mandatory`, with `reply_to` and
`correlation_id`. With strict replies it goes through the direct exchange `zeebe.requests`, and the reply through a
topic exchange, under a routing key of the user's. The body of a request is an envelope: `operation`, `data`,
`metadata`. An unknown key is refused, in the envelope and in `data`, and the nearest known name is offered. There is
exactly one reply, a result or an error.

**Bare form**: a body that is no JSON object with the key `operation`, in a message whose property `type` names the
operation: the whole body is `data`, and `metadata` are headers of the same names. A file is deployed as it is so.

Keys are whole numbers of 64 bits: integers, exact, or with `"metadata": {"keys": "string"}` decimal text, for callers
whose numbers are doubles. A request may have either.

Callers must ignore fields and headers of replies that they do not know: later versions may add some.

`correlation_id` and `reply_to`, which are referred to as headers here, are AMQP's properties of these names; AsyncAPI
has no other way to name them. All properties are listed at the channels, as `x-message-properties`."""

_JOBS: Final = (
    "Jobs of one type; the type's settings may name another queue. A worker takes few at a time, skips what is past "
    "its `deadline`, and answers before it acknowledges. A job that is rejected fails with one retry fewer."
)
_RESULTS: Final = (
    "Answers of workers. An unusable one fails its job with one retry fewer; one without the correlation id of "
    "a job that was given out is not executed."
)
_REPLIES: Final = (
    "Where the caller wants its replies: the queue that the request names in `reply_to`, or the broker's direct "
    "reply-to, `amq.rabbitmq.reply-to`. Replies are published with confirms, and `mandatory` unless direct. Which "
    "names are allowed is the service's setting."
)


def document() -> dict[str, Any]:
    """The document: plain data, ready for JSON or YAML."""
    return {
        "asyncapi": VERSION,
        "id": "urn:zeebe-amqp:1",
        "info": {
            "title": "zeebe-amqp",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": wire.CONTENT_TYPE,
        "servers": _servers(),
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": messages.messages(),
            "schemas": _schemas(),
            "correlationIds": {
                "correlation": {
                    "description": "AMQP's property correlation_id: it comes back unchanged.",
                    "location": "$message.header#/correlation_id",
                }
            },
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "A user of the broker: SASL PLAIN."},
                "certificate": {"type": "X509", "description": "A client certificate, when the broker asks for one."},
            },
        },
    }


def _schemas() -> dict[str, Any]:
    known = schemas()
    return known | bodies() | jobs.job_schemas(known) | headers()


def _servers() -> dict[str, Any]:
    return {
        "plain": _server("amqp", "A broker in a network that is trusted.", ["password"]),
        "secure": _server("amqps", "A broker over TLS.", ["password", "certificate"]),
    }


def _server(protocol: str, about: str, security: list[str]) -> dict[str, Any]:
    return {
        "host": "{broker}",
        "protocol": protocol,
        "protocolVersion": "0-9-1",
        "description": about,
        "variables": {"broker": {"description": "host, or host:port", "default": "localhost"}},
        "security": [{"$ref": f"#/components/securitySchemes/{each}"} for each in security],
    }


def _channels() -> dict[str, Any]:
    asked = [name for command in COMMANDS.values() for name in messages.requests(command)]
    answered = [*map(messages.result, COMMANDS.values()), ERROR]
    short = "Requests, for all that is answered soon."
    long = "The same for long-running requests, so that they don't delay short ones."
    return {
        "commands": _queue(wire.COMMANDS_QUEUE, short, asked) | {"x-message-properties": REQUEST_PROPERTIES},
        "polls": _queue(wire.POLLS_QUEUE, long, asked) | {"x-message-properties": REQUEST_PROPERTIES},
        "replies": {"address": None, "description": _REPLIES, "messages": _references(answered)}
        | {"x-message-properties": REPLY_PROPERTIES},
        "dead": _queue(wire.DEAD_LETTER, "Requests that nobody could be told about.", [DEAD_LETTER]),
        "jobs": _queue(job_queue("{jobType}"), _JOBS, [jobs.JOB], job_queue_arguments(LIMIT, DELIVERY_LIMIT))
        | {"parameters": {"jobType": {"description": "the type of the jobs"}}}
        | {"x-message-properties": jobs.JOB_PROPERTIES},
        "results": _queue(RESULTS, _RESULTS, jobs.answers()) | {"x-message-properties": jobs.ANSWER_PROPERTIES},
    }


def _queue(name: str, about: str, names: list[str], arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    binding = {"is": "queue", "queue": queue, "bindingVersion": BINDING_VERSION}
    binding["x-arguments"] = dict(arguments or wire.queue_arguments(name))
    return {"address": name, "description": about, "messages": _references(names), "bindings": {"amqp": binding}}


def _references(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operations() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for command in COMMANDS.values():
        made[command.operation] = _operation(command, "commands")
        if command in WAITING:
            waiting = {"title": f"{command.operation}, waiting", "description": _WAITING[command]}
            made[f"{command.operation}.waiting"] = _operation(command, "polls") | waiting
    dead = {"action": "send", "channel": {"$ref": "#/channels/dead"}, "summary": "Keep what nobody can be told about."}
    return made | {"dead-letter": dead | {"messages": _of_channel("dead", [DEAD_LETTER])}, jobs.JOB: _give_out()}


def _give_out() -> dict[str, Any]:
    return {
        "action": "send",
        "title": jobs.JOB,
        "summary": "Publish a job, for the types that the service fetches.",
        "description": "Its worker answers with one message, whose property `type` says what becomes of the job.",
        "channel": {"$ref": "#/channels/jobs"},
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": BINDING_VERSION}},
        "messages": _of_channel("jobs", [jobs.JOB]),
        "reply": {
            "address": {
                "description": "AMQP's property reply_to of the job.",
                "location": "$message.header#/reply_to",
            },
            "channel": {"$ref": "#/channels/results"},
            "messages": _of_channel("results", jobs.answers()),
        },
    }


_WAITING: Final[dict[type[Command], str]] = {
    CreateInstance: "With `withResult` true: the reply comes when the instance has ended.",
    ActivateJobs: "With a `requestTimeout`: the reply comes with jobs, when that time is over or the service stops.",
}


def _operation(command: type[Command], channel: str) -> dict[str, Any]:
    sent = {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": BINDING_VERSION}
    return {
        "action": "receive",
        "title": command.operation,
        "summary": messages.summary(command),
        "channel": {"$ref": f"#/channels/{channel}"},
        "tags": messages.group(command),
        "bindings": {"amqp": sent},
        "messages": _of_channel(channel, messages.requests(command)),
        "reply": {
            "address": {
                "description": "AMQP's property reply_to; without it nobody is answered.",
                "location": "$message.header#/reply_to",
            },
            "channel": {"$ref": "#/channels/replies"},
            "messages": _of_channel("replies", [messages.result(command), ERROR]),
        },
    }


def _of_channel(channel: str, names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
