"""What bad input gets: every field of every operation, enumerated from the types, so that a new field is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import SMALLEST, body, refusal_of, refused
from tests.unit.contracts.values import info, places, value
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.formatting import truncate
from zeebe_amqp.schema.validation_errors import describe

TYPED = [operation for operation in sorted(SMALLEST) if operation not in ("topology", "signal")]
"""Not signal: it has the rules and the words of the REST API it comes from, and tests of its own."""
UNPARSED = ['{"a": "as text"}', '\n ["as text"]']
"""Objects and lists that a caller sent as text."""
ADVICE = " that looks like JSON; parse it first, and send the object or list itself, not as text"
WRONG_VALUES: dict[type, list[Any]] = {
    fields.KeyNumber: [0, -1, 2**63, "abc", "", "0", 1.0, True, None, [], {}],
    fields.ReferenceNumber: [0, -1, 2**64, "1", 1.0, True, None, [], {}],
    fields.Period: ["", "5", "abc", "-5s", -1, 1, 999_999, 1.5, True, None, [], {}],
    inspect.StrType: [1, 1.5, True, None, [], {}],
    inspect.BoolType: [0, 1, "true", None, [], {}],
    inspect.IntType: ["1", 1.5, 1.0, True, None, [], {}, 10**30],
    inspect.LiteralType: ["OTHER", "provided", "", 1, None, []],
    inspect.RawType: [[], 1, "text", True, [{}], *UNPARSED],
    inspect.VarTupleType: [{}, "x", 1, True, None, *UNPARSED],
    inspect.StructType: [[], "x", 1, True, None, *UNPARSED],
}


def wrong_values(kind: inspect.Type, required: bool = False) -> Iterator[tuple[str, Any]]:
    """Values that a type refuses, each with the rest of the path where the refusal points."""
    if isinstance(kind, inspect.Metadata):
        yield from wrong_values(kind.type)
        return
    wrong = list(WRONG_VALUES[kind.cls if isinstance(kind, inspect.CustomType) else type(kind)])
    match kind:
        case inspect.StrType():
            wrong += ["", " ", "\t\n"] if kind.pattern else [""] if kind.min_length else []
        case inspect.IntType(ge=int(minimum), le=int(maximum)):
            wrong += [minimum - 1, maximum + 1]
        case inspect.RawType() if required:
            wrong.append(None)  # where it is not required, null variables are none
        case inspect.CustomType(cls=fields.Period) if required:
            wrong += [0, "0s", "PT0S"]  # where it is not required, a duration of 0 is none
        case inspect.VarTupleType():
            wrong += [[]] if kind.min_length else []
            yield from ((f"[0]{rest}", [bad]) for rest, bad in wrong_values(kind.item_type))
        case inspect.StructType():
            yield from wrong_members(kind)
    yield from (("", each) for each in wrong)


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in data.items() if name not in names}


def wrong_members(kind: inspect.StructType) -> Iterator[tuple[str, Any]]:
    right = value(kind)
    yield ".unknown", right | {"unknown": 1}
    if choice := [wire_name for _, wire_name in one_of(kind.cls)]:
        types = {field.encode_name: field.type for field in kind.fields}
        yield f".{choice[0]}", without(right, *choice)
        yield f".{choice[1]}", right | {name: value(types[name]) for name in choice}
    for field in kind.fields:
        if field.required:
            yield f".{field.encode_name}", without(right, field.encode_name)
        for rest, bad in wrong_values(field.type, field.required):
            yield f".{field.encode_name}{rest}", right | {field.encode_name: bad}


def wrong_requests() -> Iterator[tuple[str, str, Any]]:
    """Operations and their data, each with the path of what is wrong in it."""
    for operation in TYPED:
        for rest, data in wrong_members(info(COMMANDS[operation])):
            yield operation, f"data{rest}", data


def test_a_wrong_value_of_any_field_and_a_required_one_that_is_missing_are_refused_by_their_path() -> None:
    def is_refused(operation: str, path: str, data: Any) -> None:
        error = refusal_of(operation, data)
        assert error.message.startswith(f"{path}: ")
        assert (error.details or {})["field"] == path
        assert error.operation == operation
        assert not any(internal in error.message for internal in ("`", "$", "another value"))
        told = error.message.removeprefix(f"{path}: ")
        assert told.startswith(("missing; expected ", "unknown field; ", "not allowed together with ", "expected "))
        assert not told.startswith("expected ") or ", found " in told
        assert told.endswith(ADVICE) is ("as text" in str(data))
        required = {field.encode_name for field in info(COMMANDS[operation]).fields if field.required}
        if path.removeprefix("data.") in required - data.keys():
            assert told.startswith("missing; expected ")

    check_all(wrong_requests(), is_refused)


def test_a_type_without_words_of_its_own_goes_by_its_kind() -> None:
    assert describe(inspect.type_info(Annotated[str, msgspec.Meta(title="x")])) == "text"
    assert describe(inspect.type_info(dict[str, int])) == "another value"


@for_each(TYPED)
def test_data_that_is_not_an_object_is_refused(operation: str) -> None:
    file = "the file's text as a JSON string, or an object with the list resources"
    expected = file if operation == "deploy-resource" else "an object"
    for data in ([], "text", 7, True):
        error = refusal_of(operation, data)
        assert error.message.startswith((f"data: expected {expected}, found ", "metadata.fileName: missing")), data
    if operation != "deploy-resource":  # text is a file there
        told = refusal_of(operation, UNPARSED[0]).message
        assert told.startswith("data: expected an object, found text ")
        assert told.endswith(ADVICE)


def objects(
    kind: inspect.StructType, whole: Callable[[Any], Any] = lambda each: each
) -> Iterator[tuple[str, inspect.StructType, Callable[[Any], Any]]]:
    """The objects in values of a type, however deep, itself first: path, type, and what makes a whole value of one."""
    yield "", kind, whole
    for field in kind.fields:
        name, listed = field.encode_name, isinstance(field.type, inspect.VarTupleType)
        inner = field.type.item_type if isinstance(field.type, inspect.VarTupleType) else field.type

        def around(part: Any, name: str = name, listed: bool = listed) -> Any:
            return whole(value(kind) | {name: [part] if listed else part})

        if isinstance(inner, inspect.StructType):
            step = f".{name}[0]" if listed else f".{name}"
            yield from ((f"{step}{path}", *rest) for path, *rest in objects(inner, around))


OBJECTS = [(operation, *each) for operation in TYPED for each in objects(info(COMMANDS[operation]))]
MISTYPED = [
    (operation, f"{path}.{right[:-1]}", right, whole({right[:-1]: value(field.type)} | without(value(kind), right)))
    for operation, path, kind, whole in OBJECTS
    for field in kind.fields
    for right in (field.encode_name,)
]
"""Operations and data in which the name of one field is mistyped, with its path and the right name."""


def test_a_mistyped_field_is_refused_with_the_nearest_name() -> None:
    def is_refused(operation: str, path: str, name: str, data: Any) -> None:
        error = refusal_of(operation, data)
        assert error.message == f'data{path}: unknown field; did you mean "{name}"?'
        assert error.details == {"field": f"data{path}", "suggestion": name}

    check_all(MISTYPED, is_refused)
    paths = {path for _, path, _, _ in OBJECTS}
    assert {"", ".migrationPlan", ".migrationPlan.mappingInstructions[0]", ".startInstructions[0]"} <= paths


def test_an_unknown_field_without_a_near_name_lists_the_known_ones_and_the_first_is_named() -> None:
    error = refusal_of("cancel-instance", SMALLEST["cancel-instance"] | {"zzz": 1})
    assert error.message == "data.zzz: unknown field; known are operationReference, processInstanceKey"
    data = {"startInstructions": [{"elementId": "a"}, {"elementId": "b", "x": 1}], "bpmnProcessId": "p", "y": 1}
    assert (refusal_of("create-instance", data).details or {})["field"] == "data.startInstructions[1].x"


LIKE_THE_DECODER = [
    " - at `$.foo`", "x - at `$.foo[0]`", "x` - at `$.jobKey", " - at `$", " - at `$.foo` - at `$[1]`",
    " - at `key in $.foo`", "Object contains unknown field `a`", "Object missing required field `jobKey` - at `$`",
    "expected x", "\n - at `$.\n`", "", ".", "[0]", "[...]",
]  # fmt: skip
TEXTS = (
    st.sampled_from(LIKE_THE_DECODER) | st.text() | st.tuples(st.text(), st.sampled_from(LIKE_THE_DECODER)).map("".join)
)


@settings(max_examples=300)
@given(st.sampled_from(OBJECTS), TEXTS)
@example(OBJECTS[0], " - at `$.foo`")
def test_an_unknown_field_of_any_name_is_refused_by_its_path(where: tuple[Any, ...], name: str) -> None:
    operation, path, kind, whole = where
    if name in {field.encode_name for field in kind.fields}:
        return
    error = refusal_of(operation, whole(value(kind) | {name: 1}))
    assert error.message.startswith(f"data{path}.{truncate(name)}: unknown field; ")
    assert (error.details or {})["field"] == f"data{path}.{truncate(name)}"


def wants_another(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.LiteralType | inspect.CustomType)


@settings(max_examples=300)
@given(TEXTS)
def test_a_text_of_any_kind_where_another_value_is_wanted_is_refused_by_its_path(text: str) -> None:
    for operation in TYPED:
        for path, data in places(info(COMMANDS[operation]), wants_another, f"x{text}"):
            error = refusal_of(operation, data)
            assert error.message.startswith(f"data{path}: expected "), (operation, path)
            assert (error.details or {})["field"] == f"data{path}", operation


HOSTILE: dict[str, tuple[bytes, str]] = {
    "too deep": (b'{"a":' * 500 + b"{}" + b"}" * 500, "nested deeper than 500 levels"),
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

    def is_document(kind: inspect.Type) -> bool:
        return isinstance(kind, inspect.RawType)

    kinds = [(name, info(COMMANDS[name])) for name in TYPED]
    check_all([(name, *each) for name, kind in kinds for each in places(kind, is_document, "a document")], is_refused)
