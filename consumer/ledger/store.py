"""What the ledger wants of the place where it keeps its entries: a new place is one class of this shape."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from consumer.ledger.entry import Limits

__all__ = ["TRIMMED_AT_ONCE", "ActivationRow", "Evicted", "Found", "LedgerRow", "Store"]

TRIMMED_AT_ONCE: Final = 1000
"""Entries and bodies that one `Store.trim` removes, at most: claims wait meanwhile."""


class LedgerRow(NamedTuple):
    """An entry as it is written: a claim, or with its record what has finished."""

    key: bytes
    """Of the identity; always 16 bytes."""
    digest: bytes
    """Of the request."""
    owner: bytes
    """The process that claims or has finished it."""
    expires: float
    """When to forget it, seconds since 1970."""
    record: bytes | None = None
    """The reply; None while it runs."""
    user: bytes = b""
    """Whose it is, as `hash_user` says; of no account while it runs."""


class ActivationRow(NamedTuple):
    """The newest activation of a job as it is written; see `consumer.core.activation.Activation`."""

    key: int
    deadline: int
    since: int
    trace: str
    extended: int
    expires: float
    """When to forget it, seconds since 1970."""


@dataclass(slots=True)
class Evicted:
    """What was removed before its time, because there was too much."""

    bodies: int = 0
    """Answers whose entries stay."""
    entries: int = 0
    """Entries, with their answers."""


class Found(NamedTuple):
    """An entry that is there."""

    digest: bytes
    owner: bytes
    record: bytes | None
    """None while it runs."""
    alive: bool = False
    """Whether its owner lives; false also where only one process can be."""
    expires: float = 0.0
    """When it is forgotten, seconds since 1970; 0 where a claim found it, who does not ask."""


class Store(Protocol):
    """Keeps rows. What they mean, and what to do while the store is away, is the ledger's business.

    Any method but `close` may raise anything: then the store is away, and the ledger opens it again until it is back.
    A write may come twice. An entry that has expired counts as absent.
    """

    @property
    def name(self) -> str:
        """What people know it by, without passwords."""

    @property
    def access(self) -> str:
        """What it takes to use it: "the ledger <name> cannot be <access>"."""

    @property
    def size(self) -> int:
        """Finished entries, as last counted."""

    @property
    def kept_bytes(self) -> int:
        """Bytes of their replies, as last counted; one that was not kept has none."""

    @property
    def evicted(self) -> Evicted:
        """What this process has removed before its time."""

    async def open(self, owner: bytes, lease: float) -> None:
        """Connect as `owner`, who lives for `lease` seconds; also again, after the store was away.

        Raises:
            LedgerError: at the first time, that what is there cannot be used, and waiting would not help.
        """

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> Awaitable[Found | None]:
        """Write the row if its key is absent; otherwise say what is there. Nothing may come between the two.

        With `take_over` the row's owner also gets an unfinished entry of the same digest whose owner is dead.

        Returns:
            What was there; None when it was absent.
        """

    def find(self, key: bytes, now: float) -> Awaitable[Found | None]:
        """What is there, for whoever asks; nothing is claimed."""

    def finish(self, row: LedgerRow, now: float) -> Awaitable[object]:
        """Write a row with its record, unless another owner has the entry."""

    def release(self, key: bytes, owner: bytes) -> Awaitable[object]:
        """Remove the entry if it is unfinished and belongs to `owner`; what is written later may be claimed again."""

    def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> Awaitable[object]:
        """Remove what has expired and, when there is too much, what expires first: `TRIMMED_AT_ONCE`.

        Of a user in `allowed` who holds more bytes than that, bodies go. Then, above `max_entries`, entries of the
        user with the most entries; above `max_bytes`, bodies of the user with the most bytes (`Holdings`). An entry
        whose body goes stays, with the record that `codec.to_mark` makes.
        """

    def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> Awaitable[object]:
        """Write activations, all or none. One takes the place of one of the same job that is no newer: `since`.

        What is there is never forgotten earlier for it. The activations of the jobs in `ended` are removed before, and
        some of those that have expired. No bound of the ledger's entries touches them, and they are not counted there.
        """

    def find_activation(self, key: int, now: float) -> Awaitable[ActivationRow | None]:
        """The activation that is there; None also when it has expired."""

    async def renew(self) -> None:
        """Prolong the owner's lease."""

    async def close(self) -> None:
        """Let go of the store, and tell others that the owner is gone; also when it was never opened."""
