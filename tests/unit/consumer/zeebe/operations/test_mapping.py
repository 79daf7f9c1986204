"""Every field of every operation: data to protobuf request, protobuf response to reply data."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from google.protobuf.message import Message

from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.operations.rendering import render
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.unit.consumer.zeebe.operations.requests import REQUESTS
from tests.unit.consumer.zeebe.operations.responses import RESULTS
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS


def request(operation: str, data: Any, metadata: dict[str, str] | None = None) -> Message:
    body = orjson.dumps({"operation": operation, "data": data, "metadata": metadata})
    return OPERATIONS[operation].to_request(envelope.decode(body).command)


@for_each(REQUESTS)
def test_data_becomes_the_request(operation: str, data: Any, metadata: dict[str, str], expected: Message) -> None:
    assert request(operation, data, metadata) == expected


def test_every_field_of_every_command_is_in_the_table_of_requests() -> None:
    """A field that no row of the table sends would be a field that nobody has seen arrive."""
    for operation, command in COMMANDS.items():
        sent: set[str] = set()
        for name, data, _, _ in REQUESTS:
            if name == operation and isinstance(data, dict):
                sent |= set(data)
        fields = {field.encode_name for field in msgspec.structs.fields(command)}
        if operation != "deploy-process":  # its fields come from the text and the metadata
            assert fields <= sent, f"{operation}: {fields - sent} not in the table"


def test_variables_reach_the_engine_byte_for_byte() -> None:
    document = '{ "b" : 1.0,\t"a": 9007199254740993, "a": 1e2, "c":"\\u00e9é" }'
    body = f'{{"operation":"create-instance","data":{{"bpmnProcessId":"p","variables":{document}}}}}'
    message = OPERATIONS["create-instance"].to_request(envelope.decode(body.encode()).command)
    assert message.variables == document  # type: ignore[attr-defined]


@for_each(RESULTS)
def test_the_response_becomes_data_with_every_field_present(operation: str, response: Any, expected: Any) -> None:
    assert OPERATIONS[operation].to_result(response, False) == expected


@for_each(RESULTS)
def test_the_data_is_what_the_typed_result_says(operation: str, response: Any, expected: Any) -> None:
    result = COMMANDS[operation].result
    if expected is None:
        assert result is None
        return
    typed = msgspec.convert(expected, result)
    first, plain = (typed[:1], expected[:1]) if isinstance(expected, list) else ([typed], [expected])
    for struct, data in zip(first, plain, strict=True):
        names = {field.encode_name for field in msgspec.structs.fields(struct)}
        assert set(data) - names <= {"variables"}, "the typed result lacks a field"
        assert names <= set(data), "the data lacks a field"


@for_each(RESULTS)
def test_the_typed_result_takes_what_an_older_gateway_does_not_say(
    operation: str, response: Any, expected: Any
) -> None:
    result = COMMANDS[operation].result
    oldest = "8.9.0" if operation == "evaluate-conditional" else "8.5.0"
    if result is not None:
        msgspec.convert(OPERATIONS[operation].to_result(response, False, oldest), result)


NEWS: list[tuple[Message, str, dict[str, Any]]] = [
    (pb.ActivatedJob(), "8.7.4", dict.fromkeys(("kind", "listenerEventType", "tags", "userTask"))),
    (pb.ActivatedJob(), "8.8.0", {"kind": "BPMN_ELEMENT", "tags": [], "tenantId": ""}),
    (pb.CreateProcessInstanceResponse(), "8.7.0", {"tags": None, "businessId": None, "tenantId": ""}),
    (pb.CreateProcessInstanceResponse(tags=["a"]), "8.7.0", {"tags": ["a"]}),
    (pb.TopologyResponse(), "8.8.2", {"clusterId": None, "clusterSize": 0}),
    (pb.TopologyResponse(clusterId="c"), "8.8.2", {"clusterId": "c"}),
    (pb.TopologyResponse(), "8.9.0-rc1", {"clusterId": ""}),
    (pb.TopologyResponse(), "of my own", {"clusterId": ""}),
    (pb.DeleteResourceResponse(), "8.8.0", {"resourceKey": None, "batchOperation": None}),
    (
        pb.EvaluateDecisionResponse(evaluatedDecisions=[pb.EvaluatedDecision()]),
        "8.6.0",
        {"decisionEvaluationKey": None, "decisionInstanceKey": 0},
    ),
    (pb.EvaluatedDecision(), "8.6.0", {"decisionEvaluationInstanceKey": None, "tenantId": ""}),
    (pb.ActivatedJob(), "8.1.0", {"tenantId": ""}),  # older than what is supported: no worse than that
]


@for_each(NEWS)
def test_what_a_gateway_does_not_know_yet_is_null(response: Message, version: str, expected: dict[str, Any]) -> None:
    data = render(response, gateway_version=version)
    assert {name: data[name] for name in expected} == expected
    assert set(data) == {field.name for field in response.DESCRIPTOR.fields}


def test_what_a_gateway_does_not_know_yet_is_null_inside_of_lists_too() -> None:
    response = pb.EvaluateDecisionResponse(evaluatedDecisions=[pb.EvaluatedDecision(decisionId="d")])
    [decision] = render(response, gateway_version="8.6.0")["evaluatedDecisions"]
    assert (decision["decisionId"], decision["decisionEvaluationInstanceKey"]) == ("d", None)


def test_whoever_sends_a_message_that_is_news_knows_what_is_in_it() -> None:
    data = render(pb.ActivatedJob(userTask=pb.UserTaskProperties(action="a")), gateway_version="8.6.0")
    assert (data["userTask"]["action"], data["userTask"]["candidateGroups"]) == ("a", [])


@for_each(
    [
        (pb.ActivatedJob.BPMN_ELEMENT, None),
        (pb.ActivatedJob.AD_HOC_SUB_PROCESS, None),
        (pb.ActivatedJob.TASK_LISTENER, "ASSIGNING"),
        (pb.ActivatedJob.EXECUTION_LISTENER, "ASSIGNING"),
    ]
)
def test_only_a_listeners_job_has_an_event(kind: Any, event: str | None) -> None:
    responses = [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(kind=kind)])]
    for version in (None, "8.8.0"):
        [data] = OPERATIONS["activate-jobs"].to_result(responses, False, version)
        assert data["listenerEventType"] == event


def test_int64_become_text_on_request_and_int32_do_not() -> None:
    response = pb.CreateProcessInstanceResponse(processInstanceKey=2**53 + 1, version=3)
    data = OPERATIONS["create-instance"].to_result(response, True)
    assert data["processInstanceKey"] == "9007199254740993"
    assert data["version"] == 3


def test_an_enum_value_newer_than_the_protocol_is_shown_as_its_number() -> None:
    job = pb.ActivatedJob()
    job.kind = 99  # type: ignore[assignment]
    [data] = OPERATIONS["activate-jobs"].to_result([pb.ActivateJobsResponse(jobs=[job])], False)
    assert data["kind"] == "99"


def test_the_operations_are_the_commands() -> None:
    assert set(OPERATIONS) == set(COMMANDS)
