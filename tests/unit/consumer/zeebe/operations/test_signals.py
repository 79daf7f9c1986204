"""Where a signal goes, and as what: Zeebe's plain JSON, or the body as it was for Camunda 7."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from consumer.core.message import RestRequest
from consumer.zeebe.operations import OPERATIONS, Operation, signals, with_camunda7
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

ZEEBE = OPERATIONS["signal"]
EXECUTIONS = with_camunda7(every=False)["signal"]
EVERY = with_camunda7(every=True)["signal"]
ARRAY_LIST = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/xml"}


def mapped(row: Operation, data: str | dict[str, Any]) -> Any:
    text = data if isinstance(data, str) else json.dumps(data)
    return row.to_request(envelope.decode(f'{{"operation":"signal","data":{text}}}'.encode()).command)


def refusal(row: Operation, data: dict[str, Any]) -> CommandError:
    with pytest.raises(CommandError) as raised:
        mapped(row, data)
    return raised.value


@pytest.mark.parametrize("row", [ZEEBE, EXECUTIONS])
def test_zeebe_gets_plain_variables_digit_for_digit(row: Operation) -> None:
    data = '{"name":"s","variables":{"a":{"value":24.50},"b":{"value":" +7 ","type":"long"},"c":{"value":null}}}'
    assert mapped(row, data) == pb.BroadcastSignalRequest(signalName="s", variables='{"a":24.50,"b":7,"c":null}')


@pytest.mark.parametrize("variables", [None, {}])
def test_no_variables_are_none(variables: Any) -> None:
    assert mapped(ZEEBE, {"name": "s", "variables": variables}) == pb.BroadcastSignalRequest(signalName="s")


@pytest.mark.parametrize(
    ("data", "tenant"),
    [
        ({}, ""),
        ({"withoutTenantId": False}, ""),
        ({"tenantId": "t"}, "t"),
        ({"tenantId": "t", "withoutTenantId": True}, "t"),
        ({"withoutTenantId": True}, "<default>"),
        ({"withoutTenantId": "true"}, "<default>"),
    ],
)
def test_zeebe_gets_the_tenant(data: dict[str, Any], tenant: str) -> None:
    assert mapped(ZEEBE, {"name": "s", **data}).tenantId == tenant


@pytest.mark.parametrize("execution", ["e", ""])
def test_a_signal_to_one_execution_is_not_for_zeebe(execution: str) -> None:
    error = refusal(ZEEBE, {"name": "s", "executionId": execution})
    assert (error.code, error.source, error.outcome) == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED)
    assert error.details == {"field": "data.executionId", "suggestion": "publish-message"}
    assert "CAMUNDA7_REST_URL" in error.message
    assert "publish-message with a correlation key" in error.message


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"name": ""}, "data.name"),
        ({"name": "s", "tenantId": ""}, "data.tenantId"),
        ({"name": "s", "variables": {"x": {"value": "NaN", "type": "Double"}}}, "data.variables.x.value"),
        (
            {"name": "s", "variables": {"x": {"value": "<a/>", "type": "Object", "valueInfo": ARRAY_LIST}}},
            "data.variables.x.value",
        ),
    ],
)
def test_what_zeebe_cannot_take_is_refused_for_it_alone(data: dict[str, Any], field: str) -> None:
    error = refusal(ZEEBE, data)
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": field})
    assert "Zeebe" in error.message
    assert isinstance(mapped(EVERY, data), RestRequest)


def test_a_text_too_long_for_camunda_7_is_refused_for_it_alone() -> None:
    data = {"name": "s", "variables": {"x": {"value": "y" * 4001}}}
    error = refusal(EVERY, data)
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": "data.variables.x.value"})
    assert "Camunda 7 cannot take text of more than 4000 characters" in error.message
    assert isinstance(mapped(ZEEBE, data), pb.BroadcastSignalRequest)


def test_camunda_7_gets_what_was_sent_byte_for_byte() -> None:
    variables = '{"a": {"value": 1.50, "type": "double", "other": 1}, "b": {"value": "x"}}'
    data = f'{{"name":"","other":1,"executionId":null,"variables":{variables},"withoutTenantId":"TRUE"}}'
    assert mapped(EVERY, data) == RestRequest(
        "/signal", f'{{"name":"","variables":{variables},"withoutTenantId":true}}'.encode()
    )


@pytest.mark.parametrize(
    "data",
    [{"name": "s"}, {"name": "s", "executionId": "e"}, {"name": "s", "tenantId": "t", "withoutTenantId": True}],
)
def test_camunda_7_gets_no_more_than_was_sent(data: dict[str, Any]) -> None:
    assert json.loads(mapped(EVERY, data).body) == data


@pytest.mark.parametrize(
    ("row", "execution", "target"),
    [
        (EXECUTIONS, None, pb.BroadcastSignalRequest),
        (EXECUTIONS, "e", RestRequest),
        (EVERY, None, RestRequest),
        (EVERY, "e", RestRequest),
    ],
)
def test_the_setting_and_the_execution_choose_the_engine(row: Operation, execution: str | None, target: type) -> None:
    assert type(mapped(row, {"name": "s", "executionId": execution})) is target


def test_all_other_rows_stay() -> None:
    rows = with_camunda7(every=True)
    assert tuple(rows) == tuple(OPERATIONS)
    assert {name for name, row in rows.items() if row is not OPERATIONS[name]} == {"signal"}
    assert all(row.command is COMMANDS[name] for name, row in rows.items())


def test_a_transient_variable_is_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signals._note_transient.cache_clear()
    data = {"name": "s", "variables": {"x": {"value": 1, "valueInfo": {"transient": True}}}}
    assert mapped(ZEEBE, data).variables == mapped(ZEEBE, data).variables == '{"x":1}'
    assert [record.message for record in caplog.records if "transient" in record.message] == [
        "signal: valueInfo.transient has no meaning in Zeebe; such variables are stored like all others"
    ]
