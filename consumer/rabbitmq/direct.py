"""Direct reply-to: the address that the broker gives to a caller who has no queue.

It is the Erlang process of the caller's channel and a key, each in base64. Brokers believe what they read there: an
address that only looks like one ends the connection that publishes to it, and whoever sends requests chooses it.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from zeebe_amqp import wire

__all__ = ["is_direct", "is_sound"]

_ADDRESS: Final = re.compile(re.escape(wire.DIRECT_REPLY_TO) + r"\.([A-Za-z0-9+/]+={0,2})\.([!-~]+)")

# External term format: the version, a process identifier (of the older or the newer kind), its node as an atom with a
# length of two bytes (d, v) or one (s, w), and then numbers: id, serial, creation.
_PROCESS: Final = re.compile(rb"\x83([gX])(?:[dv](..)|[sw](.))(.*)", re.DOTALL)
_NUMBERS: Final = {b"g": 9, b"X": 12}


def is_direct(address: str) -> bool:
    """Whether it is meant to be such an address."""
    return address.startswith(wire.DIRECT_REPLY_TO + ".")


def is_sound(address: str) -> bool:
    """Whether a broker can read it; the caller may be gone all the same."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return False
    try:
        process = _PROCESS.fullmatch(base64.b64decode(parts[1], validate=True))
    except binascii.Error:
        return False
    return process is not None and len(process[4]) == _length(process) + _NUMBERS[process[1]]


def _length(process: re.Match[bytes]) -> int:
    return int.from_bytes(process[2] or process[3], "big")
