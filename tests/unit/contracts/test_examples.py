"""The examples: one or more for every operation, right requests and right replies."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.cases import check_all
from tests.unit.contracts.samples import request
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.examples import EXAMPLES, Example, Kept, filled, kept

OUTSIDE = {"incident"}
"""What no reply says; who runs the examples must find it out in another way."""


def named(example: Example) -> str:
    return f"{example.operation}-{example.title or EXAMPLES.index(example)}"


def test_every_operation_has_an_example_with_a_title() -> None:
    assert {example.operation for example in EXAMPLES if example.title} == set(COMMANDS)


def test_an_example_is_a_right_request_and_a_whole_reply() -> None:
    """Nothing is missing in it, and nothing is in it that the typed result does not know."""

    def is_right(example: Example) -> None:
        assert json.loads(json.dumps(filled(example.data))) == filled(example.data)
        command = request(example.operation, filled(example.data), metadata=dict(example.metadata)).command
        assert type(command) is COMMANDS[example.operation]
        if (result := command.result_type()) is None:
            assert example.reply is None
        else:
            typed = msgspec.convert(filled(example.reply), result)
            assert without_nulls(msgspec.to_builtins(typed)) == without_nulls(filled(example.reply))

    check_all({named(example): (example,) for example in EXAMPLES}, is_right)


def without_nulls(value: object) -> object:
    """Of a oneof the typed result has all members; in a reply there is only one."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(each) for each in value]
    return value


def needed(value: object) -> set[str]:
    """The names of what an example takes from earlier replies."""
    match value:
        case Kept():
            return {value.name}
        case dict():
            return {name for each in value.values() for name in needed(each)}
        case list():
            return {name for each in value for name in needed(each)}
    return set()


def test_what_an_example_needs_an_earlier_one_keeps() -> None:
    known = set(OUTSIDE)
    for example in EXAMPLES:
        assert needed(example.data) <= known, named(example)
        known |= set(kept(example, filled(example.reply)))


def test_what_is_kept_is_what_the_page_shows() -> None:
    shown = {name: value for example in EXAMPLES for name, value in kept(example, filled(example.reply)).items()}
    for example in EXAMPLES:
        assert filled(example.data, shown | {"incident": filled(Kept("incident", 2251799813685281))}) == filled(
            example.data
        )


def test_a_value_that_nobody_kept_is_missed() -> None:
    with pytest.raises(KeyError, match="job"):
        filled({"jobKey": Kept("job", 1)}, {})
