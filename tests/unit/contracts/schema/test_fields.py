from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from zeebe_amqp.schema import fields
from zeebe_amqp.schema.formatting import found, found_in, truncate

ODD_TEXTS = ["0", "-1", "+1", " 1", "1 ", "1.0", "1e3", "", "abc", "\N{ARABIC-INDIC DIGIT ONE}", "²"]


@pytest.mark.parametrize("value", [1, 2**63 - 1, "1", "0001", str(2**63 - 1)])
def test_a_key_is_a_whole_number_or_its_decimal_text(value: Any) -> None:
    key = fields.KeyNumber.parse(value)
    assert key == int(value)
    assert type(key) is fields.KeyNumber


@pytest.mark.parametrize(
    "value",
    [0, -1, 2**63, pytest.param(10**5000, id="huge"), str(2**63), "9" * 20, 1.0, True, False, None, [], {}, *ODD_TEXTS],
)
def test_nothing_else_is_a_key(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a key .*, found ."):
        fields.KeyNumber.parse(value)


@pytest.mark.parametrize("value", [1, 2**64 - 1])
def test_a_reference_has_64_bits(value: int) -> None:
    assert fields.ReferenceNumber.parse(value) == value


@pytest.mark.parametrize("value", [0, -1, 2**64, "1", 1.0, True, None, [], {}])
def test_nothing_else_is_a_reference(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a whole number from 1 to 18446744073709551615, found ."):
        fields.ReferenceNumber.parse(value)


def test_durations_of_every_kind_read_as_milliseconds() -> None:
    assert fields.milliseconds(None) == 0
    assert fields.milliseconds(fields.Period(7)) == 7
    assert fields.milliseconds("7ms") == 7
    assert fields.milliseconds(timedelta(microseconds=1)) == 1


def test_a_negative_timedelta_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        fields.milliseconds(timedelta(seconds=-1))


def test_variables_read_as_the_text_that_was_sent() -> None:
    assert fields.text(None) == ""
    assert fields.text(msgspec.Raw(b"null")) == ""
    assert fields.text(msgspec.Raw(b'{"a": 1.00}')) == '{"a": 1.00}'
    assert fields.text({"a": "ü"}) == '{"a":"ü"}'


def test_the_codecs_hooks_know_only_the_types_of_fields() -> None:
    assert fields.encode(fields.KeyNumber(5)) == 5
    with pytest.raises(NotImplementedError, match="object"):
        fields.encode(object())
    with pytest.raises(NotImplementedError):
        fields.Scalar.parse(1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ("abc", 'text "abc"'),
        (7, "7"),
        (1.5, "1.5"),
        ([1, "secret"], "a list"),
        ({"secret": 1}, "an object"),
        ((), "a list"),
    ],
)
def test_a_found_value_is_named_without_its_contents(value: Any, words: str) -> None:
    assert found(value) == words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"1.50", "1.50"),
        (b"1e999", "1e999"),
        (b"null", "null"),
        (b'"a"', 'text "a"'),
        (b"[1]", "a list of numbers"),
        (b"[[]]", "a list"),
        (b"{}", "an object"),
    ],
)
def test_a_found_number_is_named_as_it_was_written(raw: bytes, words: str) -> None:
    assert found_in(raw) == words


def test_long_values_are_cut() -> None:
    assert truncate("a" * 80) == "a" * 80
    assert truncate("a" * 81) == "a" * 79 + "…"
    assert len(found("a" * 1000)) == len('text ""') + 80
    assert len(found_in(b"9" * 1000)) == 80
