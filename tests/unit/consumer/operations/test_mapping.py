"""Every field of every operation: data to protobuf request, protobuf response to reply data."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from google.protobuf.message import Message

from consumer.gateway.protocol import gateway_pb2 as pb
from consumer.operations import OPERATIONS
from consumer.types import RestRequest
from tests.unit.consumer.operations.requests import REQUESTS
from tests.unit.consumer.operations.responses import RESULTS
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS


def request(operation: str, data: Any, metadata: dict[str, str] | None = None) -> Message | RestRequest:
    body = orjson.dumps({"operation": operation, "data": data, "metadata": metadata})
    return OPERATIONS[operation].to_request(envelope.decode(body).command)


@pytest.mark.parametrize(("operation", "data", "metadata", "expected"), REQUESTS)
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


@pytest.mark.parametrize(("operation", "response", "expected"), RESULTS)
def test_the_response_becomes_data_with_every_field_present(operation: str, response: Any, expected: Any) -> None:
    assert OPERATIONS[operation].to_result(response, False) == expected


@pytest.mark.parametrize(("operation", "response", "expected"), RESULTS)
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
