"""Who sent a message, and what its headers say that callers cannot: the broker's word and our own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from zeebe_amqp import wire

__all__ = ["DELIVERY_COUNTS", "count", "of_broker", "text", "trusted_sender"]

DELIVERY_COUNTS: Final = ("x-delivery-count", "x-acquired-count")
"""How the names of headers begin in which the broker counts deliveries."""
_BROKERS: Final = ("x-death", "x-first-death-", "x-last-death-", *DELIVERY_COUNTS)
"""How the names of headers begin that the broker adds; it would take them for its own if they were sent."""


def of_broker(name: str) -> bool:
    """Whether a header is the broker's own account of what became of a message."""
    return name.startswith(_BROKERS)


def trusted_sender(user_id: str | None, headers: Mapping[str, Any], own: Collection[str]) -> str | None:
    """Who sent a message, as far as the broker validated it; None when it named nobody.

    What one of our logins sent again counts as sent by who sent it first; nobody else who claims that is believed.
    """
    if user_id not in own:
        return user_id
    resent = count(headers.get(wire.REPLAYS)) or wire.ORIGINAL_QUEUE in headers
    return text(headers.get(wire.ORIGINAL_USER_ID)) if resent else user_id


def text(value: object) -> str | None:
    """A header that is text; None for an empty one and for anything else."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int:
    """A header that is a count; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
