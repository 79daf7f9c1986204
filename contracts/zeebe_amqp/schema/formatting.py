"""Foreign text and values, as messages, terminals and logs show them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from zeebe_amqp.schema import byte_order_mark, bytes_in_json
from zeebe_amqp.wire import MAX_FOUND

__all__ = ["found", "found_in", "json_error", "printable", "quoted", "truncate", "unparsed"]


_UNPARSED: Final = re.compile(rb'"(?: |\\[nrt]|\\ufeff|\xef\xbb\xbf)*+[{\[]')
_ADVICE: Final = " that looks like JSON; parse it first, and send the object or list itself, not as text"
_POSITION: Final = re.compile(r"\(byte (\d+)\)")


def truncate(text: str, length: int = MAX_FOUND) -> str:
    """The text, or its beginning and an ellipsis when it has more than `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def printable(text: str, kept: str = "\n\t", shown: Callable[[str], str] = lambda _: "\ufffd") -> str:
    """Text without anything that a terminal would obey, whoever chose it.

    Args:
        text: any text.
        kept: characters that stay besides the printable ones: usually lines and tabs.
        shown: what any other character is shown as.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in kept else shown(char) for char in text)


def quoted(text: str) -> str:
    """The text, cut, in quotes."""
    return f'"{truncate(text)}"'


def found(value: Any) -> str:
    """What a decoded JSON value is called; contents of lists and objects are never repeated."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"text {quoted(value)}"
        case int():
            return truncate(_digits(value))
        case float():
            return truncate(repr(value))
        case list() | tuple():
            return "a list"
    return "an object"


def json_error(problem: Exception, raw: bytes = b"") -> str:
    """Why the decoder says that the bytes `raw` are not JSON."""
    if isinstance(problem, UnicodeDecodeError):
        return f"not UTF-8 ({problem.reason})"
    position = _POSITION.search(str(problem))
    mark = byte_order_mark.refusal(raw, int(position[1])) if position else ""
    return f"not valid JSON ({mark or str(problem).removeprefix('JSON is malformed: ')})"


def found_in(raw: bytes) -> str:
    """What a JSON value is called, from its text: numbers stay as they were written."""
    match raw[:1]:
        case b"{":
            return bytes_in_json.named(raw) or "an object"
        case b"[":
            return bytes_in_json.named(raw) or "a list"
        case b'"':
            return found(msgspec.json.decode(raw))
    return truncate(raw.decode())


def unparsed(raw: bytes) -> str:
    """What an error adds where an object or a list belongs and `raw` is a text that holds one; "" for all else."""
    return _ADVICE if _UNPARSED.match(raw) else ""


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # more digits than Python turns into text
        return "a number of thousands of digits"
