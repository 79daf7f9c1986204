"""The rules that types alone do not say, checked for every object of a command: choices between fields, documents."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.validation_errors import type_info

__all__ = ["Holder", "check", "one_of"]


class Holder(NamedTuple):
    """A field that is, or may contain, something to check."""

    name: str
    wire_name: str
    required: bool


def check(node: msgspec.Struct, path: str, max_depth: int) -> None:
    """Check an object, and the objects and documents inside it; `path` is where it stands.

    Raises:
        CommandError: INVALID_ARGUMENT, naming the field.
    """
    choice = one_of(type(node))
    if choice:
        _check_choice(node, choice, path)
    for name, wire_name, required in _holders(type(node)):
        _check_value(getattr(node, name), f"{path}.{wire_name}", required, max_depth)


@cache
def one_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """The fields of a type of which exactly one must be given, as its `one_of` says: attribute and wire name."""
    wire_names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    return tuple((name, wire_names[name]) for name in getattr(kind, "one_of", ()))


def _check_choice(node: msgspec.Struct, choice: tuple[tuple[str, str], ...], path: str) -> None:
    given = [wire_name for name, wire_name in choice if getattr(node, name) is not None]
    if not given:
        names = [wire_name for _, wire_name in choice]
        raise invalid(f"{path}.{names[0]}", f"missing; expected {' or '.join(names)}")
    if len(given) > 1:
        raise invalid(f"{path}.{given[1]}", f"not allowed together with {given[0]}; send one of them")


def _check_value(value: Any, path: str, required: bool, max_depth: int) -> None:
    if isinstance(value, msgspec.Raw):
        _check_document(bytes(value), path, required, max_depth)
    elif isinstance(value, msgspec.Struct):
        check(value, path, max_depth)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_value(item, f"{path}[{index}]", required, max_depth)


def _check_document(raw: bytes, path: str, required: bool, max_depth: int) -> None:
    if raw != b"null":
        documents.check(raw, path, max_depth)
    elif required:  # null variables are none
        raise invalid(path, "missing; expected a JSON object")


@cache
def _holders(kind: type[msgspec.Struct]) -> tuple[Holder, ...]:
    info = type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple(Holder(field.name, field.encode_name, field.required) for field in info.fields if _holds(field.type))


def _holds(kind: inspect.Type) -> bool:
    match kind:
        case inspect.RawType():
            return True
        case inspect.StructType():
            return bool(one_of(kind.cls)) or any(_holds(field.type) for field in kind.fields)
        case inspect.VarTupleType():
            return _holds(kind.item_type)
    return False
