"""What every ledger promises, and what it says about one request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Protocol

from consumer.core.message import Reply

__all__ = ["Claim", "Ledger", "LedgerError", "Limits", "State", "hash_identity"]

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


class Ledger(Protocol):
    """Remembers per identity a digest of the request and, once it ran, its reply.

    One process asks for one identity at a time; other processes may ask for the same one.
    """

    @property
    def problem(self) -> str | None:
        """Why nothing can be claimed now; None when all is well."""

    @property
    def size(self) -> int:
        """Finished entries that are kept, as last counted; what has expired is forgotten after a while."""

    async def start(self) -> None:
        """Open the store.

        Raises:
            LedgerError: what is there cannot be used, and waiting would not help.
        """

    async def ready(self) -> None:
        """Wait until requests can be claimed; the ledger mends itself when its store can be written again."""

    async def failed(self) -> None:
        """Wait until requests cannot be claimed: the time to stop consuming."""

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        """Ask to run the request `identity` whose content has `digest`; atomic, and recorded when it returns.

        NEW makes it ours, and so does ORPHANED with `rerun`; then `finish` or `release` must follow.

        Raises:
            LedgerError: it could not be recorded, so the request must not run.
        """

    async def finish(self, identity: str, reply: Reply) -> None:
        """Record that the claimed request ran and was answered with `reply`.

        Never fails: while the store cannot be written the answer is kept in memory and written later.
        """

    async def release(self, identity: str) -> None:
        """Forget the claim: the request had no effect and may be sent again. Never fails, as `finish`."""

    async def close(self) -> None:
        """Write out what is pending and let go of the store."""


def hash_identity(identity: str) -> bytes:
    """The key of an identity, which may be any text."""
    # Of one length, so that the number of entries bounds their bytes.
    return blake2b(identity.encode(errors="surrogatepass"), digest_size=16).digest()
