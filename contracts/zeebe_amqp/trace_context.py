"""The W3C trace context of a message: what is well-formed text, and nothing else.

Others choose these values, so each is checked here once: nothing that goes on from here can raise in a tracing
library, flood its log, or be refused by the broker when it is sent on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zeebe_amqp import wire

__all__ = ["well_formed"]


# No part of a pattern can match what the part before it can: whatever is sent is decided in one pass.
_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?")
_STATE_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_BAGGAGE_MEMBER: Final = re.compile(
    r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++[ \t]*+=[ \t]*+[!#-+\--:<-\[\]-~]*+[ \t]*+(;[\t -~]*+)?"
)
_MAX_PARENT: Final = 512
_MAX_STATE: Final = 512
_MAX_BAGGAGE: Final = 8192
_MAX_STATE_MEMBERS: Final = 32
_MAX_BAGGAGE_MEMBERS: Final = 180


def well_formed(*sources: Mapping[str, Any]) -> dict[str, str]:
    """The `traceparent`, `tracestate` and `baggage` in what was sent, each from the first source that has it.

    What is missing or malformed in one source is looked for in the next one. Never raises.
    """
    found: dict[str, str] = {}
    for values in sources:
        for name, is_valid in _CHECKS.items():
            value = _text(values.get(name))
            if name not in found and is_valid(value):
                found[name] = value
    if wire.TRACEPARENT not in found:
        found.pop(wire.TRACESTATE, None)  # it annotates a parent and says nothing without one
    return found


def _text(value: object) -> str:
    """The text of a header, also of one that a client wrote as bytes (Go's []byte, Node's Buffer); "" for all else."""
    if isinstance(value, bytes | bytearray):
        return value.decode("ascii", "replace")
    return value if isinstance(value, str) else ""


def _is_parent(value: str) -> bool:
    match = _PARENT.fullmatch(value) if len(value) <= _MAX_PARENT else None
    if match is None:
        return False
    version, trace, span, more = match.groups()
    return version != "ff" and not (version == "00" and more) and bool(trace.strip("0")) and bool(span.strip("0"))


def _is_state(value: str) -> bool:
    if len(value) > _MAX_STATE:
        return False
    members = [member.strip(" \t") for member in value.split(",")]
    named = [member for member in members if member]
    keys = {member.partition("=")[0] for member in named}
    return 0 < len(keys) == len(named) <= _MAX_STATE_MEMBERS and all(map(_STATE_MEMBER.fullmatch, named))


def _is_baggage(value: str) -> bool:
    if len(value) > _MAX_BAGGAGE or value.count(",") >= _MAX_BAGGAGE_MEMBERS:
        return False
    return all(_BAGGAGE_MEMBER.fullmatch(member.strip(" \t")) for member in value.split(","))


_CHECKS: Final = {wire.TRACEPARENT: _is_parent, wire.TRACESTATE: _is_state, wire.BAGGAGE: _is_baggage}
