"""Which requests are the same, and until when one counts: digest, request id, deadline."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.contracts.samples import SMALLEST, request
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError

CREATE = {"bpmnProcessId": "order"}


def test_the_digest_leaves_the_trace_context_out() -> None:
    traced = request("create-instance", CREATE, metadata={"traceparent": "1", "tracestate": "2", "baggage": "3"})
    assert request("create-instance", CREATE).digest() == traced.digest()
    assert len(traced.digest()) == 32


def test_the_digest_differs_with_everything_else() -> None:
    requests = [
        request("create-instance", CREATE),
        request("create-instance", CREATE | {"tenantId": "a"}),
        request("create-instance", CREATE, metadata={"keys": "string"}),
        request("create-instance", CREATE, metadata={"tenantId": "string"}),
        request("cancel-instance", SMALLEST["cancel-instance"]),
        request("resolve-incident", SMALLEST["resolve-incident"]),
        envelope.decode(json.dumps(CREATE).encode(), type="create-instance"),
        request("deploy-process", "<x/>", metadata={"fileName": "a.bpmn"}),
        request("deploy-process", "<x/>", metadata={"fileName": "b.bpmn"}),
        request("deploy-process", "<y/>", metadata={"fileName": "a.bpmn"}),
        envelope.decode(b"<x/>", type="deploy-process", headers={"fileName": "a.bpmn"}),
        envelope.decode(b'"<x/>"', type="deploy-process", headers={"fileName": "a.bpmn"}),
    ]
    assert len({decoded.digest() for decoded in requests}) == len(requests)


@given(
    *[
        st.tuples(
            st.sampled_from(sorted(COMMANDS)),
            st.binary(),
            st.dictionaries(st.sampled_from(wire.METADATA_NAMES), st.text()),
            st.booleans(),
        )
    ]
    * 2
)
def test_digests_are_equal_exactly_when_the_requests_are(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    def identity(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*parts[:2], {name: text for name, text in parts[2].items() if name not in wire.TRACE_NAMES}, parts[3])

    def digest(parts: tuple[Any, ...]) -> bytes:
        operation, data, metadata, bare = parts
        made = envelope.Request(
            operation=operation, command=commands.Topology(), data=data, metadata=metadata, bare=bare
        )
        return made.digest()

    assert (digest(first) == digest(second)) == (identity(first) == identity(second))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (1_700_000_000_123, 1_700_000_000.123),
        (0, 0.0),
        (-5, -0.005),
        (2**63, 2**63 / 1000),
        pytest.param(10**5000, 2**63 / 1000, id="absurd"),
        pytest.param(-(10**5000), -(2**63) / 1000, id="absurdly negative"),
        (None, None),
        ("", None),
    ],
)
def test_a_deadline_is_milliseconds_since_1970(header: Any, expected: float | None) -> None:
    assert envelope.deadline({"deadline": header}) == expected


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (True, "true"),
        ("1700000000000", 'text "1700000000000"'),
        (1.5, "1.5"),
        (b"5", "a value of type bytes"),
        (datetime(2030, 1, 1, tzinfo=UTC), "a value of type datetime"),
        ([5], "a value of type list"),
    ],
)
def test_a_deadline_of_another_type_is_refused(header: Any, found: str) -> None:
    with pytest.raises(CommandError) as caught:
        envelope.deadline({"deadline": header})
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.message == f"header deadline: expected a whole number of milliseconds since 1970, found {found}"


@pytest.mark.parametrize("header", ["a", "x" * 255, "ü" * 127, " "])
def test_a_request_id_is_text_of_at_most_255_bytes(header: str) -> None:
    assert envelope.request_id({"request-id": header}) == header


@pytest.mark.parametrize("headers", [{}, {"request-id": None}, {"request-id": ""}])
def test_without_text_there_is_no_request_id(headers: dict[str, Any]) -> None:
    assert envelope.request_id(headers) is None
    assert envelope.deadline(headers) is None


@pytest.mark.parametrize(
    "header", ["x" * 256, "ü" * 128, 5, True, b"a", ["a"], {}, 1.5, datetime(2030, 1, 1, tzinfo=UTC)]
)
def test_a_request_id_of_another_type_or_length_is_refused(header: Any) -> None:
    with pytest.raises(CommandError, match="header request-id: expected text of at most 255 bytes, found") as caught:
        envelope.request_id({"request-id": header})
    assert caught.value.code == Code.INVALID_ARGUMENT
