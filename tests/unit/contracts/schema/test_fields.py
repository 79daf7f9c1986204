"""Values that are more than JSON types: keys, references, durations, documents; and how a wrong one is named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.cases import check_all
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.formatting import found, found_in, truncate


def test_a_key_is_a_whole_number_or_its_decimal_text() -> None:
    for value in (1, 2**63 - 1, "1", "0001", str(2**63 - 1)):
        key = fields.KeyNumber.parse(value)
        assert (type(key), key) == (fields.KeyNumber, int(value))


def test_a_reference_has_64_bits() -> None:
    for value in (1, 2**64 - 1):
        assert fields.ReferenceNumber.parse(value) == value


NO_NUMBERS = [0, -1, 1.0, True, False, None, [], {}]
NO_KEYS = [*NO_NUMBERS, 2**63, 10**5000, str(2**63), "9" * 20, "0", "-1", "+1", " 1", "1 ", "1.0", "1e3", "", "abc",
           "\N{ARABIC-INDIC DIGIT ONE}", "²"]  # fmt: skip


def test_nothing_else_is_a_key_or_a_reference() -> None:
    def is_refused(kind: type[fields.Scalar], value: Any, expected: str) -> None:
        with pytest.raises(ValueError, match=f"expected {expected}, found ."):
            kind.parse(value)

    reference = "a whole number from 1 to 18446744073709551615"
    check_all([(fields.KeyNumber, value, "a key .*") for value in NO_KEYS], is_refused)
    check_all([(fields.ReferenceNumber, value, reference) for value in (*NO_NUMBERS, 2**64, "1")], is_refused)


def test_durations_of_every_kind_read_as_milliseconds_and_are_not_negative() -> None:
    assert fields.milliseconds(None) == 0
    assert fields.milliseconds(fields.Period(7)) == 7
    assert fields.milliseconds("7ms") == 7
    assert fields.milliseconds(timedelta(microseconds=1)) == 1
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


def test_a_found_value_is_named_without_its_contents_and_a_number_as_it_was_written() -> None:
    values: list[tuple[Any, str]] = [
        (None, "null"), (True, "true"), (False, "false"), ("abc", 'text "abc"'), (7, "7"), (1.5, "1.5"),
        ([1, "secret"], "a list"), ({"secret": 1}, "an object"), ((), "a list"),
    ]  # fmt: skip
    for value, words in values:
        assert found(value) == words
    for raw, words in (
        (b"1.50", "1.50"), (b"1e999", "1e999"), (b"null", "null"), (b'"a"', 'text "a"'), (b"[1]", "a list of numbers"),
        (b"[[]]", "a list"), (b"{}", "an object"),
    ):  # fmt: skip
        assert found_in(raw) == words


def test_long_values_are_cut() -> None:
    assert truncate("a" * 80) == "a" * 80
    assert truncate("a" * 81) == "a" * 79 + "…"
    assert len(found("a" * 1000)) == len('text ""') + 80
    assert len(found_in(b"9" * 1000)) == 80
