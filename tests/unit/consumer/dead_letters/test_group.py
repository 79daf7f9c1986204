"""Dead letters are counted by cause: ids, keys, numbers and times make no difference, names do."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from consumer.dead_letters.group import MAX_REASON, Groups, fold
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import group_row
from tests.cases import for_each
from tests.unit.consumer.dead_letters.signed import signed
from zeebe_amqp import wire

START = datetime(2026, 1, 2, tzinfo=UTC)
KEY = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job as '{}'"


@for_each([
    (KEY.format(2251799813685250), KEY.format("#")),
    ("order-4711 of 3 items", "order-# of # items"),
    ("it is order_4711", "it is order_#"),
    (f"instance {uuid.UUID(int=2**127 - 1)} and abcdefab-abcd-abcd-abcd-abcdefabcdef", "instance # and #"),
    ("the deadline passed at 2026-11-27T08:19:50.123+00:00", "the deadline passed at #"),
    ("10.0.0.1:26500, 1,234.5 ms", "#, # ms"),
    ("x9f3a7c\n\t  of  a", "# of a"),
    ("no process 'invoice'", "no process 'invoice'"),
    ("", ""),
    ("kein Konto für Ä٣", "kein Konto für #"),  # any script's digits
])  # fmt: skip
def test_a_reason_is_the_message_without_what_differs_from_one_request_to_the_next(message: str, reason: str) -> None:
    assert fold(message) == reason


@given(st.text() | st.text("0aF-#:. \n", max_size=400))
@example("5abcdefab-abcd-abcd-abcd-abcdefabcdef")
@example("a" * MAX_REASON + "1")
@example("1" * 3000 + "abc")
@example("\ud800\x00")
def test_any_message_has_a_reason_that_is_short_and_its_own_reason(message: str) -> None:
    reason = fold(message)
    assert len(reason) <= MAX_REASON
    assert fold(reason) == reason
    assert not any(char.isdecimal() for char in reason)


@given(st.integers(0), st.integers(0), st.uuids(), st.uuids())
def test_messages_that_differ_in_numbers_and_ids_have_one_reason(a: int, b: int, c: uuid.UUID, d: uuid.UUID) -> None:
    assert fold(f"key {a} of {c}, request {c.hex}") == fold(f"key {b} of {d}, request {d.hex}") or not (
        any(map(str.isdecimal, c.hex)) and any(map(str.isdecimal, d.hex))
    )


def letter(name: str, message: str = "no 1", hours: int | None = 0, **headers: Any) -> DeadLetter:
    failed = {wire.FAILED_AT: "?" if hours is None else (START + timedelta(hours=hours)).isoformat()}
    said = {wire.ERROR_CODE: "NOT_FOUND", wire.ERROR_MESSAGE: message, wire.OPERATION: "topology"}
    return signed(DeadLetter(b"", {wire.REQUEST_ID: name, **failed, **said, **headers}))


def test_the_largest_group_comes_first_with_its_ages_and_its_newest_letter() -> None:
    groups = Groups()
    for each in (
        letter("a", hours=5),
        letter("b", "no 22", hours=7),
        letter("c", "no 333", hours=6),
        letter("d", hours=None),
        letter("e", "other", hours=8),
        letter("f", hours=9, **{wire.OPERATION: "cancel-instance"}),
        letter("g", hours=1, **{wire.ERROR_CODE: "INTERNAL"}),
        DeadLetter(b"h"),
    ):
        groups.add(each)
    claimed = DeadLetter(b"", {**letter("z").headers, wire.SIGNATURE: "forged"})
    groups.add(claimed)
    found = [group_row(each) for each in groups.ordered()]
    assert found[0] == {
        "count": 4,
        "code": "NOT_FOUND",
        "signature": "valid",
        "operation": "topology",
        "reason": "no #",
        "oldest": "2026-01-02T05:00:00.000+00:00",
        "newest": "2026-01-02T07:00:00.000+00:00",
        "example": "b",
    }
    assert [each["example"] for each in found[1:]] == ["f", "e", "g", "z", DeadLetter(b"h").id]
    unknown = found[-1]
    assert (unknown["count"], unknown["code"], unknown["reason"], unknown["oldest"]) == (1, None, None, None)
