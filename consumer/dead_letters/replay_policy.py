"""Which letters are replayed, where to, and why others are not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from consumer.core.sender import text
from consumer.dead_letters.letter import DeadLetter, Signature
from zeebe_amqp import wire
from zeebe_amqp.schema.formatting import truncate

__all__ = ["MAX_REPLAYS", "ReplayPolicy"]

MAX_REPLAYS: Final = 5
"""How often a dead letter is replayed, unless forced."""


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
    unsigned: bool = False
    """Replay also what nothing proves, as nobody's request."""

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
        if not self.unsigned and (doubt := _doubt(letter)):
            return f"{doubt}; --unsigned replays it as nobody's request"
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


def _doubt(letter: DeadLetter) -> str | None:
    """Why the sender of a letter is in doubt, or nothing would prove it to the service."""
    claimed = letter.sender or text(letter.headers.get(wire.ORIGINAL_USER_ID))
    if not letter.seal and (letter.is_doubtful or claimed):
        here = "no signing key is here: run this where the service runs, or give it its SIGNING_KEYS"
        return here if claimed is None else f"{here}; else nothing proves that {truncate(claimed)!r} sent it"
    if not letter.is_doubtful:
        return None
    found = "unsigned" if letter.signature is Signature.UNSIGNED else "its signature is wrong, or of an unknown key"
    named = text(letter.headers.get(wire.ORIGINAL_USER_ID))
    return found if named is None else f"{found}: nothing proves that {truncate(named)!r} sent it"
