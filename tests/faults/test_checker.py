"""The judge notices every kind of broken promise: each is made by a consumer that is broken on purpose."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.faults.checker import Verdict, judge
from tests.faults.history import History
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply

NUMBER = 20
VICTIM = "request-7"
SILENT = "request-5"
IDS = [f"request-{n}" for n in range(NUMBER)]
UNKNOWN = Error(code=Code.ABORTED, message="cut off", source=Source.CONSUMER, outcome=Outcome.UNKNOWN, retryable=False)
BUSY = Error(
    code=Code.RESOURCE_EXHAUSTED, message="busy", source=Source.GATEWAY, outcome=Outcome.NOT_EXECUTED, retryable=True
)


@dataclass
class Consumer:
    """Answers every request at once and rightly; subclasses are broken for one request, the victim."""

    history: History
    executions: Counter[str] = field(default_factory=Counter)
    kept: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def take(self, identity: str, *, silent: bool) -> None:
        """Handle one request."""
        reply = self.run(identity)
        if not silent:
            self.reply(identity, reply)

    def run(self, identity: str) -> Reply:
        """Execute."""
        self.executions[identity] += 1
        return Reply("create-instance", {"bpmnProcessId": identity, "processInstanceKey": next(self.numbers)})

    def reply(self, identity: str, reply: Reply) -> None:
        """Send an answer."""
        self.history.answered(identity, f"reply-{next(self.numbers)}", reply.encode())


class LosesRequests(Consumer):
    def take(self, identity: str, *, silent: bool) -> None:
        if identity != VICTIM:
            super().take(identity, silent=silent)


class LosesSilentRequests(Consumer):
    def take(self, identity: str, *, silent: bool) -> None:
        if identity != SILENT:
            super().take(identity, silent=silent)


class KeepsRequests(LosesRequests):
    def take(self, identity: str, *, silent: bool) -> None:
        super().take(identity, silent=silent)
        if identity == VICTIM:
            self.kept.add(identity)


class LosesReplies(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        if identity != VICTIM:
            super().reply(identity, reply)


class RunsTwice(Consumer):
    def run(self, identity: str) -> Reply:
        if identity == VICTIM:
            super().run(identity)
        return super().run(identity)


class ChangesItsMind(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        super().reply(identity, reply)
        if identity == VICTIM:
            super().reply(identity, Reply(reply.operation, {**reply.data, "processInstanceKey": 0}))


class AnswersTheWrongOne(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        super().reply("request-6" if identity == VICTIM else identity, reply)


class AnswersStrangers(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        super().reply(identity, reply)
        if identity == VICTIM:
            super().reply("somebody", reply)


class AnswersTheSilent(Consumer):
    def take(self, identity: str, *, silent: bool) -> None:
        super().take(identity, silent=False)


class Invents(Consumer):
    def run(self, identity: str) -> Reply:
        reply = super().run(identity)
        if identity == VICTIM:
            del self.executions[identity]
        return reply


class Denies(Consumer):
    def run(self, identity: str) -> Reply:
        reply = super().run(identity)
        return Reply("create-instance", error=BUSY) if identity == VICTIM else reply


class Fails(Consumer):
    def run(self, identity: str) -> Reply:
        reply = super().run(identity)
        return Reply("create-instance", error=UNKNOWN) if identity == VICTIM else reply


class Babbles(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        self.history.answered(identity, f"reply-{identity}", b"ok" if identity == VICTIM else reply.encode())


class RepeatsReplies(Consumer):
    def reply(self, identity: str, reply: Reply) -> None:
        super().reply(identity, reply)
        if identity == VICTIM:
            super().reply(identity, reply)


class AnswersTheSameReplyTwice(Consumer):
    """As a broker does whose reader did not acknowledge in time."""

    def reply(self, identity: str, reply: Reply) -> None:
        for _ in range(2):
            self.history.answered(identity, f"reply-{identity}", reply.encode())


def played(kind: Callable[[History], Consumer], *accepts: Code, excused: tuple[str, ...] = ()) -> Verdict:
    """The verdict on a consumer of that kind; one request in ten is silent."""
    history = History(itertools.count().__next__)
    consumer = kind(history)
    for number, identity in enumerate(IDS):
        if number == NUMBER // 2:
            history.strike()
            history.heal()
        history.sent(identity, silent=number % 10 == 5)
        history.confirmed(identity)
        consumer.take(identity, silent=number % 10 == 5)
    return judge(history, consumer.executions, kept=consumer.kept, accepts=accepts, excused=excused)


def test_a_right_consumer_keeps_every_promise() -> None:
    verdict = played(Consumer)
    assert verdict.problems() == []
    assert (verdict.requests, verdict.confirmed, verdict.answered, verdict.duplicates) == (NUMBER, NUMBER, 18, 0)
    assert (verdict.recovery, verdict.gap) == (3, 5)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (LosesRequests, f"1 lost: {VICTIM}"),
        (LosesSilentRequests, f"1 lost: {SILENT}"),
        (KeepsRequests, f"1 unanswered: {VICTIM}"),
        (LosesReplies, f"1 lost: {VICTIM}"),
        (RunsTwice, f"1 executed twice: {VICTIM}"),
        (ChangesItsMind, f"1 wrong: {VICTIM}: two different results"),
        (AnswersTheWrongOne, "2 wrong: request-6: the result of something else"),
        (AnswersStrangers, "1 wrong: nobody asked for"),
        (AnswersTheSilent, f"2 wrong: {SILENT}: answered, although it named no reply queue"),
        (Invents, f"1 wrong: {VICTIM}: a result, but it was never executed"),
        (Denies, f"{VICTIM}: said not to be executed, but it was"),
        (Fails, f"1 wrong: {VICTIM}: ABORTED (cut off)"),
        (Babbles, f"1 wrong: {VICTIM}: not a reply"),
    ],
)
def test_a_broken_consumer_is_found_out(broken: Callable[[History], Consumer], problem: str) -> None:
    assert problem in "\n".join(played(broken).problems())


def test_an_answer_to_the_wrong_request_is_also_a_lost_reply() -> None:
    assert played(AnswersTheWrongOne).lost == (VICTIM,)


def test_replies_that_are_repeated_are_counted_and_break_nothing() -> None:
    verdict = played(RepeatsReplies)
    assert (verdict.problems(), verdict.duplicates) == ([], 1)


def test_a_reply_that_the_broker_delivers_twice_is_one_reply() -> None:
    verdict = played(AnswersTheSameReplyTwice)
    assert (verdict.problems(), verdict.duplicates) == ([], 0)


def test_errors_that_the_fault_explains_are_counted_apart() -> None:
    verdict = played(Fails, Code.ABORTED)
    assert (verdict.problems(), verdict.refused) == ([], 1)


def test_an_error_that_the_fault_explains_still_must_not_deny_what_was_done() -> None:
    problems = played(Denies, Code.RESOURCE_EXHAUSTED).problems()
    assert problems == [f"1 wrong: {VICTIM}: said not to be executed, but it was"]


def test_an_excused_request_needs_no_answer_but_must_not_run_twice() -> None:
    assert played(LosesReplies, excused=(VICTIM,)).problems() == []
    assert played(RunsTwice, excused=(VICTIM,)).doubled == (VICTIM,)


def test_running_twice_can_be_forgiven_and_nothing_else() -> None:
    assert played(RunsTwice).problems(forgiving=True) == []
    assert played(LosesReplies).problems(forgiving=True) == [f"1 lost: {VICTIM}"]


def test_errors_are_no_recovery() -> None:
    times = iter([0.0, 0.0, 0.0, 1.0, 1.0, 5.0, 6.0, 6.0, 8.0])
    history = History(lambda: next(times))
    history.heal()
    for identity, reply in (
        ("early", Reply("create-instance", error=BUSY)),
        ("late", Reply("create-instance", {"bpmnProcessId": "late"})),
        ("later", Reply("create-instance", {"bpmnProcessId": "later"})),
    ):
        history.sent(identity)
        if identity == "early":
            history.confirmed(identity)
        history.answered(identity, f"reply-{identity}", reply.encode())
    verdict = judge(history, {"late": 1, "later": 1}, accepts=[Code.RESOURCE_EXHAUSTED])
    assert (verdict.problems(), verdict.recovery, verdict.gap) == ([], 5.0, 1.0)


def test_a_request_that_was_never_confirmed_is_not_lost() -> None:
    history = History()
    history.sent("unconfirmed")
    verdict = judge(history, {})
    assert (verdict.requests, verdict.confirmed, verdict.problems()) == (1, 0, [])
    assert (verdict.recovery, verdict.gap) == (None, None)


def test_what_waits_for_an_answer_is_known() -> None:
    history = History()
    for identity in ("waits", "excused", "silent", "answered", "unconfirmed"):
        history.sent(identity, silent=identity == "silent")
        if identity != "unconfirmed":
            history.confirmed(identity)
    history.answered("answered", "reply-1", b"")
    assert history.open({}, ["excused"]) == ["waits", "silent"]
    assert history.open({"silent", "waits"}, ["excused"]) == ["waits"]
    history.buried("waits", "ABORTED")
    assert history.open({"silent"}, ["excused"]) == []


@pytest.mark.parametrize(
    ("silent", "code", "problems"),
    [
        (True, Code.ABORTED, []),
        (True, Code.INTERNAL, ["1 unanswered: dead"]),
        (False, Code.ABORTED, ["1 unanswered: dead"]),
    ],
)
def test_a_dead_letter_is_right_only_where_nobody_waits_and_the_fault_explains_it(
    silent: bool, code: Code, problems: list[str]
) -> None:
    history = History()
    history.sent("dead", silent=silent)
    history.confirmed("dead")
    history.buried("dead", code)
    verdict = judge(history, {}, accepts=[Code.ABORTED])
    assert (verdict.problems(), verdict.dead) == (problems, 1)
