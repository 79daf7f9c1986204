"""Headers that say something only where the broker or we wrote them, and values as they must be."""

from __future__ import annotations

from typing import Final

__all__ = ["DELIVERY_COUNTS", "ROUTING", "count", "is_added_on_the_way", "of_broker", "text"]

DELIVERY_COUNTS: Final = ("x-delivery-count", "x-acquired-count")
"""How the names of headers begin in which the broker counts deliveries."""
ROUTING: Final = ("CC", "BCC")
"""Headers by which the broker routes a message to more queues, under exactly these names.

Whoever may publish to an exchange may name queues in them. What we publish with a caller's headers goes out with our
rights, so these never travel on.
"""
_MAX_COUNT: Final = 2**31 - 1
"""Of a header: one more can still be written, and every reader of JSON takes it."""
_BROKERS: Final = ("x-death", "x-first-death-", "x-last-death-", *DELIVERY_COUNTS)
"""How the names of headers begin that the broker adds; it would take them for its own if they were sent."""
_ON_THE_WAY: Final = (*_BROKERS, "x-shovelled", "x-received-from", "x-routed-by", "timestamp_in_ms")
"""How the names of headers begin that brokers, shovels, federation and interceptors add to a message of anybody."""


def of_broker(name: str) -> bool:
    """Whether a header is the broker's own account of what became of a message."""
    return name.startswith(_BROKERS)


def is_added_on_the_way(name: str) -> bool:
    """Whether what carries a message adds a header, or changes it, without its writer."""
    return name.startswith(_ON_THE_WAY)


def text(value: object) -> str | None:
    """A header that is text; None for an empty one and for anything else."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int:
    """A header that is a count; 0 for anything else, and for what nobody can have counted."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_COUNT else 0
