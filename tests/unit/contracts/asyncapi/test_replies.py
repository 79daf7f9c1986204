"""The schemas of replies: what the consumer answers is valid, with keys as numbers and as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from consumer.zeebe.operations import OPERATIONS
from tests.cases import check_all, for_each
from tests.unit.consumer.zeebe.operations.responses import RESPONSES
from tests.unit.contracts.asyncapi.schema import accepted, problems
from zeebe_amqp.asyncapi.data import INT64_NAMES
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Outcome, Source, invalid
from zeebe_amqp.examples import EXAMPLES, filled
from zeebe_amqp.reply import Reply

ERROR = {"code": "NOT_FOUND", "message": "m", "source": "gateway", "outcome": "unknown", "retryable": False}


def file(operation: str) -> str:
    return f"{operation}.reply.json"


def pairs(numbers: Any, texts: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Names of whole numbers in an answer, each with what it becomes when keys are text."""
    match numbers:
        case dict():
            for each in numbers:
                yield from pairs(numbers[each], texts[each], each)
        case list():
            for number, text in zip(numbers, texts, strict=True):
                yield from pairs(number, text, name)
        case int() if not isinstance(numbers, bool):
            yield name, texts


def test_every_answer_is_valid_also_with_keys_as_text_and_these_are_what_the_schemas_say() -> None:
    def is_valid(operation: str, response: Any) -> None:
        numbers, texts = (OPERATIONS[operation].to_result(response, as_text) for as_text in (False, True))
        for data, name in product((numbers, texts), (file(operation), "reply.json")):
            assert problems(name, json.loads(Reply(operation, data).encode())) == []
        for name, value in pairs(numbers, texts):
            found.add(name)
            assert isinstance(value, str) == (name in INT64_NAMES or name.endswith("Key")), name

    found: set[str] = set()
    check_all(RESPONSES, is_valid)
    assert found


@for_each(COMMANDS)
def test_an_answer_has_every_field_and_may_have_more(operation: str) -> None:
    shown = next(each for each in EXAMPLES if each.operation == operation and each.title)
    data = filled(shown.reply)
    assert accepted(file(operation), {"operation": operation, "data": data, "later": 1})
    assert not accepted(file(operation), {"operation": operation})
    assert not accepted(file(operation), {"operation": "other", "data": data})
    if isinstance(data, dict):
        assert accepted(file(operation), {"operation": operation, "data": data | {"later": 1}})
        for name in data:
            lacking = {each: value for each, value in data.items() if each != name}
            assert not accepted(file(operation), {"operation": operation, "data": lacking}), name


def test_every_error_is_valid_as_an_answer_to_every_operation_and_to_none() -> None:
    def is_valid(code: Code, outcome: Outcome, source: Source) -> None:
        details = {"field": "data.x", "suggestion": "y", "intent": "COMPLETE", "rejection": "NOT_FOUND", "attempts": 5}
        error = CommandError(code, "m", source=source, outcome=outcome, retryable=True, details=details).error()
        for operation in (None, "topology", "tropology"):
            assert problems("reply.json", json.loads(Reply(operation, error=error).encode())) == []

    check_all(product(Code, Outcome, (Source.CONSUMER, Source.GATEWAY)), is_valid)
    for operation in COMMANDS:
        reply = Reply(operation, error=invalid("data.x", "missing").error())
        assert problems(file(operation), json.loads(reply.encode())) == []


def test_a_wrong_error_or_one_that_lacks_something_is_refused() -> None:
    def is_refused(error: dict[str, Any]) -> None:
        assert not accepted("reply.json", {"operation": None, "error": error})

    wrong: list[dict[str, Any]] = [
        {"code": "GONE"}, {"source": "client"}, {"outcome": "executed"}, {"retryable": "no"}, {"message": None},
        {"details": None}, {"details": {"field": 1}},
    ]  # fmt: skip
    lacking = [{each: value for each, value in ERROR.items() if each != name} for name in ERROR]
    assert accepted("reply.json", {"operation": None, "error": ERROR})
    check_all([*(ERROR | each for each in wrong), *lacking], is_refused)
