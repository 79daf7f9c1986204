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
from tests.unit.contracts.test_resources import LIST
from tests.unit.contracts.test_resources import REFUSED as NO_FILES
from tests.unit.contracts.test_signals import WRONG as NO_SIGNALS
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


def test_what_the_codec_refuses_the_schema_refuses() -> None:
    def is_refused(operation: str, path: str, data: Any, metadata: Any = None) -> None:
        assert not accepted(file(operation), request(operation, data) | {"metadata": metadata}), path

    # For JSON Schema 1.0 is a whole number, and what base64 is worth it does not know.
    check_all([case for case in wrong_requests() if "1.0" not in json.dumps(case)], is_refused)
    check_all([(operation, path, data) for operation, path, _, data in MISTYPED], is_refused)
    files = [each for each in NO_FILES if "base64" not in each[-1] and "[1]" not in each[-1]]
    check_all([(operation, why, data, metadata) for operation, data, metadata, why in files], is_refused)
    check_all([("signal", why, data) for data, _, why in NO_SIGNALS if why != "Cannot convert"], is_refused)


NO_REQUESTS: list[Any] = [
    {"operation": "topology", "mood": "good"}, {"operation": ""}, {"operation": None}, {"operation": "topologie"},
    {"data": {}}, [],
    *({"operation": "topology", "metadata": metadata}
      for metadata in ({"keys": "text"}, {"encoding": "gzip"}, {"anything": 1}, [])),
    *({"operation": name} for name in ("cancel-instance", "deploy-resource", "signal")),
    request("evaluate-conditional", []),
    request("create-instance", {"bpmnProcessId": "p", "version": 0}),
    request("create-instance", {"processDefinitionKey": KEY, "version": 1}),
    *(request("signal", {"name": "s", "variables": {"x": variable}})
      for variable in (1, {"value": 1, "type": "Whole"}, {"value": 1, "type": ""}, {"value": 1, "valueInfo": []})),
]  # fmt: skip
REQUESTS: list[Any] = [
    {"operation": "topology"}, {"operation": "topology", "metadata": None}, request("topology", [1]),
    *({"operation": "topology", "metadata": each} for each in ({"other": "text", "keys": "string"}, {"keys": ""})),
    {"operation": "evaluate-conditional"}, request("evaluate-conditional", None),
    *(request("deploy-resource", LIST) | {"metadata": metadata}
      for metadata in (None, {"fileName": "", "tenantId": "", "encoding": ""})),
    request("deploy-resource", "<x/>") | {"metadata": {"fileName": "a.dmn"}},
    request("deploy-process", "<x/>") | {"metadata": FILE},
    request("deploy-process", "<x/>") | {"metadata": {"fileName": "a.form.bpmn"}},
    request("deploy-process", "PHgvPg==") | {"metadata": FILE | {"encoding": "base64", "tenantId": "t"}},
    *(request("signal", {"name": "s"} | others) for others in (
        {"unknown": 1}, {"variables": None, "executionId": None, "tenantId": None}, {"executionId": "e"},
        {"executionId": "e", "withoutTenantId": False}, {"variables": {"x": {}}},
        {"variables": {"x": {"value": 1, "type": "integer", "more": 1}}},
    )),
]  # fmt: skip


def test_schema_and_codec_agree_about_envelopes_files_and_signals() -> None:
    def are(taken: bool, body: Any) -> None:
        assert (accepted("request.json", body), decoded(body)) == (taken, taken)

    check_all([*((True, body) for body in REQUESTS), *((False, body) for body in NO_REQUESTS)], are)


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


ODD = ["0", "0s", "PT0S", "0h0.0m", "+0s", "1ns", "0.1s", "P0DT1S", "+5m", "PT", "P1W2DT3H4M5.5S", "p1DT", ".5h", "1.h",
       ".h"]  # fmt: skip


@for_each(ODD)
def test_schema_and_codec_agree_about_odd_durations_and_those_of_nothing(text: str) -> None:
    agree(request("publish-message", {"messageName": "m", "timeToLive": text}))
    agree(request("update-job-timeout", {"jobKey": KEY, "timeout": text}))


@given(
    DURATIONS,
    st.one_of(st.integers(-5, 5), st.integers(999_990, 1_000_010), st.integers(2**63 - 5, 2**63 + 5)),
    st.text("0123456789 +-e.", min_size=0, max_size=18),
)
def test_schema_and_codec_agree_about_durations_whole_numbers_and_keys(duration: str, number: int, key: str) -> None:
    for time in (duration, number):
        agree(request("publish-message", {"messageName": "m", "timeToLive": time}))
    agree(request("update-job-timeout", {"jobKey": KEY, "timeout": number}))
    for each in (number, key):
        agree(request("cancel-instance", {"processInstanceKey": each, "operationReference": max(number, 1)}))
