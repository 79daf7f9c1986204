"""What the ledger says about one request, and what it is asked to keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from consumer.core.message import Reply
from zeebe_amqp.errors import Outcome

__all__ = ["Claim", "Identity", "LedgerError", "Limits", "Sighting", "State", "hash_user", "identify", "identify_by"]

MIN_RUNNING: Final = 3600.0
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
    """The answer to a claim: the state found and, when DONE, the stored reply; None if that was not kept."""

    state: State
    reply: Reply | None = None
    outcome: Outcome | None = None
    """Of an error that was not kept; None for a command that was executed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is remembered, and for how long."""

    ttl: float
    """Seconds an answer is kept."""
    max_entries: int = 1_000_000
    """Finished entries that are kept; the oldest of the user with the most go first."""
    max_bytes: int = 2**29
    """Bytes of stored replies that are kept; the oldest of the user with the most go first, without their entries."""

    @property
    def running_ttl(self) -> float:
        """Seconds an entry is kept whose end nobody recorded."""
        return max(self.ttl, MIN_RUNNING)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the ledger knows of a request, for whoever asks."""

    state: State
    """DONE, RUNNING or ORPHANED."""
    time: float
    """When it ended, or when it was claimed; seconds since 1970, as far as LEDGER_TTL was the same then."""
    reply: Reply | None = None
    """What was answered; None while it runs, or when that was not kept."""
    outcome: Outcome | None = None
    """Of an error that was not kept; None for a command that was executed, or runs."""
    reply_to: str = ""
    """Where the answer went; empty while it runs, and when nobody waited for one."""
    ours: bool = False
    """Whether the process that was asked runs it."""


class Identity(NamedTuple):
    """What makes two deliveries the same request."""

    key: bytes
    """Of the ledger's entry; always 16 bytes."""
    user: str | None
    """Whose request it is, as the broker validated him; None is nobody's."""


def identify(user: str | None, request_id: str, replays: int = 0) -> Identity:
    """The identity of a request: its validated user's id, and how often it was replayed from the dead letters."""
    # The length keeps (user "a", id "bc") and (user "ab", id "c") apart.
    name = user or ""
    return Identity(_hashed(f"{len(name)}:{name}:{request_id}", replays), user or None)


def identify_by(identity: str, user: str | None, replays: int = 0) -> Identity:
    """The identity of a request that is the same whoever sends it; `user` has the room that its answer takes."""
    # Those of users begin with a digit.
    return Identity(_hashed(f"by:{identity}", replays), user or None)


@lru_cache(maxsize=4096)  # a broker has few users, and each sends many requests
def hash_user(user: str | None) -> bytes:
    """What the entries of a user are marked with: 8 bytes, and none for those of nobody."""
    return blake2b(user.encode(errors="surrogatepass"), digest_size=8).digest() if user else b""


def _hashed(identity: str, replays: int) -> bytes:
    if replays > 0:
        # Whoever replays a dead letter has decided that it runs again; each replay still runs once.
        identity = f"{identity}#{replays}"
    # Of one length, so that the number of entries bounds their bytes.
    return blake2b(identity.encode(errors="surrogatepass"), digest_size=16).digest()
