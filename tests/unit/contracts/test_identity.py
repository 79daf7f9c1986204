"""Which requests are the same, and until when one counts: digest, request id, deadline, lateness."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import for_each
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.lateness import refuse_past

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
PARTS = st.tuples(
    st.sampled_from(sorted(COMMANDS)),
    st.binary(),
    st.dictionaries(st.sampled_from(wire.METADATA_NAMES), st.text()),
    st.booleans(),
)


@given(PARTS, PARTS, st.lists(st.booleans(), min_size=4, max_size=4))
@example(
    ("topology", b"", {"traceparent": "1"}, True), ("topology", b"", {"baggage": "2"}, False), [False] * 3 + [True]
)
def test_digests_tell_requests_apart(first: tuple[Any, ...], other: tuple[Any, ...], same: list[bool]) -> None:
    def identity(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*parts[:2], {name: text for name, text in parts[2].items() if name not in wire.TRACE_NAMES}, parts[3])

    def digest(parts: tuple[Any, ...]) -> bytes:
        operation, data, metadata, bare = parts
        command = commands.Topology()
        return envelope.Request(operation=operation, command=command, data=data, metadata=metadata, bare=bare).digest()

    second = tuple(mine if same else theirs for mine, theirs, same in zip(first, other, same, strict=True))
    assert (digest(first) == digest(second)) == (identity(first) == identity(second))


READ: list[tuple[Any, str, Any, Any]] = [
    *((envelope.deadline, "deadline", header, expected) for header, expected in (
        (1_700_000_000_123, 1_700_000_000.123), (0, 0.0), (-5, -0.005), (2**63, 2**63 / 1000),
        (10**5000, 2**63 / 1000), (-(10**5000), -(2**63) / 1000),
    )),
    *((envelope.request_id, "request-id", header, header) for header in ("a", "x" * 255, "ü" * 127, " ")),
    *((read, name, empty, None) for empty in (None, "")
      for read, name in ((envelope.deadline, "deadline"), (envelope.request_id, "request-id"))),
]  # fmt: skip


@for_each(READ)
def test_a_deadline_is_milliseconds_since_1970_and_an_id_text(read: Any, name: str, sent: Any, value: Any) -> None:
    assert read({name: sent}) == value
    assert read({}) is None


MILLISECONDS = "a whole number of milliseconds since 1970, found "
REFUSED: list[tuple[Any, str, Any, str]] = [
    *((envelope.deadline, "deadline", sent, MILLISECONDS + found)
      for sent, found in ((True, "true"), ("1700000000000", 'text "1700000000000"'), (1.5, "1.5"))),
    *((envelope.deadline, "deadline", sent, f"{MILLISECONDS}a value of type {type(sent).__name__}")
      for sent in (b"5", MOMENT, [5])),
    *((envelope.request_id, "request-id", sent, "text of at most 255 bytes, found ")
      for sent in ("x" * 256, "ü" * 128, 5, True, b"a", ["a"], {}, 1.5, MOMENT)),
]  # fmt: skip


@for_each(REFUSED)
def test_a_header_of_another_type_or_length_is_refused(read: Any, name: str, sent: Any, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        read({name: sent})
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.message.startswith(f"header {name}: expected {words}")


NOW = 1_795_766_400.0
NOW_IN_MILLISECONDS = int(NOW * 1000)
TAKES = (
    "It takes the moment at which the caller stops waiting, in milliseconds since 1970; the command was not executed"
)
PASSED = "ms before the command could start; it was not executed"
CLOCKS = "; unless it waited so long, the clocks of the caller and of the service differ"
WORDS: list[tuple[int, str]] = [
    *((seconds, f"is {seconds}, a moment in January 1970: seconds? {TAKES}")
      for seconds in (int(NOW), int(NOW) - 86_400, int(NOW) + 86_400)),
    *((duration, f"is {duration}, a moment in January 1970: a duration? {TAKES}") for duration in (0, 30_000)),
    *((NOW_IN_MILLISECONDS - late, f"passed {late} {PASSED}{CLOCKS}") for late in (0, 1000)),
    (NOW_IN_MILLISECONDS - 3_600_000, f"passed 3600000 {PASSED}"),
    (-1, f"passed {NOW_IN_MILLISECONDS + 1} {PASSED}"),
]  # fmt: skip


@for_each(WORDS)
def test_every_past_deadline_is_refused_in_words_of_its_own(milliseconds: int, words: str) -> None:
    with pytest.raises(CommandError) as raised:
        refuse_past(milliseconds / 1000, NOW)
    error = raised.value
    assert error.message == f"the header deadline {words}"
    told = (error.code, error.outcome, error.retryable, error.details)
    assert told == (Code.DEADLINE_EXCEEDED, Outcome.NOT_EXECUTED, False, {"field": "deadline"})


def test_what_is_to_come_is_not_refused_in_whatever_unit() -> None:
    for deadline in (None, NOW + 0.001, NOW * 1000, NOW * 1_000_000):
        refuse_past(deadline, NOW)
