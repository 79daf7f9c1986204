"""Every row of the table of value types: what is accepted and becomes which JSON, what is refused in which words."""

from __future__ import annotations

import base64
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import JSON_VALUES
from zeebe_amqp.camunda7 import values as typed_values
from zeebe_amqp.camunda7.types import TYPES
from zeebe_amqp.camunda7.values import Converted
from zeebe_amqp.errors import Code, CommandError

DATE = "2013-01-23T13:42:42.000+0200"
ARRAY_LIST = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/json"}
FILE = {"filename": "a.txt", "mimetype": "text/plain", "encoding": "utf-8"}


def converted(variable: Any) -> Converted:
    raw = variable if isinstance(variable, str) else json.dumps(variable)
    return typed_values.convert(f'{{"x":{raw}}}'.encode(), "data.variables")["x"]


def typed(kind: str | None, value: Any, info: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"value": value, "type": kind, "valueInfo": info}


def refusal(variable: Any) -> CommandError:
    with pytest.raises(CommandError) as raised:
        converted(variable)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.details is not None
    assert raised.value.message.startswith(raised.value.details["field"] + ": ")
    return raised.value


WHOLE = [(24, "24"), ("24", "24"), (" 24 ", "24"), ("+24", "24"), ("024", "24"), ("-024", "-24"), (0, "0"), (-0, "0")]
EMPTY = [(None, "null"), ("", "null"), (" ", "null")]
ACCEPTED: dict[str, list[tuple[Any, str | None]]] = {
    "String": [("24", '"24"'), ("", '""'), (" é ", '" \\u00e9 "'), (None, "null"), (24, '"24"'), (True, '"true"')],
    "Integer": [*WHOLE, *EMPTY, (2**31 - 1, "2147483647"), ("-2147483648", "-2147483648")],
    "Short": [*WHOLE, *EMPTY, (2**15 - 1, "32767"), (-(2**15), "-32768")],
    "Long": [*WHOLE, *EMPTY, (2**63 - 1, "9223372036854775807"), (str(-(2**63)), "-9223372036854775808")],
    "Double": [(1.5, "1.5"), (1, "1"), ("1.5", "1.5"), ("1", "1"), (" 1e3 ", "1e3"), (".5", "0.5"), ("+5.", "5.0"),
               *EMPTY],
    "Boolean": [(True, "true"), (False, "false"), *EMPTY]
    + [(text, text.lower()) for text in ("true", "True", "TRUE", "false", "False", "FALSE")],
    "Date": [(DATE, f'"{DATE}"'), (f" {DATE} ", f'"{DATE}"'), ("2024-02-29T23:59:59.999-0330", None), *EMPTY],
    "Null": [(None, "null")],
    "Bytes": [("AQI=", '"AQI="'), ("", '""'), (None, "null")],
    "Json": [('{"a": 1.00}', '{"a": 1.00}'), (" [1] ", "[1]"), ("7", "7"), ("null", "null"), (None, "null")],
    "Xml": [("<a/>", '"<a/>"'), ("not even XML", '"not even XML"'), (None, "null")],
}  # fmt: skip
"""By type: values, and what they become; None: the same as JSON."""
WITH_INFO: list[tuple[Any, str]] = [
    (typed("Object", "[1.50]", ARRAY_LIST), "[1.50]"),
    (typed("Object", None, ARRAY_LIST), "null"),
    (typed("Object", None, ARRAY_LIST | {"serializationDataFormat": "application/xml"}), "null"),
    (typed("File", "AQI=", FILE), '{"filename":"a.txt","mimetype":"text/plain","encoding":"utf-8","content":"AQI="}'),
    (typed("File", "", {"filename": "a"}), '{"filename":"a","mimetype":null,"encoding":null,"content":""}'),
]
UNTYPED = (
    "24",
    "24.50",
    "1e3",
    "12345678901234567890123",
    '"a\\u00e9"',
    "true",
    "null",
    '[1,{"a":1.0}]',
    '{ "b":[ ] }',
)
NOTHING_MORE = ',"type":null,"valueInfo":null,"other":1'

NOT_WHOLE = ["\t", "24\n", 24.0, "24.0", "1e3", "0x10", "1_0", "٣", "--1", "+", True, [], {}, "9" * 41]
REFUSED: dict[str, list[Any]] = {
    "String": [[], {}, [1], {"a": 1}],
    "Integer": [*NOT_WHOLE, 2**31, -(2**31) - 1, "2147483648"],
    "Short": [*NOT_WHOLE, 2**15, "-32769"],
    "Long": [*NOT_WHOLE, 2**63, "9223372036854775808", 10**30],
    "Double": ["\t", "1,5", "1f", "0x1p3", "1_0", "nan", "e3", ".", True, [], {}],
    "Boolean": [0, 1, "0", "1", "yes", "tRUE", "on", "\n", [], {}],
    "Date": [
        "2013-01-23T13:42:42+0200", "2013-01-23T13:42:42.000Z", "2013-01-23T13:42:42.000+02:00", "2013-01-23",
        1358941362000, "2013-02-30T13:42:42.000+0200", "2013-13-23T13:42:42.000+0200", "2013-01-23T24:00:00.000+0200",
        "2013-01-23T13:42:60.000+0200", "2013-01-23T13:42:42.00+0200", "2013-01-23T13:42:42.0000+0200",
        "2013-01-23T13:42:42.000+9999", f"{DATE}x", "\t", True, [], {},
    ],
    "Null": ["", " ", 0, False, [], {}],
    "Bytes": ["AQI", "A Q I=", "%%", "AQI=\n", "AQI=AQI=", "é", 5, True, [], {}],
    "File": ["AQI", "%%", None, 5, [], {}],
}  # fmt: skip


def test_an_accepted_value_becomes_plain_json_one_without_type_unchanged_and_one_that_is_missing_null() -> None:
    def becomes(kind: str, value: Any, expected: str | None) -> None:
        plain = (json.dumps(value) if expected is None else expected).encode()
        for name in (kind, kind[0].lower() + kind[1:]):
            found = converted(typed(name, value))
            assert (found.json, found.zeebe, found.camunda7, found.transient) == (plain, "", "", False)

    check_all([(kind, *row) for kind, rows in ACCEPTED.items() for row in rows], becomes)
    untyped = [(f'{{"value":{raw}{more}}}', raw) for raw in UNTYPED for more in ("", NOTHING_MORE)]
    for variable, expected in [*WITH_INFO, *untyped, ({}, "null"), ({"type": "Integer"}, "null")]:
        found = converted(variable)
        assert (found.json.decode(), found.zeebe, found.camunda7) == (expected, "", "")


def test_a_refused_value_is_named_in_the_words_of_the_engine() -> None:
    def is_refused(kind: str, value: Any) -> None:
        error = refusal(typed(kind, value, FILE if kind == "File" else None))
        several = "a list of numbers" if value in ([1], [0]) else "a list"
        shown = value if isinstance(value, str) else several if isinstance(value, list) else "an object"
        shown = json.dumps(value) if not isinstance(value, (str, list, dict)) else shown
        assert error.message.startswith(
            f"data.variables.x.value: Cannot convert value '{shown}' of type '{kind}' to java type {TYPES[kind].java}; "
            f"accepted is {TYPES[kind].accepted}"
        )
        assert error.details == {"field": "data.variables.x.value"}

    check_all([(kind, value) for kind, values in REFUSED.items() for value in values], is_refused)


def test_every_type_has_accepted_and_refused_values() -> None:
    assert set(ACCEPTED) | {"", "Object", "File"} == set(TYPES)
    assert set(TYPES) - set(REFUSED) == {"", "Json", "Xml", "Object"}  # what these refuse has other words


OBJECT = "expected an object such as"
SERIALIZED = "Must provide 'null' or String value for value of SerializableValue type"
JAVA = "application/x-java-serialized-object"
MALFORMED: list[tuple[Any, str, str]] = [
    *((typed(name, 1), ".type", f"Unsupported value type '{name}'; accepted are Boolean, ")
      for name in ("INTEGER", "Int", "int", "Decimal", "Number", "number", "", "x", "Integer ")),
    ("24", "", f'{OBJECT} {{"value": 24, "type": "Integer"}}, found 24'), ("null", "", OBJECT), ("[1]", "", OBJECT),
    ({"value": 1, "type": 5}, ".type", "expected text, found 5"),
    ({"value": 1, "valueInfo": 5}, ".valueInfo", "expected an object, found 5"),
    *(({"value": 1, "valueInfo": {"transient": each}}, ".valueInfo.transient", "expected true or false")
      for each in ("yes", None)),
    *((typed(kind, value, ARRAY_LIST), ".value", f"{SERIALIZED} '{kind}'. Found ")
      for kind in ("Json", "Xml", "Object") for value in (1, True, [], {"a": 1})),
    *((typed("Object", "[1]", info), f".valueInfo.{missing}", "") for missing, info in (
        ("objectTypeName", None), ("objectTypeName", {"objectTypeName": 5}),
        ("objectTypeName", {"objectTypeName": "", "serializationDataFormat": "application/json"}),
        ("serializationDataFormat", {"objectTypeName": "java.util.ArrayList"}),
    )),
    *((typed("File", "AQI=", info), f".valueInfo.{missing}", "") for missing, info in (
        ("filename", None), ("filename", {"mimetype": "text/plain"}), ("filename", {"filename": None}),
        ("mimetype", {"filename": "a", "mimetype": 5}), ("encoding", {"filename": "a", "encoding": []}),
    )),
    (typed("Object", "rO0=", ARRAY_LIST | {"serializationDataFormat": JAVA}), ".valueInfo.serializationDataFormat",
     f"{JAVA} is refused"),
]  # fmt: skip


@for_each(MALFORMED)
def test_what_is_no_variable_is_refused_by_its_place_and_in_words(variable: Any, place: str, words: str) -> None:
    error = refusal(variable)
    assert error.details == {"field": f"data.variables.x{place}"}
    assert words in error.message


@for_each(product(["Json", "Object"], ["{a", "", "[1] x", "1e999", "NaN", "[" * 5000]))
def test_text_that_is_no_json_is_refused_and_not_repeated(kind: str, value: str) -> None:
    error = refusal(typed(kind, value, ARRAY_LIST))
    assert error.details == {"field": "data.variables.x.value"}
    assert value == "" or f"'{value}'" not in error.message


XML = typed("Object", "<a/>", ARRAY_LIST | {"serializationDataFormat": "application/xml"})
NOT_FOR_BOTH: list[tuple[Any, str, bool]] = [
    *((typed("Double", value), "is no JSON number", True)
      for value in ("NaN", "Infinity", "-Infinity", "INF", "-INF", "1e999", "-1e999")),
    (XML, "application/xml", True),
    *((typed(kind, text), "", fits) for kind in (None, "String")
      for text, fits in (("é" * 4000, True), ("é" * 4001, False), ("😀" * 2001, False))),
]  # fmt: skip
"""Values with what keeps Zeebe from taking them, and whether Camunda 7 takes them."""


@for_each(NOT_FOR_BOTH)
def test_what_only_one_of_the_two_engines_takes_says_so(variable: Any, zeebe: str, camunda7: bool) -> None:
    found = converted(variable)
    assert zeebe in found.zeebe
    assert (found.zeebe == "", found.camunda7 == "") == (zeebe == "", camunda7)
    assert zeebe or json.loads(found.json) == variable["value"]


def test_transient_is_noted_and_a_refused_value_is_cut() -> None:
    assert converted(typed("Integer", 1, {"transient": True})).transient
    for variable in (typed("Integer", "x" * 10_000), typed("x" * 10_000, 1)):
        assert len(refusal(variable).message) < 400


def test_a_document_has_every_variable_byte_for_byte() -> None:
    raw = b'{"a b":{"value":1.00},"\\u00e9":{"value":" 7","type":"Long"}}'
    assert typed_values.document(typed_values.convert(raw, "v")) == '{"a b":1.00,"é":7}'
    assert typed_values.document(typed_values.convert(b"{}", "v")) == ""
    assert typed_values.convert(b"", "v") == {}


@given(
    kind=st.sampled_from([None, *filter(None, TYPES), "Number", "integer"]),
    value=JSON_VALUES | st.text().map(lambda text: base64.b64encode(text.encode()).decode()) | st.integers().map(str),
    info=st.none() | st.just(ARRAY_LIST) | st.just(FILE) | JSON_VALUES,
)
def test_whatever_is_sent_is_read_as_json_or_refused_with_its_field(kind: str | None, value: Any, info: Any) -> None:
    variable = typed(kind, value, info)
    try:
        json.loads(converted(variable).json)
    except CommandError:
        assert (refusal(variable).details or {})["field"].startswith("data.variables.x")


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(["", " ", "+", "0"]),
    st.floats(allow_nan=False, allow_infinity=False),
    JSON_VALUES,
)
def test_numbers_and_any_json_without_type_are_exact(whole: int, before: str, double: float, value: Any) -> None:
    text = f"{before if whole >= 0 else ''}{whole}"
    assert converted(typed("Long", text)).json == converted(typed("Long", whole)).json == str(whole).encode()
    assert (
        float(converted(typed("Double", repr(double))).json) == float(converted(typed("Double", double)).json) == double
    )
    assert converted(typed(None, value)).json == json.dumps(value).encode()
