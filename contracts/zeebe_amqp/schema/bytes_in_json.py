"""Bytes as JSON libraries write them: objects and lists of numbers, where a caller meant a text."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["ADVICE", "advice", "named"]


ADVICE: Final = '; send its text, or for a file its base64 and encoding = "base64" (in Node: buffer.toString("base64"))'
"""What an error adds where bytes stand instead of a text."""

_BUFFER: Final = b'"Buffer"'
_OBJECT: Final = re.compile(rb'\{\s*+"(?:type|data|0)"')
_NUMBERS: Final = re.compile(rb"\[\s*+[0-9]{1,3}\s*+[,\]]")


def named(raw: bytes) -> str:
    """What JSON is called that is bytes: Node's Buffer, JavaScript's Uint8Array, a list of numbers; "" for all else."""
    if _NUMBERS.match(raw):
        return "a list of numbers"
    members = _members(raw) if _OBJECT.match(raw) else {}
    if members.get("type") == msgspec.Raw(_BUFFER) and bytes(members.get("data", b"")).startswith(b"["):
        return "a Buffer"
    return "a Uint8Array" if bytes(members.get("0", b"")).isdigit() else ""


def _members(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a file need not be JSON
        return {}


def advice(raw: bytes) -> str:
    """What an error adds when JSON is bytes where a text belongs, else ""."""
    return ADVICE if named(raw) else ""
