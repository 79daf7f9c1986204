"""Values that are more than JSON types, how long durations are exactly, and how any value is shown."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cases import check_all
from zeebe_amqp.schema import durations, fields
from zeebe_amqp.schema.formatting import found, found_in, printable, truncate

NO_NUMBERS = [0, -1, 1.0, True, False, None, [], {}]
NO_KEYS = [*NO_NUMBERS, 2**63, 10**5000, str(2**63), "9" * 20, "0", "-1", "+1", " 1", "1 ", "1.0", "1e3", "", "abc",
           "\N{ARABIC-INDIC DIGIT ONE}", "²"]  # fmt: skip


def test_a_key_is_a_whole_number_or_its_decimal_text_and_a_reference_has_64_bits_and_nothing_else_is_one() -> None:
    def is_refused(kind: type[fields.Scalar], value: Any, expected: str) -> None:
        with pytest.raises(ValueError, match=f"expected {expected}, found ."):
            kind.parse(value)

    for value in (1, 2**63 - 1, "1", "0001", str(2**63 - 1)):
        key = fields.KeyNumber.parse(value)
        assert (type(key), key) == (fields.KeyNumber, int(value))
    assert [fields.ReferenceNumber.parse(value) for value in (1, 2**64 - 1)] == [1, 2**64 - 1]
    reference = "a whole number from 1 to 18446744073709551615"
    check_all([(fields.KeyNumber, value, "a key .*") for value in NO_KEYS], is_refused)
    check_all([(fields.ReferenceNumber, value, reference) for value in (*NO_NUMBERS, 2**64, "1")], is_refused)


def test_durations_read_as_milliseconds_and_variables_as_the_text_that_was_sent() -> None:
    durations = [fields.milliseconds(each) for each in (None, fields.Period(7), "7ms", timedelta(microseconds=1))]
    assert durations == [0, 7, 7, 1]
    with pytest.raises(ValueError, match="must not be negative"):
        fields.milliseconds(timedelta(seconds=-1))
    sent = [None, msgspec.Raw(b"null"), msgspec.Raw(b'{"a": 1.00}'), {"a": "ü"}]
    assert [fields.text(each) for each in sent] == ["", "", '{"a": 1.00}', '{"a":"ü"}']


def test_the_codecs_hooks_know_only_the_types_of_fields() -> None:
    assert fields.encode(fields.KeyNumber(5)) == 5
    with pytest.raises(NotImplementedError, match="object"):
        fields.encode(object())
    with pytest.raises(NotImplementedError):
        fields.Scalar.parse(1)


UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
SECONDS = {"W": 604_800, "D": 86_400, "H": 3600, "M": 60, "S": 1}
NUMBERS = st.tuples(st.integers(0, 10**6), st.text("0123456789", max_size=9)).map(
    lambda parts: f"{parts[0]}.{parts[1]}" if parts[1] else str(parts[0])
)
WHOLE = st.integers(0, 999).map(str)
ISO = st.fixed_dictionaries({}, optional=dict.fromkeys("WDHM", WHOLE) | {"S": NUMBERS}).filter(bool)

ACCEPTED: list[tuple[Any, int]] = [
    ("1h30m", 5_400_000), ("250ms", 250), ("5m", 300_000), ("30m90s", 1_890_000), ("1.5h", 5_400_000),
    ("PT5M", 300_000), ("pt5m", 300_000), ("P1DT2H3M4.5S", 93_784_500), ("P1D", 86_400_000), ("P2W", 1_209_600_000),
    ("PT0S", 0), ("0", 0), ("+0", 0), ("0s", 0), (0, 0), ("+5s", 5_000), (".5s", 500), ("1.s", 1_000), ("0.1s", 100),
    ("1us", 1), ("1µs", 1), ("1μs", 1), ("1ns", 1), ("1000001ns", 2), ("0.0000000001ms", 1),
    (1_000_000, 1), (1_000_001, 2), (5_000_000_000, 5_000), (2**63 - 1, 9_223_372_036_855),
    ("9223372036854775807ns", 9_223_372_036_855),
]  # fmt: skip
LONGEST = 2**63 - 1
"""Nanoseconds."""
REFUSED: dict[str, list[Any]] = {
    "expected a duration": [
        "PT-5M", "5 s", " 5s", "5s ", "5S", "5d", "1w", "s", ".s", "1,5s", "1e3s", "٣s", "P", "PT", "P1DT", "P1Y",
        "P1M", "PT5M3H", "PT1\u212as", "1" * 101 + "s",
    ],
    "must not be negative": ["-5s", "-0s", "-PT5M", -1, -(2**63)],
    "write a unit": ["1.5", 999_999],
    'write a unit, such as "5ms" or "5s"': ["5"],
    'write a unit, such as "1ms" or "1s"': [1],
    "the longest is 292 years": ["2562048h", 2**63],
    "a number of thousands of digits; the longest is 292 years": [10**5000],
    'found text ""': [""], "found 1.5": [1.5], "found true": [True], "found null": [None], "found a list": [[]],
    "found an object": [{}],
}  # fmt: skip
"""By the reason."""


def test_a_duration_is_read_exactly_and_rounded_up_and_what_is_none_refused_with_the_reason() -> None:
    def is_read(value: Any, expected: int) -> None:
        assert durations.milliseconds(value) == fields.Period.parse(value).milliseconds == expected

    def is_refused(value: Any, reason: str) -> None:
        with pytest.raises(ValueError, match="expected a duration") as refusal:
            durations.milliseconds(value)
        assert reason in str(refusal.value)

    check_all(ACCEPTED, is_read)
    check_all([(value, reason) for reason, values in REFUSED.items() for value in values], is_refused)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(UNITS))), min_size=1, max_size=4))
def test_gos_syntax_means_the_exact_sum_of_its_parts(parts: list[tuple[str, str]]) -> None:
    exact = sum((Fraction(number) * UNITS[unit] for number, unit in parts), Fraction(0))
    assume(exact <= LONGEST)
    assert durations.milliseconds("".join(number + unit for number, unit in parts)) == ceil(exact / 10**6)


@given(ISO)
def test_iso_8601_means_the_exact_sum_of_its_parts(parts: dict[str, str]) -> None:
    date, time = ("".join(parts[unit] + unit for unit in units if unit in parts) for units in ("WD", "HMS"))
    exact = sum((Fraction(number) * SECONDS[unit] for unit, number in parts.items()), Fraction(0))
    assert durations.milliseconds(f"P{date}" + (f"T{time}" if time else "")) == ceil(exact * 1000)


@given(st.integers(1_000_000, 2**63 - 1), st.integers(0, 2**43), st.timedeltas(timedelta(0), timedelta(days=100_000)))
def test_nanoseconds_periods_and_timedeltas_are_exact(nanoseconds: int, period: int, delta: timedelta) -> None:
    assert durations.milliseconds(nanoseconds) == ceil(Fraction(nanoseconds, 10**6))
    assert fields.Period.parse(fields.encode(fields.Period(period))).milliseconds == period
    assert fields.milliseconds(delta) == ceil(Fraction(delta // timedelta(microseconds=1), 1000))


def test_nothing_is_shown_that_a_terminal_would_obey() -> None:
    for char in ("\x1b", "\r", "\x07", "\x00", "\u202e", "\x9b", "\x85", "\u2028", "\ud800"):
        assert printable(f"a{char}b") == "a\ufffdb", repr(char)
    for text in ("a\tb\nc", "ä", "日本語", "🙂", ""):
        assert printable(text) == text
    assert printable("a\tb\nc", kept="") == "a\ufffdb\ufffdc", "where a line must stay one"
    assert printable("a\nb\x1b", kept="", shown=lambda char: f"<{ord(char)}>") == "a<10>b<27>"


def test_a_found_value_is_named_without_its_contents_and_cut_and_a_number_as_it_was_written() -> None:
    values: list[tuple[Any, str]] = [
        (None, "null"), (True, "true"), (False, "false"), ("abc", 'text "abc"'), (7, "7"), (1.5, "1.5"),
        ([1, "secret"], "a list"), ({"secret": 1}, "an object"), ((), "a list"),
    ]  # fmt: skip
    raws = [
        (b"1.50", "1.50"), (b"1e999", "1e999"), (b"null", "null"), (b'"a"', 'text "a"'), (b"[1]", "a list of numbers"),
        (b"[[]]", "a list"), (b"{}", "an object"),
    ]  # fmt: skip
    assert [(value, found(value)) for value, _ in values] == values
    assert [(raw, found_in(raw)) for raw, _ in raws] == raws
    assert truncate("a" * 80) == "a" * 80
    assert truncate("a" * 81) == "a" * 79 + "…"
    assert len(found("a" * 1000)) == len('text ""') + 80
    assert len(found_in(b"9" * 1000)) == 80
