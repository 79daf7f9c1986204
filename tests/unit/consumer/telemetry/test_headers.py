"""Trace headers: what a caller sends is taken when it is well-formed text, and otherwise as if absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumer.core.message import Message
from consumer.telemetry import headers
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.telemetry.requests import PARENT, incoming

MALFORMED_PARENTS = [
    "", " ", PARENT.upper(), PARENT + "\n", " " + PARENT, PARENT + "-more", PARENT[:-1], "ff" + PARENT[2:],
    "00-" + "0" * 32 + PARENT[35:], PARENT[:36] + "0" * 16 + "-01", "cc" + PARENT[2:] + "-" + "x" * 500,
    "cc" + PARENT[2:] + "-ü", "x" * 10_000,
]  # fmt: skip
NOT_TEXT: list[Any] = [
    None, b"x", b"\xff", bytearray(b"\x00"), [PARENT.encode()], 7, 1.5, True, [PARENT], {"a": PARENT}, object()
]  # fmt: skip
STATES = ["vendor=1", "a=1,b=2", "a=1 , b=2", "a=1,,b=2", "tenant@vendor=x y", "0=" + "v" * 256]
MALFORMED_STATES = ["", ",", "a", "a=", "A=1", "a=1,a=2", "a=\x00", "a=ü", "a=b=c", "a=" + "v" * 257]
MALFORMED_STATES += [",".join(f"k{number}=1" for number in range(33)), "a=" + "v" * 10_000, "a=1\n"]
BAGGAGES = ["a=b", "a=b,c=d", "a = b ; property ; other=1", "user=%20x", "a=", "a=b=c", "k=v;p=ü%20"[:6]]
MALFORMED_BAGGAGES = ["", "a", "=b", "a b=c", "a=\x00", "a=ü", 'a="b"', "a=b,,c=d", "a=b\r\nx: y", "a=" + "v" * 8192]
MALFORMED_BAGGAGES += [",".join(["a=b"] * 181)]
WRITTEN: list[Callable[[str], Any]] = [str, str.encode, lambda text: bytearray(text.encode())]
"""As text, and as bytes: what Go's []byte, Node's Buffer and text that is marked as bytes come as."""
GOOD = {
    "traceparent": [PARENT, "cc" + PARENT[2:], "cc" + PARENT[2:] + "-more"],
    "tracestate": STATES,
    "baggage": BAGGAGES,
}
BAD = {"traceparent": MALFORMED_PARENTS, "tracestate": MALFORMED_STATES, "baggage": MALFORMED_BAGGAGES}


def sent(**values: Any) -> dict[str, str]:
    return headers.read(FakeDelivery(Message(body=b"{}", headers=values)))


@for_each([(name, value) for name, values in GOOD.items() for value in values])
def test_what_is_wellformed_is_taken_as_it_is_and_baggage_even_without_a_trace(name: str, value: str) -> None:
    parent = {"traceparent": PARENT} if name == "tracestate" else {}
    for write in WRITTEN:
        assert sent(**{**parent, name: write(value)}) == {**parent, name: value}, write


@for_each([(name, value) for name, values in BAD.items() for value in [*values, *NOT_TEXT]])
def test_what_is_malformed_is_as_if_absent_and_a_parent_takes_its_state_along(name: str, value: Any) -> None:
    good = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}
    left = {"baggage": "b=2"} if name == "traceparent" else {each: good[each] for each in good if each != name}
    for written in [write(value) for write in WRITTEN] if isinstance(value, str) else [value]:
        assert sent(**{**good, name: written}) == left, written


def test_metadata_stands_in_for_headers_that_are_missing_or_malformed() -> None:
    metadata = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}
    for own in ({}, {"traceparent": 7, "tracestate": b"", "baggage": "?"}):
        assert headers.read(incoming(metadata=metadata, headers=own)) == metadata
    other = {"traceparent": "cc" + PARENT[2:]}
    assert headers.read(incoming(metadata={"traceparent": PARENT}, headers=other)) == other, "headers win"


def test_complete_headers_need_no_decoding_of_the_body() -> None:
    request = FakeDelivery(Message(body=b"not JSON", headers={name: values[0] for name, values in GOOD.items()}))
    assert headers.read(request) == request.message.headers
    assert "request" not in vars(request)


@for_each([b"", b"not JSON", b"[]", b'{"operation": "none"}', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_decoded_has_no_metadata(body: bytes) -> None:
    assert headers.read(FakeDelivery(Message(body=body, headers={"traceparent": PARENT}))) == {"traceparent": PARENT}
