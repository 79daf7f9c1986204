"""Adding one to a metric, for whoever knows nothing of telemetry."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Count", "ignore"]


class Count(Protocol):
    """Adds one to a counter: its name without the prefix, and its labels by keyword."""

    def __call__(self, name: str, **labels: str) -> None:
        """Count once."""


def ignore(name: str, **labels: str) -> None:
    """Count nothing."""
