"""Durations as callers write them: Go's syntax, ISO-8601, or a number of nanoseconds. Contract section 5."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from zeebe_amqp.schema.formatting import found

__all__ = ["DESCRIPTION", "SCHEMA", "milliseconds"]


DESCRIPTION: Final = 'a duration (such as "1h30m", "250ms" or "PT5M"; an integer counts nanoseconds)'
"""What a duration is called in an error's message."""

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign
    "μs": 10**3,  # the Greek letter, which Go accepts as well
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
}
_NUMBER: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_PART: Final = re.compile(rf"({_NUMBER})([a-zµμ]+)")
_GO: Final = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|μs|ms|s|m|h))+")
_ISO: Final = re.compile(
    rf"p(?=[0-9.t])(?:{_NUMBER}w)?(?:{_NUMBER}d)?(?:t(?=[0-9.])(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?)?"
)
_MAX_TEXT: Final = 100
_MAX: Final = 2**63 - 1
_SMALLEST_NUMBER: Final = 1_000_000


def _in_order(*units: str) -> str:
    """A pattern for one number or more with these units, in this order; without lookahead, which some lack."""
    unit, *smaller = units
    first = f"{_NUMBER}[{unit}{unit.lower()}]"
    if not smaller:
        return first
    rest = _in_order(*smaller)
    return f"(?:{first}(?:{rest})?|{rest})"


_TIME: Final = f"[Tt]{_in_order('H', 'M', 'S')}"
_DATE: Final = _in_order("W", "D")
SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {
            "type": "string",
            "maxLength": _MAX_TEXT,
            "pattern": rf"^\+?(?:0|{_GO.pattern}|[Pp](?:{_DATE}(?:{_TIME})?|{_TIME}))$",
        },
        {"type": "integer", "minimum": _SMALLEST_NUMBER, "maximum": _MAX},
        {"const": 0},
    ]
}
"""The JSON Schema of a duration: all but the sum, which has its limit, too."""


def milliseconds(value: object) -> int:
    """A duration in whole milliseconds, rounded up, from text or an integer of nanoseconds.

    Raises:
        ValueError: says what was expected and what was found.
    """
    if type(value) is str:
        nanoseconds = _text(value)
    elif type(value) is int:
        nanoseconds = _number(value)
    else:
        raise _refusal(value)
    if nanoseconds > _MAX:
        raise _refusal(value, "the longest is 292 years")
    return -(-nanoseconds // 1_000_000)


def _refusal(value: object, hint: str = "") -> ValueError:
    return ValueError(f"expected {DESCRIPTION}, found {found(value)}" + (f"; {hint}" if hint else ""))


def _number(value: int) -> int:
    if value < 0:
        raise _refusal(value, "it must not be negative")
    if 0 < value < _SMALLEST_NUMBER:
        raise _refusal(value, f'write a unit, such as "{value}ms" or "{value}s"')
    return value


# Callers repeat a handful of durations; arithmetic with fractions is the slow part of reading them.
@lru_cache(maxsize=1024)
def _text(text: str) -> int:
    plain = text.removeprefix("+")
    if plain == "0":
        return 0
    if len(text) > _MAX_TEXT:
        raise _refusal(text)
    parts = plain if _GO.fullmatch(plain) else _iso(plain)
    if parts is None:
        raise _refusal(text, _hint(text))
    total = sum((Fraction(number) * _NANOSECONDS[unit] for number, unit in _PART.findall(parts)), Fraction(0))
    return -(-total.numerator // total.denominator)


def _iso(text: str) -> str | None:
    """The parts of an ISO-8601 duration in Go's letters, or None."""
    lower = text.lower()
    return lower[1:].replace("t", "") if text.isascii() and _ISO.fullmatch(lower) else None


def _hint(text: str) -> str:
    if text.startswith("-"):
        return "it must not be negative"
    return f'write a unit, such as "{text}ms" or "{text}s"' if re.fullmatch(_NUMBER, text) else ""
