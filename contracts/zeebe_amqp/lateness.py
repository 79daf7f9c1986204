"""Lateness: what is said about a deadline that has passed, and about what the caller probably meant."""

from __future__ import annotations

from typing import Final

from zeebe_amqp import wire
from zeebe_amqp.errors import Code, CommandError

__all__ = ["refuse_past"]

JANUARY: Final = 31 * 24 * 60 * 60
"""Seconds of January 1970: no deadline lies there, but the seconds of today, read as milliseconds, do."""
OLDEST_SECONDS: Final = 1_000_000_000
"""Seconds since 1970 in the year 2001; a smaller number is rather how long somebody wants to wait."""
MAX_SKEW: Final = 5 * 60
"""Seconds by which clocks differ that nobody sets; what is later has waited."""


def refuse_past(deadline: float | None, now: float) -> None:
    """Refuse a command whose caller does not wait any more; both moments in seconds since 1970.

    Raises:
        CommandError: DEADLINE_EXCEEDED, not executed.
    """
    if deadline is not None and deadline <= now:
        words = _mistaken(deadline) if 0 <= deadline < JANUARY else _late(now - deadline)
        raise CommandError(Code.DEADLINE_EXCEEDED, f"the header deadline {words}", details={"field": wire.DEADLINE})


def _mistaken(deadline: float) -> str:
    """What to say about a number that is too small for a moment in milliseconds."""
    value = round(deadline * 1000)
    meant = "seconds?" if value >= OLDEST_SECONDS else "a duration?"
    return (
        f"is {value}, a moment in January 1970: {meant} It takes the moment at which the caller stops waiting, "
        "in milliseconds since 1970; the command was not executed"
    )


def _late(seconds: float) -> str:
    hint = (
        "; unless it waited so long, the clocks of the caller and of the service differ" if seconds <= MAX_SKEW else ""
    )
    return f"passed {round(seconds * 1000)} ms before the command could start; it was not executed{hint}"
