"""JSON Schemas of whole bodies: the envelope of each operation's request and reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.asyncapi.data import Schema, reference
from zeebe_amqp.commands import COMMANDS, Command, DeployProcess, DeployResource, Topology
from zeebe_amqp.commands.resources import BASE64, OTHER_KINDS, Resource
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.schema import docstrings
from zeebe_amqp.trace_variable import PATTERN

__all__ = ["ERROR_REPLY", "METADATA", "bodies", "reply_name", "request_name"]


ERROR_REPLY: Final = "ErrorReply"
"""The name of the schema of a reply that says what went wrong."""

_TEXT: Final[Schema] = {"type": "string"}
_NONE: Final[Schema] = {"type": "string", "maxLength": 0}
_UNTRACED: Final[Schema] = {wire.TRACE_VARIABLE: _NONE}
"""Of commands that begin nothing that has a trace."""
METADATA: Final[Mapping[str, str]] = {
    wire.FILE_NAME: docstrings.meanings(DeployProcess)["name"],
    wire.ENCODING: docstrings.meanings(Resource)["encoding"],
    wire.TENANT_ID: docstrings.meanings(DeployProcess)["tenant_id"],
    wire.KEYS: '"string" for whole numbers of 64 bits as text in the reply, for callers whose numbers are doubles',
    wire.TRACE_VARIABLE: "the variable that gets the trace context: the process has it, and its jobs",
    wire.TRACEPARENT: "W3C trace context, unless there is a header of that name",
    wire.TRACESTATE: "W3C trace context, unless there is a header of that name",
    wire.BAGGAGE: "W3C baggage, unless there is a header of that name",
}
"""What the members of the metadata mean."""


def bodies() -> dict[str, Schema]:
    """The schemas of all bodies by name, and of the metadata in them."""
    made = {
        "Metadata": _metadata(_UNTRACED),
        "TracedMetadata": _metadata({wire.TRACE_VARIABLE: {"pattern": f"^({PATTERN})?$"}}),
        "FileMetadata": _metadata(_UNTRACED | {wire.FILE_NAME: {"pattern": r"\S"}}, [wire.FILE_NAME]),
        # Each file of a list has a name and an encoding of its own, and the tenant is in the data.
        "ListMetadata": _metadata(_UNTRACED | dict.fromkeys((wire.FILE_NAME, wire.ENCODING, wire.TENANT_ID), _NONE)),
        ERROR_REPLY: _error(),
    }
    for command in COMMANDS.values():
        made |= {request_name(command): _request(command), reply_name(command): _reply(command)}
    return made


def request_name(command: type[Command]) -> str:
    """The name of the schema of a request's body."""
    return f"{command.__name__}Request"


def reply_name(command: type[Command]) -> str:
    """The name of the schema of the body of a reply that is not an error."""
    return f"{command.__name__}Reply"


def _metadata(rules: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    known: dict[str, Schema] = {name: {**_TEXT, "description": about} for name, about in METADATA.items()}
    known[wire.KEYS] |= {"enum": ["string", ""]}
    known[wire.ENCODING] |= {"enum": [BASE64, ""]}
    for name, rule in rules.items():
        known[name] |= rule
    made: Schema = {"type": "object" if required else ["object", "null"], "properties": known}
    return made | {"additionalProperties": _TEXT} | ({"required": required} if required else {})


def _request(command: type[Command]) -> Schema:
    name = request_name(command)
    data = reference(command.__name__)
    if command is DeployProcess:
        return _one_file(command, name, OTHER_KINDS)
    if command is DeployResource:
        files = _envelope(command, f"{name}List", data, reference("ListMetadata"))
        return {"title": name, "anyOf": [_one_file(command, f"{name}File"), files]}
    metadata = reference("TracedMetadata" if command.carries_trace else "Metadata")
    if _needs_data(command):
        return _envelope(command, name, data, metadata)
    # Whatever is accepted without data is accepted with null.
    optional = data if command is Topology else {"anyOf": [data, {"type": "null"}]}
    return _envelope(command, name, optional, metadata, [wire.OPERATION])


def _one_file(command: type[Command], name: str, refused: tuple[str, ...] = ()) -> Schema:
    """The envelope of one file; its name has none of the `refused` endings."""
    metadata = reference("FileMetadata")
    if refused:
        other = {"properties": {wire.FILE_NAME: {"pattern": "|".join(map(_ending, refused))}}}
        metadata = {"allOf": [metadata, {"not": other}]}
    return _envelope(command, name, reference("File"), metadata, [wire.OPERATION, "data", "metadata"])


def _ending(text: str) -> str:
    """A pattern for the end of a name, in any case."""
    letters = (f"[{each}{each.upper()}]" if each.isalpha() else f"\\{each}" for each in text)
    return f"{''.join(letters)}$"


def _envelope(
    command: type[Command], name: str, data: Schema, metadata: Schema, required: list[str] | None = None
) -> Schema:
    return {
        "title": name,
        "type": "object",
        "properties": {wire.OPERATION: _const(command), "data": data, "metadata": metadata},
        "required": required or [wire.OPERATION, "data"],
        "additionalProperties": False,
    }


def _const(command: type[Command]) -> Schema:
    return {"type": "string", "const": command.operation}


def _needs_data(command: type[Command]) -> bool:
    return bool(one_of(command)) or any(field.required for field in msgspec.structs.fields(command))


def _reply(command: type[Command]) -> Schema:
    # Callers ignore what they do not know, so that later versions may say more.
    return {
        "title": reply_name(command),
        "type": "object",
        "properties": {wire.OPERATION: _const(command), "data": _result(command)},
        "required": [wire.OPERATION, "data"],
    }


def _result(command: type[Command]) -> Schema:
    kinds = command.results()
    if not kinds:
        return {"type": "null"}
    made = [_kind(kind) for kind in kinds]
    return made[0] if len(made) == 1 else {"anyOf": made}


def _kind(kind: Any) -> Schema:
    if listed := get_args(kind):  # tuple[Item, ...]
        return {"type": "array", "items": reference(listed[0].__name__)}
    return reference(kind.__name__)


def _error() -> Schema:
    return {
        "title": ERROR_REPLY,
        "type": "object",
        "properties": {
            wire.OPERATION: {
                "type": ["string", "null"],
                "maxLength": wire.MAX_NAME,
                "description": "what the request named, null when it named none",
            },
            "error": reference("Error"),
        },
        "required": [wire.OPERATION, "error"],
    }
