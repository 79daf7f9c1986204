"""The byte order mark, which editors on Windows write before a text and JSON does not have."""

from __future__ import annotations

import codecs
from typing import Final

__all__ = ["refusal", "without"]


_MARKS: Final = (
    (codecs.BOM_UTF8, "UTF-8"),
    # Before those of UTF-16: the little-endian one of UTF-32 begins with the same two bytes.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def without(raw: bytes) -> bytes:
    """The text without the mark of UTF-8 before it."""
    return raw.removeprefix(codecs.BOM_UTF8)


def refusal(raw: bytes, position: int) -> str:
    """What an error says when a mark stands at `position`, where a decoder gave up; "" when there is none.

    Those of UTF-16 and UTF-32 count only at the beginning, further on their bytes mean other things.
    """
    for mark, encoding in _MARKS if position == 0 else _MARKS[:1]:
        if raw.startswith(mark, position):
            return f"found a byte order mark of {encoding} at byte {position}; expected UTF-8 without one"
    return ""
