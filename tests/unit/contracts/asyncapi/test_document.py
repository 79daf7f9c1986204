"""The AsyncAPI document: it is whole, its examples are valid, and it says what the consumer does."""

from __future__ import annotations

import re
import runpy
import sys
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cases import check_all
from tests.unit.contracts.cli.program import printed
from tests.yaml_reader import read_yaml
from zeebe_amqp import asyncapi, wire
from zeebe_amqp.asyncapi import page
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.reply import Reply

DRAFT_7 = import_module("jsonschema").Draft7Validator  # whose types are in another package
CURRENT = import_module("jsonschema").Draft202012Validator


@cache
def document() -> Any:
    """The document. Every process that runs tests reads this file, and few need it."""
    return read_yaml(asyncapi.text())


def messages() -> Any:
    """Its messages by name."""
    return document()["components"]["messages"]


def operations() -> dict[str, Any]:
    """Its operations by name, of those that the service receives."""
    return {name: each for name, each in document()["operations"].items() if each["action"] == "receive"}


def test_every_reference_leads_somewhere_and_every_schema_and_message_is_used() -> None:
    used = set(re.findall(r"\$ref: '?(#/[^\s']+)", asyncapi.text()))
    for target in used:
        assert reduce(lambda found, step: found[step], target[2:].split("/"), document())
    for kind in ("schemas", "messages"):
        assert {f"#/components/{kind}/{name}" for name in document()["components"][kind]} <= used


def test_every_example_of_a_message_is_valid_in_both_dialects_and_operations_have_some() -> None:
    def are_valid(name: str, message: Any) -> None:
        assert "examples" in message or not name.endswith((".request", ".result", "error"))
        for kind in (DRAFT_7, CURRENT):
            validator = kind({**message["payload"], "components": document()["components"]})
            for example in message.get("examples", ()):
                assert [error.message for error in validator.iter_errors(example["payload"])] == []

    check_all(messages().items(), are_valid)


def test_every_schema_file_is_a_schema_in_both_dialects() -> None:
    def is_schema(_: str, file: Any) -> None:
        schema = read_yaml(yaml.safe_dump(page.plain(file)))
        for kind in (DRAFT_7, CURRENT):
            kind.check_schema(schema)

    check_all(asyncapi.files().items(), is_schema)


def test_every_operation_has_its_request_its_result_and_the_error_and_those_that_wait_the_queue_for_polls() -> None:
    for operation in COMMANDS:
        described = operations()[operation]
        assert described["messages"][0]["$ref"].endswith(f"/{operation}.request")
        answers = [each["$ref"].rpartition("/")[2] for each in described["reply"]["messages"]]
        assert answers == [Reply(operation).type, "error"]
        assert messages()[answers[0]]["bindings"]["amqp"]["messageType"] == Reply(operation).type
        assert described["reply"]["address"]["location"] == "$message.header#/reply_to"
    waiting = {f"{name}.waiting" for name, command in COMMANDS.items() if command.wait is not Command.wait}
    assert {operations()[name]["channel"]["$ref"] for name in waiting} == {"#/channels/polls"}
    assert set(operations()) == COMMANDS.keys() | waiting


def test_the_queues_are_those_that_the_consumer_declares_and_both_for_requests_take_every_request() -> None:
    channels = document()["channels"]
    for channel, name, arguments in (
        ("commands", wire.COMMANDS_QUEUE, wire.REQUEST_QUEUE),
        ("polls", wire.POLLS_QUEUE, wire.REQUEST_QUEUE),
        ("dead", wire.DEAD_LETTER, wire.DEAD_QUEUE),
    ):
        binding = channels[channel]["bindings"]["amqp"]
        found = (channels[channel]["address"], binding["queue"]["name"], binding["queue"]["durable"])
        assert found == (name, name, True)
        assert binding["x-arguments"] == arguments, channel
    assert set(channels["commands"]["messages"]) == set(channels["polls"]["messages"])


def test_what_is_printed_is_what_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    committed = (Path(__file__).parents[4] / "docs" / "asyncapi.yaml").read_text()
    runpy.run_module("zeebe_amqp.asyncapi", run_name="__main__")
    assert capsys.readouterr().out == committed, "make reference"
    assert printed("asyncapi") == committed


def test_without_yaml_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"zeebe-amqp\[asyncapi\]"):
        asyncapi.text()
