"""What bad input gets: every field of every operation, enumerated from the types, so that a new field is covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import inspect

from tests.cases import check_all
from tests.unit.contracts.samples import SMALLEST, body, refusal_of, refused
from tests.unit.contracts.values import documents, info, value
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.validation_errors import describe

TYPED = [operation for operation in sorted(SMALLEST) if operation not in ("topology", "signal")]
"""Not signal: it has the rules and the words of the REST API it comes from, and tests of its own."""
WRONG_SCALARS: dict[type, list[Any]] = {
    fields.KeyNumber: [0, -1, 2**63, "abc", "", "0", 1.0, True, None, [], {}],
    fields.ReferenceNumber: [0, -1, 2**64, "1", 1.0, True, None, [], {}],
    fields.Period: ["", "5", "abc", "-5s", -1, 1, 999_999, 1.5, True, None, [], {}],
}


def here(*values: Any) -> Iterator[tuple[str, Any]]:
    return (("", each) for each in values)


def wrong(field: inspect.Field) -> Iterator[tuple[str, Any]]:
    """Values that a field refuses, each with the rest of the path where the refusal points."""
    yield from wrong_values(field.type)
    if field.required and isinstance(field.type, inspect.RawType):
        yield from here(None)  # where it is not required, null variables are none
    if field.required and isinstance(field.type, inspect.CustomType) and field.type.cls is fields.Period:
        yield from here(0, "0s", "PT0S")  # where it is not required, a duration of 0 is none


def wrong_values(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
    match kind:
        case inspect.Metadata():
            yield from wrong_values(kind.type)
        case inspect.CustomType():
            yield from here(*WRONG_SCALARS[kind.cls])
        case inspect.StrType():
            yield from here(1, 1.5, True, None, [], {})
            yield from here("", " ", "\t\n") if kind.pattern else ()
            yield from here("") if kind.min_length else ()
        case inspect.BoolType():
            yield from here(0, 1, "true", None, [], {})
        case inspect.IntType():
            assert kind.ge is not None
            assert kind.le is not None
            yield from here(kind.ge - 1, kind.le + 1, "1", 1.5, 1.0, True, None, [], {}, 10**30)
        case inspect.LiteralType():
            yield from here("OTHER", "provided", "", 1, None, [])
        case inspect.RawType():
            yield from here([], 1, "text", True, [{}])
        case inspect.VarTupleType():
            yield from here({}, "x", 1, True, None)
            yield from here([]) if kind.min_length else ()
            yield from ((f"[0]{rest}", [bad]) for rest, bad in wrong_values(kind.item_type))
        case inspect.StructType():
            yield from here([], "x", 1, True, None)
            yield from wrong_members(kind)
        case _:
            raise AssertionError(kind)


def wrong_members(kind: inspect.StructType) -> Iterator[tuple[str, Any]]:
    right = value(kind)
    yield ".unknown", right | {"unknown": 1}
    if choice := [wire_name for _, wire_name in one_of(kind.cls)]:
        types = {field.encode_name: field.type for field in kind.fields}
        yield f".{choice[0]}", {name: value for name, value in right.items() if name not in choice}
        yield f".{choice[1]}", right | {name: value(types[name]) for name in choice}
    for field in kind.fields:
        if field.required:
            yield f".{field.encode_name}", {name: value for name, value in right.items() if name != field.encode_name}
        for rest, bad in wrong(field):
            yield f".{field.encode_name}{rest}", right | {field.encode_name: bad}


def wrong_requests() -> Iterator[tuple[str, str, Any]]:
    """Operations and their data, each with the path of what is wrong in it."""
    for operation in TYPED:
        for rest, data in wrong_members(info(COMMANDS[operation])):
            yield operation, f"data{rest}", data


REQUIRED = {
    operation: {field.encode_name for field in info(COMMANDS[operation]).fields if field.required}
    for operation in TYPED
}


def test_a_wrong_value_of_any_field_and_a_required_one_that_is_missing_are_refused_by_their_path() -> None:
    def is_refused(operation: str, path: str, data: Any) -> None:
        error = refusal_of(operation, data)
        assert error.message.startswith(f"{path}: ")
        assert (error.details or {})["field"] == path
        assert error.operation == operation
        assert not any(internal in error.message for internal in "`$")
        told = error.message.removeprefix(f"{path}: ")
        assert told.startswith(("missing; expected ", "unknown field; ", "not allowed together with ", "expected "))
        assert not told.startswith("expected ") or ", found " in told
        if path.removeprefix("data.") in REQUIRED[operation] - data.keys():
            assert told.startswith("missing; expected ")

    check_all(wrong_requests(), is_refused)


def mistyped(kind: inspect.Type) -> Iterator[tuple[str, str, Any]]:
    """Values with one member's name mistyped, however deep: its path, the right name, the value."""
    if isinstance(kind, inspect.VarTupleType):
        yield from ((f"[0]{path}", name, [bad]) for path, name, bad in mistyped(kind.item_type))
    if not isinstance(kind, inspect.StructType):
        return
    right = value(kind)
    for field in kind.fields:
        wrong_name = field.encode_name[:-1]
        others = {name: each for name, each in right.items() if name != field.encode_name}
        yield f".{wrong_name}", field.encode_name, {wrong_name: value(field.type)} | others
        for path, name, bad in mistyped(field.type):
            yield f".{field.encode_name}{path}", name, right | {field.encode_name: bad}


MISTYPED = [(operation, *each) for operation in TYPED for each in mistyped(info(COMMANDS[operation]))]


def test_a_mistyped_field_is_refused_with_the_nearest_name() -> None:
    def is_refused(operation: str, path: str, name: str, data: Any) -> None:
        error = refusal_of(operation, data)
        assert error.message == f'data{path}: unknown field; did you mean "{name}"?'
        assert error.details == {"field": f"data{path}", "suggestion": name}

    check_all(MISTYPED, is_refused)


def test_an_unknown_field_without_a_near_name_lists_the_known_ones() -> None:
    error = refusal_of("cancel-instance", SMALLEST["cancel-instance"] | {"zzz": 1})
    assert error.message == "data.zzz: unknown field; known are operationReference, processInstanceKey"


def test_data_that_is_not_an_object_is_refused() -> None:
    def is_refused(operation: str) -> None:
        file = "the file's text as a JSON string, or an object with the list resources"
        expected = file if operation == "deploy-resource" else "an object"
        for data in ([], "text", 7, True):
            error = refusal_of(operation, data)
            assert error.message.startswith((f"data: expected {expected}, found ", "metadata.fileName: missing")), data

    check_all(TYPED, is_refused)


DEEP = b'{"a":' * 500 + b"{}" + b"}" * 500
HOSTILE: dict[str, tuple[bytes, str]] = {
    "too deep": (DEEP, "nested deeper than 500 levels"),
    "deeper than any decoder": (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 500 levels"),
    "beyond a double": (b'{"a":1e400}', "a number beyond the range of a double"),
    "a lone surrogate": (b'{"a":"\\ud800"}', "not valid JSON"),
}
UNREADABLE = {"deeper than any decoder", "a lone surrogate"}
"""What no decoder takes is refused before anybody knows the place."""


def test_a_hostile_document_is_refused_wherever_one_is_taken() -> None:
    def is_refused(operation: str, path: str, data: Any) -> None:
        for hostile, (document, why) in HOSTILE.items():
            error = refused(body(operation, data).replace(b'"a document"', document))
            places = (f"data{path}: {why}", f"data: {why}", f"body: {why}")
            assert error.message.startswith(places if hostile in UNREADABLE else places[:1]), hostile
            assert error.operation == operation, hostile

    check_all([(name, *each) for name in TYPED for each in documents(info(COMMANDS[name]), "a document")], is_refused)


def test_every_type_of_field_has_a_name_in_words() -> None:
    for operation in TYPED:
        for field in info(COMMANDS[operation]).fields:
            assert describe(field.type) != "another value"


def test_a_type_without_words_of_its_own_goes_by_its_kind() -> None:
    assert describe(inspect.type_info(Annotated[str, msgspec.Meta(title="x")])) == "text"
    assert describe(inspect.type_info(dict[str, int])) == "another value"
