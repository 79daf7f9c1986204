"""The judge: what callers saw against what the gateway executed. Pure; in the style of Jepsen's total-queue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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
    # A dead letter is as it should be where nobody waits for an answer, and the fault explains the error.
    silent = {identity for identity, request in requests.items() if request.silent}
    unexplained = [each for each, code in history.dead.items() if each not in silent or code not in accepts]
    missing = history.open({identity for identity, count in executions.items() if count}, excused)
    wrong = [f"nobody asked for {body[:80]!r}" for body in history.strangers]
    for identity, request in requests.items():
        wrong += [f"{identity}: {what}" for what in _wrong(request, executions.get(identity, 0), accepts)]
    answered = [request for request in requests.values() if request.answers]
    results = [(request, answer) for request in answered for answer in request.answers if _ok(answer)]
    times = sorted(answer.time for _, answer in results)
    healed = history.healed
    recovered = [answer.time for request, answer in results if healed is not None and (request.sent or 0) >= healed]
    return Verdict(
        requests=len(requests),
        confirmed=sum(request.confirmed is not None for request in requests.values()),
        answered=len(answered),
        refused=len(answered) - len({id(request) for request, _ in results}),
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
    replies = []
    for answer in request.answers:
        try:
            replies.append(Reply.decode(answer.body))
        except ValueError as problem:
            yield str(problem)
    for reply in replies:
        if reply.error is not None:
            if reply.error.code not in accepts:
                yield f"{reply.error.code} ({reply.error.message[:120]})"
        elif not isinstance(reply.data, dict) or reply.data.get("bpmnProcessId") != request.process:
            yield f"the result of something else: {str(reply.data)[:120]}"
        elif not executions:
            yield "a result, but it was never executed"
    # Of what ran twice that is the consequence, and counted there.
    if executions <= 1 and len({answer.body for answer in request.answers if _ok(answer)}) > 1:
        yield "two different results"
    if executions and replies and all(each.error and each.error.outcome is Outcome.NOT_EXECUTED for each in replies):
        yield "said not to be executed, but it was"


def _ok(answer: Answer) -> bool:
    try:
        return Reply.decode(answer.body).ok
    except ValueError:
        return False


def _some(names: tuple[str, ...]) -> str:
    return "; ".join(names[:SHOWN]) + ("; …" if len(names) > SHOWN else "")
