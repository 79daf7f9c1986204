"""Frames, held against the library's: what we write is what it would write, and what it writes we read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.unit.contracts.amqp.frames import split
from zeebe_amqp.amqp import frames

FRAME_MAX = 4096
MOST = FRAME_MAX - frames.OVERHEAD
"""Bytes of a body in one frame."""

channels = st.integers(1, 2**16 - 1)
tags = st.integers(0, 2**63 - 1)
names = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: len(name.encode()) <= 255)
places = st.text("azAZ09-_.:", max_size=127)
"""Names of queues and exchanges that the library writes; brokers take all others, too."""


def payload(method: Any) -> bytes:
    """Of a method's frame."""
    [(kind, channel, found)] = split(frame.marshal(method, 1))
    assert (kind, channel) == (frames.METHOD, 1)
    return found


def library_reads(data: bytes) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    while data:
        size, channel, each = frame.unmarshal(data)
        found.append((channel, each))
        data = data[size:]
    return found


# --- writing ----------------------------------------------------------------------------------------------------------


@given(channels, tags)
def test_acks_and_nacks_are_the_library_s_to_the_byte(channel: int, tag: int) -> None:
    assert frames.write_ack(channel, tag) == frame.marshal(commands.Basic.Ack(tag), channel)
    for multiple in (False, True):
        theirs = commands.Basic.Nack(tag, multiple=multiple, requeue=True)
        assert frames.write_nack(channel, tag, multiple=multiple) == frame.marshal(theirs, channel)


@given(channels, places)
def test_a_get_is_the_library_s_to_the_byte(channel: int, queue: str) -> None:
    assert frames.write_get(channel, queue) == frame.marshal(commands.Basic.Get(queue=queue), channel)


@given(channels, places, names, st.booleans())
def test_a_publish_is_the_library_s_to_the_byte(channel: int, exchange: str, routing_key: str, mandatory: bool) -> None:
    theirs = commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    header = ContentHeader(0, 0, commands.Basic.Properties(message_id="m"))
    written = frames.write_message(
        channel, exchange, routing_key, header.properties.marshal(), b"", mandatory=mandatory, frame_max=FRAME_MAX
    )
    assert written == frame.marshal(theirs, channel) + frame.marshal(header, channel)


@given(names, names)
def test_every_name_is_written_so_that_the_library_reads_it(exchange: str, routing_key: str) -> None:
    data = frames.write_message(7, exchange, routing_key, b"\0\0", b"", mandatory=True, frame_max=FRAME_MAX)
    (_, publish), _ = library_reads(data)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == (exchange, routing_key, True)
    [(_, get)] = library_reads(frames.write_get(7, routing_key))
    assert (get.queue, get.no_ack) == (routing_key, False)


def message(body: bytes, frame_max: int = FRAME_MAX, properties: bytes = b"\0\0") -> bytes:
    return frames.write_message(7, "", "q", properties, body, mandatory=False, frame_max=frame_max)


def test_a_body_is_cut_into_frames_that_the_broker_takes() -> None:
    for frame_max, most in ((FRAME_MAX, MOST), (131_072, 131_064)):
        for size in (0, 1, most - 1, most, most + 1, 2 * most, 3 * most, 3 * most + 1):
            body = bytes(range(256)) * (size // 256 + 1)
            body = body[:size]
            _, (kind, _, header), *pieces = split(message(body, frame_max))
            assert (kind, frames.read_size(header)) == (frames.HEADER, size)
            assert {(kind, channel) for kind, channel, _ in pieces} <= {(frames.BODY, 7)}, size
            assert [len(piece) for _, _, piece in pieces] == [most] * (size // most) + [size % most] * (size % most > 0)
            assert b"".join(piece for _, _, piece in pieces) == body, size


def test_the_library_reads_a_message_of_many_frames() -> None:
    body = b"x" * (2 * MOST + 5)
    (channel, publish), (_, header), *bodies = library_reads(message(body))
    assert (channel, publish.name, publish.routing_key, header.body_size) == (7, "Basic.Publish", "q", len(body))
    assert b"".join(each.value for _, each in bodies) == body


def test_properties_fill_one_frame_at_most() -> None:
    fits = b"\0\0" + bytes(MOST - frames.PROPERTIES - 2)
    assert [len(each) for _, _, each in split(message(b"", properties=fits))][1] == MOST
    with pytest.raises(ValueError, match=f"properties and headers: {len(fits) + 1} bytes do not fit into one frame of"):
        message(b"", properties=fits + b"\0")


def test_a_name_has_at_most_255_bytes() -> None:
    for names in (("ä" * 128, ""), ("", "ä" * 128)):
        with pytest.raises(ValueError, match="at most 255 bytes is accepted, found 256"):
            frames.write_message(1, *names, b"\0\0", b"", mandatory=False, frame_max=FRAME_MAX)
    with pytest.raises(ValueError, match="at most 255 bytes is accepted, found 256"):
        frames.write_get(1, "x" * 256)


def test_a_heartbeat_is_the_library_s() -> None:
    assert frame.marshal(Heartbeat(), 0) == frames.HEARTBEAT


# --- reading ----------------------------------------------------------------------------------------------------------


def test_methods_are_known_by_their_numbers() -> None:
    for method, meant in (
        (commands.Basic.Deliver("c", 1, False, "", "q"), frames.DELIVER),
        (commands.Basic.Ack(1), frames.ACK),
        (commands.Basic.Nack(1), frames.NACK),
        (commands.Basic.Return(312, "NO_ROUTE", "", "q"), frames.RETURN),
        (commands.Basic.GetOk(1, False, "", "q", 0), frames.GET_OK),
        (commands.Basic.GetEmpty(""), frames.GET_EMPTY),
        (commands.Channel.Close(404, "", 0, 0), frames.CLOSE),
        (commands.Channel.CloseOk(), frames.CLOSE_OK),
        (commands.Connection.Blocked("low on memory"), frames.BLOCKED),
        (commands.Connection.Unblocked(), frames.UNBLOCKED),
    ):
        assert frames.read_method(b"before" + payload(method), 6) == meant, method
    for cut in range(4):
        assert frames.read_method(b"x" * 10 + b"\0" * cut, 10) == 0, cut


@given(names, tags, st.booleans(), places, names)
def test_a_delivery_is_read(consumer: str, tag: int, redelivered: bool, exchange: str, routing_key: str) -> None:
    found = payload(commands.Basic.Deliver(consumer, tag, redelivered, exchange, routing_key))
    assert frames.read_delivery(found) == (tag, redelivered)
    assert frames.read_address(found) == (exchange, routing_key, 0)


@given(tags, st.booleans(), places, names, st.integers(0, 2**32 - 1))
def test_the_answer_to_a_get_is_read(tag: int, redelivered: bool, exchange: str, key: str, behind: int) -> None:
    found = payload(commands.Basic.GetOk(tag, redelivered, exchange, key, behind))
    assert frames.read_delivery(found) == (tag, redelivered)
    assert frames.read_address(found) == (exchange, key, behind)


@given(tags, st.booleans())
def test_confirms_are_read(tag: int, multiple: bool) -> None:
    for method in (commands.Basic.Ack(tag, multiple), commands.Basic.Nack(tag, multiple)):
        assert frames.read_confirm(b"before" + payload(method), 6) == (tag, multiple)


@given(names, st.integers(0, 2**16 - 1))
def test_returns_and_closings_are_read(text: str, code: int) -> None:
    assert frames.read_reason(payload(commands.Basic.Return(code, text, "exchange", "key"))) == text
    assert frames.read_closing(payload(commands.Channel.Close(code, text, 60, 40))) == (code, text)


def test_names_and_reasons_that_are_not_utf_8_are_read_as_far_as_they_go() -> None:
    raw = payload(commands.Basic.Deliver("c", 1, False, "EXCHANGE", "KEY")).replace(b"KEY", b"K\xffY")
    assert frames.read_address(raw) == ("EXCHANGE", "K�Y", 0)
    assert frames.read_reason(payload(commands.Basic.Return(312, "NO", "", "")).replace(b"NO", b"\xffO")) == "�O"
    assert frames.read_closing(payload(commands.Channel.Close(404, "NO", 0, 0)).replace(b"NO", b"\xffO")) == (404, "�O")


@given(st.integers(0, 2**64 - 1))
def test_the_size_of_a_body_is_read(size: int) -> None:
    header = ContentHeader(0, size, commands.Basic.Properties(message_id="m")).marshal()
    assert frames.read_size(header) == size
    assert header[frames.PROPERTIES :] == commands.Basic.Properties(message_id="m").marshal()
