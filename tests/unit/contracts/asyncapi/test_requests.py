"""The schemas of requests take what the codec takes, and refuse what it refuses for its structure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import inspect

from tests.unit.contracts.asyncapi.schema import accepted, decoded, problems
from tests.unit.contracts.samples import FULLEST, KEY, SMALLEST
from tests.unit.contracts.test_bad_input import MISTYPED, TYPED, required, wrong_requests
from tests.unit.contracts.values import alternatives, info
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.examples import EXAMPLES, Example, filled

PAGE = Path(__file__).parents[4] / "docs" / "machines.md"
FILE = {"fileName": "a.bpmn"}


def request(operation: str, data: Any) -> dict[str, Any]:
    return {"operation": operation, "data": data}


def file(operation: str) -> str:
    return f"{operation}.request.json"


def body_of(shown: Example) -> dict[str, Any]:
    return request(shown.operation, filled(shown.data)) | ({"metadata": dict(shown.metadata)} if shown.metadata else {})


@pytest.mark.parametrize("shown", EXAMPLES, ids=lambda shown: f"{shown.operation} {shown.title}")
def test_every_example_of_a_request_is_valid(shown: Example) -> None:
    for name in (file(shown.operation), "request.json"):
        assert problems(name, body_of(shown)) == []


@pytest.mark.parametrize("operation", SMALLEST)
@pytest.mark.parametrize("samples", [SMALLEST, FULLEST], ids=["smallest", "fullest"])
def test_the_smallest_and_the_fullest_request_are_valid(operation: str, samples: dict[str, Any]) -> None:
    assert problems(file(operation), request(operation, samples[operation])) == []


@pytest.mark.parametrize("operation", TYPED)
def test_every_field_of_every_request_is_known(operation: str) -> None:
    """What the schema says of values made from the types is what the codec says."""
    found = list(alternatives(info(COMMANDS[operation])))
    assert found
    for data in found:
        body = request(operation, data)
        assert accepted(file(operation), body) == decoded(body)


def whole_floats(value: object) -> bool:
    """Whether there is a number such as 1.0, which for JSON Schema is a whole one."""
    match value:
        case dict():
            return any(whole_floats(each) for each in value.values())
        case list():
            return any(whole_floats(each) for each in value)
    return isinstance(value, float) and value.is_integer()


@pytest.mark.parametrize(("operation", "data", "path"), list(wrong_requests()))
def test_what_the_codec_refuses_the_schema_refuses(operation: str, data: Any, path: str) -> None:
    if not whole_floats(data):
        assert not accepted(file(operation), request(operation, data)), path


@pytest.mark.parametrize(("operation", "path", "name", "data"), MISTYPED)
def test_a_mistyped_field_is_refused(operation: str, path: str, name: str, data: Any) -> None:
    assert not accepted(file(operation), request(operation, data)), (path, name)


@pytest.mark.parametrize(("operation", "field"), list(required()))
def test_a_missing_required_field_is_refused(operation: str, field: str) -> None:
    data = {name: value for name, value in SMALLEST[operation].items() if name != field}
    assert not accepted(file(operation), request(operation, data))


ENVELOPES: list[Any] = [
    {"operation": "topology"},
    {"operation": "topology", "data": None, "metadata": None},
    {"operation": "topology", "data": [1]},
    {"operation": "topology", "metadata": {"anything": "text", "keys": "string"}},
    {"operation": "topology", "metadata": {"keys": ""}},
    {"operation": "topology", "metadata": {"keys": "text"}},
    {"operation": "topology", "metadata": {"encoding": "gzip"}},
    {"operation": "topology", "metadata": {"anything": 1}},
    {"operation": "topology", "metadata": []},
    {"operation": "topology", "mood": "good"},
    {"operation": "", "data": {}},
    {"operation": None},
    {"operation": "topologie"},
    {"data": {}},
    [],
    {"operation": "evaluate-conditional"},
    {"operation": "evaluate-conditional", "data": None},
    {"operation": "evaluate-conditional", "data": []},
    {"operation": "cancel-instance"},
    {"operation": "create-instance", "data": {"bpmnProcessId": "p", "version": 0}},
    {"operation": "create-instance", "data": {"processDefinitionKey": KEY, "version": 1}},
    {"operation": "create-instance", "data": {"bpmnProcessId": "p", "processDefinitionKey": KEY}},
    {"operation": "deploy-process", "data": "<x/>", "metadata": FILE},
    {"operation": "deploy-process", "data": "PHgvPg==", "metadata": FILE | {"encoding": "base64", "tenantId": "t"}},
    {"operation": "deploy-process", "data": "<x/>"},
    {"operation": "deploy-process", "data": "", "metadata": FILE},
    {"operation": "deploy-process", "data": None, "metadata": FILE},
    {"operation": "deploy-process", "data": {}, "metadata": FILE},
    {"operation": "deploy-process", "data": "<x/>", "metadata": {"fileName": " "}},
    {"operation": "deploy-process", "data": "<x/>", "metadata": {"fileName": "a.dmn"}},
    {"operation": "deploy-process", "data": "<x/>", "metadata": {"fileName": "A.FORM"}},
    {"operation": "deploy-process", "data": "<x/>", "metadata": {"fileName": "a.form.bpmn"}},
    {"operation": "deploy-resource", "data": "<x/>", "metadata": {"fileName": "a.dmn"}},
    {"operation": "deploy-resource", "data": "<x/>"},
    {"operation": "deploy-resource"},
    {"operation": "deploy-resource", "data": {}, "metadata": FILE},
    {"operation": "deploy-resource", "data": {"resources": []}},
    {"operation": "deploy-resource", "data": {"resources": [{"name": "a.bpmn", "content": "<x/>"}]}},
    {"operation": "deploy-resource", "data": {"resources": [{"name": "a", "content": "x"}]}, "metadata": FILE},
    {
        "operation": "deploy-resource",
        "data": {"resources": [{"name": "a", "content": "x"}]},
        "metadata": {"fileName": "", "tenantId": "", "encoding": ""},
    },
    {
        "operation": "deploy-resource",
        "data": {"resources": [{"name": "a", "content": "x"}]},
        "metadata": {"tenantId": "t"},
    },
    {"operation": "signal", "data": {"name": "s", "unknown": 1}},
    {"operation": "signal", "data": {"name": None}},
    {"operation": "signal", "data": {"name": "s", "variables": None, "executionId": None, "tenantId": None}},
    {"operation": "signal", "data": {"name": "s", "executionId": "e"}},
    {"operation": "signal", "data": {"name": "s", "executionId": "e", "tenantId": "t"}},
    {"operation": "signal", "data": {"name": "s", "executionId": "e", "withoutTenantId": "TRUE"}},
    {"operation": "signal", "data": {"name": "s", "executionId": "e", "withoutTenantId": False}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": {"value": 1, "type": "integer", "more": 1}}}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": {}}}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": {"value": 1, "type": "Whole"}}}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": {"value": 1, "type": ""}}}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": {"value": 1, "valueInfo": []}}}},
    {"operation": "signal", "data": {"name": "s", "variables": {"x": 1}}},
    {"operation": "signal"},
]


@pytest.mark.parametrize("body", ENVELOPES, ids=str)
def test_schema_and_codec_agree_about_envelopes(body: Any) -> None:
    assert accepted("request.json", body) == decoded(body)


LONG = "9" * 19
BEYOND: dict[str, Any] = {
    "a number such as 1.0 where a whole one belongs": request("cancel-instance", {"processInstanceKey": 1.0}),
    "a key as text above 2^63-1": request("cancel-instance", {"processInstanceKey": LONG}),
    "a duration above 292 years as text": request("publish-message", {"messageName": "m", "timeToLive": f"{LONG}h"}),
    "a requestTimeout above 15 minutes": request(
        "create-instance", {"bpmnProcessId": "p", "withResult": True, "requestTimeout": "16m"}
    ),
    "base64 that is none": request("deploy-process", "?") | {"metadata": FILE | {"encoding": "base64"}},
    "a typed value that its type does not take": request(
        "signal", {"name": "s", "variables": {"x": {"value": "a", "type": "Integer"}}}
    ),
    "variables nested deeper than 500 levels": request(
        "broadcast-signal", {"signalName": "s", "variables": json.loads('{"a":' * 600 + "1" + "}" * 600)}
    ),
}
"""What the codec refuses and a schema cannot say; the page about the schemas lists the same."""


@pytest.mark.parametrize("words", BEYOND)
def test_what_schemas_cannot_say_is_known(words: str) -> None:
    body = BEYOND[words]
    assert accepted(file(body["operation"]), body)
    assert not decoded(body)
    assert f"- {words}" in PAGE.read_text()


DURATIONS = st.from_regex(r"\A\+?([pP]?([0-9]{0,3}\.?[0-9]{0,2}(ns|us|µs|μs|ms|[hmswdHMSWDtTpP])?){1,5})\Z").filter(
    lambda text: not re.search("[0-9]{4}", text)  # a schema does not know how long the longest is
)


@given(DURATIONS)
@example("0")
@example("+5m")
@example("PT")
@example("P1W2DT3H4M5.5S")
@example("p1DT")
@example(".5h")
@example("1.h")
@example(".h")
def test_schema_and_codec_agree_about_durations(text: str) -> None:
    body = request("publish-message", {"messageName": "m", "timeToLive": text})
    assert accepted(file("publish-message"), body) == decoded(body)


@given(st.one_of(st.integers(-5, 5), st.integers(999_990, 1_000_010), st.integers(2**63 - 5, 2**63 + 5)))
def test_schema_and_codec_agree_about_whole_numbers(number: int) -> None:
    for body in (
        request("update-job-timeout", {"jobKey": KEY, "timeout": number}),
        request("publish-message", {"messageName": "m", "timeToLive": number}),
        request("cancel-instance", {"processInstanceKey": number, "operationReference": max(number, 1)}),
    ):
        assert accepted(file(body["operation"]), body) == decoded(body)


@pytest.mark.parametrize("text", ["0", "0s", "PT0S", "0h0.0m", "+0s", "1ns", "0.1s", "P0DT1S"])
def test_schema_and_codec_agree_about_durations_of_nothing(text: str) -> None:
    body = request("update-job-timeout", {"jobKey": KEY, "timeout": text})
    assert accepted(file("update-job-timeout"), body) == decoded(body)


@given(st.text("0123456789 +-e.", min_size=0, max_size=18))
def test_schema_and_codec_agree_about_keys_as_text(text: str) -> None:
    body = request("cancel-instance", {"processInstanceKey": text})
    assert accepted(file("cancel-instance"), body) == decoded(body)


def test_every_type_of_field_is_one_the_schemas_know() -> None:
    """A field of a new kind must be looked at: the generator would take its schema from the decoder alone."""
    known = (
        inspect.Metadata,
        inspect.StrType,
        inspect.IntType,
        inspect.BoolType,
        inspect.LiteralType,
        inspect.CustomType,
        inspect.RawType,
        inspect.VarTupleType,
        inspect.StructType,
        inspect.UnionType,
    )
    for operation in TYPED:
        for field in info(COMMANDS[operation]).fields:
            assert isinstance(field.type, known)
