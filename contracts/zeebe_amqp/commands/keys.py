"""Keys of the engine inside commands: where they are, and those that cannot exist in any cluster."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import inspect

from zeebe_amqp.commands import contents
from zeebe_amqp.commands.command import DATA, Command
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.fields import KeyNumber
from zeebe_amqp.schema.validation_errors import type_info

__all__ = [
    "MAX_KEYS",
    "PARTITION_SHIFT",
    "carries_keys",
    "keys",
    "outline",
    "place",
    "refuse_impossible_keys",
    "target",
]


MAX_KEYS: Final = 100
"""Keys of a target; the others of a command are not listed."""
PARTITION_SHIFT: Final = 51
"""A key's bits from here on are the number of its partition, and partitions count from 1."""


def refuse_impossible_keys(command: Command) -> None:
    """Refuse a command with a key below partition 1.

    The gateway would answer "no such partition" with UNAVAILABLE. That looks like an outage, so clients would retry it.

    Raises:
        CommandError: NOT_FOUND, not executed.
    """
    for path, key in keys(command, DATA):
        if key >> PARTITION_SHIFT == 0:
            raise CommandError(
                Code.NOT_FOUND,
                f"{path}: {key} is not a key of any cluster (its partition would be 0, and partitions count from 1); "
                f"accepted: a key that the engine returned",
                details={"field": path},
            )


def target(command: Command) -> Target:
    """What a command acts on. Takes a while for a large deployment, whose files are read."""
    files = command.files()
    return _with_files(_named(command), contents.named(files)) if files else _named(command)


def outline(command: Command) -> Target:
    """The same without reading any file: those may hold any name."""
    found = _named(command)
    return _with_files(found, contents.unread(found.resources)) if command.files() else found


def _named(command: Command) -> Target:
    found = tuple(str(key) for _, key in islice(keys(command, DATA), MAX_KEYS))
    named = command.named()
    return msgspec.structs.replace(named, keys=(*named.keys, *found)) if found else named


def _with_files(found: Target, inside: Target) -> Target:
    return msgspec.structs.replace(
        found, processes=inside.processes, decisions=inside.decisions, resources=inside.resources
    )


def carries_keys(command: type[Command]) -> bool:
    """Whether commands of a type may act on what only a key, or the id of an execution, tells."""
    return bool(_holders(command)) or "keys" in command.places


@cache
def place(command: type[Command], kind: str) -> str:
    """Where commands of a type say what they act on: a path, for errors; `kind` is a field of `Target`."""
    if kind in command.places:
        return command.places[kind]
    names = {field.name: field.encode_name for field in msgspec.structs.fields(command)}
    holders = [name for _, name in _holders(command)] if kind == "keys" else []
    name = next(iter(holders), None) or names.get("tenant_id" if kind == "tenants" else command.named_by.get(kind, ""))
    return f"{DATA}.{name}" if name else DATA


def keys(node: msgspec.Struct, path: str) -> Iterator[tuple[str, int]]:
    """The keys in a command that was read from the wire, each with its path; `path` is where `node` stands."""
    for name, wire_name in _holders(type(node)):
        yield from _keys(getattr(node, name), f"{path}.{wire_name}")


def _keys(value: Any, path: str) -> Iterator[tuple[str, int]]:
    match value:
        case KeyNumber():
            yield path, int(value)
        case msgspec.Struct():
            yield from keys(value, path)
        case tuple():
            for index, each in enumerate(value):
                yield from _keys(each, f"{path}[{index}]")


@cache
def _holders(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """The fields of a type that are keys, or hold some: most commands have one or none."""
    info = type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple((field.name, field.encode_name) for field in info.fields if _holds(field.type))


def _holds(kind: inspect.Type) -> bool:
    match kind:
        case inspect.CustomType():
            return kind.cls is KeyNumber
        case inspect.StructType():
            return any(_holds(field.type) for field in kind.fields)
        case inspect.VarTupleType():
            return _holds(kind.item_type)
        case inspect.UnionType():
            return any(_holds(each) for each in kind.types)
    return False
