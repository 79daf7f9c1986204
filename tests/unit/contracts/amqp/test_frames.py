"""Frames, held against the library's: what we write is what it would write, and what it writes we read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.unit.contracts.amqp.broker import split
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


def message(body: bytes, frame_max: int = FRAME_MAX, **more: Any) -> bytes:
    named = {"exchange": "", "routing_key": "q", "properties": b"\0\0", "mandatory": False, **more}
    return frames.write_message(7, body=body, frame_max=frame_max, **named)


# --- writing ----------------------------------------------------------------------------------------------------------


@given(channels, tags, st.booleans(), places, places, names)
def test_what_we_write_is_the_library_s_to_the_byte(
    channel: int, tag: int, flag: bool, queue: str, exchange: str, routing_key: str
) -> None:
    assert frame.marshal(Heartbeat(), 0) == frames.HEARTBEAT
    assert frames.write_ack(channel, tag) == frame.marshal(Basic.Ack(tag), channel)
    nack = Basic.Nack(tag, multiple=flag, requeue=True)
    assert frames.write_nack(channel, tag, multiple=flag) == frame.marshal(nack, channel)
    assert frames.write_get(channel, queue) == frame.marshal(Basic.Get(queue=queue), channel)
    publish = Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=flag)
    header = ContentHeader(0, 0, Basic.Properties(message_id="m"))
    written = frames.write_message(
        channel, exchange, routing_key, header.properties.marshal(), b"", mandatory=flag, frame_max=FRAME_MAX
    )
    assert written == frame.marshal(publish, channel) + frame.marshal(header, channel)


@given(names, names)
def test_every_name_is_written_so_that_the_library_reads_it(exchange: str, routing_key: str) -> None:
    _, _, publish = frame.unmarshal(message(b"", exchange=exchange, routing_key=routing_key, mandatory=True))
    assert (publish.exchange, publish.routing_key, publish.mandatory) == (exchange, routing_key, True)
    _, _, get = frame.unmarshal(frames.write_get(7, routing_key))
    assert (get.queue, get.no_ack) == (routing_key, False)


def test_a_body_is_cut_into_frames_that_the_broker_takes() -> None:
    for frame_max, most in ((FRAME_MAX, MOST), (131_072, 131_064)):
        for size in (0, 1, most - 1, most, most + 1, 2 * most, 3 * most, 3 * most + 1):
            body = (bytes(range(256)) * (size // 256 + 1))[:size]
            _, (kind, _, header), *pieces = split(message(body, frame_max))
            assert (kind, frames.read_size(header)) == (frames.HEADER, size)
            assert {(kind, channel) for kind, channel, _ in pieces} <= {(frames.BODY, 7)}, size
            assert [len(piece) for _, _, piece in pieces] == [most] * (size // most) + [size % most] * (size % most > 0)
            assert b"".join(piece for _, _, piece in pieces) == body, size


def test_properties_fill_one_frame_at_most() -> None:
    fits = b"\0\0" + bytes(MOST - frames.PROPERTIES - 2)
    assert [len(each) for _, _, each in split(message(b"", properties=fits))][1] == MOST
    with pytest.raises(ValueError, match=f"properties and headers: {len(fits) + 1} bytes do not fit into one frame of"):
        message(b"", properties=fits + b"\0")


# --- reading ----------------------------------------------------------------------------------------------------------


@given(names, tags, st.booleans(), places, names, st.integers(0, 2**32 - 1))
def test_deliveries_answers_to_a_get_and_confirms_are_read(
    consumer: str, tag: int, flag: bool, exchange: str, key: str, behind: int
) -> None:
    delivery = payload(Basic.Deliver(consumer, tag, flag, exchange, key))
    assert (frames.read_delivery(delivery), frames.read_address(delivery)) == ((tag, flag), (exchange, key, 0))
    got = payload(Basic.GetOk(tag, flag, exchange, key, behind))
    assert (frames.read_delivery(got), frames.read_address(got)) == ((tag, flag), (exchange, key, behind))
    for confirm in (Basic.Ack(tag, flag), Basic.Nack(tag, flag)):
        assert frames.read_confirm(b"before" + payload(confirm), 6) == (tag, flag)


@given(names, st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1))
def test_returns_closings_and_the_sizes_of_bodies_are_read(text: str, code: int, size: int) -> None:
    assert frames.read_reason(payload(Basic.Return(code, text, "exchange", "key"))) == text
    assert frames.read_closing(payload(Channel.Close(code, text, 60, 40))) == (code, text)
    properties = Basic.Properties(message_id="m")
    header = ContentHeader(0, size, properties).marshal()
    assert (frames.read_size(header), header[frames.PROPERTIES :]) == (size, properties.marshal())


def test_names_and_reasons_that_are_not_utf_8_are_read_as_far_as_they_go() -> None:
    raw = payload(Basic.Deliver("c", 1, False, "EXCHANGE", "KEY")).replace(b"KEY", b"K\xffY")
    assert frames.read_address(raw) == ("EXCHANGE", "K�Y", 0)
    assert frames.read_reason(payload(Basic.Return(312, "NO", "", "")).replace(b"NO", b"\xffO")) == "�O"
    assert frames.read_closing(payload(Channel.Close(404, "NO", 0, 0)).replace(b"NO", b"\xffO")) == (404, "�O")
