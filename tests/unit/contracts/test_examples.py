"""The examples: one or more for every operation, right requests and right replies."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.cases import for_each
from tests.unit.contracts.samples import request
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.examples import EXAMPLES, Example, Kept, filled, kept


@for_each(EXAMPLES)
def test_an_example_is_a_right_request_and_a_whole_reply(example: Example) -> None:
    """Nothing is missing in it, and nothing is in it that the typed result does not know."""
    assert json.loads(json.dumps(filled(example.data))) == filled(example.data)
    command = request(example.operation, filled(example.data), metadata=dict(example.metadata)).command
    assert type(command) is COMMANDS[example.operation]
    if (result := command.result_type()) is None:
        assert example.reply is None
    else:
        typed = msgspec.convert(filled(example.reply), result)
        assert without_nulls(msgspec.to_builtins(typed)) == without_nulls(filled(example.reply))


def without_nulls(value: object) -> object:
    """Of a oneof the typed result has all members; in a reply there is only one."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(each) for each in value]
    return value


def test_what_an_example_needs_an_earlier_one_keeps_and_it_is_what_the_page_shows() -> None:
    known: dict[str, Any] = {"incident": 2251799813685281}  # no reply says it; who runs them finds it in another way
    for example in EXAMPLES:
        assert filled(example.data, known) == filled(example.data), example
        known |= kept(example, filled(example.reply))
    with pytest.raises(KeyError, match="job"):
        filled({"jobKey": Kept("job", 1)}, {})
