"""JSON Schemas of what is inside an envelope: the data of requests and replies, and the error.

They say the same in JSON Schema 2020-12 and in draft 7, which is what AsyncAPI tools understand: no keyword is used
that only one of the two has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from zeebe_amqp.asyncapi.camunda7 import TENANTS, TYPED_VARIABLES
from zeebe_amqp.commands import COMMANDS, CreateInstance, DeployProcess, Signal, Topology
from zeebe_amqp.commands.command import Result
from zeebe_amqp.commands.deployments import Deployment
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.errors import Error, Source
from zeebe_amqp.schema import docstrings as docstring
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.validation_errors import type_info

__all__ = ["INT64_NAMES", "REFERENCE", "Schema", "reference", "schemas"]


Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, plain data."""

REFERENCE: Final = "#/components/schemas/"
"""Where a document of AsyncAPI has its schemas."""
INT64_NAMES: Final = ("key", "deadline")
"""Fields of replies that are 64-bit numbers, besides those whose name ends in Key."""

_SOMETHING: Final[Schema] = {"not": {"anyOf": [{"const": 0}, {"type": "string", "pattern": "^[^1-9]*$"}]}}
"""A duration above 0: text with a digit above 0."""
_INT64: Final[Schema] = {
    "title": "Int64",
    "description": 'a whole number of 64 bits; its decimal text when the request\'s `metadata.keys` is "string"',
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]{1,19}$"}],
}
_VARIABLES: Final[Schema] = {
    "title": "Variables",
    "description": "a JSON object, handed to the engine byte for byte; at most 500 levels deep",
    "type": "object",
    "additionalProperties": True,
}
_FILE: Final[Schema] = {
    "title": "File",
    "description": docstring.meanings(DeployProcess)["content"],
    "type": "string",
    "minLength": 1,
}
_DETAILS: Final[Schema] = {
    "title": "Details",
    "type": "object",
    "properties": {
        "field": {"type": "string", "description": "the path of what is wrong, such as data.timeToLive"},
        "suggestion": {"type": "string", "description": "what was probably meant, or what is needed"},
        "intent": {"type": "string", "description": "the engine's command"},
        "rejection": {"type": "string", "description": "the engine's own code"},
        "attempts": {"type": "integer", "minimum": 1, "description": "how often the gateway was called"},
    },
}
_REFUSED: Final[Mapping[type, Schema]] = {
    # An id names the latest version unless told otherwise; a key names one version.
    CreateInstance: {"required": ["version", "processDefinitionKey"]},
    Signal: TENANTS,
}
"""What fields of a type may not be together, besides `one_of`."""


def reference(name: str) -> Schema:
    """A schema that is the one of this name."""
    return {"$ref": REFERENCE + name}


def schemas() -> dict[str, Schema]:
    """The schemas by name: of each command's data and its parts, of each result and its parts, and of the error."""
    # A file to deploy is text, whatever the command makes of it.
    commands = [command for command in COMMANDS.values() if command is not DeployProcess]
    kinds = [*commands, *(kind for command in COMMANDS.values() for kind in command.results())]
    _, made = msgspec.json.schema_components([*kinds, Error], schema_hook=_scalar, ref_template=REFERENCE + "{name}")
    for info in _structs(kinds):
        made[info.cls.__name__] = _exact(info, made[info.cls.__name__])
    made |= _plain()
    return {name: made[name] for name in sorted(made)}


def _plain() -> dict[str, Schema]:
    """The schemas that are not made from a struct of their own."""
    scalars = {
        _name(kind): {"title": _name(kind), "description": kind.description, **kind.schema}
        for kind in fields.Scalar.__subclasses__()
    }
    error = msgspec.json.schema(Error, ref_template=REFERENCE + "{name}")["$defs"]["Error"]
    error["description"] = docstring.words(docstring.about(Error))
    members = error["properties"] | {"details": reference("Details")}
    error["properties"] = {name: _meaning(members[name], why) for name, why in docstring.meanings(Error).items()}
    return scalars | {
        "Details": dict(_DETAILS),
        "Error": error,
        "File": dict(_FILE),
        "Int64": dict(_INT64),
        # No reply says that it comes from the caller's own library.
        "Source": {"title": "Source", "description": "Who said so.", "enum": [Source.CONSUMER, Source.GATEWAY]},
        "TypedVariables": dict(TYPED_VARIABLES),
        "Variables": dict(_VARIABLES),
        Topology.__name__: {"title": Topology.__name__, "description": docstring.words(docstring.about(Topology))},
    }


def _name(kind: type) -> str:
    return "Duration" if kind is fields.Period else kind.__name__.removesuffix("Number")


def _scalar(kind: type) -> Schema:
    return reference(_name(kind))


def _structs(kinds: list[Any]) -> Iterator[inspect.StructType]:
    """The types of objects in these types, however deep; one may come more than once."""
    for kind in kinds:
        yield from _inside(type_info(kind))


def _inside(kind: inspect.Type) -> Iterator[inspect.StructType]:
    match kind:
        case inspect.Metadata():
            yield from _inside(kind.type)
        case inspect.VarTupleType():
            yield from _inside(kind.item_type)
        case inspect.UnionType():
            for each in kind.types:
                yield from _inside(each)
        case inspect.StructType():
            yield kind
            for field in kind.fields:
                yield from _inside(field.type)


def _exact(info: inspect.StructType, schema: Schema) -> Schema:
    """What the generator made of a type, with what it does not know."""
    made = schema | {"description": docstring.words(docstring.about(info.cls))}
    meanings = docstring.meanings(info.cls)
    known = schema["properties"]
    if issubclass(info.cls, Result):
        answers = {
            field.encode_name: _meaning(_answer(field, known[field.encode_name]), meanings[field.name])
            for field in info.fields
        }
        return made | {"properties": answers} | _present(info)
    documents = "TypedVariables" if info.cls is Signal else "Variables"
    asked = {
        field.encode_name: _meaning(_field(field, known[field.encode_name], documents), meanings[field.name])
        for field in info.fields
    }
    made |= {"properties": asked} | _rules(info.cls)
    return made if made["required"] else {name: each for name, each in made.items() if name != "required"}


def _rules(kind: type) -> Schema:
    """The rules between the fields of a request."""
    wrong = [*_not_one([wire_name for _, wire_name in one_of(kind)])]
    if kind in _REFUSED:
        wrong.append(_REFUSED[kind])
    return _never(wrong) if wrong else {}


def _not_one(names: list[str]) -> Iterator[Schema]:
    """When not exactly one of these fields is there."""
    if names:
        yield {"not": {"anyOf": [{"required": [name]} for name in names]}}
    yield from ({"required": list(pair)} for pair in combinations(names, 2))


def _never(wrong: list[Schema]) -> Schema:
    # Written as what is refused: generators of code take every oneOf and anyOf for a type of its own, and lose the
    # fields over it.
    return {"not": wrong[0] if len(wrong) == 1 else {"anyOf": wrong}}


def _meaning(schema: Schema, meaning: str) -> Schema:
    """The schema of a field with what the field means; beside a reference, draft 7 would not see it."""
    bare = {"allOf": [schema]} if "$ref" in schema else schema
    return {"description": docstring.words(meaning)} | {
        name: each for name, each in bare.items() if name != "description"
    }


def _field(field: inspect.Field, schema: Schema, documents: str) -> Schema:
    """The schema of a field of a request: without the default null, which says "absent" and may not be sent."""
    if isinstance(field.type, inspect.RawType):
        # Null variables are none; where they are required, that is refused.
        return reference(documents) if field.required else {"anyOf": [reference(documents), {"type": "null"}]}
    if isinstance(field.type, inspect.CustomType) and field.type.cls is fields.Period and field.required:
        return {"allOf": [schema, _SOMETHING]}
    return {name: each for name, each in schema.items() if (name, each) != ("default", None)}


def _answer(field: inspect.Field, schema: Schema) -> Schema:
    """The schema of a field of a reply; there is no default, because every field is there."""
    bare = {name: each for name, each in schema.items() if name != "default"}
    if not field.encode_name.endswith("Key") and field.encode_name not in INT64_NAMES:
        return bare
    if bare == {"type": "integer"}:
        return reference("Int64")
    return {"anyOf": [reference("Int64"), {"type": "null"}]} if {"type": "integer"} in bare.get("anyOf", ()) else bare


def _present(info: inspect.StructType) -> Schema:
    """Which fields of a reply are there: all, but of a deployment one."""
    names = [field.encode_name for field in info.fields]
    if info.cls is Deployment:
        return {"required": []} | _never([*_not_one(names)])
    return {"required": names}
