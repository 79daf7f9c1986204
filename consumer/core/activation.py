"""A job that was given out, and where it is recorded which of its activations is the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Activation", "Leases"]


class Activation(NamedTuple):
    """One activation of a job. The key and the deadline name it."""

    key: int
    """Of the job."""
    deadline: int
    """When the engine gives the job to somebody else, milliseconds since 1970."""
    since: int
    """When the engine activated it, by its clock, milliseconds since 1970: of two activations the later is newer."""
    trace: str = ""
    """The trace that the job belongs to, as a `traceparent`; empty without one."""
    extended: int = 0
    """When that is since its worker asked for more time, milliseconds since 1970; 0: the deadline."""


class Leases(Protocol):
    """Knows the newest activation of each job, as far as any service has recorded it."""

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        """Record jobs before they are given out, all with one write. One that is older than what is there changes
        nothing.

        Raises:
            LedgerError: it could not be recorded, so they must not be given out.
        """

    async def newest_activation(self, key: int) -> Activation | None:
        """The newest activation of a job; None when none is known.

        Raises:
            LedgerError: the store cannot be read.
        """

    def forget_activation(self, key: int) -> None:
        """A job has ended and is not given out again: its activation need not be kept. Never fails."""
