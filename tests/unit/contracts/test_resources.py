from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.contracts.samples import body
from zeebe_amqp import envelope
from zeebe_amqp.commands import DeployProcess
from zeebe_amqp.errors import Code, CommandError

BPMN = '<bpmn name="Bestätigung"/>'
NAMED = {"fileName": "order.bpmn"}


def deployed(data: object, metadata: dict[str, str] | None = None) -> DeployProcess:
    command = envelope.decode(body("deploy-process", data, metadata=NAMED | (metadata or {}))).command
    assert isinstance(command, DeployProcess)
    return command


def bare(data: bytes, headers: dict[str, Any] | None = None, content_type: str | None = None) -> DeployProcess:
    command = envelope.decode(
        data, type="deploy-process", content_type=content_type, headers=NAMED if headers is None else headers
    ).command
    assert isinstance(command, DeployProcess)
    return command


def test_a_file_is_a_json_string_with_its_name_in_the_metadata() -> None:
    assert deployed(BPMN, {"tenantId": "acme"}) == DeployProcess(
        name="order.bpmn", content=BPMN.encode(), tenant_id="acme"
    )


@pytest.mark.parametrize("wrap", [b"", b"\r\n"])
def test_a_file_may_be_base64_text(wrap: bytes) -> None:
    packed = base64.b64encode(BPMN.encode())
    text = (packed[:20] + wrap + packed[20:]).decode()
    assert deployed(text, {"encoding": "base64"}).content == BPMN.encode()


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "application/xml", "text/xml; charset=utf-8", "application/octet-stream"],
)
def test_in_the_bare_form_the_body_is_the_file_whatever_its_content_type(content_type: str | None) -> None:
    assert bare(BPMN.encode(), content_type=content_type).content == BPMN.encode()
    assert bare(b"\xff\xfe\x00", content_type=content_type).content == b"\xff\xfe\x00"


def test_in_the_bare_form_the_metadata_is_in_text_headers() -> None:
    headers = {"fileName": "a.bpmn", "tenantId": "acme", "encoding": "base64", "keys": 5, "traceparent": b"x"}
    assert bare(base64.b64encode(b"<x/>"), headers) == DeployProcess(name="a.bpmn", content=b"<x/>", tenant_id="acme")


@pytest.mark.parametrize("name", ["rules.dmn", "Rules.DMN", "task.form"])
def test_other_kinds_of_files_are_sent_to_deploy_resource(name: str) -> None:
    with pytest.raises(CommandError) as refusal:
        deployed(BPMN, {"fileName": name})
    assert refusal.value.message == f'metadata.fileName: "{name}" is not a BPMN file; use deploy-resource'
    assert refusal.value.details == {"field": "metadata.fileName", "suggestion": "deploy-resource"}


@pytest.mark.parametrize("metadata", [{"fileName": ""}, {"fileName": " "}])
def test_a_file_without_a_name_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(CommandError, match=r"^INVALID_ARGUMENT: metadata.fileName: missing"):
        deployed(BPMN, metadata)


@pytest.mark.parametrize("headers", [{}, {"fileName": b"a.bpmn"}, {"fileName": 5}, {"fileName": None}])
def test_a_name_that_is_not_text_is_as_if_absent(headers: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"metadata.fileName: missing"):
        bare(BPMN.encode(), headers)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "data: missing; expected the text of the file"),
        ("", "data: missing; expected the text of the file"),
        ({}, "data: missing; expected the text of the file"),
        ({"name": "a"}, "data: expected the file's text as a JSON string, found an object"),
        ([BPMN], "data: expected the file's text as a JSON string, found a list"),
        (7, "data: expected the file's text as a JSON string, found 7"),
    ],
)
def test_data_that_is_not_a_files_text_is_refused(data: Any, message: str) -> None:
    with pytest.raises(CommandError) as refusal:
        deployed(data)
    assert refusal.value.code == Code.INVALID_ARGUMENT
    assert refusal.value.message == message


def test_an_empty_bare_file_is_refused() -> None:
    with pytest.raises(CommandError, match="data: missing"):
        bare(b"", content_type="application/xml")


@pytest.mark.parametrize("text", ["<x/>", "abc", "YWJj\u00e4", "Y==="])
def test_text_that_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="data: not valid base64"):
        deployed(text, {"encoding": "base64"})


def test_a_file_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(CommandError) as refusal:
        DeployProcess.from_wire(b'"\\udc00 and more text"', NAMED)
    assert refusal.value.message.startswith("data: not valid JSON")


@given(st.binary(min_size=1, max_size=200))
def test_any_file_survives_writing_and_reading(content: bytes) -> None:
    made = DeployProcess(name="a.bpmn", content=content, tenant_id="acme")
    assert envelope.decode(envelope.encode(made)).command == made


@given(st.text(min_size=1, max_size=100))
def test_a_text_file_is_written_as_text(content: str) -> None:
    data, metadata = DeployProcess(name="a.bpmn", content=content.encode()).to_wire()
    assert json.loads(data) == content
    assert metadata == {"fileName": "a.bpmn"}
