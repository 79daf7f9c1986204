"""What the ledger says about one request, and what it is asked to keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b

from consumer.core.message import Reply

__all__ = ["Claim", "LedgerError", "Limits", "State", "hash_identity"]

MIN_RUNNING = 3600.0
"""Seconds an unfinished entry is kept at least: longer than any command runs, and than a broker's restart takes."""


class LedgerError(Exception):
    """The ledger cannot be opened, read or written; the text says which one, why, and what would help."""


class State(Enum):
    """What a ledger knew of an identity when it was claimed."""

    NEW = "nothing; it is ours to run now"
    DONE = "it ran; the stored reply answers it"
    CONFLICT = "the identity belongs to another request"
    RUNNING = "another living process runs it"
    ORPHANED = "it was running in a process that is gone; whether it ran is unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: the state found and, when DONE, the stored reply; None if that was too large to keep."""

    state: State
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is remembered, and for how long."""

    ttl: float
    """Seconds an answer is kept."""
    max_entries: int = 1_000_000
    """Finished entries that are kept; the oldest go first."""
    max_bytes: int = 2**29
    """Bytes of stored replies that are kept; the oldest go first."""

    @property
    def running_ttl(self) -> float:
        """Seconds an entry is kept whose end nobody recorded."""
        return max(self.ttl, MIN_RUNNING)


def hash_identity(identity: str) -> bytes:
    """The key of an identity, which may be any text."""
    # Of one length, so that the number of entries bounds their bytes.
    return blake2b(identity.encode(errors="surrogatepass"), digest_size=16).digest()
