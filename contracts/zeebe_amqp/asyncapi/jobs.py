"""Jobs in queues, for machines: the message of a job, the answers to it, and their queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zeebe_amqp import wire
from zeebe_amqp.asyncapi.data import Schema, reference
from zeebe_amqp.commands import Command, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import Outcome

__all__ = [
    "ANSWERS",
    "ANSWER_HEADERS",
    "ANSWER_PROPERTIES",
    "EXAMPLES",
    "HEADERS",
    "JOB",
    "JOB_PROPERTIES",
    "answer_name",
    "answers",
    "job_schemas",
    "schema_name",
]


JOB: Final = "job"
"""The message of a job."""
HEADERS: Final = "JobHeaders"
"""The name of the schema of a job's headers."""
ANSWER_HEADERS: Final = "AnswerHeaders"
"""The name of the schema of an answer's headers."""
ANSWERS: Final[Mapping[Outcome, str]] = {
    Outcome.COMPLETE: "The job is done; the body has variables for the process, or nothing.",
    Outcome.FAIL: "The job failed. Without `retries` it has one fewer.",
    Outcome.ERROR: "A BPMN error, for the process to catch.",
    Outcome.EXTEND: "The job takes longer: it stays with its worker for `timeout` from now. Answer again later.",
}
"""What each answer says."""
EXAMPLES: Final[Mapping[Outcome, Any]] = {
    Outcome.COMPLETE: {"charged": 10},
    Outcome.FAIL: {"errorMessage": "the card is refused", "retries": 2, "retryBackOff": "1m"},
    Outcome.ERROR: {"errorCode": "no-funds", "errorMessage": "the account is empty"},
    Outcome.EXTEND: {"timeout": "10m"},
}
"""An example of each."""

_COMMANDS: Final[Mapping[Outcome, type[Command]]] = {
    Outcome.FAIL: FailJob,
    Outcome.ERROR: ThrowError,
    Outcome.EXTEND: UpdateJobTimeout,
}
_JOB_KEY: Final = "jobKey"
"""The field of these commands that no answer has: the correlation id says which job it is."""
_RETRIES: Final = "retries"
"""The one that an answer may leave out."""
_JSON: Final[Schema] = {"type": "string", "contentMediaType": wire.CONTENT_TYPE}
_KEY: Final[Schema] = {"type": "integer"}
_TEXT: Final[Schema] = {"type": "string"}
_JOB: Final[Mapping[str, Schema]] = {
    names.JOB_KEY: _KEY | {"description": "the key of the job"},
    names.JOB_KEY_TEXT: {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "the key as text"},
    names.JOB_TYPE: _TEXT | {"description": "the type of the job"},
    names.PROCESS_INSTANCE_KEY: _KEY | {"description": "the key of its process instance"},
    names.PROCESS_DEFINITION_KEY: _KEY | {"description": "the key of the definition of its process"},
    names.PROCESS_DEFINITION_VERSION: _KEY | {"description": "the version of that definition"},
    names.BPMN_PROCESS_ID: _TEXT | {"description": "the id of its process"},
    names.ELEMENT_ID: _TEXT | {"description": "the id of its element"},
    names.ELEMENT_INSTANCE_KEY: _KEY | {"description": "the key of that element's instance"},
    names.RETRIES: _KEY | {"description": "tries that are left, this one included"},
    names.DEADLINE: _KEY | {"description": "when the engine gives out the job again, milliseconds since 1970 UTC"},
    names.CUSTOM_HEADERS: _JSON | {"description": "the custom headers of the element, JSON text"},
    names.TENANT_ID: _TEXT | {"description": "its tenant"},
    names.WORKER: _TEXT | {"description": "the name under which the service fetched it"},
}
"""The headers that every job has."""
_MORE: Final[Mapping[str, Schema]] = {
    names.KIND: _TEXT | {"description": "what the job is for, if the gateway says it"},
    names.LISTENER_EVENT_TYPE: _TEXT | {"description": "what a listener listens to, if the gateway says it"},
    names.USER_TASK: _JSON | {"description": "the user task that a listener's job is about, JSON text"},
    names.TAGS: _JSON | {"description": "the tags of the process instance, JSON text"},
    wire.TRACEPARENT: _TEXT | {"description": "W3C trace context"},
    wire.TRACESTATE: _TEXT | {"description": "W3C trace context"},
}
_ANSWER: Final[Mapping[str, Schema]] = {
    names.OUTCOME: {
        "type": "string",
        "enum": list(Outcome),
        "description": "in place of the property type, for clients that cannot set it; if both are there, it counts",
    },
    names.JOB_RESULT: _JSON | {"description": "the result of a listener's job that is completed, JSON text"},
    wire.TRACEPARENT: _TEXT | {"description": "W3C trace context"},
    wire.TRACESTATE: _TEXT | {"description": "W3C trace context"},
}

JOB_PROPERTIES: Final[dict[str, Any]] = {
    "reply_to": f"the queue of answers, {names.RESULTS}",
    "correlation_id": "which job an answer is for; to be copied into it, unchanged",
    "type": "the type of the job",
    "message_id": "key and deadline of the job",
    "expiration": "what is left of the job's time, milliseconds as text",
    "content_type": "application/json",
    "timestamp": "when it was given out",
    "delivery_mode": "2",
}
"""The properties of a job."""
ANSWER_PROPERTIES: Final[dict[str, Any]] = {
    "correlation_id": "that of the job",
    "type": "what the answer says: complete, fail, error or extend; none completes the job",
    "content_type": "application/json or absent; text/plain and application/octet-stream count as absent",
    "reply_to": "where the reply of the command goes; without it nobody is told",
}
"""The properties of an answer that are read."""


def answer_name(outcome: Outcome) -> str:
    """The name of the message of an answer."""
    return f"{JOB}.{outcome}"


def answers() -> list[str]:
    """The names of the messages of all answers."""
    return [answer_name(outcome) for outcome in Outcome]


def job_schemas(known: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas of jobs and answers by name.

    Args:
        known: those of the commands, of which the bodies of answers are parts.
    """
    made = {outcome: _answer(outcome, known[command.__name__]) for outcome, command in _COMMANDS.items()}
    made[Outcome.COMPLETE] = _titled(Outcome.COMPLETE, {"anyOf": [reference("Variables"), {"type": "null"}]})
    return {schema_name(outcome): made[outcome] for outcome in Outcome} | {
        HEADERS: {"type": "object", "properties": {**_JOB, **_MORE}, "required": list(_JOB)},
        ANSWER_HEADERS: {"type": "object", "properties": dict(_ANSWER)},
    }


def schema_name(outcome: Outcome) -> str:
    """The name of the schema of the body of an answer."""
    return f"{outcome.capitalize()}Answer"


def _answer(outcome: Outcome, command: Schema) -> Schema:
    """The data of a command without what the service fills in."""
    fields = {name: schema for name, schema in command["properties"].items() if name != _JOB_KEY}
    required = [name for name in command["required"] if name not in (_JOB_KEY, _RETRIES)]
    made = _titled(outcome, {"type": "object", "properties": fields})
    return made | ({"required": required} if required else {}) | {"additionalProperties": False}


def _titled(outcome: Outcome, schema: Schema) -> Schema:
    return {"title": schema_name(outcome), "description": ANSWERS[outcome], **schema}
