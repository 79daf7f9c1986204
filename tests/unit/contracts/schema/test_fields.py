"""Values that are more than JSON types: keys, references, durations, documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.cases import check_all
from zeebe_amqp.schema import fields


def test_a_key_is_a_whole_number_or_its_decimal_text_and_a_reference_has_64_bits() -> None:
    for value in (1, 2**63 - 1, "1", "0001", str(2**63 - 1)):
        key = fields.KeyNumber.parse(value)
        assert (type(key), key) == (fields.KeyNumber, int(value))
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
    read = [fields.milliseconds(each) for each in (None, fields.Period(7), "7ms", timedelta(microseconds=1))]
    assert read == [0, 7, 7, 1]
    with pytest.raises(ValueError, match="must not be negative"):
        fields.milliseconds(timedelta(seconds=-1))


def test_variables_read_as_the_text_that_was_sent() -> None:
    sent = [None, msgspec.Raw(b"null"), msgspec.Raw(b'{"a": 1.00}'), {"a": "ü"}]
    assert [fields.text(each) for each in sent] == ["", "", '{"a": 1.00}', '{"a":"ü"}']


def test_the_codecs_hooks_know_only_the_types_of_fields() -> None:
    assert fields.encode(fields.KeyNumber(5)) == 5
    with pytest.raises(NotImplementedError, match="object"):
        fields.encode(object())
    with pytest.raises(NotImplementedError):
        fields.Scalar.parse(1)
