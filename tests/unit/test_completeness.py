"""Nothing is half there: what exists in one place exists in every place that must know it."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message

from consumer.delivery.settlement import Settlement, settle
from consumer.gateway.rpcs import METHODS
from consumer.operations import OPERATIONS
from consumer.types import Reply
from tests.unit.consumer.operations.test_mapping import REQUESTS
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, Error, Outcome, Source

ROOT = Path(__file__).parents[2]
BINDING = (
    "topology",
    "deploy-process",
    "create-instance",
    "cancel-instance",
    "set-variables",
    "resolve-incident",
    "publish-message",
    "activate-jobs",
    "complete-job",
    "fail-job",
    "update-job-retries",
    "throw-error",
)
"""The operations of the binding."""
ENGINE = (
    "deploy-resource",
    "delete-resource",
    "evaluate-decision",
    "broadcast-signal",
    "update-job-timeout",
    "modify-instance",
    "migrate-instance",
    "evaluate-conditional",
)
"""The rest of the engine's commands."""
NOT_SENT: dict[str, str] = {}
"""Fields of requests that no data sets, by full name, and why."""


def test_the_contracts_name_the_operations_of_the_binding_and_then_the_rest_of_the_engines() -> None:
    assert tuple(COMMANDS) == BINDING + ENGINE


def test_the_consumer_runs_what_the_contracts_name() -> None:
    assert {name: row.command for name, row in OPERATIONS.items()} == dict(COMMANDS)


def test_the_program_lists_what_it_runs() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "consumer", "operations"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    rows = [orjson.loads(line) for line in listed.stdout.splitlines()]
    assert {row["operation"]: row["command"] for row in rows} == {
        name: command.__name__ for name, command in COMMANDS.items()
    }
    assert all(row["what it does"] for row in rows)


def test_the_readme_lists_every_operation() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(COMMANDS) <= set(rows)


def test_the_page_of_operations_lists_every_operation_and_no_other() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert titles == list(COMMANDS)


def failed(code: Code, source: Source, outcome: Outcome, retryable: bool) -> Reply:
    return Reply(
        "create-instance", error=Error(code=code, message="", source=source, outcome=outcome, retryable=retryable)
    )


@pytest.mark.parametrize("code", Code)
def test_every_code_is_settled_and_nothing_that_failed_is_forgotten(code: Code) -> None:
    """Whoever waits is told; where nobody does, what failed is tried again or kept as a dead letter."""
    for source, outcome, retryable, repeatable in itertools.product(Source, Outcome, (True, False), (True, False)):
        reply = failed(code, source, outcome, retryable)
        told = settle(reply, answerable=True, repeatable=repeatable, waited=0, forget_retry=900)
        alone = settle(reply, answerable=False, repeatable=repeatable, waited=0, forget_retry=900)
        assert told is Settlement.REPLY
        assert alone in {Settlement.AGAIN, Settlement.DEAD}
        if outcome is Outcome.UNKNOWN and not retryable and not repeatable:
            assert alone is Settlement.DEAD  # a person decides


def declared(descriptor: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full names of all fields in a request, however deep; a type inside itself is walked once."""
    if descriptor.full_name in path:
        return
    for field in descriptor.fields:
        yield field.full_name
        if field.message_type is not None:
            yield from declared(field.message_type, (*path, descriptor.full_name))


def carried(message: Message) -> Iterator[str]:
    """The full names of all fields that a request carries."""
    for field, value in message.ListFields():
        yield field.full_name
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from carried(part)


def test_every_field_of_every_request_can_be_set_by_data() -> None:
    """The table of mappings is what is sent; a field that none of its rows carries would be out of reach."""
    messages = [message for *_, message in REQUESTS]
    reachable = {name for message in messages for name in carried(message)}
    existing = {name for message in messages for name in declared(message.DESCRIPTOR)}
    assert existing - reachable == set(NOT_SENT)


def test_every_operation_sends_requests_that_the_protocol_has() -> None:
    sent = {name: {type(message) for operation, *_, message in REQUESTS if operation == name} for name in OPERATIONS}
    for name, kinds in sent.items():
        assert kinds, name
        assert {kind.DESCRIPTOR.full_name for kind in kinds} <= set(METHODS), name
