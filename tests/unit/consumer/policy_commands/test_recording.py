"""Lines of an audit, and whatever else a file may hold: nothing in it stops the reading."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from datetime import UTC, datetime
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.access import Decision
from consumer.core.delivery import Reply
from consumer.pipeline.ending import Ending
from consumer.policy_commands.question import Question, fields
from consumer.policy_commands.recording import MAX_LINE, Recorded, Skipped, read
from consumer.security.audit_record import DROP, REPLAY, Recorder
from tests.cases import check_all, for_each
from tests.unit.consumer.deliveries import delivery
from tests.unit.contracts.samples import SMALLEST
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import Target

LINE: dict[str, Any] = {"user": "alice", "operation": "create-instance", "decision": "allowed",
                        "target": {"processes": ["order"]}, "time": "2026-11-26T10:00:00.123Z"}  # fmt: skip
QUESTION = Question("alice", "create-instance", Target(processes=("order",)))
MOMENT = datetime(2026, 11, 26, 10, 0, 0, 123_000, tzinfo=UTC)


def lines(*given: bytes) -> list[Recorded | Skipped]:
    return list(read(io.BytesIO(b"\n".join(given))))


def line(**facts: Any) -> bytes:
    return json.dumps({**LINE, **facts}).encode()


@for_each([
    ({}, Recorded(QUESTION, True, MOMENT, True)),
    ({"decision": "denied", "more": [1]}, Recorded(QUESTION, False, MOMENT, True)),
    ({"user": None}, Recorded(QUESTION._replace(user=None), True, MOMENT, True)),
    ({"user": "anonymous"}, Recorded(QUESTION._replace(user=None), True, MOMENT, True)),
    ({"target": {"processes": ["order"], "cut": True}}, Recorded(QUESTION, True, MOMENT, False)),
    ({"target": {"keys": ["1", "2"]}}, Recorded(QUESTION._replace(target=Target(keys=("*",))), True, MOMENT, True)),
    *(({"time": time}, Recorded(QUESTION, True, MOMENT, True))
      for time in ("2026-11-26T10:00:00.123", "2026-11-26T12:00:00.123+02:00")),
    *(({"time": time}, Recorded(QUESTION, True, None, True))
      for time in (None, 5, "", "soon", ["x"], "2026" * 1000, "0001-01-01T00:00:00+14:00")),
])  # fmt: skip
def test_a_decision_is_read_from_a_line(facts: dict[str, Any], expected: Recorded) -> None:
    assert lines(line(**facts)) == [expected]


def recorded(user: str | None, target: Target, *, operation: str, allowed: bool = True) -> bytes:
    """The line that the service writes about a decision."""
    sent = delivery(operation, SMALLEST.get(operation), user_id=user)
    sent.decision = Decision(allowed, "a rule", target)
    return Recorder().command(sent, Reply(operation), Ending.SETTLED).line


def test_what_the_service_records_of_any_operation_is_read_as_what_it_decided() -> None:
    def is_read(operation: str) -> None:
        names = {field: () if field == "keys" else ("a", "\u202e\x1b") for field in fields(operation)}
        for allowed, user in product((True, False), (None, "alice")):
            target = Target(**names)
            [found] = lines(recorded(user, target, operation=operation, allowed=allowed))
            assert isinstance(found, Recorded)
            assert (found.question, found.allowed) == (Question(user, operation, target), allowed)
            assert found.complete
            assert found.time is not None

    check_all([*COMMANDS], is_read)


def test_a_target_of_any_size_is_recorded_in_a_line_that_is_read_and_says_that_it_was_cut() -> None:
    for names in (("\U0001f600" * 1000,) * 100, ("\x00" * 1001,), tuple(map(str, range(51)))):
        [found] = lines(recorded("\U0001f600" * 60, Target(processes=names), operation="create-instance"))
        assert isinstance(found, Recorded)
        assert not found.complete


def test_a_record_of_what_was_done_with_a_dead_letter_tells_no_decision() -> None:
    for event in (REPLAY, DROP):
        assert lines(Recorder().letter(event, operation="create-instance").line) == [Skipped.SILENT]


@for_each([
    *(({"decision": each}, Skipped.SILENT) for each in (None, "", "maybe")),
    *(({"operation": each}, Skipped.SILENT) for each in (None, "", "frobnicate")),
    ({"target": None}, Skipped.SILENT),
    *(({name: each}, Skipped.BROKEN) for name in LINE if name != "time" for each in (5, [1], True)),
    *(({"target": each}, Skipped.BROKEN) for each in ({"processes": 5}, {"processes": [5]}, {"cut": 5})),
    *(({"target": each}, Skipped.BROKEN) for each in ({"messages": ["m"]}, {"job_types": ["j"]})),
    ({"operation": "cancel-instance"}, Skipped.BROKEN),
    ({"operation": "publish-message", "target": {"keys": ["1"]}}, Skipped.BROKEN),
])  # fmt: skip
def test_a_line_that_tells_no_decision_is_skipped_with_the_reason(facts: dict[str, Any], why: Skipped) -> None:
    assert lines(line(**facts)) == [why]


@for_each([b"nonsense", b"[]", b"5", b"null", b'"x"', b"\xff\xfe{", b"{", b"\0", b"[" * 100_000, b'{"a":' * 100_000,
           b'{"user":"\xff"}', b'{"user":"\\ud800"}', b'{"target":{"processes":' + b"[" * 100_000])  # fmt: skip
def test_what_is_no_line_of_an_audit_is_skipped_and_the_next_line_is_read(broken: bytes) -> None:
    assert lines(broken, line(), b"", b" \r", broken, line()) == [Skipped.BROKEN, *lines(line()), Skipped.BROKEN,
                                                                 *lines(line())]  # fmt: skip


def test_empty_lines_a_byte_order_mark_and_a_missing_end_of_line_do_not_matter() -> None:
    assert list(read(io.BytesIO(b"\n\r\n" + line() + b"\r\n\n"))) == lines(line())
    assert list(read(io.BytesIO(b"\xef\xbb\xbf" + line()))) == lines(line())
    assert lines() == []


@for_each([-2, -1, 0, 1, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE])
def test_a_line_that_is_too_long_is_skipped_alone(more: int) -> None:
    """Also where a piece of it ends where the line ends."""
    whole = line()
    long = whole + b" " * (MAX_LINE + more - len(whole))
    read_long = [Skipped.TOO_LONG] if more >= 0 else lines(whole)
    assert lines(whole, long, whole) == [*lines(whole), *read_long, *lines(whole)]
    assert lines(long) == read_long


def test_no_more_than_a_piece_of_a_line_is_ever_held() -> None:
    class Endless(io.RawIOBase):
        left = 200

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size <= MAX_LINE
            self.left -= 1
            return b"x" * size if self.left > 0 else b""

    tracemalloc.start()
    assert list(read(Endless())) == [Skipped.TOO_LONG]  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 4 * MAX_LINE
    tracemalloc.stop()


@given(st.binary(max_size=300))
def test_no_bytes_stop_the_reading(noise: bytes) -> None:
    found = lines(noise.replace(b"\n", b" "), line())
    assert found[-1] == lines(line())[0]


def test_a_line_that_is_damaged_anywhere_is_read_or_skipped() -> None:
    whole, dice = line(), random.Random(1)
    for _ in range(2000):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] = dice.randrange(256)
        assert len(lines(bytes(damaged).replace(b"\n", b" "), whole)) in (1, 2)
