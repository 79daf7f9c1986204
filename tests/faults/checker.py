"""The judge: what callers saw against what the gateway executed. Pure; in the style of Jepsen's total-queue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.history import Answer, History, Request
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply

SHOWN = 5
"""Culprits of each kind that are named."""


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
    """Compare what was seen with what was done.

    Args:
        history: the callers' view.
        executions: by identity, how often the gateway executed the request.
        kept: identities that are still in a request queue.
        excused: identities that need no answer, because the fault took away their reply queue or request queue.
        accepts: codes of errors that the fault explains; every other error is a wrong answer.
    """
    requests = history.requests
    unexplained = [
        identity for identity, code in history.dead.items() if not _explained(requests, identity, code, accepts)
    ]
    missing = history.open({identity for identity, count in executions.items() if count}, excused)
    wrong = [f"nobody asked for {body[:80]!r}" for body in history.strangers]
    for identity, request in requests.items():
        wrong += [f"{identity}: {what}" for what in _wrong(identity, request, executions.get(identity, 0), accepts)]
    return Verdict(
        requests=len(requests),
        confirmed=sum(request.confirmed is not None for request in requests.values()),
        answered=sum(bool(request.answers) for request in requests.values()),
        refused=sum(_refused(request) for request in requests.values()),
        dead=len(history.dead),
        lost=tuple(identity for identity in missing if identity not in kept),
        unanswered=tuple([identity for identity in missing if identity in kept] + unexplained),
        doubled=tuple(identity for identity, count in executions.items() if count > 1),
        wrong=tuple(wrong),
        duplicates=sum(max(0, len(request.answers) - 1) for request in requests.values()),
        recovery=_recovery(history),
        gap=_gap(history),
    )


def _explained(requests: Mapping[str, Request], identity: str, code: str, accepts: Collection[Code]) -> bool:
    """Whether a dead letter is as it should be: nobody waits for an answer, and the fault explains the error."""
    return identity in requests and requests[identity].silent and code in accepts


def _wrong(identity: str, request: Request, executions: int, accepts: Collection[Code]) -> Iterator[str]:
    if request.silent and request.answers:
        yield "answered, although it named no reply queue"
    replies = []
    for answer in request.answers:
        try:
            replies.append(Reply.decode(answer.body))
        except ValueError as problem:
            yield str(problem)
    for reply in replies:
        yield from _mistaken(request, reply, executions, accepts)
    # Of what ran twice that is the consequence, and counted there.
    if executions <= 1 and len({answer.body for answer in request.answers if _ok(answer)}) > 1:
        yield "two different results"
    if executions and replies and all(_says_not_executed(reply) for reply in replies):
        yield "said not to be executed, but it was"


def _mistaken(request: Request, reply: Reply, executions: int, accepts: Collection[Code]) -> Iterator[str]:
    if reply.error is not None:
        if reply.error.code not in accepts:
            yield f"{reply.error.code} ({reply.error.message[:120]})"
    elif not isinstance(reply.data, dict) or reply.data.get("bpmnProcessId") != request.process:
        yield f"the result of something else: {str(reply.data)[:120]}"
    elif not executions:
        yield "a result, but it was never executed"


def _says_not_executed(reply: Reply) -> bool:
    return reply.error is not None and reply.error.outcome is Outcome.NOT_EXECUTED


def _ok(answer: Answer) -> bool:
    try:
        return Reply.decode(answer.body).ok
    except ValueError:
        return False


def _refused(request: Request) -> bool:
    return bool(request.answers) and not any(_ok(answer) for answer in request.answers)


def _recovery(history: History) -> float | None:
    healed = history.healed
    if healed is None:
        return None
    since = (request for request in history.requests.values() if request.sent is not None and request.sent >= healed)
    first = min((answer.time for request in since for answer in request.answers if _ok(answer)), default=None)
    return None if first is None else first - healed


def _gap(history: History) -> float | None:
    times = sorted(answer.time for request in history.requests.values() for answer in request.answers if _ok(answer))
    return max((later - earlier for earlier, later in pairwise(times)), default=None)


def _some(found: Iterable[str]) -> str:
    names = list(found)
    return "; ".join(names[:SHOWN]) + ("; …" if len(names) > SHOWN else "")
