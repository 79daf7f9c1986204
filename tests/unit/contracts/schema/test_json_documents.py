"""JSON documents: which ones the engine takes as they are, and how values become one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import JSON_VALUES
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema import json_documents as documents


def nested(depth: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


ACCEPTED = [
    b"{}", b" \n{ }\t", b'{"a":1,"a":2}', b'{"a":18446744073709551616}', b'{"a":-1e308}', b'{"a":"\\u0000"}',
    b'{"a":"\\ud83d\\ude00"}', b'{"a":"' + b"[{" * 5000 + b'\\""}',
    b"{" + b",".join(b'"%d":[]' % number for number in range(1000)) + b"}", nested(500), nested(500, b"[", b"]"),
    b'{"a":["]",' + b"[]," * 999 + nested(498) + b"]}",
]  # fmt: skip
BEYOND = "a number beyond the range of a double"
REFUSED: dict[str, list[bytes]] = {
    "expected a JSON object, found a list": [b"[]"],
    "expected a JSON object, found text": [b'"secret"'],
    "expected a JSON object, found a number": [b"7", b"7.5"],
    "expected a JSON object, found true or false": [b"true"],
    "expected a JSON object, found null": [b"null"],
    "not valid JSON": [b"", b"{", b'{"a":1} junk', b"{'a':1}", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":01}',
                       b'{"a":"\\ud800"}', b'{"a":"\\udc00"}', b'\xef\xbb\xbf{"a":1}'],
    "not valid JSON: not UTF-8": [b'{"a":"\xff"}'],
    f"{BEYOND}, which the engine would turn into text": [b'{"a":1e400}', b'{"a":-1e400}', b'{"a":' + b"9" * 400 + b"}"],
    "nested deeper than 500 levels": [nested(501), nested(501, b"[", b"]"), nested(100_000)],
    "": [b'{"a":[' + piece * (2**22 // len(piece)) for piece in (b'"\\"', b"[],", b'"[', b"\\", b'{"a":', b"[")],
}  # fmt: skip
"""By the reason."""


def test_a_strict_json_object_passes_and_anything_else_is_refused_with_the_reason() -> None:
    def is_refused(raw: bytes, reason: str) -> None:
        with pytest.raises(CommandError) as refusal:
            documents.check(raw, "data.variables", 500)
        assert refusal.value.code == Code.INVALID_ARGUMENT
        assert refusal.value.message.startswith(f"data.variables: {reason}")
        assert refusal.value.details == {"field": "data.variables"}
        assert "secret" not in refusal.value.message

    check_all([(raw, "data.variables", 500) for raw in ACCEPTED], documents.check)
    check_all([(raw, reason) for reason, raws in REFUSED.items() for raw in raws], is_refused)


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_python_values_are_written_as_they_are(value: dict[str, object]) -> None:
    assert json.loads(documents.encode(value, "data")) == value


def test_numbers_keep_their_digits_and_documents_that_are_json_already_stay_as_they_are() -> None:
    value = {"key": 2**63 - 1, "huge": 10**40, "price": Decimal("0.10"), "small": Decimal("1E-30")}
    written = documents.encode(value, "data")
    assert written == b'{"key":9223372036854775807,"huge":%d,"price":0.10,"small":1E-30}' % 10**40
    document = b'{"a":  null,"n":0.10}'
    assert documents.encode({"a": msgspec.Raw(document)}, "data") == b'{"a":' + document + b"}"


ENDLESS: dict[str, object] = {}
ENDLESS["a"] = ENDLESS
NO_NUMBER = "expected a number that JSON has, found NaN or infinity"
NO_FORM: list[tuple[object, str]] = [
    ({"a": float("nan")}, f"data.a: {NO_NUMBER}"),
    ({"a": [None, float("-inf")]}, f"data.a[1]: {NO_NUMBER}"),
    ({"a": {"b": Decimal("NaN")}}, f"data.a.b: {NO_NUMBER}"),
    ({"a": (Decimal("Infinity"),), "b": None}, f"data.a[0]: {NO_NUMBER}"),
    *((each, "data: cannot be written as JSON") for each in ({"a": object()}, {"a": "\ud800"}, {(1, 2): 3})),
    (ENDLESS, "data: nested deeper than"),
]


@for_each(NO_FORM)
def test_what_json_has_no_form_for_is_refused_by_its_place(value: object, words: str) -> None:
    with pytest.raises(CommandError) as raised:
        documents.encode(value, "data")
    assert raised.value.message.startswith(words)


@dataclass
class Carried(documents.Carrier):
    variables: str


def test_a_carried_document_is_parsed_into_what_is_asked_for() -> None:
    carried = Carried('{"number": 18446744073709551617}')
    assert carried.values() == carried.values(dict[str, int]) == {"number": 2**64 + 1}
    with pytest.raises(msgspec.ValidationError):
        carried.values(dict[str, str])
