"""The judge: what callers saw against what the gateway executed; in the style of Jepsen's total-queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply

SHOWN = 5
"""Culprits of each kind that are named."""


class Answer(NamedTuple):
    """One reply as it arrived; `time` in seconds of the history's clock."""

    time: float
    body: bytes

    def reply(self) -> Reply | None:
        """What it is, None when it is no reply."""
        try:
            return Reply.decode(self.body)
        except ValueError:
            return None


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

    def results(self) -> list[Answer]:
        """The answers that are no errors."""
        return [answer for answer in self.answers if (reply := answer.reply()) and reply.ok]


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

    def count_answers(self) -> int:
        """How many replies have arrived so far."""
        return len(self._replies)

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


@dataclass(frozen=True)
class Verdict:
    """What became of the requests of one run: identities by kind, times in seconds (None: nothing to measure)."""

    requests: int
    confirmed: int
    answered: int
    refused: int
    """Of the answered ones: those whose only answers are errors that the fault explains."""
    dead: int
    """Dead letters; right for silent requests that ended with an error that the fault explains."""
    lost: tuple[str, ...]
    """Confirmed, neither answered (or, if silent, executed) nor kept anywhere."""
    unanswered: tuple[str, ...]
    """The same, but still in a queue; and dead letters that should not be."""
    doubled: tuple[str, ...]
    """Executed more than once, as the gateway counted."""
    wrong: tuple[str, ...]
    """What is wrong with answers, in words."""
    duplicates: int
    """Replies beyond the first of each request."""
    recovery: float | None
    """From the end of the fault to the first result of a request sent after it."""
    gap: float | None
    """The longest time between two results."""

    def problems(self, *, forgiving: bool = False) -> list[str]:
        """Every broken promise in words; empty when all were kept. `forgiving`: running twice was never promised."""
        kinds = {"lost": self.lost, "unanswered": self.unanswered, "executed twice": self.doubled, "wrong": self.wrong}
        if forgiving:
            del kinds["executed twice"]
        return [f"{len(found)} {kind}: {_some(found)}" for kind, found in kinds.items() if found]


def judge(
    history: History,
    executions: Mapping[str, int],
    *,
    kept: Collection[str] = (),
    excused: Collection[str] = (),
    accepts: Collection[Code] = (),
) -> Verdict:
    """Compare what callers saw with how often the gateway executed each request, by identity.

    Requests that are `kept` are still in a queue; those that are `excused` need no answer, because the fault took away
    their reply queue or request queue; errors that the fault does not explain, with `accepts`, are wrong answers.
    """
    requests = history.requests
    # A dead letter is as it should be where nobody waits for an answer, and the fault explains the error.
    silent = {identity for identity, request in requests.items() if request.silent}
    unexplained = [each for each, code in history.dead.items() if each not in silent or code not in accepts]
    missing = history.open({identity for identity, count in executions.items() if count}, excused)
    wrong = [f"nobody asked for {body[:80]!r}" for body in history.strangers]
    for identity, request in requests.items():
        wrong += [f"{identity}: {what}" for what in _wrong(request, executions.get(identity, 0), accepts)]
    answered = [request for request in requests.values() if request.answers]
    results = [(request, answer) for request in answered for answer in request.results()]
    times = sorted(answer.time for _, answer in results)
    healed = history.healed
    recovered = [answer.time for request, answer in results if healed is not None and (request.sent or 0) >= healed]
    return Verdict(
        requests=len(requests),
        confirmed=sum(request.confirmed is not None for request in requests.values()),
        answered=len(answered),
        refused=sum(not request.results() for request in answered),
        dead=len(history.dead),
        lost=tuple(identity for identity in missing if identity not in kept),
        unanswered=tuple([identity for identity in missing if identity in kept] + unexplained),
        doubled=tuple(identity for identity, count in executions.items() if count > 1),
        wrong=tuple(wrong),
        duplicates=sum(len(request.answers) - 1 for request in answered),
        recovery=min(recovered) - healed if healed is not None and recovered else None,
        gap=max((later - earlier for earlier, later in pairwise(times)), default=None),
    )


def _wrong(request: Request, executions: int, accepts: Collection[Code]) -> Iterator[str]:
    if request.silent and request.answers:
        yield "answered, although it named no reply queue"
    replies = [answer.reply() for answer in request.answers]
    for answer, reply in zip(request.answers, replies, strict=True):
        if reply is None:
            yield f"not a reply: {answer.body[:80]!r}"
        elif reply.error is not None:
            if reply.error.code not in accepts:
                yield f"{reply.error.code} ({reply.error.message[:120]})"
        elif not isinstance(reply.data, dict) or reply.data.get("bpmnProcessId") != request.process:
            yield f"the result of something else: {str(reply.data)[:120]}"
        elif not executions:
            yield "a result, but it was never executed"
    # Of what ran twice that is the consequence, and counted there.
    if executions <= 1 and len({answer.body for answer in request.results()}) > 1:
        yield "two different results"
    errors = [reply.error for reply in replies if reply]
    if executions and errors and all(error and error.outcome is Outcome.NOT_EXECUTED for error in errors):
        yield "said not to be executed, but it was"


def _some(names: tuple[str, ...]) -> str:
    return "; ".join(names[:SHOWN]) + ("; …" if len(names) > SHOWN else "")
