"""The contract for machines, against what others made: AsyncAPI's own schema, and callers in other languages."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from scripts import asyncapi_tools, callers
from scripts.consumer import Consumer
from scripts.process import ServerError
from tests.conftest import Broker
from tests.integration import processes
from tests.integration.process_helper import unique
from tests.yaml_reader import read_yaml
from zeebe_amqp import asyncapi

VALIDATOR = import_module("jsonschema").Draft7Validator  # whose types are in another package


def test_the_document_is_one_by_the_official_schema_which_would_find_a_mistake() -> None:
    document, validator = read_yaml(asyncapi.text()), VALIDATOR(asyncapi_tools.schema())
    assert [error.message for error in validator.iter_errors(document)] == []
    document["channels"]["polls"]["bindings"]["amqp"]["queue"]["durable"] = "yes"
    assert not validator.is_valid(document)


@pytest.mark.parametrize("language", ["TypeScript", "Java"])
def test_a_caller_in_another_language_starts_an_instance_and_is_told_what_is_not_there(
    language: str, tmp_path: Path, rabbitmq: Broker, consumer: Consumer
) -> None:
    """An instance that is gone, and a queue."""
    java = language == "Java"
    command = callers.java() if java else callers.typescript(tmp_path)
    process, file = unique("process"), tmp_path / "order.bpmn"
    file.write_text(processes.work(process, unique("job")))
    created, refusal = callers.run(command, rabbitmq.url, str(file), consumer.queues[0])
    data = json.loads(created)
    assert (data["bpmnProcessId"], type(data["processInstanceKey"])) == (process, int if java else str)
    assert refusal.startswith("NOT_FOUND: ")
    with pytest.raises(ServerError, match="Unroutable" if java else "nobody takes requests"):
        callers.run(command, rabbitmq.url, str(file), unique("queue"))
