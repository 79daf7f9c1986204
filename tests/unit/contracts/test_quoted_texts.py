"""A refusal quotes what the caller wrote; whatever that is, the refusal names the right field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from tests.unit.contracts.samples import SMALLEST, refusal_of
from tests.unit.contracts.values import info, places, value
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code
from zeebe_amqp.schema.formatting import truncate

TYPED = [operation for operation in sorted(SMALLEST) if operation not in ("topology", "signal")]
"""Not signal: it ignores what it does not know, and reads its values itself."""
LIKE_THE_DECODER = [
    " - at `$.foo`",
    "x - at `$.foo[0]`",
    "x` - at `$.jobKey",
    " - at `$",
    " - at `$.foo` - at `$[1]`",
    " - at `key in $.foo`",
    "Object contains unknown field `a`",
    "Object missing required field `jobKey` - at `$`",
    "expected x",
    "\n - at `$.\n`",
    "",
    ".",
    "[0]",
    "[...]",
]
TEXTS = (
    st.sampled_from(LIKE_THE_DECODER) | st.text() | st.tuples(st.text(), st.sampled_from(LIKE_THE_DECODER)).map("".join)
)


def is_choice(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.LiteralType)


def reads_itself(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.CustomType)


def objects(kind: inspect.StructType) -> Iterator[tuple[str, inspect.StructType]]:
    """The path and type of a type's objects, however deep, itself first."""
    yield "", kind
    for field in kind.fields:
        inner, item = field.type, ""
        if isinstance(inner, inspect.VarTupleType):
            inner, item = inner.item_type, "[0]"
        if isinstance(inner, inspect.StructType):
            yield from ((f".{field.encode_name}{item}{path}", each) for path, each in objects(inner))


def with_member(kind: inspect.StructType, path: str, name: str) -> Any:
    """A right value with one unknown member in the object at `path`."""
    if not path:
        return value(kind) | {name: 1}
    head, _, rest = path[1:].partition(".")
    field = next(each for each in kind.fields if each.encode_name == head.removesuffix("[0]"))
    inner = field.type.item_type if isinstance(field.type, inspect.VarTupleType) else field.type
    assert isinstance(inner, inspect.StructType)
    member = with_member(inner, f".{rest}" if rest else "", name)
    return value(kind) | {field.encode_name: [member] if head.endswith("[0]") else member}


OBJECTS = [(operation, *each) for operation in TYPED for each in objects(info(COMMANDS[operation]))]


@settings(max_examples=300)
@given(st.sampled_from(OBJECTS), TEXTS)
@example(OBJECTS[0], " - at `$.foo`")
def test_an_unknown_field_of_any_name_is_refused_by_its_path(
    where: tuple[str, str, inspect.StructType], name: str
) -> None:
    operation, path, kind = where
    if name in {field.encode_name for field in kind.fields}:
        return
    error = refusal_of(operation, with_member(info(COMMANDS[operation]), path, name))
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith(f"data{path}.{truncate(name)}: unknown field; ")
    assert error.details is not None
    assert error.details["field"] == f"data{path}.{truncate(name)}"


def test_objects_inside_of_objects_and_of_lists_are_among_those() -> None:
    paths = {path for _, path, _ in OBJECTS}
    assert {"", ".migrationPlan", ".migrationPlan.mappingInstructions[0]", ".startInstructions[0]"} <= paths


def test_the_first_unknown_field_is_the_one_that_is_named() -> None:
    data = {"startInstructions": [{"elementId": "a"}, {"elementId": "b", "x": 1}], "bpmnProcessId": "p", "y": 1}
    assert (refusal_of("create-instance", data).details or {})["field"] == "data.startInstructions[1].x"


@settings(max_examples=300)
@given(TEXTS)
def test_a_text_of_any_kind_where_another_value_is_wanted_is_refused_by_its_path(text: str) -> None:
    for operation in TYPED:
        kind = info(COMMANDS[operation])
        for wanted in (is_choice, reads_itself):
            for path, data in places(kind, wanted, f"x{text}"):
                error = refusal_of(operation, data)
                assert error.code == Code.INVALID_ARGUMENT
                assert error.message.startswith(f"data{path}: expected "), (operation, path, text)
                assert (error.details or {})["field"] == f"data{path}"
