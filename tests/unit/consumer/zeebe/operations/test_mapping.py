"""Every field of every operation: data to protobuf request, protobuf response to reply data; signals to two engines."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import orjson
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consumer.camunda7 import accepts, reach
from consumer.camunda7.operations import RestRequest
from consumer.camunda7.operations import to_request as to_camunda7
from consumer.config import Camunda7
from consumer.zeebe.operations import OPERATIONS, signals
from consumer.zeebe.operations.rendering import render
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.operations.requests import REQUESTS
from tests.unit.consumer.zeebe.operations.responses import RESPONSES
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS, CreateInstance
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

IN_NO_ANSWER = ("Resource", "ProcessRequestObject", "ProcessInstanceCreationRuntimeInstruction")
INSIDE = [{"decisionId": "d", "decisionEvaluationInstanceKey": None, "tenantId": ""}]
ARRAY_LIST = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/xml"}


def decoded(operation: str, data: Any, metadata: dict[str, str] | None = None) -> Any:
    """The command of a request."""
    return envelope.decode(orjson.dumps({"operation": operation, "data": data, "metadata": metadata})).command


@for_each(REQUESTS)
def test_data_becomes_the_request(operation: str, data: Any, metadata: dict[str, str], expected: Message) -> None:
    assert OPERATIONS[operation].to_request(decoded(operation, data, metadata)) == expected


def test_variables_reach_the_engine_byte_for_byte() -> None:
    document = '{ "b" : 1.0,\t"a": 9007199254740993, "a": 1e2, "c":"\\u00e9é" }'
    command = decoded("create-instance", {"bpmnProcessId": "p", "variables": orjson.Fragment(document)})
    message: Any = OPERATIONS["create-instance"].to_request(command)
    assert message.variables == document


def part(found: Any, expected: Any) -> Any:
    """What was found, as far as something is expected."""
    match expected:
        case list():
            return [part(*pair) for pair in zip(found, expected, strict=True)]
        case dict():
            return {name: part(found[name], value) for name, value in expected.items()}
    return found


@for_each(RESPONSES)
def test_the_response_becomes_data_that_the_typed_result_takes(operation: str, response: Any) -> None:
    """That they say the same: `test_completeness`."""
    row, result = OPERATIONS[operation], COMMANDS[operation].result
    found = row.to_result(response, False, None)
    assert (result is None) is (found is None)
    if result is not None:
        oldest = "8.9.0" if operation == "evaluate-conditional" else "8.5.0"
        for data in (found, row.to_result(response, False, oldest)):
            msgspec.convert(data, result)


@for_each(kind for kind in pb.DESCRIPTOR.message_types_by_name.values() if kind.name not in IN_NO_ANSWER)
def test_what_nobody_set_is_there_as_zero_or_empty_or_null(kind: Descriptor) -> None:
    message = GetMessageClass(kind)()
    data = render(message, keys_as_text=True)
    # Of members of a oneof only the one that is set appears; an optional scalar is a oneof of one.
    alternatives = {field.name for each in kind.oneofs if len(each.fields) > 1 for field in each.fields}
    assert set(data) == {field.name for field in kind.fields} - alternatives
    whole = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert {name: value for name, value in data.items() if value is not None} == whole


@for_each([
    (pb.ActivatedJob(), "8.7.4", dict.fromkeys(("kind", "listenerEventType", "tags", "userTask"))),
    (pb.ActivatedJob(), "8.8.0", {"kind": "BPMN_ELEMENT", "tags": [], "tenantId": ""}),
    (pb.CreateProcessInstanceResponse(), "8.7.0", {"tags": None, "businessId": None, "tenantId": ""}),
    (pb.CreateProcessInstanceResponse(tags=["a"]), "8.7.0", {"tags": ["a"]}),
    (pb.CreateProcessInstanceResponse(businessId=""), "8.9.0", {"businessId": ""}),
    (pb.TopologyResponse(), "8.8.2", {"clusterId": None, "clusterSize": 0}),
    (pb.TopologyResponse(clusterId="c"), "8.8.2", {"clusterId": "c"}),
    (pb.TopologyResponse(), "8.9.0-rc1", {"clusterId": ""}),
    (pb.TopologyResponse(), "of my own", {"clusterId": ""}),
    (pb.DeleteResourceResponse(), "8.8.0", {"resourceKey": None, "batchOperation": None}),
    (pb.EvaluateDecisionResponse(), "8.6.0", {"decisionEvaluationKey": None, "decisionInstanceKey": 0}),
    (
        pb.EvaluateDecisionResponse(evaluatedDecisions=[{"decisionId": "d"}]),
        "8.6.0",
        {"evaluatedDecisions": INSIDE},
    ),
    # Whoever sends a message that is news knows what is in it.
    (pb.ActivatedJob(userTask={"action": "a"}), "8.6.0", {"userTask": {"action": "a", "candidateGroups": []}}),
    (pb.ActivatedJob(), "8.1.0", {"tenantId": ""}),  # older than what is supported: no worse than that
])  # fmt: skip
def test_what_a_gateway_does_not_know_yet_is_null(response: Message, version: str, expected: dict[str, Any]) -> None:
    data = render(response, gateway_version=version)
    assert part(data, expected) == expected
    assert set(data) == {field.name for field in response.DESCRIPTOR.fields}


@for_each([
    (pb.ActivatedJob.BPMN_ELEMENT, None),
    (pb.ActivatedJob.AD_HOC_SUB_PROCESS, None),
    (pb.ActivatedJob.TASK_LISTENER, "ASSIGNING"),
    (pb.ActivatedJob.EXECUTION_LISTENER, "ASSIGNING"),
])  # fmt: skip
def test_only_a_listeners_job_has_an_event(kind: Any, event: str | None) -> None:
    responses = [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(kind=kind)])]
    for version in (None, "8.8.0"):
        [data] = OPERATIONS["activate-jobs"].to_result(responses, False, version)
        assert data["listenerEventType"] == event


def test_an_enum_value_newer_than_the_protocol_is_shown_as_its_number() -> None:
    assert render(pb.ActivatedJob(kind=99))["kind"] == "99"  # type: ignore[arg-type]


def signal(data: str | dict[str, Any]) -> Any:
    return decoded("signal", orjson.Fragment(data) if isinstance(data, str) else data)


to_zeebe: Any = OPERATIONS["signal"].to_request


def test_zeebe_gets_the_plain_variables_of_a_signal_digit_for_digit() -> None:
    data = '{"name":"s","variables":{"a":{"value":24.50},"b":{"value":" +7 ","type":"long"},"c":{"value":null}}}'
    expected = pb.BroadcastSignalRequest(signalName="s", variables='{"a":24.50,"b":7,"c":null}')
    assert to_zeebe(signal(data)) == expected


@for_each(["e", ""])
def test_a_signal_to_one_execution_is_not_for_zeebe(execution: str) -> None:
    with pytest.raises(CommandError, match=r"CAMUNDA7_REST_URL.*publish-message with a correlation key") as raised:
        to_zeebe(signal({"name": "s", "executionId": execution}))
    assert verdict(raised.value) == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert raised.value.details == {"field": "data.executionId", "suggestion": "publish-message"}


ZEEBE, CAMUNDA7 = (to_zeebe, pb.BroadcastSignalRequest), (to_camunda7, RestRequest)


@for_each([
    (ZEEBE, CAMUNDA7, {"name": ""}, "data.name", "empty; Zeebe accepts text"),
    (ZEEBE, CAMUNDA7, {"name": "s", "tenantId": ""}, "data.tenantId", "empty; Zeebe accepts a tenant's id"),
    (ZEEBE, CAMUNDA7, {"name": "s", "variables": {"x": {"value": "NaN", "type": "Double"}}},
     "data.variables.x.value", "Zeebe cannot take"),
    (ZEEBE, CAMUNDA7, {"name": "s", "variables": {"x": {"value": "<a/>", "type": "Object", "valueInfo": ARRAY_LIST}}},
     "data.variables.x.value", "Zeebe cannot take"),
    (CAMUNDA7, ZEEBE, {"name": "s", "variables": {"x": {"value": "y" * 4001}}},
     "data.variables.x.value", "Camunda 7 cannot take text of more than 4000 characters"),
])  # fmt: skip
def test_each_engine_refuses_for_itself(one: Any, other: Any, data: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(CommandError, match=words) as raised:
        one[0](signal(data))
    assert (raised.value.code, raised.value.details) == (Code.INVALID_ARGUMENT, {"field": field})
    assert isinstance(other[0](signal(data)), other[1])


def test_camunda_7_gets_what_was_sent_byte_for_byte_and_no_more() -> None:
    variables = '{"a": {"value": 1.50, "type": "double", "other": 1}, "b": {"value": "x"}}'
    data = f'{{"name":"","other":1,"executionId":null,"variables":{variables},"withoutTenantId":"TRUE"}}'
    body = f'{{"name":"","variables":{variables},"withoutTenantId":true}}'
    assert to_camunda7(signal(data)) == RestRequest("/signal", body.encode())
    for same in ({"name": "s", "executionId": "e"}, {"name": "s", "tenantId": "t", "withoutTenantId": True}):
        assert json.loads(to_camunda7(signal(same)).body) == same


@for_each(REQUESTS)
def test_camunda_7_takes_signals_alone(operation: str, data: Any, metadata: dict[str, str], expected: Any) -> None:
    assert accepts(every=True)(decoded(operation, data, metadata)) is (operation == "signal")


@for_each([(False, None, False), (False, "e", True), (True, None, True), (True, "e", True)])
def test_the_setting_and_the_execution_choose_the_engine(every: bool, execution: str | None, is_taken: bool) -> None:
    assert accepts(every=every)(signal({"name": "s", "executionId": execution})) is is_taken


@for_each([
    (True, {}, (ANY,)),
    (False, {}, (DEFAULT_TENANT,)),
    (True, {"withoutTenantId": True}, (DEFAULT_TENANT,)),
    (True, {"tenantId": "t"}, ("t",)),
    (True, {"executionId": "e"}, ()),
    (False, {"executionId": "e"}, ()),
])  # fmt: skip
def test_a_signal_without_a_tenant_reaches_every_tenant_of_camunda_7(
    every: bool, data: dict[str, Any], tenants: tuple[str, ...]
) -> None:
    found = reach(Camunda7("http://x", every=every))(signal({"name": "s", **data}))
    assert (found.signals, found.tenants) == (("s",), tenants)


def test_without_camunda_7_and_for_other_commands_only_the_command_tells() -> None:
    command = CreateInstance(bpmn_process_id="order")
    assert reach(Camunda7("http://x", every=True))(command) == target(command)
    assert reach(None)(signal({"name": "s"})).tenants == (DEFAULT_TENANT,)


def test_a_transient_variable_is_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, signals.__name__)
    signals._note_transient.cache_clear()
    command = signal({"name": "s", "variables": {"x": {"value": 1, "valueInfo": {"transient": True}}}})
    assert to_zeebe(command).variables == to_zeebe(command).variables == '{"x":1}'
    assert caplog.messages == [
        "signal: valueInfo.transient has no meaning in Zeebe; such variables are stored like all others"
    ]
