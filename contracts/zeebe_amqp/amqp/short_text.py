"""AMQP's short texts, as bytes: one byte that is their length, then at most 255 bytes of UTF-8."""

from __future__ import annotations

from typing import Final

__all__ = ["write_short"]

_MAX: Final = 255
_LENGTHS: Final = tuple(bytes((length,)) for length in range(_MAX + 1))
"""The byte in front of a text of that length."""


def write_short(text: str, what: str) -> bytes:
    """The bytes of a short text; `what` it is, in case it is too long.

    Raises:
        ValueError: it has more than 255 bytes.
    """
    encoded = text.encode()
    try:
        return _LENGTHS[len(encoded)] + encoded
    except IndexError:
        raise ValueError(f"{what}: text of at most {_MAX} bytes is accepted, found {len(encoded)}") from None
