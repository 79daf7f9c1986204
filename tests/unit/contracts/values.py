"""Right values for any field and any command, made from the types: a new field is covered without being named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import inspect

from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.validation_errors import type_info

KEY = 2251799813685250
SCALARS: dict[type, Any] = {fields.KeyNumber: KEY, fields.ReferenceNumber: 1, fields.Period: "1s"}
FILE = {"fileName": "a.bpmn", "tenantId": "acme"}


def info(kind: Any) -> inspect.StructType:
    """What the decoder knows about a struct."""
    found = type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found


def value(kind: inspect.Type, whole: bool = False) -> Any:
    """A value that a field of this type takes; an object has its required members, or (`whole`) as many as may be."""
    match kind:
        case inspect.Metadata():
            return value(kind.type, whole)
        case inspect.StrType():
            return "text"  # valid base64 as well
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return kind.le if whole else kind.ge
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.CustomType():
            return SCALARS[kind.cls]
        case inspect.RawType():
            return {"a": 1}
        case inspect.VarTupleType():
            return list(alternatives(kind.item_type)) if whole else [value(kind.item_type)]
        case inspect.StructType() if whole:
            return next(alternatives(kind))
    assert isinstance(kind, inspect.StructType)
    choice = [name for name, _ in one_of(kind.cls)]
    needed = {field.name for field in kind.fields if field.required} | set(choice[:1])
    return {field.encode_name: value(field.type) for field in kind.fields if field.name in needed}


def alternatives(kind: inspect.Type) -> Iterator[Any]:
    """Whole values of a type, one for each choice that it offers."""
    if not isinstance(kind, inspect.StructType):
        yield value(kind, whole=True)
        return
    choice = {name for name, _ in one_of(kind.cls)}
    for chosen in [name for name, _ in one_of(kind.cls)] or [""]:
        offered = [field for field in kind.fields if field.name not in choice - {chosen}]
        yield {field.encode_name: value(field.type, whole=True) for field in offered}


def commands(operation: str) -> Iterator[Command]:
    """Decoded commands that together have every field of the operation, each with a value that is not its default."""
    if operation == "deploy-process":  # a file, not an object
        yield envelope.decode(_body(operation, "<x/>", FILE)).command
        return
    if operation == "signal":  # typed variables, and no execution beside a tenant
        yield _decoded(operation, {"name": "text", "variables": {"a": {"value": 1}}, "tenantId": "acme"})
        return
    for data in alternatives(info(COMMANDS[operation])):
        for flag in (True, False):
            yield _decoded(operation, {name: flag if each is True else each for name, each in data.items()})


def keys(kind: inspect.Type, key: int) -> Iterator[tuple[str, Any]]:
    """Values of a type with `key` as one of its keys, however deep; each with the path to it."""
    return places(kind, lambda each: isinstance(each, inspect.CustomType) and each.cls is fields.KeyNumber, key)


def places(kind: inspect.Type, wanted: Callable[[inspect.Type], bool], sent: Any) -> Iterator[tuple[str, Any]]:
    """Values of a type in which `sent` stands where a type is wanted, one place at a time; each with the path to it."""
    if wanted(kind):
        yield "", sent
    elif isinstance(kind, inspect.VarTupleType):
        yield from ((f"[0]{path}", [each]) for path, each in places(kind.item_type, wanted, sent))
    elif isinstance(kind, inspect.StructType):
        choice = {wire_name for _, wire_name in one_of(kind.cls)}
        for field in kind.fields:
            left_out = choice if field.encode_name in choice else set()
            others = {name: each for name, each in value(kind).items() if name not in left_out}
            for path, each in places(field.type, wanted, sent):
                yield f".{field.encode_name}{path}", others | {field.encode_name: each}


def _decoded(operation: str, data: dict[str, Any]) -> Command:
    """The command, without the fields that the rules between fields refuse."""
    while True:
        try:
            return envelope.decode(_body(operation, data)).command
        except CommandError as refusal:
            name = (refusal.details or {})["field"].removeprefix("data.")
            if "not allowed together" not in refusal.message:
                raise
            data = {key: each for key, each in data.items() if key != name}


def _body(operation: str, data: object, metadata: dict[str, str] | None = None) -> bytes:
    return json.dumps({"operation": operation, "data": data, "metadata": metadata}).encode()
