"""Files of TOML: their tables, or in one line why there are none."""

from __future__ import annotations

import tomllib
from typing import Any, Final

__all__ = ["read_toml"]

MAX_DOTS: Final = 2_000
"""Dots in one line, at most. For a key of many parts the library takes the square of the time, and keys have no line
breaks."""


def read_toml(text: bytes) -> dict[str, Any]:
    """The tables of a file, with or without a byte order mark before them.

    Raises:
        ValueError: it cannot be read; says why.
    """
    try:
        plain = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(plain.split("\n"), 1):
        if line.count(".") > MAX_DOTS:
            raise ValueError(f"line {number} has more than {MAX_DOTS} dots; expected shorter lines")
    try:
        return tomllib.loads(plain)
    except ValueError as error:  # a number of thousands of digits, too
        raise ValueError(f"not TOML: {error}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
