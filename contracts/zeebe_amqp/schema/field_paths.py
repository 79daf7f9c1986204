"""The fields of a command or a result, and those of the objects inside it, each with its path and its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import inspect

from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.validation_errors import type_info

__all__ = ["Member", "members", "objects"]


class Member(NamedTuple):
    """A field, however deep inside.

    Args:
        path: where it stands on the wire, such as `processes[].version`.
        meaning: what it means, for callers.
        field: what the decoder knows about it.
        holder: the type that has it.
    """

    path: str
    meaning: str
    field: inspect.Field
    holder: type


def members(kind: Any) -> Iterator[Member]:
    """The fields of a type of objects, or of lists of them; each before those inside of it."""
    info, _ = objects(type_info(kind))
    if info is not None:
        yield from _members(info, "")


def objects(kind: inspect.Type) -> tuple[inspect.StructType | None, str]:
    """The type of the objects that a value is or holds, and what stands between the path of the value and theirs."""
    match kind:
        case inspect.StructType():
            return kind, "."
        case inspect.VarTupleType():
            return objects(kind.item_type)[0], "[]."
        case inspect.Metadata():
            return objects(kind.type)
        case inspect.UnionType():  # only "or null"
            return objects(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
    return None, ""


def _members(info: inspect.StructType, path: str) -> Iterator[Member]:
    meanings = docstrings.meanings(info.cls)
    for field in info.fields:
        name = path + field.encode_name
        yield Member(name, docstrings.words(meanings[field.name]), field, info.cls)
        inside, mark = objects(field.type)
        if inside is not None:
            yield from _members(inside, name + mark)
