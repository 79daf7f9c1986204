"""The scenario tells every time the same, and what it tells is what the protocol says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import Broker
from tests.integration.players import library_player, tap_player
from tests.integration.scenario import BODIES, PROPERTIES, VALUES, Record, incoming, outgoing, play

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIME = "time 2023-11-14T22:13:20+00:00"
READ: dict[str, Any] = {
    "true": True,
    "false": False,
    "signed 8 bits": -1,
    "unsigned 8 bits": 255,
    "signed 16 bits": -2,
    "unsigned 16 bits": 65534,
    "signed 32 bits": -2,
    "unsigned 32 bits": 2**32 - 2,
    "signed 64 bits": -2,
    "float": 0.25,
    "double": 0.1,
    "decimal": "decimal 123.45",
    "text": "Grüße",
    "empty text": "",
    "time": TIME,
    "void": None,
    "array": [True, "in", []],
    "table": {"a": 1, "b": {}},
}
"""What the values of headers are to a reader, those apart that are bytes."""


async def recorded(url: str) -> Record:
    """What the library alone sees."""
    async with library_player(url) as player, library_player(url) as reader:
        return await play(url, player, reader)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def record(rabbitmq: Broker) -> Record:
    """What the library alone sees, once."""
    return await recorded(rabbitmq.url)


async def test_two_plays_tell_the_same(rabbitmq: Broker, record: Record) -> None:
    again = await recorded(rabbitmq.url)
    for part, told in record.items():
        assert again[part] == told, part


async def test_every_delivery_comes_in_its_order_and_says_when_it_comes_again(record: Record) -> None:
    first, again = record["first"], record["again"]
    assert len(first) == len(incoming())
    assert not any(each["redelivered"] for each in first)
    assert all(each["redelivered"] for each in again)
    assert [{**each, "redelivered": False} for each in again] == first
    assert {(each["exchange"], each["routing_key"]) for each in first} == {("", "<into>")}
    assert [each["body"].split(" ")[0] for each in first[-len(BODIES) :]] == [str(size) for size in BODIES]


async def test_every_property_and_every_type_of_header_is_read(record: Record) -> None:
    seen = [{**each["properties"], **({"headers": {}} if each["headers"] else {})} for each in record["first"]]
    names = {"message_type" if name == "type" else name for name in PROPERTIES}
    assert names <= {name for each in seen for name in each}
    headers: dict[str, Any] = {}
    for each in record["first"]:
        headers |= each["headers"]
    assert {name: headers[name] for name in READ} == READ
    assert set(VALUES) - set(READ) == {"bytes", "bytes as text"}
    assert all("2 bytes" in headers[name] for name in ("bytes", "bytes as text"))


async def test_what_is_published_has_the_outcome_that_its_place_gives_it(record: Record) -> None:
    wanted = {"<out>": "ack", "to.us": "ack", "<nowhere>": "returned", "elsewhere": "returned", "<full>": "nack"}
    outcomes = {name: outcome for name, outcome in record["outcomes"].items() if "/" in name}
    assert len(outcomes) == len(wanted) * len(BODIES)
    for name, outcome in outcomes.items():
        assert outcome == wanted[name.rpartition("/")[2]], name


async def test_what_is_published_arrives_as_it_was(record: Record) -> None:
    *bodies, last = record["published"]
    assert [(each["exchange"], each["routing_key"]) for each in bodies] == [
        ("", "<out>"),
        ("<exchange>", "to.us"),
    ] * len(BODIES)
    properties = {"message_id": "m", **outgoing()}
    assert last["headers"] == {**properties.pop("headers"), "time": TIME}
    assert last["properties"] == {**properties, "timestamp": TIME}


async def test_of_many_at_once_each_gets_its_own_outcome(record: Record) -> None:
    outcomes, arrived = record["at once"]["outcomes"], record["at once"]["arrived"]
    assert outcomes == ["ack", "ack", "ack", "returned", "nack"] * 100
    assert Counter(arrived) == Counter(str(number) for number in range(500) if number % 5 < 3)
    assert arrived == sorted(arrived, key=int)


async def test_the_tap_tells_what_the_library_tells(rabbitmq: Broker, record: Record) -> None:
    """Whichever of them publishes and whichever reads."""
    for plays, reads in ((tap_player, library_player), (library_player, tap_player), (tap_player, tap_player)):
        async with plays(rabbitmq.url) as player, reads(rabbitmq.url) as reader:
            found = await play(rabbitmq.url, player, reader)
        for part, told in record.items():
            assert found[part] == told, f"{part}: {plays.__name__} plays, {reads.__name__} reads"
