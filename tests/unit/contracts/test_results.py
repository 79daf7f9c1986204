"""What a command's type says of its result, and of its wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest

from zeebe_amqp.commands import COMMANDS, ActivateJobs, Command, CreateInstance
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult
from zeebe_amqp.commands.jobs import ActivatedJob

JOB: dict[str, Any] = {
    "key": 1,
    "type": "a",
    "process_instance_key": 2,
    "bpmn_process_id": "p",
    "process_definition_version": 1,
    "process_definition_key": 3,
    "element_id": "e",
    "element_instance_key": 4,
    "worker": "w",
    "retries": 3,
    "deadline": 5,
    "tenant_id": "",
    "kind": "BPMN_ELEMENT",
    "listener_event_type": "UNSPECIFIED",
}


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_a_type_checker_and_the_client_agree_about_a_commands_result(kind: type[Command]) -> None:
    [base] = kind.__dict__["__orig_bases__"]
    [result] = get_args(base)
    assert kind.result == (None if result is type(None) else result)


def test_an_instance_until_its_end_returns_its_variables() -> None:
    create = CreateInstance(bpmn_process_id="order", variables={"id": 7})
    waiting = create.until_end("30s", fetch_variables=("total",))
    assert (create.result_type(), waiting.result_type()) == (InstanceCreated, InstanceResult)
    data, _ = waiting.to_wire()
    assert data == (
        b'{"bpmnProcessId":"order","variables":{"id":7},"withResult":true,'
        b'"fetchVariables":["total"],"requestTimeout":"30s"}'
    )


@pytest.mark.parametrize(
    ("command", "milliseconds"),
    [
        (CreateInstance(bpmn_process_id="a", request_timeout="5s"), 0),
        (CreateInstance(bpmn_process_id="a").until_end(), 15_000),
        (CreateInstance(bpmn_process_id="a").until_end("5s"), 5_000),
        (ActivateJobs(job_type="a", max_jobs_to_activate=1), 0),
        (ActivateJobs(job_type="a", max_jobs_to_activate=1, request_timeout=timedelta(seconds=2)), 2_000),
    ],
)
def test_a_command_says_how_long_it_waits_on_purpose(command: Command, milliseconds: int) -> None:
    assert command.wait() == milliseconds


@pytest.mark.parametrize("operation", sorted(set(COMMANDS) - {"create-instance", "activate-jobs"}))
def test_other_commands_are_short(operation: str) -> None:
    assert COMMANDS[operation].wait is Command.wait


def test_the_headers_and_variables_of_a_job_are_parsed_on_demand() -> None:
    job = ActivatedJob(custom_headers='{"to": "all"}', variables='{"n": 1}', **JOB)
    assert (job.headers(), job.values()) == ({"to": "all"}, {"n": 1})
