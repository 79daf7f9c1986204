"""What became of letters that were sent again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from consumer.dead_letters.group import fold
from consumer.dead_letters.letter import DeadLetter, Signature
from zeebe_amqp.commands import COMMANDS

__all__ = ["FAILED", "SUCCEEDED", "UNKNOWN", "Inquire", "Outcome", "Pending", "Replay", "summary"]

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed again"
UNKNOWN: Final = "unknown"
_MAX_REASONS: Final = 3
"""So many reasons are told in a summary."""


@dataclass(frozen=True)
class Outcome:
    """What is known of a replay."""

    result: str = UNKNOWN
    """`SUCCEEDED`, `FAILED` or `UNKNOWN`."""
    code: str | None = None
    """Of the new error."""
    message: str | None = None
    """Its text."""
    problem: str | None = None
    """Why it is unknown; or where the new error is."""

    @property
    def is_known(self) -> bool:
        """Whether nothing more is to come."""
        return self.result != UNKNOWN


Inquire: TypeAlias = Callable[[str | None, str, int], Awaitable[Outcome | None]]
"""Asks the service for a user's request (None: nobody's) by its id and count of replays; None: nobody answers."""


@dataclass(eq=False)
class Replay:
    """A letter that was sent again."""

    row: dict[str, Any]
    """What is told of it; its outcome is added."""
    user: str | None
    """Whose request the service takes it for."""
    request_id: str | None
    replays: int
    """How often it has been sent again."""
    digest: bytes
    """Of its body; the body itself would fill the memory."""
    is_recorded: bool
    """Whether the service records its success."""
    last: Outcome | None = None
    """What the service said last."""

    @classmethod
    def of(cls, letter: DeadLetter, row: dict[str, Any], user: str | None) -> Replay:
        """The replay of a letter, of which `row` tells, as a request of `user`."""
        command = COMMANDS.get(letter.operation or "")
        recorded = letter.request_id is not None and not (command and command.read_only)
        return cls(row, user, letter.request_id, letter.replays + 1, _digest(letter), recorded)

    def is_in(self, letter: DeadLetter, digest: bytes) -> bool:
        """Whether a new dead letter, whose body has this digest, is what became of it."""
        return (
            letter.signature in (None, Signature.VALID)  # else anybody could say that it failed
            and (letter.replays, digest) == (self.replays, self.digest)
            # A request without an id gets one only when it becomes a letter.
            and self.request_id in (None, letter.request_id)
        )

    def end(self, outcome: Outcome) -> dict[str, Any]:
        """Add the outcome to what is told of it."""
        self.row |= {"result": outcome.result, "code": outcome.code, "message": outcome.message}
        if outcome.problem is not None:
            self.row["problem"] = outcome.problem
        return self.row


def _digest(letter: DeadLetter) -> bytes:
    return hashlib.sha256(letter.body).digest()


class Pending:
    """Replays whose outcome is not known yet, in the order in which they were sent."""

    def __init__(self) -> None:
        self._replays: dict[Replay, None] = {}
        self.total = 0
        """How many there were."""

    def add(self, letter: DeadLetter, row: dict[str, Any], user: str | None) -> None:
        """One more was sent; the arguments are those of `Replay.of`."""
        self._replays[Replay.of(letter, row, user)] = None
        self.total += 1

    def __iter__(self) -> Iterator[Replay]:
        return iter(list(self._replays))

    def __len__(self) -> int:
        return len(self._replays)

    def find(self, letter: DeadLetter) -> Replay | None:
        """The replay that became this letter."""
        digest = _digest(letter)
        return next((each for each in self._replays if each.is_in(letter, digest)), None)

    def to_ask(self) -> list[Replay]:
        """Those whose success the service records, under an id that means one request only."""
        contents: dict[tuple[str | None, str | None, int], set[bytes]] = {}
        for each in self._replays:
            contents.setdefault((each.user, each.request_id, each.replays), set()).add(each.digest)
        return [
            each
            for each in self._replays
            if each.is_recorded and len(contents[each.user, each.request_id, each.replays]) == 1
        ]

    def end(self, replay: Replay, outcome: Outcome) -> dict[str, Any]:
        """The outcome of one is known, or not waited for any more; what is told of it."""
        del self._replays[replay]
        return replay.end(outcome)


def summary(rows: Iterable[Mapping[str, Any]]) -> str:
    """How many succeeded, how many did not, and why: "3 succeeded, 1 failed again: NOT_FOUND no such process"."""
    told = list(rows)
    counts = Counter(str(each.get("result")) for each in told)
    others = [name for name in counts if name not in (SUCCEEDED, FAILED)]
    parts = [f"{counts[name]} {name}" for name in (SUCCEEDED, *sorted(others))]
    if failed := [each for each in told if each.get("result") == FAILED]:
        parts.append(f"{len(failed)} {FAILED}: {_reasons(failed)}")
    return ", ".join(parts)


def _reasons(failed: list[Mapping[str, Any]]) -> str:
    """The commonest reasons, with their counts where there are several."""
    texts: dict[tuple[Any, str], str] = {}
    counts: Counter[tuple[Any, str]] = Counter()
    for each in failed:
        key = (each["code"], fold(each["message"] or ""))
        counts[key] += 1
        # The text of one is told as it is; of several what they have in common.
        texts[key] = " ".join(filter(None, (each["code"], each["message"] if counts[key] == 1 else key[1])))
    if len(counts) == 1:
        return next(iter(texts.values()))
    told = [f"{count} {texts[key]}" for key, count in counts.most_common(_MAX_REASONS)]
    more = len(counts) - len(told)
    return "; ".join([*told, *([f"{more} other reasons"] if more else [])])
