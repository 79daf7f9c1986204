"""The contract for machines, against what others made: AsyncAPI's own schema, and callers in other languages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from scripts import asyncapi_tools, callers
from scripts.consumer import Consumer
from scripts.process import ServerError
from tests.conftest import Broker
from tests.integration import processes
from tests.integration.process_helper import unique
from zeebe_amqp import asyncapi

VALIDATOR = import_module("jsonschema").Draft7Validator  # whose types are in another package


def test_the_document_is_one_by_the_official_schema() -> None:
    document = yaml.safe_load(asyncapi.text())
    assert [error.message for error in VALIDATOR(asyncapi_tools.schema()).iter_errors(document)] == []


def test_the_official_schema_would_find_a_mistake() -> None:
    document = yaml.safe_load(asyncapi.text())
    document["channels"]["polls"]["bindings"]["amqp"]["queue"]["durable"] = "yes"
    assert not VALIDATOR(asyncapi_tools.schema()).is_valid(document)


@dataclass(frozen=True)
class Language:
    """A caller that was built: its command, the type of keys that it gets, what it says when there is no queue."""

    command: list[str]
    key: type
    unroutable: str


@pytest.fixture(scope="module", params=["TypeScript", "Java"])
def language(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Language:
    if request.param == "Java":
        return Language(callers.java(), int, "Unroutable")
    return Language(callers.typescript(tmp_path_factory.mktemp("typescript")), str, "nobody takes requests")


def test_a_caller_in_another_language_starts_an_instance_and_is_told_that_it_is_gone(
    language: Language, tmp_path: Path, rabbitmq: Broker, consumer: Consumer
) -> None:
    process, file = unique("process"), tmp_path / "order.bpmn"
    file.write_text(processes.work(process, unique("job")))
    created, refusal = callers.run(language.command, rabbitmq.url, str(file), consumer.queues[0])
    data = json.loads(created)
    assert (data["bpmnProcessId"], type(data["processInstanceKey"])) == (process, language.key)
    assert refusal.startswith("NOT_FOUND: ")


def test_a_caller_in_another_language_is_told_that_the_queue_is_missing(
    language: Language, tmp_path: Path, rabbitmq: Broker
) -> None:
    file = tmp_path / "order.bpmn"
    file.write_text(processes.empty("order"))
    with pytest.raises(ServerError, match=language.unroutable):
        callers.run(language.command, rabbitmq.url, str(file), unique("queue"))
