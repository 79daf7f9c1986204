"""Clocks: deadlines travel as absolute times, so all who read them must agree about the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from consumer.doctor.finding import Finding, Section

__all__ = ["CLIENTS", "MAX_SKEW", "Reading", "judge_clocks", "skew"]

CLIENTS: Final = Section("clients")
MAX_SKEW: Final = 1.0
"""Seconds by which clocks may differ."""

_WHY: Final = (
    "deadlines travel as absolute times: with a skew the service refuses requests whose callers still wait, or runs "
    "what nobody waits for"
)
_CHANGE: Final = "let both machines follow the same time servers (chrony, ntpd or systemd-timesyncd)"


class Reading(NamedTuple):
    """A look at somebody else's clock; all in seconds since 1970."""

    before: float
    """Our time before it was asked."""
    after: float
    """Our time after it had answered."""
    earliest: float
    """Its time, which may have been cut to whole seconds."""
    latest: float
    """The latest time that it may have had."""


def skew(reading: Reading) -> float:
    """Seconds by which the other clock is ahead of ours at least; negative when it is behind, 0 when both may agree."""
    if reading.earliest > reading.after:
        return reading.earliest - reading.after
    return min(0.0, reading.latest - reading.before)


def judge_clocks(readings: Mapping[str, Reading]) -> Iterator[Finding]:
    """A finding for each clock that could be read, by whose it is, and one about those that cannot."""
    for name, reading in readings.items():
        yield _clock(name, skew(reading))
    yield CLIENTS.unseen(
        "other clocks",
        "AMQP and gRPC tell no time: broker, gateway and callers were not compared",
        "`timedatectl` or `chronyc tracking` on their machines must show a synchronized clock",
        _WHY,
    )


def _clock(name: str, seconds: float) -> Finding:
    subject = f"clock of {name}"
    if abs(seconds) <= MAX_SKEW:
        return CLIENTS.ok(subject, f"agrees with ours to within {MAX_SKEW:g} s, as far as it can be seen")
    direction = "ahead of" if seconds > 0 else "behind"
    return CLIENTS.warning(subject, f"at least {abs(seconds):.1f} s {direction} ours", _CHANGE, _WHY)
