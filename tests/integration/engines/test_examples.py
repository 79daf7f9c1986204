"""Every example of the page of operations, in its order, on an engine: requests and replies are what they say."""

from __future__ import annotations

import time
from typing import Any

from consumer.zeebe.protocol.since import SINCE
from tests.integration.process_helper import PARTITION_SHIFT, ProcessHelper, refused
from tests.unit.contracts.asyncapi.schema import problems
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.examples import EXAMPLES, Example, filled, kept

NEWER = {name.rpartition(".")[2] for name, since in SINCE.items() if since > (8, 6) and "Request" not in name}
ANYWHERE = {"host", "port", "deadline", "gatewayVersion", "tenantId", "decisionInstanceKey", *NEWER}
"""Fields of replies that depend on where the engine runs, and on which it is."""
TOO_NEW = {"evaluate-conditional"}
"""Operations that most engines do not know yet."""


def seen(value: Any) -> Any:
    """A reply, found or shown, with any key for a key, without what nobody can foresee."""
    match value:
        case dict():
            return {name: seen(each) for name, each in value.items() if not is_anywhere(name, each)}
        case list():
            return [seen(each) for each in value]
        case int() if not isinstance(value, bool) and value >> PARTITION_SHIFT:
            return "a key"
    return value


def is_anywhere(name: str, value: Any) -> bool:
    """Whether a field is nobody's to foresee; the version of a broker is text, that of a process a number."""
    return name in ANYWHERE or (name == "version" and isinstance(value, str))


async def run(process: ProcessHelper, example: Example, values: dict[str, Any]) -> Any:
    """The reply's data of one example, which must be like the one that it shows."""
    silent = example.operation == "delete-resource" and not process.features.answers_deletions
    headers = {"deadline": round((time.time() + 2) * 1000)} if silent else None
    data, metadata = filled(example.data, values), dict(example.metadata)
    reply = await process.caller.call(example.operation, data, metadata, headers=headers)
    if example.operation in TOO_NEW or silent:
        error = refused(reply)
        expected = Code.DEADLINE_EXCEEDED if silent else Code.UNIMPLEMENTED
        assert (error.code, error.source) == (expected, Source.CONSUMER)
        return filled(example.reply)
    assert reply.error is None, (example.title, reply.error)
    assert problems(f"{example.operation}.reply.json", {"operation": reply.operation, "data": reply.data}) == []
    assert seen(reply.data) == seen(filled(example.reply)), example.title
    return reply.data


async def test_the_examples_tell_a_story_that_an_engine_plays(process: ProcessHelper) -> None:
    """An engine that has played it once knows its message already, so a given one must be new."""
    values: dict[str, Any] = {}
    for example in EXAMPLES:
        async with process.new_keys() as keys:
            data = await run(process, example, values)
        values |= kept(example, data)
        if example.operation == "fail-job":
            values["incident"] = await process.incident_among(keys)
