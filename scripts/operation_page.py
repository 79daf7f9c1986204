"""The page of one operation: what you can do with it, a request and its reply, fields, errors, facts.

Everything is from the types, their docstrings, the rows, the protocol and the examples.
"""

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
from zeebe_amqp.asyncapi.bodies import METADATA
from zeebe_amqp.commands import COMMANDS, Command, DeployProcess, Signal
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.errors import Code
from zeebe_amqp.examples import EXAMPLES, Example, filled
from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.field_paths import Member, members, objects
from zeebe_amqp.schema.fields import KeyNumber, Period
from zeebe_amqp.schema.validation_errors import describe, type_info

FIRST: Version = (8, 0)
"""The oldest version that the pages tell apart."""
MAX_TEXT = 100
"""Characters of a text in an example; a whole BPMN file would hide the rest."""
WIDTH = 110
"""Characters of a line of an example."""
VALUES = "../operations.md#values"
"""Where keys, durations and variables are explained."""

OF_A_FILE = (
    (f"metadata.{wire.FILE_NAME}", "text", "required", ""),
    ("data", "text", "required", ""),
    (f"metadata.{wire.ENCODING}", 'text: "base64"', "none", ""),
    (f"metadata.{wire.TENANT_ID}", "text", "none", "8.3"),
)
"""What a deployment of one file consists of; in the bare form metadata are headers."""

IDEMPOTENT = {
    "publish-message": "only with a messageId and a timeToLive",
    "activate-jobs": "no, it would lock other jobs",
}
"""What `Command.is_idempotent` decides, in words where yes or no do not say it; a test compares the two."""

DEFAULTS = {
    "create-instance.version": "-1, the latest",
    "create-instance.requestTimeout": "15s",
    "activate-jobs.timeout": "5m",
    "activate-jobs.requestTimeout": "none: answer at once",
    "publish-message.timeToLive": "0: not buffered",
    "fail-job.retryBackOff": "0: at once",
}
"""What the absence of a field means where its type does not say it; a test compares the two."""

MORE = {"signal": "[Signals](../signal.md): the types of variables, and how a Camunda 7 engine gets them"}
"""Where more is written about an operation."""


class Field(NamedTuple):
    """A row of a table: a field of a command, its parts in the rows after it."""

    path: str
    meaning: str
    accepted: str
    default: str
    since: Version


def page(name: str) -> str:
    """The page of an operation, without its heading."""
    return "\n".join(_page(OPERATIONS[name]))


def idempotent(command: type[Command]) -> str:
    """Whether running a command twice is harmless, in words."""
    return IDEMPOTENT.get(command.operation, "yes" if command.idempotent else "no")


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


def fields(name: str) -> Iterator[Field]:
    """All fields of an operation's data, the parts of objects and lists included."""
    [request, *_] = request_types(name)
    known = _known(METHODS[request.full_name].name)
    for each in members(COMMANDS[name]):
        choice = [wire_name for _, wire_name in one_of(each.holder)]
        own = each.field.encode_name
        default = "this or " + _names(choice, own) if own in choice else _default(each.field)
        since = _since(each.path, request, known)
        yield Field(each.path, each.meaning, _type(each), DEFAULTS.get(f"{name}.{each.path}", default), since)


def _page(row: Operation) -> Iterator[str]:
    rpcs = [METHODS[request.full_name] for request in request_types(row.name)]
    [example, *more] = [each for each in EXAMPLES if each.operation == row.name and each.title]
    yield f"{docstrings.words(docstrings.summary(row.command))}\n"
    yield f"{example.title}:\n"
    yield from _example(example)
    if rest := docstrings.about(row.command).removeprefix(docstrings.summary(row.command)):
        yield f"{docstrings.words(rest)}\n"
    yield from _requests(row)
    yield from _reply(row, rpcs[0])
    yield from _errors(row)
    yield from _facts(row, rpcs)
    if more:
        yield "## More examples\n"
    for each in more:
        yield f"{each.title}:\n"
        yield from _example(each)


def _envelope(example: Example) -> bytes:
    members = {"operation": example.operation, "data": filled(example.data), "metadata": dict(example.metadata)}
    return orjson.dumps(members)


def _requests(row: Operation) -> Iterator[str]:
    head = ("field", "meaning", "type and limits", "default", "since")
    if row.command.in_metadata:
        yield "## Fields of one file\n"
        yield from _table(head, [(f"`{path}`", _of_a_file(path), *rest) for path, *rest in OF_A_FILE])
    if row.command is DeployProcess:
        return
    rows = [
        (f"`{each.path}`", each.meaning, each.accepted, each.default, _version(each.since)) for each in fields(row.name)
    ]
    if row.command.carries_trace:
        rows.append((f"`metadata.{wire.TRACE_VARIABLE}`", _TRACED, "text", "the setting `TRACE_VARIABLE`", ""))
    if rows:
        yield "## Fields of a list of files\n" if row.command.in_metadata else "## Fields\n"
        yield from _table(head, rows)


_TRACED = f"{METADATA[wire.TRACE_VARIABLE]} ([one trace](../monitoring.md#one-trace-through-a-process))"


def _of_a_file(path: str) -> str:
    name = path.rpartition(".")[2]
    return METADATA.get(name) or docstrings.words(docstrings.meanings(DeployProcess)["content"])


def _reply(row: Operation, rpc: Rpc) -> Iterator[str]:
    yield "## Answer\n"
    if not row.command.results():
        yield "The data of the reply are `null`.\n"
        return
    [result, *_] = row.command.results()
    info, mark = objects(type_info(result))
    assert info is not None
    response: Any = rpc.response.DESCRIPTOR
    about = _uncapitalized(docstrings.words(docstrings.about(info.cls)))
    if mark == "[].":  # the reply is the list of what the response lists
        response = next(field.message_type for field in response.fields if field.message_type)
        about = f"a list; each item is {about}"
    yield f"The data of the reply: {about}\n"
    known = _known(rpc.name)
    rows = [
        (f"`{each.path}`", each.meaning, _answer(each), _version(_since(each.path, response, known)))
        for each in members(result)
    ]
    yield from _table(("field", "meaning", "type", "since"), rows)


def _errors(row: Operation) -> Iterator[str]:
    rows = [(f"`{code}`", docstrings.words(why)) for code, why in docstrings.errors(row.command).items()]
    names = {each.path for each in members(row.command)}
    if names:
        wrong = (
            "unknown, missing or wrong" if row.command.__struct_config__.forbid_unknown_fields else "missing or wrong"
        )
        rows.append(_error(Code.INVALID_ARGUMENT, f"a field is {wrong}; `details.field` names it"))
    if names & {"tenantId", "tenantIds"}:
        rows.append(_error(Code.INVALID_ARGUMENT, "a tenant is named, and the engine does not separate tenants"))
    rpc = METHODS[request_types(row.name)[0].full_name].name
    if _known(rpc) > FIRST or any(each.since > FIRST for each in fields(row.name)):
        rows.append(_error(Code.UNIMPLEMENTED, "the connected gateway is older than the operation or a field"))
    late = f"; {row.command.when_late}" if row.command.when_late else ""
    rows.append(_error(Code.DEADLINE_EXCEEDED, f"the time was up before the engine answered{late}"))
    yield "## Errors\n"
    yield from _table(("code", "when"), rows)
    yield "Any operation may also meet an outage, an overload or a missing right: [Errors](../errors.md).\n"


def _error(code: Code, why: str) -> tuple[str, str]:
    return f"`{code}`", why


def _facts(row: Operation, rpcs: list[Rpc]) -> Iterator[str]:
    command = row.command
    yield "## Facts\n"
    once = "" if command.idempotent else ". With a [request id](../client/retry.md) it runs once"
    yield f"- Idempotent: {idempotent(command)}{once}"
    yield f"- Calls: {', '.join(f'`{rpc.name}`' for rpc in rpcs)}{_needs(rpcs[0].name)}"
    if command.wait is not Command.wait:
        yield f"- Long-running requests go to the queue `{wire.POLLS_QUEUE}`"
    if command.exempt_from_limit:
        yield "- It takes load off the engine, so the limit of commands in flight never delays it"
    yield f"- In Python: `{command.__name__}`"
    yield f"- In a shell: [`zeebe-amqp {row.name}`](../command-line.md#{row.name})"
    if row.name in MORE:
        yield f"- {MORE[row.name]}"
    yield ""


def _needs(rpc: str) -> str:
    return f" (gateway {_version(_known(rpc))} or newer)" if _known(rpc) > FIRST else ""


def _known(rpc: str) -> Version:
    """The version that brought an RPC; nothing below the first one is told apart."""
    return max(SINCE.get(f"{RPC_MARK}{rpc}", FIRST), FIRST)


def _since(path: str, message: Any, known: Version) -> Version:
    """The version that brought a field, if that is newer than what it is part of."""
    shown = OLDEST
    for name in path.replace("[]", "").split("."):
        # Data and protocol name nearly all fields alike; the few others are as old as the protocol.
        counterpart = message.fields_by_name.get(name) if message is not None else None
        since = known
        if counterpart is not None:
            since = max(SINCE.get(counterpart.full_name.removeprefix(f"{SERVICE.file.package}."), OLDEST), known)
        shown = since if since > known else OLDEST
        known, message = since, counterpart.message_type if counterpart is not None else None
    return shown


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


def _type(member: Member) -> str:
    match member.field.type:
        case inspect.CustomType(cls=cls) if cls is KeyNumber:
            return f"a [key]({VALUES})"
        case inspect.CustomType(cls=cls) if cls is Period:
            return f"a [duration]({VALUES})"
        case inspect.RawType() if member.holder is Signal:
            return "[typed variables](../signal.md#typed-variables)"
        case inspect.RawType():
            return f"[variables]({VALUES})"
    return describe(member.field.type)


def _answer(member: Member) -> str:
    kind, name, words = member.field.type, member.field.encode_name, ""
    if isinstance(kind, inspect.UnionType):
        kind, words = next(each for each in kind.types if not isinstance(each, inspect.NoneType)), " or null"
    if isinstance(kind, inspect.IntType) and (name == "key" or name.endswith("Key")):
        return f"a [key]({VALUES}){words}"
    return describe(kind) + words


def _example(example: Example) -> Iterator[str]:
    request = {"operation": example.operation, "data": filled(example.data)}
    if example.metadata:
        request["metadata"] = dict(example.metadata)
    yield f"```json\n{_shown(request)}\n```\n"
    yield "The answer:\n"
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
    cells = (tuple(cell.replace("|", "\\|") for cell in row) for row in rows)
    yield from (f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *cells))
    yield ""
