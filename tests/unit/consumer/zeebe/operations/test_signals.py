"""Where a signal goes, and as what: Zeebe's plain JSON, or the body as it was for Camunda 7."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from consumer.camunda7 import accepts
from consumer.camunda7.operations import RestRequest, to_request
from consumer.zeebe.operations import OPERATIONS, signals
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.unit.consumer.zeebe.operations.requests import REQUESTS
from zeebe_amqp import envelope
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

Mapping = Callable[[Any], Any]
ZEEBE: Mapping = OPERATIONS["signal"].to_request
CAMUNDA7: Mapping = to_request
ARRAY_LIST = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/xml"}


def signal(data: str | dict[str, Any]) -> Command:
    text = data if isinstance(data, str) else json.dumps(data)
    return envelope.decode(f'{{"operation":"signal","data":{text}}}'.encode()).command


def mapped(mapping: Mapping, data: str | dict[str, Any]) -> Any:
    return mapping(signal(data))


def refusal(mapping: Mapping, data: dict[str, Any]) -> CommandError:
    with pytest.raises(CommandError) as raised:
        mapped(mapping, data)
    return raised.value


def test_zeebe_gets_plain_variables_digit_for_digit() -> None:
    data = '{"name":"s","variables":{"a":{"value":24.50},"b":{"value":" +7 ","type":"long"},"c":{"value":null}}}'
    assert mapped(ZEEBE, data) == pb.BroadcastSignalRequest(signalName="s", variables='{"a":24.50,"b":7,"c":null}')
    for variables in (None, {}):
        assert mapped(ZEEBE, {"name": "s", "variables": variables}) == pb.BroadcastSignalRequest(signalName="s")


@for_each(
    [
        ({}, ""),
        ({"withoutTenantId": False}, ""),
        ({"tenantId": "t"}, "t"),
        ({"tenantId": "t", "withoutTenantId": True}, "t"),
        ({"withoutTenantId": True}, "<default>"),
        ({"withoutTenantId": "true"}, "<default>"),
    ]
)
def test_zeebe_gets_the_tenant(data: dict[str, Any], tenant: str) -> None:
    assert mapped(ZEEBE, {"name": "s", **data}).tenantId == tenant


@for_each(["e", ""])
def test_a_signal_to_one_execution_is_not_for_zeebe(execution: str) -> None:
    error = refusal(ZEEBE, {"name": "s", "executionId": execution})
    assert (error.code, error.source, error.outcome) == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED)
    assert error.details == {"field": "data.executionId", "suggestion": "publish-message"}
    assert "CAMUNDA7_REST_URL" in error.message
    assert "publish-message with a correlation key" in error.message


@for_each([
    ({"name": ""}, "data.name"),
    ({"name": "s", "tenantId": ""}, "data.tenantId"),
    ({"name": "s", "variables": {"x": {"value": "NaN", "type": "Double"}}}, "data.variables.x.value"),
    ({"name": "s", "variables": {"x": {"value": "<a/>", "type": "Object", "valueInfo": ARRAY_LIST}}},
     "data.variables.x.value"),
])  # fmt: skip
def test_what_zeebe_cannot_take_is_refused_for_it_alone(data: dict[str, Any], field: str) -> None:
    error = refusal(ZEEBE, data)
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": field})
    assert "Zeebe" in error.message
    assert isinstance(mapped(CAMUNDA7, data), RestRequest)


def test_a_text_too_long_for_camunda_7_is_refused_for_it_alone() -> None:
    data = {"name": "s", "variables": {"x": {"value": "y" * 4001}}}
    error = refusal(CAMUNDA7, data)
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": "data.variables.x.value"})
    assert "Camunda 7 cannot take text of more than 4000 characters" in error.message
    assert isinstance(mapped(ZEEBE, data), pb.BroadcastSignalRequest)


def test_camunda_7_gets_what_was_sent_byte_for_byte() -> None:
    variables = '{"a": {"value": 1.50, "type": "double", "other": 1}, "b": {"value": "x"}}'
    data = f'{{"name":"","other":1,"executionId":null,"variables":{variables},"withoutTenantId":"TRUE"}}'
    assert mapped(CAMUNDA7, data) == RestRequest(
        "/signal", f'{{"name":"","variables":{variables},"withoutTenantId":true}}'.encode()
    )


@for_each([{"name": "s"}, {"name": "s", "executionId": "e"}, {"name": "s", "tenantId": "t", "withoutTenantId": True}])
def test_camunda_7_gets_no_more_than_was_sent(data: dict[str, Any]) -> None:
    assert json.loads(mapped(CAMUNDA7, data).body) == data


def test_the_setting_and_the_execution_choose_the_engine() -> None:
    for every, execution, is_taken in ((False, None, False), (False, "e", True), (True, None, True), (True, "e", True)):
        command = signal({"name": "s", "executionId": execution})
        assert accepts(every=every)(command) is is_taken, (every, execution)


def test_camunda_7_takes_no_other_command() -> None:
    for data in REQUESTS:
        command = envelope.decode(orjson.dumps({"operation": data[0], "data": data[1], "metadata": data[2]})).command
        assert accepts(every=True)(command) is (command.operation == "signal"), command.operation


def test_a_transient_variable_is_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signals._note_transient.cache_clear()
    data = {"name": "s", "variables": {"x": {"value": 1, "valueInfo": {"transient": True}}}}
    assert mapped(ZEEBE, data).variables == mapped(ZEEBE, data).variables == '{"x":1}'
    assert [record.message for record in caplog.records if "transient" in record.message] == [
        "signal: valueInfo.transient has no meaning in Zeebe; such variables are stored like all others"
    ]
