"""The page of all operations: their fields, replies and examples, from the rows, the types and the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from google.protobuf.message import Message
from msgspec import NODEFAULT, inspect

from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.rpcs import METHODS, SERVICE, Rpc
from consumer.zeebe.versions import OLDEST, RPC_MARK, SINCE, Version
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.examples import EXAMPLES, Example, filled
from zeebe_amqp.schema import docstrings as docstring
from zeebe_amqp.schema.validation_errors import describe, type_info

FIRST: Version = (8, 0)
"""The oldest version that the page tells apart."""
MAX_TEXT = 100
"""Characters of a text in an example; a whole BPMN file would hide the rest."""

WIDTH = 110
"""Characters of a line of an example."""

INTRODUCTION = """
An operation is named by `operation` in the envelope; its `data` are the fields below. An unknown field is refused, with
the nearest known name. Keys are JSON integers or their decimal text. A duration is text such as `"1h30m"`, `"250ms"` or
`"PT5M"`, or an integer of nanoseconds. Variables are a JSON object, handed to the engine byte for byte, and in replies
a JSON document as text. *Idempotent* says whether running the command twice is harmless, so that it may be tried again
when its outcome is unknown. *Since* is the version of the gateway that brought a field: an older one would drop it
silently, so the field is refused by name, and in a reply of an older one it is null; nothing stands there for what
every gateway knows. Long texts of examples are cut with "…".
"""

OF_A_FILE = (
    ("`metadata.fileName`", "the file's name; its ending says what it is", "required", ""),
    (
        "`data`",
        "the file's text as a JSON string, whose XML declaration may name no encoding but UTF-8; in the bare form the "
        "body is the file, byte for byte",
        "required",
        "",
    ),
    ("`metadata.encoding`", '"base64" when the text is base64, of bytes in any encoding', "none", ""),
    ("`metadata.tenantId`", "text", "none", "8.3"),
)
"""What a deployment of one file consists of; in the bare form metadata are headers."""

TRACE_VARIABLE = (
    f"`metadata.{wire.TRACE_VARIABLE}`",
    "the name of the variable that gets the [trace context](monitoring.md#one-trace-through-a-process)",
    "the setting `TRACE_VARIABLE`",
    "",
)
"""What the commands have that carry a trace; in the bare form it is a header."""

IDEMPOTENT = {
    "create-instance": "no",
    "publish-message": "only with a messageId and a timeToLive",
    "activate-jobs": "no, it would lock other jobs",
    "broadcast-signal": "no",
    "modify-instance": "no",
    "migrate-instance": "no",
    "evaluate-conditional": "no",
    "signal": "no",
}
"""What `Command.is_idempotent` decides, in words; a test compares the two."""

DEFAULTS = {
    "create-instance.version": "-1, the latest",
    "create-instance.requestTimeout": "15s",
    "activate-jobs.timeout": "5m",
    "activate-jobs.requestTimeout": "none: answer at once",
    "publish-message.timeToLive": "0: not buffered",
    "fail-job.retryBackOff": "0: at once",
}
"""What the absence of a field means where its type does not say it; a test compares the two."""


class Field(NamedTuple):
    """A row of a table: a field of a command, its parts in the rows after it."""

    path: str
    accepted: str
    default: str
    since: Version


def page() -> str:
    """The page's text."""
    return "\n".join([INTRODUCTION, *(line for name in COMMANDS for line in _operation(OPERATIONS[name]))])


def request_types(name: str) -> list[Any]:
    """The descriptors of the protocol's requests that an operation sends in its examples, the plain one first."""
    messages = [
        OPERATIONS[name].to_request(envelope.decode(_envelope(example)).command)
        for example in EXAMPLES
        if example.operation == name
    ]
    # Where no other engine is connected, as here, every request is one of the protocol.
    found = [message.DESCRIPTOR for message in messages if isinstance(message, Message)]
    return list({descriptor.full_name: descriptor for descriptor in found}.values())


def _envelope(example: Example) -> bytes:
    members = {"operation": example.operation, "data": filled(example.data), "metadata": dict(example.metadata)}
    return orjson.dumps(members)


def _operation(row: Operation) -> Iterator[str]:
    requests = request_types(row.name)
    rpcs = [METHODS[request.full_name] for request in requests]
    yield f"## {row.name}\n"
    yield f"{docstring.words(row.command.__doc__)}\n"
    yield f"- Calls: {', '.join(f'`{rpc.name}`' for rpc in rpcs)}{_needs(rpcs[0].name)}"
    yield f"- Idempotent: {IDEMPOTENT.get(row.name, 'yes')}\n"
    yield from _requests(row, requests[0])
    yield from _reply(row, rpcs[0])
    for example in EXAMPLES:
        if example.operation == row.name and example.title:
            yield from _example(example)


def _needs(rpc: str) -> str:
    return f" (gateway {_version(_known(rpc))} or newer)" if _known(rpc) > FIRST else ""


def _known(rpc: str) -> Version:
    """The version that brought an RPC; nothing below the first one is told apart."""
    return max(SINCE.get(f"{RPC_MARK}{rpc}", FIRST), FIRST)


def _requests(row: Operation, request: Any) -> Iterator[str]:
    if row.command.in_metadata:
        yield "One file:\n"
        yield from _table(("field", "accepted", "default", "since"), OF_A_FILE)
        if row.name == "deploy-process":
            return
        yield "Or a list of files, all of which are deployed or none:\n"
    rows = [
        (f"`{each.path}`", each.accepted.replace("|", "\\|"), each.default, _version(each.since))
        for each in fields(row.name, request)
    ]
    if row.command.carries_trace:
        rows.append(TRACE_VARIABLE)
    if rows:
        yield from _table(("field", "accepted", "default", "since"), rows)


def fields(name: str, request: Any) -> Iterator[Field]:
    """All fields of an operation's data, the parts of objects and lists included."""
    info = type_info(COMMANDS[name])
    assert isinstance(info, inspect.StructType)
    for each in _members(info, request, "", _known(METHODS[request.full_name].name)):
        yield each._replace(default=DEFAULTS.get(f"{name}.{each.path}", each.default))


def _members(info: inspect.StructType, message: Any, path: str, known: Version) -> Iterator[Field]:
    choice = [wire_name for _, wire_name in one_of(info.cls)]
    for field in info.fields:
        name = field.encode_name
        # Data and protocol name nearly all fields alike; the few others are as old as the protocol.
        counterpart = message.fields_by_name.get(name) if message is not None else None
        since = _since(counterpart.full_name, known) if counterpart is not None else known
        default = "this or " + _names(choice, name) if name in choice else _default(field)
        inner, mark = _inner(field.type)
        about = f": {_uncapitalized(docstring.words(inner.cls.__doc__))}" if inner is not None else ""
        yield Field(path + name, describe(field.type) + about, default, since if since > known else OLDEST)
        if inner is not None:
            below = counterpart.message_type if counterpart is not None else None
            yield from _members(inner, below, f"{path}{name}{mark}", since)


def _inner(kind: inspect.Type) -> tuple[inspect.StructType | None, str]:
    """The type of the objects inside a value, and what stands between the value's path and theirs."""
    if isinstance(kind, inspect.VarTupleType):
        return _inner(kind.item_type)[0], "[]."
    return (kind, ".") if isinstance(kind, inspect.StructType) else (None, "")


def _since(full_name: str, known: Version) -> Version:
    return max(SINCE.get(full_name.removeprefix(f"{SERVICE.file.package}."), OLDEST), known)


def _names(choice: list[str], name: str) -> str:
    return ", ".join(f"`{each}`" for each in choice if each != name)


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default in (None, "", ()) or field.default is NODEFAULT:
        return "none"
    return f"`{orjson.dumps(field.default).decode()}`"


def _version(version: Version) -> str:
    return "" if version <= FIRST else f"{version[0]}.{version[1]}"


def _reply(row: Operation, rpc: Rpc) -> Iterator[str]:
    result = row.command.result
    if result is None:
        yield "Reply data: `null`.\n"
        return
    info, mark = _inner(type_info(result))
    assert info is not None
    response: Any = rpc.response.DESCRIPTOR
    if mark == "[].":  # the reply is the list of what the response lists
        response = next(field.message_type for field in response.fields if field.message_type)
    about = _uncapitalized(docstring.words(info.cls.__doc__))
    yield f"Reply data: {'a list; each item is ' if mark == '[].' else ''}{about}\n"
    yield from _table(("field", "what it is", "since"), list(_answers(info, response, "", _known(rpc.name))))


def _answers(info: inspect.StructType, message: Any, path: str, known: Version) -> Iterator[tuple[str, str, str]]:
    for field in info.fields:
        kind, words = field.type, ""
        if isinstance(kind, inspect.UnionType):
            kind, words = next(each for each in kind.types if not isinstance(each, inspect.NoneType)), " or null"
        counterpart = message.fields_by_name.get(field.encode_name) if message is not None else None
        since = _since(counterpart.full_name, known) if counterpart is not None else known
        name = f"{path}{field.encode_name}"
        yield f"`{name}`", _answer(kind, field.encode_name) + words, _version(since) if since > known else ""
        inner, mark = _inner(kind)
        if inner is not None:
            below = counterpart.message_type if counterpart is not None else None
            yield from _answers(inner, below, name + mark, since)


def _answer(kind: inspect.Type, name: str) -> str:
    if isinstance(kind, inspect.IntType) and (name == "key" or name.endswith("Key")):
        return "a key"
    return describe(kind)


def _example(example: Example) -> Iterator[str]:
    request = {"operation": example.operation, "data": filled(example.data)}
    if example.metadata:
        request["metadata"] = dict(example.metadata)
    yield f"{example.title}:\n"
    yield f"```json\n{_shown(request)}\n```\n"
    yield f"```json\n{_shown({'operation': example.operation, 'data': filled(example.reply)})}\n```\n"


def _shown(value: Any) -> str:
    return _laid_out(_truncate(value), "")


def _laid_out(value: Any, indent: str) -> str:
    """JSON whose lists and objects stand on one line where they fit."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, dict | list):
        return flat
    deeper = indent + "  "
    if isinstance(value, list):
        items, (first, last) = [_laid_out(each, deeper) for each in value], "[]"
    else:
        items, (first, last) = [f"{json.dumps(name)}: {_laid_out(each, deeper)}" for name, each in value.items()], "{}"
    return f"{first}\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}{last}"


def _truncate(value: Any) -> Any:
    match value:
        case str() if len(value) > MAX_TEXT:
            return value[:MAX_TEXT] + "…"
        case dict():
            return {name: _truncate(each) for name, each in value.items()}
        case list():
            return [_truncate(each) for each in value]
    return value


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield from (f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))
    yield ""
