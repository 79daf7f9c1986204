"""Bodies of AMQP 1.0 that are no `data` sections.

AMQP 0-9-1 has bytes for a body. RabbitMQ hands the other sections over as AMQP 1.0 encodes them, under a type of its
own; whoever wrote one meant something else.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TYPE", "refusal_of"]

TYPE: Final = "amqp-1.0"
"""The property `type` of such a message, whatever its sender gave it."""

_SECTIONS: Final = ((b"\x00\x53\x77", "amqp-value"), (b"\x00\x53\x76", "amqp-sequence"))
"""The descriptors with which the sections begin."""
_VALUES: Final = {
    "nothing": b"\x40",
    "text": b"\xa1\xb1",
    "binary data": b"\xa0\xb0",
    "a map": b"\xc1\xd1",
    "a list": b"\x45\xc0\xd0",
}
"""What an `amqp-value` may hold, by the codes that its value begins with."""


def refusal_of(body: bytes, type: str | None) -> str | None:
    """Say why a body is none that we read; None for every other message."""
    if type != TYPE or not body.startswith(b"\x00"):
        return None
    found = next((_name(name, body[len(start) :]) for start, name in _SECTIONS if body.startswith(start)), "another")
    return f"expected a data section of AMQP 1.0 with JSON, found {found}"


def _name(section: str, value: bytes) -> str:
    if section != "amqp-value":
        return f"an {section} section"
    kind = next((kind for kind, codes in _VALUES.items() if value[:1] and value[:1] in codes), "something else")
    return f"an {section} section with {kind}"
