"""What became of replays: which new letter is whose, who is asked about, and what is said at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.outcome import FAILED, SUCCEEDED, UNKNOWN, Outcome, Pending, summary
from tests.cases import for_each
from tests.unit.consumer.dead_letters.signed import OTHER_SEAL, signed
from zeebe_amqp import wire

FACTS: dict[str, Any] = {wire.FAILED_AT: "2026-01-02T03:04:05+00:00", wire.OPERATION: "create-instance"}


def letter(name: str | None = "r", body: bytes = b"{}", replays: int = 0, **headers: Any) -> DeadLetter:
    named = {} if name is None else {wire.REQUEST_ID: name}
    return signed(DeadLetter(body, {**named, **FACTS, wire.REPLAYS: replays, **headers}))


@for_each([
    (letter(), letter(replays=1), True),
    (letter(replays=3), letter(replays=4), True),
    (letter(), letter(replays=2), False),
    (letter(), letter(replays=0), False),
    (letter(), letter("other", replays=1), False),
    (letter(), letter(body=b"[]", replays=1), False),
    # One without an id gets one when it becomes a letter.
    (letter(None), signed(DeadLetter(b"{}", {wire.REPLAYS: 1}, {"message_id": "new"})), True),
    # Anybody who may write to the queue can say that something failed.
    (letter(), replace(letter(replays=1), seal=OTHER_SEAL), False),
    (letter(), DeadLetter(b"{}", {wire.REQUEST_ID: "r", **FACTS, wire.REPLAYS: 1}), False),
    (letter(None), letter(None, b"[]", 1), False),
])  # fmt: skip
def test_a_new_letter_is_the_replays_that_has_its_id_body_and_count(
    first: DeadLetter, second: DeadLetter, same: bool
) -> None:
    pending = Pending()
    pending.add(first, {}, None)
    assert (pending.find(second) is not None) is same


def test_equal_letters_are_told_one_after_the_other() -> None:
    pending = Pending()
    for name in "ab":
        pending.add(letter(), {"id": name}, None)
    for left, name in ((1, "a"), (0, "b")):
        found = pending.find(letter(replays=1))
        assert found is not None
        assert pending.end(found, Outcome(FAILED, "NOT_FOUND", "no", "here")) == {
            "id": name, "result": FAILED, "code": "NOT_FOUND", "message": "no", "problem": "here",
        }  # fmt: skip
        assert len(pending) == left
    assert (pending.find(letter(replays=1)), pending.total) == (None, 2)


def test_the_service_is_asked_about_what_it_records_under_an_id_that_means_one_request() -> None:
    pending = Pending()
    for each, user in (
        (letter("a"), None),
        (letter("a"), None),  # the same again: it runs once, and is answered twice
        (letter("b"), None),
        (letter("b", b"[]"), None),  # another one: the ledger does not say which ran
        (letter("c"), "alice"),
        (letter("c", b"[]"), "bob"),
        (letter(None), None),
        (letter("d", **{wire.OPERATION: "topology"}), None),
    ):
        pending.add(each, {}, user)
    assert [each.request_id for each in pending.to_ask()] == ["a", "a", "c", "c"]
    assert [each.is_recorded for each in pending] == [True] * 6 + [False] * 2


def rows(*outcomes: tuple[str, str | None, str | None]) -> list[dict[str, Any]]:
    return [{"result": result, "code": code, "message": message} for result, code, message in outcomes]


GONE = (FAILED, "NOT_FOUND", "no job 1")
DONE = (SUCCEEDED, None, None)


@for_each([
    ([], "0 succeeded"),
    ([DONE, DONE, DONE, GONE], "3 succeeded, 1 failed again: NOT_FOUND no job 1"),
    ([GONE, (FAILED, "NOT_FOUND", "no job 2")], "0 succeeded, 2 failed again: NOT_FOUND no job #"),
    ([(FAILED, None, None)], "0 succeeded, 1 failed again: "),
    (
        [GONE, (FAILED, "INTERNAL", "oh"), GONE, (UNKNOWN, None, None), ("refused", "X", "x")],
        "0 succeeded, 1 refused, 1 unknown, 3 failed again: 2 NOT_FOUND no job #; 1 INTERNAL oh",
    ),
    (
        [(FAILED, "A", text) for text in ("a", "b", "c", "d", "e")],
        "0 succeeded, 5 failed again: 1 A a; 1 A b; 1 A c; 2 other reasons",
    ),
])  # fmt: skip
def test_the_end_says_how_many_succeeded_and_why_the_others_did_not(
    outcomes: list[tuple[str, str | None, str | None]], said: str
) -> None:
    assert summary(rows(*outcomes)) == said
