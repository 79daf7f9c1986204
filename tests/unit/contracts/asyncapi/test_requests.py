"""The schemas of requests take what the codec takes, and refuse what it refuses for its structure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.asyncapi.schema import accepted, problems
from tests.unit.contracts.samples import FULLEST, KEY, SMALLEST
from tests.unit.contracts.test_bad_input import MISTYPED, TYPED, wrong_requests
from tests.unit.contracts.values import alternatives, info
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import CommandError
from zeebe_amqp.examples import EXAMPLES, filled

PAGE = Path(__file__).parents[4] / "docs" / "machines.md"
FILE = {"fileName": "a.bpmn"}


def request(operation: str, data: Any) -> dict[str, Any]:
    return {"operation": operation, "data": data}


def file(operation: str) -> str:
    return f"{operation}.request.json"


def decoded(body: object) -> bool:
    """Whether the codec takes the body of a request."""
    try:
        envelope.decode(json.dumps(body).encode())
    except CommandError:
        return False
    return True


def agree(body: Any, name: str = "") -> None:
    """The schema takes a request if and only if the codec does."""
    assert accepted(name or file(body["operation"]), body) == decoded(body), body


def test_every_example_of_a_request_is_valid_and_so_are_the_smallest_and_the_fullest() -> None:
    def is_valid(body: dict[str, Any]) -> None:
        for name in (file(body["operation"]), "request.json"):
            assert problems(name, body) == []

    examples = [
        request(each.operation, filled(each.data)) | ({"metadata": dict(each.metadata)} if each.metadata else {})
        for each in EXAMPLES
    ]
    check_all([*examples, *(request(*each) for samples in (SMALLEST, FULLEST) for each in samples.items())], is_valid)


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
    *(
        {"operation": "topology", "metadata": metadata}
        for metadata in (
            {"anything": "text", "keys": "string"}, {"keys": ""}, {"keys": "text"}, {"encoding": "gzip"},
            {"anything": 1}, [], None,
        )
    ),
    {"operation": "topology", "mood": "good"}, {"operation": "", "data": {}}, {"operation": None},
    {"operation": "topologie"}, {"data": {}}, [],
    *({"operation": name} for name in ("evaluate-conditional", "cancel-instance", "deploy-resource", "signal")),
]  # fmt: skip
DATA: dict[str, list[Any]] = {
    "topology": [[1], None],
    "evaluate-conditional": [None, []],
    "create-instance": [
        {"bpmnProcessId": "p", "version": 0},
        {"processDefinitionKey": KEY, "version": 1},
        {"bpmnProcessId": "p", "processDefinitionKey": KEY},
    ],
    "deploy-process": ["<x/>"],
    "deploy-resource": ["<x/>", {"resources": []}, {"resources": [{"name": "a.bpmn", "content": "<x/>"}]}],
    "signal": [
        {"name": None},
        *(
            {"name": "s"} | others
            for others in (
                {"unknown": 1}, {"variables": None, "executionId": None, "tenantId": None}, {"executionId": "e"},
                {"executionId": "e", "tenantId": "t"}, {"executionId": "e", "withoutTenantId": "TRUE"},
                {"executionId": "e", "withoutTenantId": False}, {"variables": {"x": 1}},
            )
        ),
        *(
            {"name": "s", "variables": {"x": variable}}
            for variable in (
                {"value": 1, "type": "integer", "more": 1}, {}, {"value": 1, "type": "Whole"},
                {"value": 1, "type": ""}, {"value": 1, "valueInfo": []},
            )
        ),
    ],
}  # fmt: skip
A_LIST = {"resources": [{"name": "a", "content": "x"}]}
FILES: dict[str, list[tuple[Any, Any]]] = {
    "deploy-process": [
        ("<x/>", FILE), ("PHgvPg==", FILE | {"encoding": "base64", "tenantId": "t"}), ("", FILE), (None, FILE),
        ({}, FILE), *(("<x/>", {"fileName": name}) for name in (" ", "a.dmn", "A.FORM", "a.form.bpmn")),
    ],
    "deploy-resource": [
        ("<x/>", {"fileName": "a.dmn"}), ({}, FILE), (A_LIST, FILE),
        (A_LIST, {"fileName": "", "tenantId": "", "encoding": ""}), (A_LIST, {"tenantId": "t"}),
    ],
}  # fmt: skip
"""By the operation: data and metadata."""


def test_schema_and_codec_agree_about_envelopes() -> None:
    bodies = [*ENVELOPES, *(request(operation, data) for operation, all_data in DATA.items() for data in all_data)]
    for operation, files in FILES.items():
        bodies += [request(operation, data) | {"metadata": metadata} for data, metadata in files]
    check_all([(body, "request.json") for body in bodies], agree)


LONG = "9" * 19
DEEP = json.loads('{"a":' * 600 + "1" + "}" * 600)
BEYOND: list[tuple[str, str, Any]] = [
    ("a number such as 1.0 where a whole one belongs", "cancel-instance", {"processInstanceKey": 1.0}),
    ("a key as text above 2^63-1", "cancel-instance", {"processInstanceKey": LONG}),
    ("a duration above 292 years as text", "publish-message", {"messageName": "m", "timeToLive": f"{LONG}h"}),
    ("a requestTimeout above 15 minutes", "create-instance", {"bpmnProcessId": "p", "requestTimeout": "16m"}),
    ("base64 that is none", "deploy-process", "?"),
    ("a typed value that its type does not take", "signal",
     {"name": "s", "variables": {"x": {"value": "a", "type": "Integer"}}}),
    ("variables nested deeper than 500 levels", "broadcast-signal", {"signalName": "s", "variables": DEEP}),
]  # fmt: skip
"""What the codec refuses and a schema cannot say; the page about the schemas lists the same."""


@for_each(BEYOND)
def test_what_schemas_cannot_say_is_known(words: str, operation: str, data: Any) -> None:
    body = request(operation, data)
    if operation == "deploy-process":
        body["metadata"] = FILE | {"encoding": "base64"}
    assert accepted(file(operation), body)
    assert not decoded(body)
    assert f"- {words}" in PAGE.read_text()


DURATIONS = st.from_regex(r"\A\+?([pP]?([0-9]{0,3}\.?[0-9]{0,2}(ns|us|µs|μs|ms|[hmswdHMSWDtTpP])?){1,5})\Z").filter(
    lambda text: not re.search("[0-9]{4}", text)  # a schema does not know how long the longest is
)


@given(DURATIONS)
def test_schema_and_codec_agree_about_durations(text: str) -> None:
    agree(request("publish-message", {"messageName": "m", "timeToLive": text}))


@given(st.one_of(st.integers(-5, 5), st.integers(999_990, 1_000_010), st.integers(2**63 - 5, 2**63 + 5)))
def test_schema_and_codec_agree_about_whole_numbers(number: int) -> None:
    agree(request("update-job-timeout", {"jobKey": KEY, "timeout": number}))
    agree(request("publish-message", {"messageName": "m", "timeToLive": number}))
    agree(request("cancel-instance", {"processInstanceKey": number, "operationReference": max(number, 1)}))


ODD = ["0", "0s", "PT0S", "0h0.0m", "+0s", "1ns", "0.1s", "P0DT1S", "+5m", "PT", "P1W2DT3H4M5.5S", "p1DT", ".5h", "1.h",
       ".h"]  # fmt: skip


@for_each(ODD)
def test_schema_and_codec_agree_about_odd_durations_and_those_of_nothing(text: str) -> None:
    agree(request("publish-message", {"messageName": "m", "timeToLive": text}))
    agree(request("update-job-timeout", {"jobKey": KEY, "timeout": text}))


@given(st.text("0123456789 +-e.", min_size=0, max_size=18))
def test_schema_and_codec_agree_about_keys_as_text(text: str) -> None:
    agree(request("cancel-instance", {"processInstanceKey": text}))
