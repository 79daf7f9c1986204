from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_amqp import documents
from zeebe_amqp.errors import Code, CommandError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('[]{}"\\a'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}"\\a', max_size=3), inner, max_size=4),
)


def levels(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(levels, value), default=0) if isinstance(value, list) else 0


def nested(depth: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


@given(VALUES)
def test_depth_counts_levels_and_not_brackets_in_texts(value: object) -> None:
    assert documents.depth(json.dumps(value).encode()) == levels(value)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b" \n{ }\t",
        b'{"a":1,"a":2}',
        b'{"a":18446744073709551616}',
        b'{"a":-1e308}',
        b'{"a":"\\u0000"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"' + b"[{" * 5000 + b'\\""}',
        b"{" + b",".join(b'"%d":[]' % number for number in range(1000)) + b"}",
        nested(500),
        nested(500, b"[", b"]"),
    ],
)
def test_a_strict_json_object_passes(raw: bytes) -> None:
    documents.check(raw, "data.variables", 500)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[]", "expected a JSON object, found a list"),
        (b'"secret"', "expected a JSON object, found text"),
        (b"7", "expected a JSON object, found a number"),
        (b"7.5", "expected a JSON object, found a number"),
        (b"true", "expected a JSON object, found true or false"),
        (b"null", "expected a JSON object, found null"),
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a":1} junk', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":Infinity}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b'{"a":"\\udc00"}', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON: not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":1e400}', "a number beyond the range of a double, which the engine would turn into text"),
        (b'{"a":-1e400}', "a number beyond the range of a double"),
        (b'{"a":' + b"9" * 400 + b"}", "a number beyond the range of a double"),
        (nested(501), "nested deeper than 500 levels"),
        (nested(501, b"[", b"]"), "nested deeper than 500 levels"),
        (nested(100_000), "nested deeper than 500 levels"),
    ],
)
def test_anything_else_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(CommandError) as refusal:
        documents.check(raw, "data.variables", 500)
    assert refusal.value.code == Code.INVALID_ARGUMENT
    assert refusal.value.message.startswith(f"data.variables: {reason}")
    assert refusal.value.details == {"field": "data.variables"}
    assert "secret" not in refusal.value.message


def test_the_depth_is_the_callers() -> None:
    documents.check(nested(3), "x", 3)
    with pytest.raises(CommandError, match="nested deeper than 2 levels"):
        documents.check(nested(3), "x", 2)


@pytest.mark.parametrize("piece", [b'"\\"', b"[],", b'"[', b"\\", b'{"a":', b"["])
def test_four_hostile_megabytes_are_refused(piece: bytes) -> None:
    with pytest.raises(CommandError):
        documents.check(b'{"a":[' + piece * (4 * 1024 * 1024 // len(piece)), "x", 500)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_pass_or_are_refused(raw: bytes) -> None:
    with suppress(CommandError):
        documents.check(raw, "x", 500)
