"""Every example of the page of operations, in its order, on a real engine: requests and replies are what they say."""

from __future__ import annotations

from typing import Any

from tests.integration.caller import Caller
from tests.integration.scene import KEY, PARTITION_SHIFT, Scene, refused
from tests.unit.contracts.asyncapi.schema import problems
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.examples import EXAMPLES, Example, filled, kept

ANYWHERE = {"host", "port"}
"""Fields of replies that depend on where the engine runs."""
TOO_NEW = {"evaluate-conditional"}
"""Operations that the engine does not know yet."""


def like(shown: Any) -> Any:
    """What a reply must equal: what the example shows, with any key for a key."""
    match shown:
        case dict():
            return {name: like(value) for name, value in shown.items() if name not in {*ANYWHERE, "deadline"}}
        case list():
            return [like(value) for value in shown]
        case int() if not isinstance(shown, bool) and shown >> PARTITION_SHIFT:
            return KEY
    return shown


def without(found: Any) -> Any:
    """A reply without what is nobody's to foresee."""
    match found:
        case dict():
            return {name: without(value) for name, value in found.items() if name not in {*ANYWHERE, "deadline"}}
        case list():
            return [without(value) for value in found]
    return found


async def run(caller: Caller, example: Example, values: dict[str, Any]) -> Any:
    """The reply's data of one example, which must be like the one that it shows."""
    reply = await caller.call(example.operation, filled(example.data, values), dict(example.metadata))
    if example.operation in TOO_NEW:
        error = refused(reply)
        assert (error.code, error.source) == (Code.UNIMPLEMENTED, Source.CONSUMER)
        return filled(example.reply)
    assert reply.error is None, (example.title, reply.error)
    assert problems(f"{example.operation}.reply.json", {"operation": reply.operation, "data": reply.data}) == []
    assert without(reply.data) == like(filled(example.reply)), example.title
    return reply.data


async def test_the_examples_tell_a_story_that_an_engine_plays(scene: Scene) -> None:
    """An engine that has played it once knows its message already, so a given one must be new."""
    values: dict[str, Any] = {}
    for example in EXAMPLES:
        async with scene.new_keys() as keys:
            data = await run(scene.caller, example, values)
        values |= kept(example, data)
        if example.operation == "fail-job":
            values["incident"] = await scene.incident_among(keys)
