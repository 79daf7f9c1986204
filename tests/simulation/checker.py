"""The judge: what callers were told, against what the engine executed, and what the schedule justifies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from consumer.ledger import identify
from tests.simulation.callers import Send
from tests.simulation.schedule import ALL, Kind, Strike
from tests.simulation.world import Outcome
from zeebe_amqp.errors import Code, Error
from zeebe_amqp.errors import Outcome as Effect
from zeebe_amqp.reply import Reply

LEASE_AT_RISK = 15.0
"""Seconds of silence in which a lease may end: of its 30 s a third may be over, and attempts take a while."""


def judge(outcome: Outcome) -> list[str]:
    """Every broken promise, in words."""
    return [*_Judge(outcome).problems()]


class _Judge:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._schedule = outcome.schedule
        self._sends = outcome.callers.sends
        self._executions = outcome.engine.executions
        self._rivals: dict[str, set[int]] = {}
        """By identity, the requests that claim it."""
        for send in self._sends:
            if send.request.identity is not None:
                self._rivals.setdefault(send.request.identity, set()).add(send.request.number)

    def problems(self) -> Iterator[str]:
        outcome = self._outcome
        if outcome.kept:
            yield f"still not done: messages {', '.join(map(str, sorted(outcome.kept)))}"
        for process, places in outcome.places.items():
            yield f"{process} has not given back: {places}"
        yield from outcome.troubles
        if not outcome.is_done and not outcome.kept and outcome.callers.are_answered(outcome.dropped):
            yield "a process that should stop did not"
        for send in self._sends:
            yield from self._lost(send)
            for at, reply in send.replies:
                yield from (f"message {send.number} got {what}" for what in self._wrong(send, at, reply))
            for at, code in send.letters:
                yield from (
                    f"message {send.number} is a dead letter {what}" for what in self._misburied(send, at, code)
                )
        for sends in outcome.callers.by_request.values():
            yield from self._contradictions(sends)
        yield from self._doubled()

    # --- lost -------------------------------------------------------------------------------------------------------

    def _lost(self, send: Send) -> Iterator[str]:
        """An answer, or for who waits for none its effect or a dead letter."""
        if send.number in self._outcome.kept:
            return
        if send.request.silent:
            sends = self._outcome.callers.by_request[send.request.number]
            if not (self._executions.get(send.request.number) or any(each.letters for each in sends)):
                yield f"message {send.number} was lost: neither executed nor a dead letter"
            if send.replies:
                yield f"message {send.number} was answered, although it named no queue"
        elif not send.replies and send.number not in self._outcome.dropped:
            yield f"message {send.number} was lost: not answered"

    # --- doubled ----------------------------------------------------------------------------------------------------

    def _doubled(self) -> Iterator[str]:
        by_identity: Counter[str] = Counter()
        for number, sends in self._outcome.callers.by_request.items():
            request, runs = sends[0].request, len(self._executions.get(number, ()))
            if request.kind.is_idempotent:
                continue
            if request.identity is not None:
                by_identity[request.identity] += runs
            elif runs > len(sends) and self._is_matched(sends):
                yield f"request {number} without an id was executed {runs} times"
        yield from (f"{identity} was executed {runs} times" for identity, runs in by_identity.items() if runs > 1)

    def _is_matched(self, sends: list[Send]) -> bool:
        """Whether a request without an id must not have run twice: one process saw all of its deliveries."""
        return self._schedule.replicas == 1 and not self._outcome.ends

    # --- wrong ------------------------------------------------------------------------------------------------------

    def _wrong(self, send: Send, at: float, reply: Reply) -> Iterator[str]:
        runs = self._executions.get(send.request.number, [])
        if reply.error is None:
            key = _key(reply)
            if not runs:
                yield "a result, but it was never executed"
            elif key is not None and key not in [run.key for run in runs]:
                yield f"the result of something else: {reply.data}"
            return
        error = reply.error
        if error.outcome is Effect.UNKNOWN:
            if not (self._is_justified(send, at) or self._is_hedged_redelivery(send, error)):
                yield f"{error.code.value} with an unknown outcome, which nothing in the schedule justifies"
        elif not self._is_explained(send, error):
            yield f"{error.code.value}, which nothing explains: {error.message}"

    def _misburied(self, send: Send, at: float, code: Code) -> Iterator[str]:
        if not send.request.silent:
            yield f"({code.value}), although somebody waits for its answer"
        elif code in (Code.ABORTED, Code.CANCELLED) and not self._is_justified(send, at):
            yield f"({code.value}), which nothing in the schedule justifies"

    def _contradictions(self, sends: list[Send]) -> Iterator[str]:
        """What cannot be true together."""
        request = sends[0].request
        runs = self._executions.get(request.number, [])
        replies = [each for send in sends for each in send.replies]
        denied = [
            (at, reply.error)
            for at, reply in replies
            if reply.error is not None and reply.error.outcome is Effect.NOT_EXECUTED
        ]
        results = {reply.encode() for _, reply in replies if reply.error is None}
        if len(results) > 1 and request.identity is not None and not request.kind.is_idempotent:
            yield f"request {request.number} has {len(results)} different results"
        is_told_all = replies and not any(send.number in self._outcome.dropped for send in sends)
        if runs and request.identity is not None and is_told_all and len(denied) == len(replies):
            # Who was refused here may run later in a process that froze, or did not notice that its connection is lost.
            is_late = runs[0].at > max(at for at, _ in denied) and self._was_taken_twice(sends)
            if not (is_late or any(_is_hedged(error) for _, error in denied)):
                codes = sorted({error.code.value for _, error in denied})
                yield f"request {request.number} was said not to be executed ({', '.join(codes)}), but it was"

    def _was_taken_twice(self, sends: list[Send]) -> bool:
        return any(len(self._outcome.takes[send.number]) > 1 for send in sends)

    # --- what explains an error -------------------------------------------------------------------------------------

    def _is_explained(self, send: Send, error: Error) -> bool:
        """Whether an error that says "not executed" is one that may come."""
        request, schedule = send.request, self._schedule
        match error.code:
            case Code.ALREADY_EXISTS:
                return len(self._rivals.get(request.identity or "", ())) > 1
            case Code.DEADLINE_EXCEEDED:
                return request.patience is not None
            case Code.RESOURCE_EXHAUSTED:
                return error.retryable
            case Code.UNAVAILABLE:
                return bool(schedule.gateway_outages or schedule.stops)
            case Code.NOT_FOUND:
                return request.kind is Kind.CANCEL and bool(self._executions.get(request.number))
            case Code.INVALID_ARGUMENT:
                return request.number in self._outcome.engine.rejected
            case _:
                return False

    def _is_justified(self, send: Send, at: float) -> bool:
        """Whether nobody can know by then what became of it."""
        number, identity = send.request.number, send.request.identity
        if self._outcome.engine.unsure[number]:
            return True
        sends = self._of_identity(send)
        numbers = {each.number for each in sends}
        key = None if identity is None else identify(send.request.user, identity.partition("/")[2]).key
        for end in self._outcome.ends:
            if end.at <= at and (numbers & end.held.messages or key in end.held.unwritten):
                return True
        return any(self._lost_its_lease(sends, strike, at) for strike in self._silences())

    def _is_hedged_redelivery(self, send: Send, error: Error) -> bool:
        """Whether a message that came again may be told that an earlier delivery of it was perhaps executed."""
        refusals = (Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE, Code.ALREADY_EXISTS)
        is_refusal = error.code in refusals
        return is_refusal and any(each.message.deliveries > 1 for each in self._of_identity(send))

    def _of_identity(self, send: Send) -> list[Send]:
        identity = send.request.identity
        if identity is None:
            return [send]
        return [each for each in self._sends if each.request.identity == identity]

    def _silences(self) -> list[Strike]:
        """When a replica may have lost its lease without having died."""
        return [
            each for each in (*self._schedule.freezes, *self._schedule.ledger_outages) if each.seconds >= LEASE_AT_RISK
        ]

    def _lost_its_lease(self, sends: list[Send], strike: Strike, at: float) -> bool:
        if strike.at > at:
            return False
        takes = [take for send in sends for take in self._outcome.takes[send.number]]
        return any(strike.replica in (ALL, replica) and taken <= at for taken, replica in takes)


def _key(reply: Reply) -> int | None:
    """Of the execution whose result it is; None where the result names none."""
    data = reply.data if isinstance(reply.data, dict) else {}
    key = data.get("processInstanceKey", data.get("key"))
    return None if key is None else int(key)


def _is_hedged(error: Error) -> bool:
    """Whether it says that an earlier run may have done it."""
    return "earlierRun" in (error.details or {})
