"""The tap between the AMQP library and the broker sees and does what the library alone sees and does."""

from __future__ import annotations

from collections import Counter

from tests.conftest import Broker
from tests.integration.players import library_player, tap_player
from tests.integration.scenario import BODIES, PROPERTIES, VALUES, Record, incoming, play

OUTCOMES = {"<out>": "ack", "to.us": "ack", "<nowhere>": "returned", "elsewhere": "returned", "<full>": "nack"}


def check_whole(record: Record) -> None:
    """What the library alone sees is the whole scenario."""
    first, again = record["first"], record["again"]
    assert len(first) == len(incoming())
    assert [(each["redelivered"], each["exchange"], each["routing_key"]) for each in first] == [
        (False, "", "<into>")
    ] * len(first)
    assert again == [{**each, "redelivered": True} for each in first]
    names = {"message_type" if name == "type" else name for name in PROPERTIES} - {"headers"}
    assert names <= {name for each in first for name in each["properties"]}
    assert set(VALUES) <= {name for each in first for name in each["headers"]}
    outcomes = {name: outcome for name, outcome in record["outcomes"].items() if "/" in name}
    assert len(outcomes) == len(OUTCOMES) * len(BODIES)
    assert {(name, OUTCOMES[name.rpartition("/")[2]]) for name in outcomes} == set(outcomes.items())
    assert len(record["published"]) == 2 * len(BODIES) + 1
    at_once, arrived = record["at once"]["outcomes"], record["at once"]["arrived"]
    assert at_once == ["ack", "ack", "ack", "returned", "nack"] * 100
    assert Counter(arrived) == Counter(str(number) for number in range(500) if number % 5 < 3)
    assert arrived == sorted(arrived, key=int)


async def test_the_tap_tells_what_the_library_tells(rabbitmq: Broker) -> None:
    """Whichever of them publishes and whichever reads."""
    async with library_player(rabbitmq.url) as player, library_player(rabbitmq.url) as reader:
        record = await play(rabbitmq.url, player, reader)
    check_whole(record)
    for plays, reads in ((tap_player, library_player), (library_player, tap_player), (tap_player, tap_player)):
        async with plays(rabbitmq.url) as player, reads(rabbitmq.url) as reader:
            found = await play(rabbitmq.url, player, reader)
        for part, told in record.items():
            assert found[part] == told, f"{part}: {plays.__name__} plays, {reads.__name__} reads"
