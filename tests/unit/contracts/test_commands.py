"""Every field of every operation, enumerated from the types."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from tests.unit.contracts.samples import FULLEST, KEY, SMALLEST, body, command, refusal_of, request
from tests.unit.contracts.values import info
from zeebe_amqp import commands, envelope
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema import fields

OPERATIONS = sorted(SMALLEST)
TYPED = [operation for operation in OPERATIONS if operation != "topology"]
CONTRACT_FIELDS = {
    "topology": "",
    "deploy-process": "name content tenantId",
    "create-instance": "bpmnProcessId processDefinitionKey version variables withResult fetchVariables requestTimeout "
    "tenantId startInstructions runtimeInstructions tags businessId operationReference",
    "cancel-instance": "processInstanceKey operationReference",
    "set-variables": "elementInstanceKey variables local operationReference",
    "resolve-incident": "incidentKey operationReference",
    "publish-message": "messageName correlationKey messageId timeToLive variables tenantId",
    "activate-jobs": "jobType maxJobsToActivate timeout workerName fetchVariables requestTimeout tenantIds "
    "tenantFilter",
    "complete-job": "jobKey variables result",
    "fail-job": "jobKey retries errorMessage retryBackOff variables",
    "update-job-retries": "jobKey retries operationReference",
    "throw-error": "jobKey errorCode errorMessage variables",
    "deploy-resource": "resources tenantId",
    "delete-resource": "resourceKey deleteHistory operationReference",
    "evaluate-decision": "decisionId decisionKey variables tenantId",
    "broadcast-signal": "signalName variables tenantId",
    "update-job-timeout": "jobKey timeout operationReference",
    "modify-instance": "processInstanceKey activateInstructions terminateInstructions moveInstructions "
    "operationReference",
    "migrate-instance": "processInstanceKey migrationPlan operationReference",
    "evaluate-conditional": "variables processDefinitionKey tenantId",
    "signal": "name executionId variables tenantId withoutTenantId",
}
CONTRACT_RESULTS = {
    "topology": "brokers clusterSize partitionsCount replicationFactor gatewayVersion clusterId",
    "deploy-process": "key processes tenantId",
    "create-instance": "processDefinitionKey bpmnProcessId version processInstanceKey tenantId tags businessId",
    "set-variables": "key",
    "publish-message": "key tenantId",
    "deploy-resource": "key deployments tenantId",
    "delete-resource": "resourceKey batchOperation",
    "evaluate-decision": "decisionKey decisionId decisionName decisionVersion decisionRequirementsId "
    "decisionRequirementsKey decisionOutput evaluatedDecisions failedDecisionId failureMessage tenantId "
    "decisionInstanceKey decisionEvaluationKey",
    "broadcast-signal": "key tenantId",
    "evaluate-conditional": "processInstances conditionalEvaluationKey tenantId",
}


def wire_names(kind: Any) -> list[str]:
    return [field.encode_name for field in info(kind).fields]


def test_the_operations_are_those_of_the_contract() -> None:
    assert set(commands.names()) == set(CONTRACT_FIELDS)
    assert all(COMMANDS[name].operation == name for name in commands.names())


@pytest.mark.parametrize("operation", sorted(CONTRACT_FIELDS))
def test_the_fields_are_those_of_the_contract(operation: str) -> None:
    assert wire_names(COMMANDS[operation]) == CONTRACT_FIELDS[operation].split()


@pytest.mark.parametrize("operation", sorted(CONTRACT_FIELDS))
def test_the_results_are_those_of_the_contract(operation: str) -> None:
    result = COMMANDS[operation].result
    if operation == "activate-jobs":
        assert "userTask" in wire_names(result.__args__[0])
    elif operation in CONTRACT_RESULTS:
        assert wire_names(result) == CONTRACT_RESULTS[operation].split()
    else:
        assert result is None


def test_only_create_instance_with_result_answers_with_variables() -> None:
    plain = command("create-instance", SMALLEST["create-instance"]).result_type()
    waiting = command("create-instance", FULLEST["create-instance"]).result_type()
    assert set(wire_names(waiting)) - set(wire_names(plain)) == {"variables"}
    assert command("cancel-instance", SMALLEST["cancel-instance"]).result_type() is None


@pytest.mark.parametrize("operation", TYPED)
def test_the_samples_hold_every_field(operation: str) -> None:
    missing = set(wire_names(COMMANDS[operation])) - set(FULLEST[operation])
    # Only without the id; only without a tenant.
    assert missing <= {"processDefinitionKey", "decisionKey", "executionId"}


@pytest.mark.parametrize("samples", [SMALLEST, FULLEST], ids=["smallest", "fullest"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_right_request_is_decoded(operation: str, samples: dict[str, Any]) -> None:
    decoded = request(operation, samples[operation])
    assert type(decoded.command) is COMMANDS[operation]
    assert json.loads(decoded.data) == samples[operation]


@pytest.mark.parametrize("samples", [SMALLEST, FULLEST], ids=["smallest", "fullest"])
@pytest.mark.parametrize("operation", TYPED)
def test_a_command_survives_writing_and_reading(operation: str, samples: dict[str, Any]) -> None:
    first = request(operation, samples[operation])
    again = envelope.decode(envelope.encode(first.command))
    assert msgspec.json.encode(again.command, enc_hook=fields.encode) == first.command.to_wire()[0]


@pytest.mark.parametrize("data", [None, {}, [], "text", 7, {"variables": [1]}])
def test_topology_ignores_its_data(data: Any) -> None:
    assert request("topology", data).command == commands.Topology()


def test_defaults_are_those_of_the_contract() -> None:
    create = command("create-instance", {"processDefinitionKey": str(KEY)})
    assert (create.version, create.with_result, create.process_definition_key) == (None, False, KEY)
    assert command("update-job-retries", SMALLEST["update-job-retries"]).retries == 3
    assert command("set-variables", SMALLEST["set-variables"]).local is False
    publish = command("publish-message", SMALLEST["publish-message"])
    assert (publish.correlation_key, publish.time_to_live) == ("", None)
    activate = command("activate-jobs", SMALLEST["activate-jobs"])
    assert (activate.worker_name, activate.timeout, activate.request_timeout) == ("default", None, None)
    assert activate.tenant_filter == "PROVIDED"


@pytest.mark.parametrize(
    ("operation", "data", "message"),
    [
        ("create-instance", {}, "data.bpmnProcessId: missing; expected bpmnProcessId or processDefinitionKey"),
        (
            "create-instance",
            {"bpmnProcessId": "a", "processDefinitionKey": KEY},
            "data.processDefinitionKey: not allowed together with bpmnProcessId",
        ),
        (
            "create-instance",
            {"processDefinitionKey": KEY, "version": 1},
            "data.version: not allowed together with processDefinitionKey",
        ),
        ("create-instance", {"bpmnProcessId": "a", "version": 0}, "data.version: expected -1 for the latest"),
        (
            "create-instance",
            {"bpmnProcessId": "a", "requestTimeout": "15m1ms"},
            "data.requestTimeout: expected at most 15 minutes, found 900001 ms",
        ),
        (
            "activate-jobs",
            SMALLEST["activate-jobs"] | {"requestTimeout": "PT16M"},
            "data.requestTimeout: expected at most 15 minutes, found 960000 ms",
        ),
        (
            "set-variables",
            {"elementInstanceKey": KEY, "variables": None},
            "data.variables: missing; expected a JSON object",
        ),
    ],
)
def test_rules_between_fields_name_the_field(operation: str, data: Any, message: str) -> None:
    error = refusal_of(operation, data)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith(message)


@pytest.mark.parametrize("version", [-1, 1, 2**31 - 1])
def test_the_latest_and_every_version_above_zero_are_accepted(version: int) -> None:
    assert command("create-instance", {"bpmnProcessId": "a", "version": version}).version == version


@pytest.mark.parametrize("retries", [-(2**31), -1, 0, 2**31 - 1])
def test_retries_have_32_bits(retries: int) -> None:
    assert command("fail-job", {"jobKey": KEY, "retries": retries}).retries == retries


@pytest.mark.parametrize("operation", ["create-instance", "publish-message", "complete-job", "fail-job", "throw-error"])
def test_null_variables_are_none(operation: str) -> None:
    assert fields.text(command(operation, SMALLEST[operation] | {"variables": None}).variables) == ""


def test_variables_inside_a_list_are_checked_and_named_by_their_index() -> None:
    data: Any = copy.deepcopy(FULLEST["complete-job"])
    data["result"]["activateElements"] = [{"elementId": "a"}, {"elementId": "b", "variables": ["secret"]}]
    error = refusal_of("complete-job", data)
    assert error.message == "data.result.activateElements[1].variables: expected a JSON object, found a list"


def test_a_found_value_is_cut_and_says_what_was_expected() -> None:
    error = refusal_of("complete-job", {"jobKey": "x" * 10_000})
    assert error.message.startswith("data.jobKey: expected a key (a whole number above 0, or its decimal text), found")
    assert len(error.message) < 200
    assert len(refusal_of("complete-job", {"jobKey": KEY, "y" * 10_000: 1}).message) < 300


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"retries":1e999,"jobKey":1}', "data.retries: expected a whole number of 32 bits, found 1e999"),
        (
            b'{"jobKey":' + b"7" * 5000 + b"}",
            "data.jobKey: expected a key (a whole number above 0, or its decimal text)",
        ),
        (b'{"jobKey":1,"errorMessage":"\xff"}', "data: not UTF-8 (invalid start byte)"),
        (b'{"jobKey":1,', "data: not valid JSON (Input data was truncated)"),
        (b'{"jobKey":1]', "data: not valid JSON (expected ',' or '}' (byte 11))"),
        (b'{"jobKey":' + b"[" * 100_000, "data: nested deeper than 500 levels"),
    ],
)
def test_numbers_and_bytes_beyond_the_decoder_are_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(CommandError) as refusal:
        commands.FailJob.from_wire(data, {})
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"jobKey":"x","jobKey":5}', 5),
        (b' {"jobKey":5,"variables":7,"variables":{"a":1.00}} ', 5),
        (b'{"jobKey":5,"result":7,"result":{"denied":1,"denied":true}}', 5),
        (b'{"jobKey":5,"result":{"activateElements":[{"elementId":1,"elementId":"a"}]}}', 5),
    ],
)
def test_of_a_key_given_twice_the_last_wins(data: bytes, expected: int) -> None:
    assert commands.CompleteJob.from_wire(data, {}).job_key == expected


def test_of_a_key_given_twice_the_last_is_refused_when_it_is_wrong() -> None:
    with pytest.raises(CommandError, match='found text "x"'):
        commands.CompleteJob.from_wire(b'{"jobKey":5,"jobKey":"x"}', {})


def test_commands_are_written_from_plain_python() -> None:
    made = commands.PublishMessage(message_name="paid", time_to_live="1h", variables={"a": 1})
    assert json.loads(made.to_wire()[0]) == {"messageName": "paid", "timeToLive": "1h", "variables": {"a": 1}}
    assert envelope.decode(envelope.encode(made, metadata={"keys": "string"})).keys_as_text


def test_the_sample_body_is_an_envelope() -> None:
    assert json.loads(body("topology", {}, metadata={})) == {"operation": "topology", "data": {}, "metadata": {}}
