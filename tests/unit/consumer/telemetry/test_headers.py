"""Trace headers: what a caller sends is taken when it is well-formed text, and otherwise as if absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.telemetry import headers
from tests.unit.consumer.deliveries import FakeDelivery

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MALFORMED_PARENTS = [
    "",
    " ",
    PARENT.upper(),
    PARENT + "\n",
    " " + PARENT,
    PARENT + "-more",
    PARENT[:-1],
    "ff" + PARENT[2:],
    "00-" + "0" * 32 + PARENT[35:],
    PARENT[:36] + "0" * 16 + "-01",
    "cc" + PARENT[2:] + "-" + "x" * 500,
    "cc" + PARENT[2:] + "-ü",
    "x" * 10_000,
]
NOT_TEXT: list[Any] = [
    None,
    b"x",
    b"\xff",
    bytearray(b"\x00"),
    [PARENT.encode()],
    7,
    1.5,
    True,
    [PARENT],
    {"a": PARENT},
    object(),
]
STATES = ["vendor=1", "a=1,b=2", "a=1 , b=2", "a=1,,b=2", "tenant@vendor=x y", "0=" + "v" * 256]
MALFORMED_STATES = ["", ",", "a", "a=", "A=1", "a=1,a=2", "a=\x00", "a=ü", "a=b=c", "a=" + "v" * 257]
MALFORMED_STATES += [",".join(f"k{number}=1" for number in range(33)), "a=" + "v" * 10_000, "a=1\n"]
BAGGAGES = ["a=b", "a=b,c=d", "a = b ; property ; other=1", "user=%20x", "a=", "a=b=c", "k=v;p=ü%20"[:6]]
MALFORMED_BAGGAGES = ["", "a", "=b", "a b=c", "a=\x00", "a=ü", 'a="b"', "a=b,,c=d", "a=b\r\nx: y", "a=" + "v" * 8192]
MALFORMED_BAGGAGES += [",".join(["a=b"] * 181)]


def sent(**values: Any) -> dict[str, str]:
    return headers.read(FakeDelivery(Message(body=b"{}", headers=values)))


@pytest.mark.parametrize("value", [PARENT, "cc" + PARENT[2:], "cc" + PARENT[2:] + "-more"])
def test_a_wellformed_parent_is_taken_as_it_is(value: str) -> None:
    assert sent(traceparent=value) == {"traceparent": value}


@pytest.mark.parametrize("value", MALFORMED_PARENTS + NOT_TEXT)
def test_a_malformed_parent_is_as_if_absent_and_takes_its_state_along(value: Any) -> None:
    assert sent(traceparent=value, tracestate="a=1") == {}


@pytest.mark.parametrize("value", STATES)
def test_a_wellformed_state_is_taken_as_it_is(value: str) -> None:
    assert sent(traceparent=PARENT, tracestate=value)["tracestate"] == value


@pytest.mark.parametrize("value", MALFORMED_STATES + NOT_TEXT)
def test_a_malformed_state_is_as_if_absent(value: Any) -> None:
    assert sent(traceparent=PARENT, tracestate=value) == {"traceparent": PARENT}


@pytest.mark.parametrize("value", BAGGAGES)
def test_wellformed_baggage_is_taken_as_it_is_even_without_a_trace(value: str) -> None:
    assert sent(baggage=value) == {"baggage": value}


@pytest.mark.parametrize("value", MALFORMED_BAGGAGES + NOT_TEXT)
def test_malformed_baggage_is_as_if_absent(value: Any) -> None:
    assert sent(baggage=value) == {}


def test_bytes_are_read_like_text() -> None:
    """What Go's []byte, Node's Buffer and text that is marked as bytes come as."""
    written: dict[str, Callable[[str], Any]] = {
        "bytes": str.encode,
        "an array of bytes": lambda text: bytearray(text.encode()),
        "text": str,
    }
    for parent in written:
        for rest in written:
            write = written[rest]
            found = sent(traceparent=written[parent](PARENT), tracestate=write("a=1"), baggage=write("b=2"))
            assert found == {"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}, (parent, rest)


def test_malformed_bytes_are_as_if_absent() -> None:
    for name, all_ in (
        ("traceparent", MALFORMED_PARENTS),
        ("tracestate", MALFORMED_STATES),
        ("baggage", MALFORMED_BAGGAGES),
    ):
        for text in all_:
            found = sent(**{"traceparent": PARENT, name: bytearray(text.encode())})
            assert name not in found, (name, text[:50])


@pytest.mark.parametrize("headers_sent", [{}, {"traceparent": 7, "tracestate": b"", "baggage": "?"}])
def test_metadata_stands_in_for_headers_that_are_missing_or_malformed(
    incoming: Callable[..., Delivery], headers_sent: dict[str, Any]
) -> None:
    metadata = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}
    assert headers.read(incoming(metadata=metadata, headers=headers_sent)) == metadata


def test_headers_win_over_metadata(incoming: Callable[..., Delivery]) -> None:
    other = "cc" + PARENT[2:]
    request = incoming(metadata={"traceparent": PARENT}, headers={"traceparent": other})
    assert headers.read(request) == {"traceparent": other}


def test_complete_headers_need_no_decoding_of_the_body() -> None:
    values = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}
    request = FakeDelivery(Message(body=b"not JSON", headers=values))
    assert headers.read(request) == values
    assert "request" not in vars(request)


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b'{"operation": "none"}', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_decoded_has_no_metadata(body: bytes) -> None:
    assert headers.read(FakeDelivery(Message(body=body, headers={"traceparent": PARENT}))) == {"traceparent": PARENT}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text() | st.binary() | st.none()))
def test_whatever_is_sent_only_printable_ascii_comes_out(values: dict[str, Any]) -> None:
    assert all(value.isascii() and value.replace("\t", "").isprintable() for value in sent(**values).values())


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage"])
@pytest.mark.parametrize("unit", ["a", "a=", ",", "=", " ", "a=b ", "a=b;", "-", "a=b,"])
def test_the_longest_header_is_decided_at_once(name: str, unit: str) -> None:
    values = {"traceparent": PARENT, name: (unit * 130_000)[:130_000]}
    assert name not in sent(**values)
