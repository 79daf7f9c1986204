"""Typed variables of Camunda 7's REST API, `{"x": {"value": 24, "type": "Integer"}}`, read as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from zeebe_amqp.camunda7.types import NULL, TYPES, Converted, Unconvertible, Value, ValueType
from zeebe_amqp.errors import CommandError, invalid
from zeebe_amqp.schema.formatting import found_in, truncate, unparsed
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["Converted", "convert", "document"]

_NAMES: Final = ", ".join(sorted(name for name in TYPES if name))
_MEMBERS: Final = ("value", "type", "valueInfo")


def convert(variables: bytes, field: str) -> dict[str, Converted]:
    """Read all variables of a JSON object that is known to be valid JSON; none when it is empty.

    `field` is where the object stands.

    Raises:
        CommandError: INVALID_ARGUMENT, naming the field of the first variable that cannot be read.
    """
    if not variables:
        return {}
    return {name: _variable(bytes(raw), f"{field}.{truncate(name)}") for name, raw in OBJECT.decode(variables).items()}


def document(variables: Mapping[str, Converted]) -> str:
    """The variables as one JSON object of plain values, "" when there are none."""
    plain = {name: msgspec.Raw(each.json) for name, each in variables.items()}
    return msgspec.json.encode(plain).decode() if plain else ""


def _variable(raw: bytes, field: str) -> Converted:
    if not raw.startswith(b"{"):
        hint = 'expected an object such as {"value": 24, "type": "Integer"}'
        raise invalid(field, f"{hint}, found {found_in(raw)}{unparsed(raw)}")
    members = OBJECT.decode(raw)
    value, kind, info = (bytes(members.get(name, NULL)) for name in _MEMBERS)
    name = _type_name(kind, f"{field}.type")
    described = Value(value, _info(info, f"{field}.valueInfo"), field)
    converted = _convert(described, name)
    converted.transient = _is_transient(described)
    return converted


def _type_name(raw: bytes, field: str) -> str | None:
    if raw == NULL:
        return None
    if not raw.startswith(b'"'):
        raise invalid(field, f"expected text, found {found_in(raw)}")
    name: str = msgspec.json.decode(raw)
    if _known(name) is None:
        raise invalid(field, f"Unsupported value type '{truncate(name)}'; accepted are {_NAMES}, and none")
    return name


def _known(name: str) -> ValueType | None:
    """The type of that name; only its first letter may be written in either case."""
    return TYPES.get(name[:1].upper() + name[1:]) if name else None


def _info(raw: bytes, field: str) -> dict[str, msgspec.Raw]:
    if raw == NULL:
        return {}
    if not raw.startswith(b"{"):
        raise invalid(field, f"expected an object, found {found_in(raw)}{unparsed(raw)}")
    return OBJECT.decode(raw)


def _convert(value: Value, name: str | None) -> Converted:
    kind = TYPES[""] if name is None else _known(name)
    assert kind is not None  # an unknown name was refused
    try:
        return kind.read(value)
    except Unconvertible:
        raise _refusal(value, name, kind) from None


def _refusal(value: Value, name: str | None, kind: ValueType) -> CommandError:
    text = f"Cannot convert value '{truncate(value.shown)}' of type '{name}' to java type {kind.java}"
    return invalid(f"{value.field}.value", f"{text}; accepted is {kind.accepted}")


def _is_transient(value: Value) -> bool:
    raw = bytes(value.info.get("transient", b"false"))
    if raw not in (b"true", b"false"):
        raise invalid(f"{value.field}.valueInfo.transient", f"expected true or false, found {found_in(raw)}")
    return raw == b"true"
