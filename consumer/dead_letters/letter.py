"""A dead letter as plain Python: whose it is, why it is dead, what a replay sends."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from consumer.core.sender import DELIVERY_COUNTS, count, of_broker, text, trusted_sender
from zeebe_amqp import envelope, wire
from zeebe_amqp.errors import CommandError

__all__ = ["MAX_REPLAYS", "DeadLetter", "Filter", "ReplayPolicy"]

MAX_REPLAYS: Final = 5
"""How often a dead letter is replayed, unless forced."""

_REASONS: Final = frozenset(
    {wire.ERROR_CODE, wire.ERROR_MESSAGE, wire.ERROR_SOURCE, wire.ERROR_OUTCOME, wire.OPERATION, wire.FAILED_AT}
)
"""Headers that say why a letter is dead; a request that runs again has no reason yet."""


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

    @cached_property
    def id(self) -> str:
        """What it is called here: its `request-id`, else its `message_id`, else a digest of its body."""
        known = text(self.headers.get(wire.REQUEST_ID)) or text(self.properties.get("message_id"))
        return known or hashlib.sha256(self.body).hexdigest()[:16]

    @property
    def ours(self) -> bool:
        """Whether the service gave it up; if not, the broker did, and said so: a caller may have forged the rest."""
        return wire.FAILED_AT in self.headers and not self._deaths

    @property
    def sender(self) -> str | None:
        """Who sent the request, as a broker validated it; None when it named nobody."""
        if self.ours:
            return text(self.headers.get(wire.ORIGINAL_USER_ID))
        return trusted_sender(text(self.properties.get("user_id")), self.headers, self.logins)

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
        return self.routing_key if self.ours else self._died_in or self.routing_key or None

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
        """The error's code, or where the broker gave it up its reason, such as `delivery_limit`."""
        return text(self.headers.get(wire.ERROR_CODE)) if self.ours else text(self._death.get("reason"))

    @property
    def message(self) -> str | None:
        """The error's text for people."""
        return text(self.headers.get(wire.ERROR_MESSAGE)) if self.ours else None

    @property
    def truncation(self) -> str | None:
        """How much of the request's body is left; None when it is all there."""
        if not self.ours or self.headers.get(wire.TRUNCATED) is not True:
            return None
        return f"first {len(self.body)} of {count(self.headers.get(wire.ORIGINAL_SIZE))} bytes"

    @property
    def failed_at(self) -> datetime | None:
        """When it was given up; None when nothing tells."""
        if not self.ours:
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
        """Its headers for being put anew into the dead-letter queue, where it counts as never delivered."""
        kept = {name: value for name, value in self.headers.items() if not name.startswith(DELIVERY_COUNTS)}
        return {**kept, wire.ORIGINAL_QUEUE: self.origin} if self.origin else kept

    def replayed(self, *, keep_deadline: bool = True) -> dict[str, Any]:
        """The headers of its replay: those of the request, and how often it has been replayed then."""
        gone = {
            wire.REPLAYS,
            wire.ORIGINAL_USER_ID,
            *(_REASONS if self.ours else ()),
            *(() if keep_deadline else (wire.DEADLINE,)),
        }
        if self.routing_key == wire.DEAD_LETTER:
            gone.add(wire.ORIGINAL_QUEUE)
        kept = {name: value for name, value in self.headers.items() if name not in gone and not of_broker(name)}
        return {**kept, wire.REPLAYS: self.replays + 1}

    def expired(self, now: float | None = None) -> bool:
        """Whether the caller's deadline is past, so that the service would refuse it; `now` in seconds since 1970."""
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


@dataclass(frozen=True)
class ReplayPolicy:
    """On what policy letters are replayed."""

    queues: Collection[str]
    """The request queues of the service."""
    target: str | None = None
    """Where to send them; None = to the queue that each came from."""
    max_replays: int = MAX_REPLAYS
    force: bool = False
    """Replay however often it has been done."""
    keep_deadline: bool = True

    def destination(self, letter: DeadLetter) -> str:
        """The queue that a letter is sent to; empty when none is known."""
        return self.target or letter.origin or ""

    def refusal(self, letter: DeadLetter) -> str | None:
        """Why a letter is not replayed and what to do; None when it is."""
        if letter.malformed_properties:
            return f"its {', its '.join(letter.malformed_properties)}: it cannot be written again as it was; drop it"
        if letter.truncation:
            here = f"truncated: only the {letter.truncation} are here, and a request has at most {wire.MAX_BODY}"
            return f"{here}; have its sender send a smaller one, and drop this"
        if letter.replays >= self.max_replays and not self.force:
            return f"replayed {letter.replays} times, --max-replays is {self.max_replays}; --force replays it once more"
        if self.keep_deadline and letter.expired():
            return "its deadline is past, it would be refused; --without-deadline sends it without"
        return self._misdirection(letter)

    def _misdirection(self, letter: DeadLetter) -> str | None:
        target = self.destination(letter)
        if not target:
            return "nothing tells which queue it came from; name one with --queue"
        if target == wire.DEAD_LETTER:
            return f"{target} is the dead-letter queue itself; name a request queue with --queue"
        # Whoever may write to the dead-letter exchange chooses the name that it carries.
        if self.target is None and target not in self.queues:
            return f"it came from {target!r}, not one of AMQP_QUEUES ({', '.join(self.queues)}); --queue sends it there"
        return None
