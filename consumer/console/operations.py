"""What can be tried: every operation of the AsyncAPI document, with its fields and its examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from zeebe_amqp.asyncapi import document
from zeebe_amqp.commands import COMMANDS

__all__ = ["Field", "Operation", "operations"]

_REFERENCE: Final = "#/components/schemas/"


@dataclass(frozen=True)
class Field:
    """A member of `data`."""

    name: str
    kind: str
    needed: bool
    """Whether it must be there, whatever else is."""
    default: str
    """As JSON; empty for none."""
    meaning: str


@dataclass(frozen=True)
class Operation:
    """An operation that a form can send."""

    name: str
    summary: str
    about: str
    fields: tuple[Field, ...]
    examples: tuple[tuple[str, str], ...]
    """Title and body, one or more."""


@cache
def operations() -> Mapping[str, Operation]:
    """All of them by name, in the order of the document."""
    made = document()
    return {name: _operation(made, name) for name in made["operations"] if name in COMMANDS}


def _operation(made: Mapping[str, Any], name: str) -> Operation:
    message = made["components"]["messages"][f"{name}.request"]
    schemas = made["components"]["schemas"]
    data = [each for request in _forms(schemas, message["payload"]) for each in _forms(schemas, _data(request))]
    found = {name: schema for each in data for name, schema in each.get("properties", {}).items()}
    needed = frozenset.intersection(*(frozenset(each.get("required", ())) for each in data))
    about = message["description"].partition("\n\nIn the bare form")[0]
    examples = tuple((each["summary"], json.dumps(each["payload"], indent=2)) for each in message["examples"])
    fields = [_field(schemas, field, each, field in needed) for field, each in found.items()]
    return Operation(name, made["operations"][name]["summary"], about, tuple(fields), examples)


def _data(request: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = request["properties"]["data"]
    return found


def _forms(schemas: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What it may look like: one or more objects, or what is none."""
    resolved = _resolve(schemas, schema)
    if "anyOf" not in resolved:
        return [resolved]
    return [form for each in resolved["anyOf"] for form in _forms(schemas, each)]


def _field(schemas: Mapping[str, Any], name: str, schema: Mapping[str, Any], needed: bool) -> Field:
    default = json.dumps(schema["default"]) if "default" in schema else ""
    meaning = schema.get("description") or _resolve(schemas, schema).get("description", "")
    return Field(name, _kind(schema), needed, default, str(meaning).partition("\n")[0])


def _kind(schema: Mapping[str, Any]) -> str:
    """The type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "allOf" in schema:  # what it is comes first; words and bounds stand beside it
        return _kind(schema["allOf"][0])
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("type", "any"))


def _resolve(schemas: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[str(schema["$ref"]).removeprefix(_REFERENCE)]
    return schema
