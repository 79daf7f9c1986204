"""A dead letter as plain Python: whose it is, why it is dead, what a replay sends."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from consumer.core.seal import Purpose, Seal, digest_of
from consumer.core.sender import DELIVERY_COUNTS, ROUTING, count, of_broker, text
from zeebe_amqp import envelope, wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs.names import RESULTS, UNDONE

__all__ = ["DeadLetter", "Filter", "Signature"]

_REASONS: Final = frozenset(
    {wire.ERROR_CODE, wire.ERROR_MESSAGE, wire.ERROR_SOURCE, wire.ERROR_OUTCOME, wire.OPERATION, wire.FAILED_AT}
)
"""Headers that say why a letter is dead; a request that runs again has no reason yet."""
_LETTERS_OWN: Final = frozenset(
    {
        wire.REPLAYS,
        wire.ORIGINAL_USER_ID,
        wire.ORIGINAL_QUEUE,
        wire.SIGNATURE,
        wire.RENEWED_USER_ID,
        wire.RENEWAL,
        wire.TRUNCATED,
        wire.ORIGINAL_SIZE,
    }
)
"""Headers that belong to a letter or to one of its replays and not to the request."""


class Signature(StrEnum):
    """Whether anything proves what a letter says of its sender and its reason."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    WRONG = "wrong"
    """It was changed, or signed with a key that is not known here."""


@dataclass(frozen=True)
class DeadLetter:
    """One message of the dead-letter queue."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    """The AMQP properties that it carries, by their names in the protocol, without the headers."""
    routing_key: str = ""
    tag: int = 0
    """Its delivery tag, as long as it is held."""
    malformed_properties: tuple[str, ...] = ()
    """Properties whose bytes could not be decoded."""
    logins: Collection[str] = ()
    """Ours at the broker: what they sent again may name its first sender."""
    seal: Seal = field(default=Seal(), compare=False)
    """Verifies signatures."""

    @cached_property
    def id(self) -> str:
        """What it is called here: its `request-id`, else its `message_id`, else a digest of its body."""
        known = text(self.headers.get(wire.REQUEST_ID)) or text(self.properties.get("message_id"))
        return known or hashlib.sha256(self.body).hexdigest()[:16]

    @cached_property
    def ours(self) -> bool:
        """Whether the service wrote it, as its signature proves: then its reason and its sender are true."""
        return not self._deaths and self._is_sealed(wire.SIGNATURE, Purpose.LETTER)

    @property
    def _says_ours(self) -> bool:
        """Whether it looks as if the service had given it up; anybody can write that."""
        return wire.FAILED_AT in self.headers and not self._deaths

    @property
    def sender(self) -> str | None:
        """Who sent the request, as a broker validated it; None when it named nobody."""
        if self.ours or self._is_our_replay:
            return text(self.headers.get(wire.ORIGINAL_USER_ID))
        return self._user_id

    @cached_property
    def _is_our_replay(self) -> bool:
        """Whether we sent it again and the broker gave it up: then its first sender is true."""
        return self._user_id in self.logins and self._is_sealed(wire.SIGNATURE, Purpose.REPLAY)

    @cached_property
    def _user_id(self) -> str | None:
        """The `user_id` that the broker validated, also where the letter was put anew since."""
        if wire.RENEWAL in self.headers and self._is_sealed(wire.RENEWAL, Purpose.RENEWAL):
            return text(self.headers.get(wire.RENEWED_USER_ID))
        return text(self.properties.get("user_id"))

    def _is_sealed(self, header: str, purpose: Purpose) -> bool:
        digest = self.seal.verify(
            self.headers.get(header), purpose, self.written_properties, self.headers, self.origin or ""
        )
        return digest is not None and digest == self._digest

    @cached_property
    def _digest(self) -> bytes:
        return digest_of(self.body)

    @property
    def _is_request(self) -> bool:
        """Whether it is what its sender sent: the broker gave it up, and headers like ours are the sender's own."""
        return bool(self._deaths) and self._user_id not in self.logins

    @property
    def signature(self) -> Signature | None:
        """Whether it is signed; None for a request that the broker gave up, whose sender that has validated."""
        if self.ours or self._is_our_replay:
            return Signature.VALID
        if self._is_request:
            return None
        return Signature.WRONG if wire.SIGNATURE in self.headers else Signature.UNSIGNED

    @property
    def is_doubtful(self) -> bool:
        """Whether it names a sender, or has a signature, that nothing proves."""
        claims = wire.ORIGINAL_USER_ID in self.headers
        return self.signature is Signature.WRONG or (self.signature is Signature.UNSIGNED and claims)

    @cached_property
    def written_properties(self) -> Properties:
        """Its properties, as they are written."""
        values = dict(self.properties)
        if "timestamp" in values:
            values["timestamp"] = int(values["timestamp"].timestamp())
        return Properties(**values)

    @property
    def request_id(self) -> str | None:
        """The id under which the service runs its replay; None when it has none that the service takes."""
        try:
            return envelope.request_id(self.headers) or text(self.properties.get("message_id"))
        except CommandError:
            return None

    @property
    def origin(self) -> str | None:
        """The request queue that it came from; None when nothing tells."""
        if self.routing_key == wire.DEAD_LETTER:  # it was put here by name, not by an exchange
            return text(self.headers.get(wire.ORIGINAL_QUEUE)) or self._died_in
        return self.routing_key if self._says_ours else self._died_in or self.routing_key or None

    @property
    def _died_in(self) -> str | None:
        return text(self._death.get("queue")) or text(self.headers.get("x-first-death-queue"))

    @property
    def _death(self) -> Mapping[str, Any]:
        """The latest entry of the broker's own account of deaths; empty without one."""
        return self._deaths[0] if self._deaths and isinstance(self._deaths[0], dict) else {}

    @property
    def _deaths(self) -> list[Any]:
        deaths = self.headers.get("x-death")
        return deaths if isinstance(deaths, list) else []

    @cached_property
    def operation(self) -> str | None:
        """The operation that it asks for; None when it names none that is known."""
        if self.ours:
            return text(self.headers.get(wire.OPERATION))
        try:
            return envelope.decode(
                self.body,
                type=self.properties.get("type"),
                content_type=self.properties.get("content_type"),
                content_encoding=self.properties.get("content_encoding"),
                headers=self.headers,
                max_depth=wire.MAX_DEPTH,
            ).operation
        except Exception:  # a defect of the decoder, too: one letter must not hide all others
            return None

    @property
    def code(self) -> str | None:
        """The error's code, or where the broker gave it up its reason, such as `delivery_limit`.

        As all that a letter says of its end, it is true only where `signature` is valid.
        """
        return text(self.headers.get(wire.ERROR_CODE)) if self._says_ours else text(self._death.get("reason"))

    @property
    def message(self) -> str | None:
        """The error's text for people."""
        return text(self.headers.get(wire.ERROR_MESSAGE)) if self._says_ours else None

    @property
    def truncation(self) -> str | None:
        """How much of the request's body is left; None when it is all there."""
        if not self._says_ours or self.headers.get(wire.TRUNCATED) is not True:
            return None
        return f"first {len(self.body)} of {count(self.headers.get(wire.ORIGINAL_SIZE))} bytes"

    @property
    def failed_at(self) -> datetime | None:
        """When it was given up; None when nothing tells."""
        if not self._says_ours:
            died = self._death.get("time")
            return died if isinstance(died, datetime) and died.tzinfo else None
        try:
            failed = datetime.fromisoformat(str(self.headers[wire.FAILED_AT]))
        except ValueError:
            return None
        return failed if failed.tzinfo else failed.replace(tzinfo=UTC)

    @property
    def replays(self) -> int:
        """How often it has been sent again."""
        return count(self.headers.get(wire.REPLAYS))

    @property
    def returns(self) -> int:
        """How often it was delivered and came back to its queue, as the broker counts."""
        return count(self.headers.get("x-delivery-count"))

    def renewed(self) -> dict[str, Any]:
        """Its headers for being put anew into the dead-letter queue, where it counts as never delivered.

        Its own signature still holds there. The `user_id`, which only its owner may send, becomes a signed header.
        """
        gone = {wire.ORIGINAL_QUEUE, wire.RENEWED_USER_ID, wire.RENEWAL, *ROUTING}
        kept = {
            name: value
            for name, value in self.headers.items()
            if name not in gone and not name.startswith(DELIVERY_COUNTS)
        }
        if self.origin:
            kept[wire.ORIGINAL_QUEUE] = self.origin
        if self._user_id is None:
            return kept
        kept[wire.RENEWED_USER_ID] = self._user_id
        return self._sealed(kept, wire.RENEWAL, Purpose.RENEWAL, self.written_properties, self.origin or "")

    def replayed(self, queue: str, sender: str | None, *, keep_deadline: bool = True) -> dict[str, Any]:
        """The headers of its replay: those of the request, who sent it first, how often it has been replayed then.

        Signed where it names a sender.

        Args:
            queue: that it is sent to.
            sender: whose request it is; None for nobody's.
            keep_deadline: whether the caller's deadline stays.
        """
        gone = {
            *_LETTERS_OWN,
            *ROUTING,
            *(_REASONS if self._says_ours else ()),
            *(() if keep_deadline else (wire.DEADLINE,)),
        }
        kept = {name: value for name, value in self.headers.items() if name not in gone and not of_broker(name)}
        kept[wire.REPLAYS] = self.replays + 1
        if sender is None:
            return kept
        kept[wire.ORIGINAL_USER_ID] = sender
        return self._sealed(kept, wire.SIGNATURE, Purpose.REPLAY, self.replayed_properties, queue)

    @property
    def replayed_properties(self) -> Properties:
        """The properties of its replay, which does not expire: a caller who waits says so with a deadline."""
        return replace(self.written_properties, expiration=None)

    def _sealed(
        self, headers: dict[str, Any], name: str, purpose: Purpose, properties: Properties, queue: str
    ) -> dict[str, Any]:
        """The headers with a seal, where there is a key; what cannot be written is found when it is written."""
        try:
            seal = self.seal.make(purpose, properties, headers, self._digest, queue)
        except (TypeError, ValueError, RecursionError):
            seal = None
        return headers if seal is None else {**headers, name: seal}

    def expired(self, now: float | None = None) -> bool:
        """Whether the caller's deadline is past, so that the service would refuse it; `now` in seconds since 1970.

        A message about a job has none: what it carries is a copy of the job's, and a late answer is taken.
        """
        if self.origin in (RESULTS, UNDONE):
            return False
        try:
            deadline = envelope.deadline(self.headers)
        except CommandError:
            return False
        return deadline is not None and deadline <= (time.time() if now is None else now)


@dataclass(frozen=True)
class Filter:
    """Which letters are meant: every condition that is given must hold."""

    ids: frozenset[str] = frozenset()
    operation: str | None = None
    code: str | None = None
    origin: str | None = None
    user: str | None = None
    """The validated sender."""
    older_than: float | None = None
    """Seconds since it was given up, at least."""
    newer_than: float | None = None
    """Seconds since it was given up, at most."""
    now: float = field(default_factory=time.time)
    """Since when ages count, seconds since 1970: two looks with one filter mean the same letters."""

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant; one of unknown age is neither older nor newer than anything."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.operation in (None, letter.operation)
            and self.code in (None, letter.code)
            and self.origin in (None, letter.origin)
            and self.user in (None, letter.sender)
            and self._has_age(letter)
        )

    def _has_age(self, letter: DeadLetter) -> bool:
        if self.older_than is None and self.newer_than is None:
            return True
        if letter.failed_at is None:
            return False
        age = self.now - letter.failed_at.timestamp()
        youngest = -math.inf if self.older_than is None else self.older_than
        return youngest <= age <= (math.inf if self.newer_than is None else self.newer_than)
