"""What the commands want of an audit: who replays or drops a letter is written down before it leaves its queue."""

from __future__ import annotations

from typing import Final, Protocol, Self

from consumer.dead_letters.letter import DeadLetter

__all__ = ["DROPPED", "NOT_TAKEN", "REPLAYED", "LetterAudit", "NoAudit", "NotRecorded"]

REPLAYED: Final = "replayed"
DROPPED: Final = "dropped"
NOT_TAKEN: Final = "refused"
"""The broker did not take a replay that had been recorded: the letter is still there."""


class NotRecorded(Exception):
    """Nothing can be recorded, so nothing may be done; the text says why."""


class LetterAudit(Protocol):
    """Records what is done with letters; open as an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        """See that records can be written; NotRecorded when they cannot."""

    async def __aexit__(self, *_: object) -> None:
        """Let go of the sink."""

    async def record(self, letter: DeadLetter, result: str, queue: str | None) -> None:
        """Record what is about to be done; `queue` is where a replay goes.

        Raises:
            NotRecorded: it was not written, so it must not be done.
        """


class NoAudit:
    """Records nothing: there is no audit, or nothing is done."""

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def record(self, letter: DeadLetter, result: str, queue: str | None) -> None:
        """See `LetterAudit.record`."""
