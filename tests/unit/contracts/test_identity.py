"""Which requests are the same, and until when one counts: digest, request id, deadline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError

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
def test_digests_are_equal_exactly_when_the_requests_are_without_their_trace(
    first: tuple[Any, ...], other: tuple[Any, ...], same: list[bool]
) -> None:
    def identity(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*parts[:2], {name: text for name, text in parts[2].items() if name not in wire.TRACE_NAMES}, parts[3])

    def digest(parts: tuple[Any, ...]) -> bytes:
        operation, data, metadata, bare = parts
        command = commands.Topology()
        return envelope.Request(operation=operation, command=command, data=data, metadata=metadata, bare=bare).digest()

    second = tuple(mine if same else theirs for mine, theirs, same in zip(first, other, same, strict=True))
    assert (digest(first) == digest(second)) == (identity(first) == identity(second))


DEADLINES: list[tuple[Any, float | None]] = [
    (1_700_000_000_123, 1_700_000_000.123), (0, 0.0), (-5, -0.005), (2**63, 2**63 / 1000), (10**5000, 2**63 / 1000),
    (-(10**5000), -(2**63) / 1000), (None, None), ("", None),
]  # fmt: skip


@for_each(DEADLINES)
def test_a_deadline_is_milliseconds_since_1970(header: Any, expected: float | None) -> None:
    assert envelope.deadline({"deadline": header}) == expected


def test_a_request_id_is_text_of_at_most_255_bytes_and_without_text_there_is_none() -> None:
    for header in ("a", "x" * 255, "ü" * 127, " "):
        assert envelope.request_id({"request-id": header}) == header
    for headers in ({}, {"request-id": None}, {"request-id": ""}):
        assert envelope.request_id(headers) is envelope.deadline(headers) is None, headers


def test_a_header_of_another_type_or_length_is_refused() -> None:
    def is_refused(read: Any, name: str, header: Any, words: str) -> None:
        with pytest.raises(CommandError) as caught:
            read({name: header})
        assert caught.value.code == Code.INVALID_ARGUMENT
        assert caught.value.message.startswith(f"header {name}: expected {words}")

    number = "a whole number of milliseconds since 1970, found "
    times = [(True, "true"), ("1700000000000", 'text "1700000000000"'), (1.5, "1.5")]
    times += [(each, f"a value of type {type(each).__name__}") for each in (b"5", MOMENT, [5])]
    texts = ["x" * 256, "ü" * 128, 5, True, b"a", ["a"], {}, 1.5, MOMENT]
    text = "text of at most 255 bytes, found "
    check_all([(envelope.deadline, "deadline", each, number + found) for each, found in times], is_refused)
    check_all([(envelope.request_id, "request-id", each, text) for each in texts], is_refused)
