"""Frames and properties, held against the library's: what we write it reads, and what it writes we read."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table
from tests.unit.contracts.amqp.broker import split
from tests.unit.contracts.amqp.test_table import tables
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.properties import MAX_TIME, NAMES, Properties, fresh_id

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


@given(channels, tags, st.booleans(), places, places, names)
def test_what_we_write_is_the_library_s_to_the_byte(
    channel: int, tag: int, flag: bool, queue: str, exchange: str, routing_key: str
) -> None:
    assert frame.marshal(Heartbeat(), 0) == frames.HEARTBEAT
    assert frames.write_ack(channel, tag) == frame.marshal(Basic.Ack(tag), channel)
    for requeue in (True, False):
        nack = Basic.Nack(tag, multiple=flag, requeue=requeue)
        assert frames.write_nack(channel, tag, multiple=flag, requeue=requeue) == frame.marshal(nack, channel)
    assert frames.write_reject(channel, tag) == frame.marshal(Basic.Reject(tag, requeue=True), channel)
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


def test_a_method_is_known_by_its_first_four_bytes() -> None:
    assert frames.read_method(b"before" + payload(Channel.CloseOk()), 6) == frames.CLOSE_OK
    for size in range(4):
        assert frames.read_method(b"before" + bytes(size), 6) == 0, size


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


octets = st.integers(0, 255)
values: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(SHORT, names),
    "headers": tables,
    "delivery_mode": st.sampled_from([1, 2]),  # the library refuses others
    "priority": octets,
    "timestamp": st.integers(0, 2**32 - 1),
}
del values["cluster_id"]  # the library does not write it
given_properties = st.fixed_dictionaries({}, optional=values)


def theirs(found: dict[str, Any]) -> Basic.Properties:
    """The same for the library, by its names."""
    named = dict(found)
    if "type" in named:
        named["message_type"] = named.pop("type")
    if "timestamp" in named:
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"], UTC)
    return Basic.Properties(**named)


@given(given_properties)
def test_properties_that_we_write_the_library_reads_and_those_that_it_writes_we_read(found: dict[str, Any]) -> None:
    header = ContentHeader()
    header.unmarshal(struct.pack(">HHQ", 60, 0, 0) + Properties(**found).write())
    assert header.properties == theirs(found)
    read = Properties.read(b"before" + theirs(found).marshal(), 6)
    # It leaves out texts that are empty.
    assert read == Properties(**{name: value for name, value in found.items() if value != ""})
    assert read.malformed == ()


@given(st.fixed_dictionaries({}, optional=values | {"cluster_id": names, "delivery_mode": octets}))
def test_properties_that_we_write_we_read(found: dict[str, Any]) -> None:
    assert Properties.read(Properties(**found).write()) == Properties(**found)


def test_the_names_are_those_of_the_protocol_in_its_order() -> None:
    assert NAMES == ORDER


def test_a_property_that_is_out_of_bounds_is_refused_by_its_name() -> None:
    for name in SHORT:
        assert len(Properties(**{name: "ä" * 127}).write()) == 2 + 1 + 254, name
        with pytest.raises(ValueError, match=f"{name}: text of at most 255 bytes is accepted, found 256"):
            Properties(**{name: "ä" * 128}).write()
    for name, most in (("delivery_mode", 2**8), ("priority", 2**8), ("timestamp", 2**64)):
        for value in (-1, most):
            with pytest.raises(ValueError, match=f"{name}: a number from 0 to {most - 1} is accepted, found {value}"):
                Properties(**{name: value}).write()
        assert Properties(**{name: most - 1}).write()
    with pytest.raises(TypeError, match="a header cannot be of type object"):
        Properties(headers={"a": object()}).write()


def test_the_last_time_is_that_of_the_year_9999_in_milliseconds() -> None:
    for time, found in {
        0: 0,
        2**32 - 1: 2**32 - 1,
        2**32: 2**32 // 1000,
        MAX_TIME * 1000 + 999: MAX_TIME,
        (MAX_TIME + 1) * 1000: None,
        2**64 - 1: None,
    }.items():
        for name, malformed in ((b"app", ()), (b"\xff", ("app_id is not UTF-8 text",))):
            read = Properties.read(content(timestamp=struct.pack(">Q", time), type=short(b"t"), app_id=short(name)))
            assert (read.timestamp, read.type, read.malformed) == (found, "t", malformed), time


def test_properties_that_are_cut_off_anywhere_are_read_as_far_as_they_go() -> None:
    whole = content(headers=table(entry(b"a", b"I", b"\0\0\0\7")), type=short(b"topology"), priority=b"\5")
    for size in range(len(whole)):
        read = Properties.read(whole[:size])
        assert read.type in (None, "topology"[: max(0, size - len(whole) + 8)]), size
        assert read.headers in (None, {}, {"a": 7}), size


def test_message_ids_are_never_the_same() -> None:
    assert len({fresh_id() for _ in range(1000)}) == 1000
