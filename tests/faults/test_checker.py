"""The judge notices every kind of broken promise: each is made by a consumer that is broken on purpose."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from tests.cases import check_all
from tests.faults.checker import History, Verdict, judge
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply

NUMBER = 20
VICTIM = "request-7"
SILENT = "request-5"
UNKNOWN = Error(code=Code.ABORTED, message="cut off", source=Source.CONSUMER, outcome=Outcome.UNKNOWN, retryable=False)
BUSY = Error(
    code=Code.RESOURCE_EXHAUSTED, message="busy", source=Source.GATEWAY, outcome=Outcome.NOT_EXECUTED, retryable=True
)
FAILED, REFUSED = (Reply("create-instance", error=error).encode() for error in (UNKNOWN, BUSY))


def result(identity: str, key: int = 1) -> bytes:
    return Reply("create-instance", {"bpmnProcessId": identity, "processInstanceKey": key}).encode()


RIGHT = [(VICTIM, result(VICTIM))]


def played(
    victim: str = VICTIM,
    runs: int = 1,
    answers: list[tuple[str, bytes]] = RIGHT,
    same_reply: bool = False,
    kept: tuple[str, ...] = (),
    **judged: Any,
) -> Verdict:
    """The verdict on a consumer that does everything rightly and at once, except for one request, the victim.

    That one runs so often and is answered so, each time with another reply or with the same one. One request in ten is
    silent.
    """
    times, replies = itertools.count(), itertools.count()
    history, executions = History(times.__next__), Counter[str]()
    for number in range(NUMBER):
        identity = f"request-{number}"
        if number == NUMBER // 2:
            history.heal()
        silent = number % 10 == 5
        history.sent(identity, silent=silent)
        history.confirmed(identity)
        executions[identity] += runs if identity == victim else 1
        for asked, body in answers if identity == victim else [] if silent else [(identity, result(identity))]:
            history.answered(asked, "reply" if same_reply else f"reply-{next(replies)}", body)
    return judge(history, +executions, kept=kept, **judged)


def test_a_right_consumer_keeps_every_promise() -> None:
    verdict = played()
    assert verdict.problems() == []
    assert (verdict.requests, verdict.confirmed, verdict.answered, verdict.duplicates) == (NUMBER, NUMBER, 18, 0)
    assert (verdict.recovery, verdict.gap) == (3, 5)


LOST, TWICE, WRONG = f"1 lost: {VICTIM}", f"1 executed twice: {VICTIM}", f"1 wrong: {VICTIM}: "
OTHER = "{'bpmnProcessId': 'request-7', 'processInstanceKey': 1}"
DENIED = "said not to be executed, but it was"
BROKEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "loses a request": ({"runs": 0, "answers": []}, [LOST]),
    "loses a silent request": ({"victim": SILENT, "runs": 0, "answers": []}, [f"1 lost: {SILENT}"]),
    "keeps a request": ({"runs": 0, "answers": [], "kept": (VICTIM,)}, [f"1 unanswered: {VICTIM}"]),
    "loses a reply": ({"answers": []}, [LOST]),
    "loses an excused reply": ({"answers": [], "excused": (VICTIM,)}, []),
    "runs a request twice": ({"runs": 2}, [TWICE]),
    "runs an excused request twice": ({"runs": 2, "excused": (VICTIM,)}, [TWICE]),
    "changes its mind": ({"answers": [*RIGHT, (VICTIM, result(VICTIM, 2))]}, [f"{WRONG}two different results"]),
    "answers the wrong one": (
        {"answers": [("request-6", result(VICTIM))]},
        [LOST, f"2 wrong: request-6: the result of something else: {OTHER}; request-6: two different results"],
    ),
    "answers a stranger": ({"answers": [*RIGHT, ("somebody", b"{}")]}, ["1 wrong: nobody asked for b'{}'"]),
    "answers who named no reply queue": (
        {"victim": SILENT, "answers": [(SILENT, result(SILENT))]},
        [f"1 wrong: {SILENT}: answered, although it named no reply queue"],
    ),
    "invents a result": ({"runs": 0}, [f"{WRONG}a result, but it was never executed"]),
    "denies what it did": (
        {"answers": [(VICTIM, REFUSED)]},
        [f"2 wrong: {VICTIM}: RESOURCE_EXHAUSTED (busy); {VICTIM}: {DENIED}"],
    ),
    "denies it with an error that the fault explains": (
        {"answers": [(VICTIM, REFUSED)], "accepts": [Code.RESOURCE_EXHAUSTED]},
        [f"{WRONG}{DENIED}"],
    ),
    "fails": ({"answers": [(VICTIM, FAILED)]}, [f"{WRONG}ABORTED (cut off)"]),
    "babbles": ({"answers": [(VICTIM, b"ok")]}, [f"{WRONG}not a reply: b'ok'"]),
    "repeats a reply": ({"answers": RIGHT * 2}, []),
}


def test_a_broken_consumer_is_found_out() -> None:
    def is_found_out(consumer: dict[str, Any], problems: list[str]) -> None:
        assert played(**consumer).problems() == problems

    check_all(BROKEN, is_found_out)


def test_replies_and_errors_that_the_fault_explains_are_counted() -> None:
    """A reply that the broker delivers twice, because its reader did not acknowledge in time, is one reply."""
    assert played(answers=RIGHT * 2).duplicates == 1
    assert played(answers=RIGHT * 2, same_reply=True).duplicates == 0
    explained = played(answers=[(VICTIM, FAILED)], accepts=[Code.ABORTED])
    assert (explained.problems(), explained.refused) == ([], 1)


def test_running_twice_can_be_forgiven_and_nothing_else() -> None:
    assert played(runs=2).problems(forgiving=True) == []
    assert played(answers=[]).problems(forgiving=True) == [f"1 lost: {VICTIM}"]


def test_errors_are_no_recovery() -> None:
    times = iter([0.0, 0.0, 1.0, 1.0, 5.0, 6.0, 8.0])
    history = History(lambda: next(times))
    history.heal()
    for identity, body in (("early", REFUSED), ("late", result("late")), ("later", result("later"))):
        history.sent(identity)
        history.answered(identity, f"reply-{identity}", body)
    verdict = judge(history, {"late": 1, "later": 1}, accepts=[Code.RESOURCE_EXHAUSTED])
    assert (verdict.problems(), verdict.recovery, verdict.gap) == ([], 5.0, 3.0)


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


def test_a_dead_letter_is_right_only_where_nobody_waits_and_the_fault_explains_it() -> None:
    def is_judged(silent: bool, code: Code, problems: list[str]) -> None:
        history = History()
        history.sent("dead", silent=silent)
        history.confirmed("dead")
        history.buried("dead", code)
        verdict = judge(history, {}, accepts=[Code.ABORTED])
        assert (verdict.problems(), verdict.dead) == (problems, 1)

    unanswered = ["1 unanswered: dead"]
    check_all(
        [(True, Code.ABORTED, []), (True, Code.INTERNAL, unanswered), (False, Code.ABORTED, unanswered)], is_judged
    )
