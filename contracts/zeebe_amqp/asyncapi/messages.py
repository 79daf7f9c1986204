"""The messages of the AsyncAPI document: one for each request and each result, one for errors, one for dead letters,
one for jobs and one for each answer to a job."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.asyncapi import jobs
from zeebe_amqp.asyncapi.bodies import ERROR_REPLY, reply_name, request_name
from zeebe_amqp.asyncapi.data import Schema, reference
from zeebe_amqp.commands import COMMANDS, Command, DeployProcess, DeployResource
from zeebe_amqp.errors import Code, CommandError, InvalidArgument
from zeebe_amqp.examples import EXAMPLES, Example, filled
from zeebe_amqp.jobs.answers import Outcome
from zeebe_amqp.reply import Reply
from zeebe_amqp.schema import docstrings as docstring

__all__ = [
    "BINDING_VERSION",
    "DEAD_LETTER",
    "ERROR",
    "file",
    "group",
    "messages",
    "request",
    "requests",
    "result",
    "summary",
]


BINDING_VERSION: Final = "0.3.0"
"""The version of AsyncAPI's bindings for AMQP."""
ERROR: Final = "error"
"""The message that says what went wrong."""
DEAD_LETTER: Final = "dead-letter"
"""The message that could not be handled and had nobody to tell."""
FILES: Final = (DeployProcess, DeployResource)
"""The commands whose bare form is a file, not JSON."""

_BARE: Final = (
    "\n\nIn the bare form the body is what stands here in `data` alone, and the property `type` is `{operation}`; "
    "what stands here in `metadata` are then headers."
)
_FILE: Final = (
    "A file as it is: the body is its bytes, of any content type but `application/json`; the property `type` names "
    "the operation, and the header `fileName` the file."
)


def messages() -> dict[str, Any]:
    """All messages by name."""
    made: dict[str, Any] = {}
    for command in COMMANDS.values():
        made[request(command)] = _request(command)
        if command in FILES:
            made[file(command)] = _file(command)
        made[result(command)] = _result(command)
    answers = {jobs.answer_name(outcome): _answer(outcome) for outcome in Outcome}
    return made | {ERROR: _error(), DEAD_LETTER: _dead_letter(), jobs.JOB: _job(), **answers}


def request(command: type[Command]) -> str:
    """The name of the message that asks for a command."""
    return f"{command.operation}.request"


def file(command: type[Command]) -> str:
    """The name of the message that is a file to deploy."""
    return f"{command.operation}.file"


def result(command: type[Command]) -> str:
    """The name of the message that answers a command which succeeded."""
    return Reply(command.operation).type


def requests(command: type[Command]) -> list[str]:
    """The names of the messages that ask for a command."""
    return [request(command), *([file(command)] if command in FILES else [])]


def group(command: type[Command]) -> list[dict[str, str]]:
    """The tags of a command: what it is about."""
    return [{"name": command.__module__.rpartition(".")[2]}]


def summary(command: type[Command]) -> str:
    """What a command does, in one sentence."""
    return docstring.words(docstring.summary(command))


def _request(command: type[Command]) -> dict[str, Any]:
    about = docstring.words(docstring.about(command)) + (
        "" if command in FILES else _BARE.format(operation=command.operation)
    )
    examples = [each for each in EXAMPLES if each.operation == command.operation]
    return _message(
        request(command), f"Request {command.operation}", about, "RequestHeaders", reference(request_name(command))
    ) | {"tags": group(command), "examples": [_asked(each) for each in examples if each.title]}


def _asked(example: Example) -> dict[str, Any]:
    body = {"operation": example.operation, "data": filled(example.data)}
    return _example(example.title, body | ({"metadata": dict(example.metadata)} if example.metadata else {}))


def _file(command: type[Command]) -> dict[str, Any]:
    made = _message(file(command), f"Bare file for {command.operation}", _FILE, "FileHeaders", {"type": "string"})
    return made | {"contentType": "application/octet-stream", "tags": group(command), **_typed(command.operation)}


def _result(command: type[Command]) -> dict[str, Any]:
    about = f"The answer to {command.operation} when it succeeded."
    made = _message(
        result(command), f"Result of {command.operation}", about, "ReplyHeaders", reference(reply_name(command))
    )
    examples = [
        _example(each.title, {"operation": each.operation, "data": filled(each.reply)})
        for each in EXAMPLES
        if each.operation == command.operation and each.title
    ]
    return made | _typed(result(command)) | {"tags": group(command), "examples": examples}


def _error() -> dict[str, Any]:
    about = (
        "The answer when a command failed; the property `type` is `<operation>.error`, or `error` alone when the "
        "operation is missing or unknown."
    )
    errors = {
        "A wrong field": InvalidArgument(
            Code.INVALID_ARGUMENT,
            'data.bpmnProcesId: unknown field; did you mean "bpmnProcessId"?',
            details={"field": "data.bpmnProcesId", "suggestion": "bpmnProcessId"},
        )
    }
    examples = [_example(title, _refused("create-instance", error)) for title, error in errors.items()]
    return _message(ERROR, "Error", about, "ReplyHeaders", reference(ERROR_REPLY)) | {"examples": examples}


def _refused(operation: str, error: CommandError) -> dict[str, Any]:
    return {"operation": operation, "error": msgspec.to_builtins(error.error())}


def _dead_letter() -> dict[str, Any]:
    about = "A request that could not be handled and had nobody to tell, as it was, with the reason in its headers."
    return _message(DEAD_LETTER, "Dead letter", about, "DeadLetterHeaders", {})


def _job() -> dict[str, Any]:
    about = "A job of the engine. The body has its variables, byte for byte; everything else is beside it."
    made = _message(jobs.JOB, "Job", about, jobs.HEADERS, reference("Variables"))
    return made | {"examples": [_example("A card to charge", {"amount": 10})]}


def _answer(outcome: Outcome) -> dict[str, Any]:
    name, about = jobs.answer_name(outcome), jobs.ANSWERS[outcome]
    made = _message(name, f"Answer {outcome}", about, jobs.ANSWER_HEADERS, reference(jobs.schema_name(outcome)))
    return made | _typed(outcome) | {"examples": [_example(f"Answer {outcome}", jobs.EXAMPLES[outcome])]}


def _message(name: str, title: str, about: str, headers: str, payload: Schema) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "description": about,
        "contentType": wire.CONTENT_TYPE,
        "headers": reference(headers),
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "payload": payload,
    }


def _typed(type: str) -> dict[str, Any]:
    return {"bindings": {"amqp": {"messageType": type, "bindingVersion": BINDING_VERSION}}}


def _example(title: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": title.lower().replace(" ", "-"), "summary": title, "payload": payload}
