"""Files to deploy: one as a text or as the message's whole body, several in a list; what is none, and why."""

from __future__ import annotations

import base64
import codecs
import json
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import refusal_of, refused, request
from zeebe_amqp import DeployResource, Resource, envelope
from zeebe_amqp.commands import Command, DeployProcess
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema.bytes_in_json import ADVICE

BOTH = ("deploy-process", "deploy-resource")
NAMED = {"fileName": "order.bpmn"}
PACKED = NAMED | {"encoding": "base64"}
TEXT = '<bpmn name="Bestätigung"/>'
LIST = {
    "resources": [{"name": "a.form", "content": TEXT}, {"name": "b.dmn", "content": "PHgvPg==", "encoding": "base64"}]
}


def a_list(*contents: object, **more: str) -> dict[str, Any]:
    return {"resources": [{"name": "a.bpmn", "content": content, **more} for content in contents]}


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def files(command: Command) -> list[tuple[str, bytes]]:
    """The names and bytes that the engine gets."""
    if isinstance(command, DeployProcess):
        return [(command.name, command.content)]
    assert isinstance(command, DeployResource)
    return [(resource.name, resource.unpacked()) for resource in command.resources]


def sent_again(command: Command) -> Command:
    """The command as it arrives when a client sends it."""
    return envelope.decode(envelope.encode(command)).command


def decoded(operation: str, data: object, metadata: dict[str, str] | None = None) -> Any:
    return request(operation, data, metadata=metadata).command


def bare(operation: str, data: bytes, headers: dict[str, Any], content_type: str | None = None) -> Any:
    return envelope.decode(data, type=operation, content_type=content_type, headers=headers).command


@for_each(BOTH)
def test_a_file_is_a_text_or_base64_with_its_name_in_the_metadata_or_headers(operation: str) -> None:
    packed, tenant = base64_of(TEXT.encode()), {"tenantId": "acme"}
    wrapped = f"{packed[:20]}\r\n{packed[20:]}"
    headers = PACKED | tenant | {"keys": 5, "traceparent": b"x"}
    for command in (
        decoded(operation, TEXT, NAMED | tenant),
        decoded(operation, packed, PACKED | tenant),
        decoded(operation, wrapped, PACKED | tenant),
        bare(operation, packed.encode(), headers),
    ):
        assert (files(command), command.tenant_id) == ([("order.bpmn", TEXT.encode())], "acme")


TYPES = (None, "", "application/json", "application/xml", "text/xml; charset=utf-8", "application/octet-stream")


@for_each(product(BOTH, TYPES, (TEXT.encode(), b"{}", b'{"id": "f"}', b"\xff\xfe\x00")))
def test_in_the_bare_form_the_body_is_the_file(operation: str, content_type: str | None, content: bytes) -> None:
    assert files(bare(operation, content, NAMED, content_type)) == [("order.bpmn", content)]


def test_an_object_is_the_list_of_files() -> None:
    command = decoded("deploy-resource", LIST | {"tenantId": "acme"})
    assert (files(command), command.tenant_id) == ([("a.form", TEXT.encode()), ("b.dmn", b"<x/>")], "acme")
    assert bare("deploy-resource", b" " + json.dumps(LIST).encode(), {}).resources == command.resources


@given(st.binary(min_size=1, max_size=200), st.text(max_size=100).map("<".__add__))
@example(b"PAAA", "<")  # a text that looks like XML in base64
def test_any_file_survives_writing_and_reading_and_a_text_is_written_as_text(content: bytes, text: str) -> None:
    made = DeployProcess(name="a.bpmn", content=content, tenant_id="acme")
    several = DeployResource(resources=(Resource.of(text.strip() or "a", content),) * 2, tenant_id="acme")
    assert (sent_again(made), sent_again(several)) == (made, several)
    assert files(several) == [(text.strip() or "a", content)] * 2
    data, metadata = DeployProcess(name="a.bpmn", content=text.encode()).to_wire()
    assert (json.loads(data), metadata) == (text, {"fileName": "a.bpmn"})


XML = b"<?xml version='1.0'?><x/>"
IN_BASE64 = "expected the file's text, found its bytes in base64; "
NO_FILE = "data: missing; expected the text of the file"
NO_LIST = "data.resources: missing; expected a list of at least 1; each item is an object"
NO_TEXT = "data: expected the file's text as a JSON string"
NO_NAME = "metadata.fileName: missing; expected the file's name, such as"
BESIDE = "not allowed beside a list of files"
OTHER_KIND = "is not a BPMN file; use deploy-resource"
REFUSED: list[tuple[str, object, dict[str, str], str]] = [
    *((operation, data, NAMED, NO_FILE) for operation in BOTH for data in (None, "")),
    ("deploy-process", {}, NAMED, NO_FILE),
    *(("deploy-process", data, NAMED, f"{NO_TEXT}, found {found}")
      for data, found in (({"name": "a"}, "an object"), ([TEXT], "a list"), (7, "7"))),
    ("deploy-resource", [LIST], NAMED, f"{NO_TEXT}, or an object with the list resources, found a list"),
    *(("deploy-process", TEXT, {"fileName": name}, NO_NAME) for name in ("", " ")),
    *(("deploy-resource", "<x/>", metadata, f'{NO_NAME} "order.dmn"') for metadata in ({}, {"fileName": " "})),
    *(("deploy-resource", data, {}, NO_LIST) for data in (None, {})),
    ("deploy-resource", {"resources": []}, {}, f"{NO_LIST.replace('missing; ', '')}, found an empty list"),
    ("deploy-resource", LIST, NAMED, f"metadata.fileName: {BESIDE}; each file has a name of its own"),
    ("deploy-resource", LIST, {"encoding": "base64"}, f"metadata.encoding: {BESIDE}; each file has an encoding of"),
    ("deploy-resource", LIST, {"tenantId": "a"}, f"metadata.tenantId: {BESIDE}; name the tenant in data.tenantId"),
    *(("deploy-process", data, PACKED, "data: not valid base64") for data in ("<x/>", "abc", "YWJj\u00e4", "Y===")),
    ("deploy-resource", "%", PACKED, "data: not valid base64: "),
    ("deploy-resource", a_list("x", encoding="base64"), {}, "data.resources[0].content: not valid base64: "),
    ("deploy-resource", a_list("eA==", " ", encoding="base64"), {}, f"data.resources[1].content{NO_FILE[4:]}"),
    ("deploy-resource", a_list(""), {}, "data.resources[0].content: expected text that"),
    # So do Java, C# and Go write bytes.
    *((operation, base64_of(content), NAMED, f'data: {IN_BASE64}set metadata.encoding = "base64"')
      for operation in BOTH for content in (XML, b"<x/>", codecs.BOM_UTF8 + XML)),
    ("deploy-resource", a_list(base64_of(XML)), {}, f'data.resources[0].content: {IN_BASE64}add "encoding": "base64"'),
    *(("deploy-process", TEXT, {"fileName": name}, f'metadata.fileName: "{name}" {OTHER_KIND}')
      for name in ("rules.dmn", "Rules.DMN", "task.form")),
]  # fmt: skip


def test_what_is_no_file_and_no_list_is_refused_by_its_place() -> None:
    def is_refused(operation: str, data: object, metadata: dict[str, str], message: str) -> None:
        error = refusal_of(operation, data, metadata=metadata)
        assert error.message.startswith(message)
        suggested = {"suggestion": "deploy-resource"} if OTHER_KIND in message else {}
        assert error.details == {"field": message.partition(":")[0]} | suggested

    check_all(REFUSED, is_refused)
    with pytest.raises(CommandError, match="data: not valid JSON"):
        DeployProcess.from_wire(b'"\\udc00 and more text"', NAMED)


def test_a_bare_body_that_is_empty_or_has_no_name_in_text_is_refused() -> None:
    for operation in BOTH:
        assert refused(b"", type=operation, headers=NAMED, content_type="text/xml").message.startswith(NO_FILE)
        refused(b"", type=operation, headers={})
    for headers in ({"fileName": b"a.bpmn"}, {"fileName": 5}, {"fileName": None}, {}):
        assert refused(TEXT.encode(), type="deploy-process", headers=headers).message.startswith(NO_NAME), headers


KINDS: list[tuple[str, Any]] = [
    ("a Buffer", {"type": "Buffer", "data": list(XML)}),
    ("a Uint8Array", {str(index): byte for index, byte in enumerate(XML)}),
    ("a list of numbers", list(XML)),
]


@for_each(KINDS)
def test_bytes_are_recognised_wherever_they_stand(kind: str, found: Any) -> None:
    file = {"name": "a.bpmn", "content": "<x/>"}
    for operation, data, metadata, field in (
        *((operation, found, metadata, "data") for operation in BOTH for metadata in (NAMED, {})),
        ("deploy-resource", a_list("<x/>", found), {}, "data.resources[1].content"),
        ("deploy-resource", {"resources": [file, found]}, {}, "data.resources[1]"),
        ("publish-message", {"messageName": found}, {}, "data.messageName"),
    ):
        message = refusal_of(operation, data, metadata=metadata).message
        assert message.startswith(f"{field}: expected "), (operation, field)
        assert message.endswith(f", found {kind}{ADVICE}"), (operation, field)
    for operation in BOTH:
        told = refused(json.dumps(found).encode(), type=operation, headers=NAMED).message
        assert told == f"data: expected the file's bytes as the message's whole body, found {kind} in JSON"
    # Where an object belongs that is no file, they are only called what they are.
    told = refusal_of("create-instance", {"bpmnProcessId": "a", "startInstructions": [found]}).message
    assert told == f"data.startInstructions[0]: expected an object, found {kind}"
    assert refusal_of("complete-job", found).message == f"data: expected an object, found {kind}"


def test_what_only_looks_alike_is_taken() -> None:
    for operation, text in (
        ("deploy-process", "PD94 is no XML"),
        ("deploy-process", base64_of(b"8<x/>")),
        ("deploy-resource", json.dumps({"type": "default", "components": []})),
        ("deploy-resource", json.dumps({"type": "Buffer", "data": "no list"})),
    ):
        assert files(decoded(operation, text, NAMED)) == [("order.bpmn", text.encode())], text
    broken = b'{"type": "Buffer", "data": ['
    for file in (broken, broken + b"\xff", b'{"0": ' + b"[" * 100_000, b'{"data": "\xff"}'):
        for operation in BOTH:
            with suppress(CommandError):  # that it is no file is the engine's to say, or that it is no list
                bare(operation, file, NAMED)
    form = b'{"type": "default", "components": [{"0": 1}]}'
    assert files(bare("deploy-resource", form, {"fileName": "a.form"})) == [("a.form", form)]


OTHERS = ("utf-16", "UTF-16LE", "UTF-32", "ISO-8859-1", "windows-1252", "latin1", "Shift_JIS", "x-unknown", " utf-16 ")
TRUE = ("", ' encoding="utf-8"', " encoding='UTF-8'", ' encoding="UTF8"', ' encoding = "us-ascii"',
        ' encoding="US-ASCII"')  # fmt: skip
SPACES = " \r\n\t" * 500


def xml(declared: str) -> str:
    return f'<?xml version="1.0"{declared} standalone="yes"?><x encoding="utf-16" name="bestätigt"/>'


LYING = [
    *(xml(f" encoding={quote}{name}{quote}") for name in OTHERS for quote in "'\""),
    xml(f"{SPACES}encoding{SPACES}={SPACES}'utf-16'"),
    "\ufeff" + xml(' encoding="utf-16"'),
    '<?xml encoding="utf-16"?><x/>',
]
"""Texts whose declaration is not what they will be."""
TRUTHFUL = [
    *(mark + xml(each) for each in TRUE for mark in ("", "\ufeff")),
    "<x/>" + xml(' encoding="utf-16"'),
    '<?xml-stylesheet href="a.css" encoding="latin1"?><definitions/>',
    json.dumps({"text": '<?xml encoding="utf-16"?>'}),
]


@for_each(LYING)
def test_text_that_declares_another_encoding_is_refused_with_the_way_out(text: str) -> None:
    for operation in BOTH:
        error = refusal_of(operation, text, metadata=NAMED)
        assert (error.details or {})["field"] == "data"
        assert 'metadata.encoding = "base64"' in error.message
        assert "bare" in error.message
    error = refusal_of("deploy-resource", a_list(xml(""), text))
    assert (error.details or {})["field"] == "data.resources[1].content"
    assert '"encoding": "base64"' in error.message
    with pytest.raises(CommandError, match="encoding"):
        DeployResource(resources=(Resource(name="a.bpmn", content=text),)).verify()
    if "ISO-8859-1" in text:
        assert 'encoding="ISO-8859-1"' in error.message


@for_each(TRUTHFUL)
def test_text_that_declares_what_it_is_or_nothing_is_deployed_as_it_is(text: str) -> None:
    for operation in BOTH:
        command = decoded(operation, text, NAMED)
        assert files(command) == files(sent_again(command)) == [("order.bpmn", text.encode())]


def test_bytes_that_declare_another_encoding_are_deployed_as_they_are() -> None:
    def are_deployed(file: bytes) -> None:
        for command in (
            *(decoded(operation, base64_of(file), PACKED) for operation in BOTH),
            decoded("deploy-resource", a_list(base64_of(file), name="order.bpmn", encoding="base64")),
            bare("deploy-process", file, NAMED),
            bare("deploy-resource", file, NAMED, "application/xml"),
            DeployProcess(name="order.bpmn", content=file),
            DeployResource(resources=(Resource.of("order.bpmn", file),)),
        ):
            assert files(command) == files(sent_again(command)) == [("order.bpmn", file)]

    encoded = [xml(f' encoding="{name}"').encode(name) for name in ("utf-16", "iso-8859-1", "utf-32")]
    check_all([*encoded, *(text.encode() for text in LYING)], are_deployed)
