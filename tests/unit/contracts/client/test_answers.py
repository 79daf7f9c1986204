from __future__ import annotations

import inspect
import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.contracts.samples import smallest
from zeebe_amqp.client.answers import read
from zeebe_amqp.client.client import Client, Options
from zeebe_amqp.client.jobs import JobOptions, Jobs
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import CommandError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
ERRORS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("code", "message", "source", "outcome", "retryable", "details"), ANYTHING)
)
REPLIES = st.fixed_dictionaries({}, optional={"operation": ANYTHING, "data": ANYTHING, "error": ERRORS | ANYTHING})


@given(st.binary() | REPLIES.map(json.dumps).map(str.encode))
def test_whatever_comes_as_a_reply_is_a_result_or_a_command_error(body: bytes) -> None:
    for operation in COMMANDS:
        with suppress(CommandError):
            read(smallest(operation), body)


def test_the_options_that_are_passed_on_are_those_there_are() -> None:
    for options, kind in ((Options, Client), (JobOptions, Jobs)):
        found = inspect.signature(kind).parameters.values()
        keywords = {each.name: each.annotation for each in found if each.kind is each.KEYWORD_ONLY}
        assert {name: each.__forward_arg__ for name, each in options.__annotations__.items()} == keywords
