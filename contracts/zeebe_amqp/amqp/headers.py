"""Headers that are written again as they were read."""

from __future__ import annotations

from typing import Any, Final

from pamqp import encode

__all__ = ["MAX_NAME", "encoded_size"]

MAX_NAME: Final = 128
"""Bytes of a header's name that AMQP allows; brokers deliver longer ones too."""


def encoded_size(name: str, value: Any) -> int | None:
    """How many bytes a header has on the wire; None when the library cannot write it as it is."""
    if len(name.encode()) > MAX_NAME:  # the library would cut it, and another name is another header
        return None
    try:
        return len(encode.field_table({name: value}))
    except Exception:  # whatever the encoder trips over
        return None
