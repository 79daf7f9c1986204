"""The schemas of requests take what the codec takes, and refuse what it refuses for its structure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import inspect

from tests.cases import check_all
from tests.unit.contracts.asyncapi.schema import accepted, decoded, problems
from tests.unit.contracts.samples import FULLEST, KEY, SMALLEST
from tests.unit.contracts.test_bad_input import MISTYPED, TYPED, wrong_requests
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


def agree(body: Any, name: str = "") -> None:
    """The schema takes a request if and only if the codec does."""
    assert accepted(name or file(body["operation"]), body) == decoded(body), body


def test_every_example_of_a_request_is_valid() -> None:
    def is_valid(shown: Example) -> None:
        for name in (file(shown.operation), "request.json"):
            assert problems(name, body_of(shown)) == []

    check_all(EXAMPLES, is_valid)


def test_the_smallest_and_the_fullest_request_are_valid() -> None:
    def is_valid(operation: str) -> None:
        for samples in (SMALLEST, FULLEST):
            assert problems(file(operation), request(operation, samples[operation])) == []

    check_all(SMALLEST.keys(), is_valid)


def test_every_field_of_every_request_is_known() -> None:
    """What the schema says of values made from the types is what the codec says."""
    check_all([request(name, data) for name in TYPED for data in alternatives(info(COMMANDS[name]))], agree)


def whole_floats(value: object) -> bool:
    """Whether there is a number such as 1.0, which for JSON Schema is a whole one."""
    match value:
        case dict():
            return any(whole_floats(each) for each in value.values())
        case list():
            return any(whole_floats(each) for each in value)
    return isinstance(value, float) and value.is_integer()


def test_what_the_codec_refuses_the_schema_refuses() -> None:
    def is_refused(operation: str, path: str, data: Any) -> None:
        assert not accepted(file(operation), request(operation, data)), path

    check_all([case for case in wrong_requests() if not whole_floats(case[-1])], is_refused)
    check_all([(operation, path, data) for operation, path, _, data in MISTYPED], is_refused)


ENVELOPES: list[Any] = [
    {"operation": "topology"},
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
    {"operation": "cancel-instance"},
    {"operation": "deploy-resource"},
    {"operation": "signal"},
]
DATA: dict[str, list[Any]] = {
    "topology": [[1]],
    "evaluate-conditional": [None, []],
    "create-instance": [
        {"bpmnProcessId": "p", "version": 0},
        {"processDefinitionKey": KEY, "version": 1},
        {"bpmnProcessId": "p", "processDefinitionKey": KEY},
    ],
    "deploy-process": ["<x/>"],
    "deploy-resource": ["<x/>", {"resources": []}, {"resources": [{"name": "a.bpmn", "content": "<x/>"}]}],
    "signal": [
        {"name": "s", "unknown": 1},
        {"name": None},
        {"name": "s", "variables": None, "executionId": None, "tenantId": None},
        {"name": "s", "executionId": "e"},
        {"name": "s", "executionId": "e", "tenantId": "t"},
        {"name": "s", "executionId": "e", "withoutTenantId": "TRUE"},
        {"name": "s", "executionId": "e", "withoutTenantId": False},
        {"name": "s", "variables": {"x": {"value": 1, "type": "integer", "more": 1}}},
        {"name": "s", "variables": {"x": {}}},
        {"name": "s", "variables": {"x": {"value": 1, "type": "Whole"}}},
        {"name": "s", "variables": {"x": {"value": 1, "type": ""}}},
        {"name": "s", "variables": {"x": {"value": 1, "valueInfo": []}}},
        {"name": "s", "variables": {"x": 1}},
    ],
}
FILES: dict[str, list[tuple[Any, Any]]] = {
    "topology": [(None, None)],
    "deploy-process": [
        ("<x/>", FILE),
        ("PHgvPg==", FILE | {"encoding": "base64", "tenantId": "t"}),
        ("", FILE),
        (None, FILE),
        ({}, FILE),
        ("<x/>", {"fileName": " "}),
        ("<x/>", {"fileName": "a.dmn"}),
        ("<x/>", {"fileName": "A.FORM"}),
        ("<x/>", {"fileName": "a.form.bpmn"}),
    ],
    "deploy-resource": [
        ("<x/>", {"fileName": "a.dmn"}),
        ({}, FILE),
        ({"resources": [{"name": "a", "content": "x"}]}, FILE),
        ({"resources": [{"name": "a", "content": "x"}]}, {"fileName": "", "tenantId": "", "encoding": ""}),
        ({"resources": [{"name": "a", "content": "x"}]}, {"tenantId": "t"}),
    ],
}
"""By the operation: data and metadata."""


def test_schema_and_codec_agree_about_envelopes() -> None:
    bodies = [*ENVELOPES, *(request(operation, data) for operation, all_data in DATA.items() for data in all_data)]
    for operation, files in FILES.items():
        bodies += [request(operation, data) | {"metadata": metadata} for data, metadata in files]
    check_all([(body, "request.json") for body in bodies], agree)


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


def test_what_schemas_cannot_say_is_known() -> None:
    def is_known(words: str, body: Any) -> None:
        assert accepted(file(body["operation"]), body)
        assert not decoded(body)
        assert f"- {words}" in PAGE.read_text()

    check_all(BEYOND.items(), is_known)


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
    agree(request("publish-message", {"messageName": "m", "timeToLive": text}))


@given(st.one_of(st.integers(-5, 5), st.integers(999_990, 1_000_010), st.integers(2**63 - 5, 2**63 + 5)))
def test_schema_and_codec_agree_about_whole_numbers(number: int) -> None:
    agree(request("update-job-timeout", {"jobKey": KEY, "timeout": number}))
    agree(request("publish-message", {"messageName": "m", "timeToLive": number}))
    agree(request("cancel-instance", {"processInstanceKey": number, "operationReference": max(number, 1)}))


def test_schema_and_codec_agree_about_durations_of_nothing() -> None:
    texts = ("0", "0s", "PT0S", "0h0.0m", "+0s", "1ns", "0.1s", "P0DT1S")
    check_all([request("update-job-timeout", {"jobKey": KEY, "timeout": text}) for text in texts], agree)


@given(st.text("0123456789 +-e.", min_size=0, max_size=18))
def test_schema_and_codec_agree_about_keys_as_text(text: str) -> None:
    agree(request("cancel-instance", {"processInstanceKey": text}))


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
