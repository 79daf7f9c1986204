"""Properties, held against the library's both ways, and whatever strangers send in their place."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table
from tests.unit.contracts.amqp.test_table import tables
from zeebe_amqp.amqp.properties import MAX_TIME, NAMES, Properties, fresh_id

words = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda word: len(word.encode()) <= 255)
octets = st.integers(0, 255)
values: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(SHORT, words),
    "headers": tables,
    "delivery_mode": st.sampled_from([1, 2]),  # the library refuses others
    "priority": octets,
    "timestamp": st.integers(0, 2**32 - 1),
}
del values["cluster_id"]  # the library does not write it
given_properties = st.fixed_dictionaries({}, optional=values)


def theirs(found: dict[str, Any]) -> commands.Basic.Properties:
    """The same for the library, by its names."""
    named = dict(found)
    if "type" in named:
        named["message_type"] = named.pop("type")
    if "timestamp" in named:
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"], UTC)
    return commands.Basic.Properties(**named)


@given(given_properties)
def test_what_we_write_the_library_reads_and_what_it_writes_we_read(found: dict[str, Any]) -> None:
    header = ContentHeader()
    header.unmarshal(struct.pack(">HHQ", 60, 0, 0) + Properties(**found).write())
    assert header.properties == theirs(found)
    read = Properties.read(b"before" + theirs(found).marshal(), 6)
    # It leaves out texts that are empty.
    assert read == Properties(**{name: value for name, value in found.items() if value != ""})
    assert read.malformed == ()


@given(st.fixed_dictionaries({}, optional=values | {"cluster_id": words, "delivery_mode": octets}))
def test_what_we_write_we_read(found: dict[str, Any]) -> None:
    assert Properties.read(Properties(**found).write()) == Properties(**found)


def test_each_property_of_the_protocol_alone_is_read_and_written_at_its_place() -> None:
    assert NAMES == ORDER
    for name in ORDER:
        value: Any = {"headers": {"a": 1}, "delivery_mode": 2, "priority": 9, "timestamp": 7}.get(name, "text")
        written = Properties(**{name: value}).write()
        assert written[:2] == struct.pack(">H", 1 << 15 - ORDER.index(name)), name
        assert Properties.read(written) == Properties(**{name: value}), name


def test_what_is_out_of_bounds_is_refused_by_its_name() -> None:
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
        read = Properties.read(content(timestamp=struct.pack(">Q", time)))
        assert (read.timestamp, read.malformed) == (found, ()), time


@given(st.binary(max_size=300), st.integers(0, 20))
def test_no_bytes_break_the_reader(data: bytes, at: int) -> None:
    Properties.read(data, at)


def test_what_is_cut_off_anywhere_is_read_as_far_as_it_goes() -> None:
    whole = content(headers=table(entry(b"a", b"I", b"\0\0\0\7")), type=short(b"topology"), priority=b"\5")
    for size in range(len(whole)):
        read = Properties.read(whole[:size])
        assert read.type in (None, "topology"[: max(0, size - len(whole) + 8)]), size
        assert read.headers in (None, {}, {"a": 7}), size


def test_message_ids_are_never_the_same() -> None:
    assert len({fresh_id() for _ in range(1000)}) == 1000
