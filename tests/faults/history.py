"""What callers saw: each request, when it was confirmed, and every answer to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """One reply as it arrived; `time` in seconds of the history's clock."""

    time: float
    body: bytes


@dataclass
class Request:
    """One request; times are in seconds of the history's clock, None for what has not happened.

    `silent` means without `reply_to`: nobody waits, so it has to be executed instead of answered.
    """

    process: str
    silent: bool = False
    sent: float | None = None
    confirmed: float | None = None
    answers: list[Answer] = field(default_factory=list)


class History:
    """The requests of one run by their identity, and when the fault ended; `clock`: seconds, from any start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._replies: set[str] = set()
        self.requests: dict[str, Request] = {}
        self.strangers: list[bytes] = []
        """Replies to something that nobody asked."""
        self.dead: dict[str, str] = {}
        """The error code of dead letters, by identity."""
        self.healed: float | None = None

    def heal(self) -> None:
        """The fault is over: from now on everything has to recover."""
        self.healed = self._clock()

    def sent(self, identity: str, *, silent: bool = False, process: str | None = None) -> None:
        """The request leaves its caller, for the first time or again; the last time counts."""
        request = self.requests.setdefault(identity, Request(process or identity, silent))
        request.sent = self._clock()

    def confirmed(self, identity: str) -> None:
        """The broker has taken responsibility for the request."""
        self.requests[identity].confirmed = self._clock()

    def answered(self, identity: str, reply_id: str, body: bytes) -> None:
        """A reply arrived; the same one (by its message id), delivered again to the caller, is none."""
        if reply_id in self._replies:
            return
        self._replies.add(reply_id)
        if identity in self.requests:
            self.requests[identity].answers.append(Answer(self._clock(), body))
        else:
            self.strangers.append(body)

    def buried(self, identity: str, code: str) -> None:
        """The request went to the dead-letter queue with that error."""
        self.dead[identity] = code

    def open(self, executed: Container[str], excused: Container[str] = ()) -> list[str]:
        """Confirmed requests that wait: for an answer or, the silent ones, to be executed; without excused ones."""
        return [
            identity
            for identity, request in self.requests.items()
            if request.confirmed
            and not (identity in executed if request.silent else request.answers)
            and identity not in self.dead
            and identity not in excused
        ]
