"""Bytes where a text belongs, as JSON libraries write them: the refusal says what they are and what to send."""

from __future__ import annotations

import base64
import codecs
import json
from contextlib import suppress
from typing import Any

import pytest

from zeebe_amqp import envelope
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.bytes_in_json import ADVICE

XML = b"<?xml version='1.0'?><x/>"
KINDS: dict[str, object] = {
    "a Buffer": {"type": "Buffer", "data": list(XML)},
    "a Uint8Array": {str(index): byte for index, byte in enumerate(XML)},
    "a list of numbers": list(XML),
}
NAMED = {"fileName": "a.bpmn"}


def refusal(operation: str, data: object, metadata: dict[str, str]) -> CommandError:
    with pytest.raises(CommandError) as raised:
        envelope.decode(json.dumps({"operation": operation, "data": data, "metadata": metadata}).encode())
    assert raised.value.code == Code.INVALID_ARGUMENT
    return raised.value


def test_bytes_are_recognised_wherever_a_file_is_taken() -> None:
    for kind, found in KINDS.items():
        places: dict[str, tuple[str, object, dict[str, str], str]] = {
            "deploy-process": ("deploy-process", found, NAMED, "data"),
            "deploy-process without a name": ("deploy-process", found, {}, "data"),
            "deploy-resource": ("deploy-resource", found, NAMED, "data"),
            "deploy-resource without a name": ("deploy-resource", found, {}, "data"),
            "a list of files": (
                "deploy-resource",
                {"resources": [{"name": "a.bpmn", "content": "<x/>"}, {"name": "b.bpmn", "content": found}]},
                {},
                "data.resources[1].content",
            ),
            "a file of a list": (
                "deploy-resource",
                {"resources": [{"name": "a.bpmn", "content": "<x/>"}, found]},
                {},
                "data.resources[1]",
            ),
            "another text": ("publish-message", {"messageName": found}, {}, "data.messageName"),
        }
        for place, (operation, data, metadata, field) in places.items():
            message = refusal(operation, data, metadata).message
            assert message.startswith(f"{field}: expected "), (kind, place)
            assert message.endswith(f", found {kind}{ADVICE}"), (kind, place, message)


def test_bytes_where_an_object_belongs_that_is_no_file_are_called_what_they_are() -> None:
    for kind, found in KINDS.items():
        assert refusal("complete-job", found, {}).message == f"data: expected an object, found {kind}"
        data = {"bpmnProcessId": "a", "startInstructions": [found]}
        place = "data.startInstructions[0]"
        assert refusal("create-instance", data, {}).message == f"{place}: expected an object, found {kind}"


def test_a_body_that_is_a_file_must_not_be_its_bytes_in_json() -> None:
    for operation in ("deploy-process", "deploy-resource"):
        for kind, found in KINDS.items():
            with pytest.raises(CommandError) as raised:
                envelope.decode(json.dumps(found).encode(), type=operation, headers=NAMED)
            assert raised.value.message == (
                f"data: expected the file's bytes as the message's whole body, found {kind} in JSON"
            ), operation


def test_xml_in_base64_that_does_not_say_so_is_refused() -> None:
    """So do Java, C# and Go write bytes."""
    for content in (XML, b"<x/>", codecs.BOM_UTF8 + XML):
        text = base64.b64encode(content).decode()
        listed = {"resources": [{"name": "a.bpmn", "content": text}]}
        found = "expected the file's text, found its bytes in base64; "
        one = f'data: {found}set metadata.encoding = "base64"'
        assert refusal("deploy-process", text, NAMED).message == one, content
        assert refusal("deploy-resource", text, NAMED).message == one, content
        several = f'data.resources[0].content: {found}add "encoding": "base64"'
        assert refusal("deploy-resource", listed, {}).message == several, content


TAKEN: dict[str, tuple[str, Any]] = {
    "a text that begins like base64": ("deploy-process", "PD94 is no XML"),
    "base64 of something else": ("deploy-process", base64.b64encode(b"8<x/>").decode()),
    "a form with a type": ("deploy-resource", json.dumps({"type": "default", "components": []})),
    "text of a Buffer": ("deploy-resource", json.dumps({"type": "Buffer", "data": "no list"})),
}


def test_what_only_looks_alike_is_taken() -> None:
    for name, (operation, text) in TAKEN.items():
        request = envelope.decode(
            json.dumps({"operation": operation, "data": text, "metadata": NAMED}).encode(), headers=NAMED
        )
        assert request.operation == operation, name
    broken = b'{"type": "Buffer", "data": ['
    for file in (broken, broken + b"\xff", b'{"0": ' + b"[" * 100_000, b'{"data": "\xff"}'):
        for operation in ("deploy-process", "deploy-resource"):
            with suppress(CommandError):  # that it is no file is the engine's to say, or that it is no list
                envelope.decode(file, type=operation, headers=NAMED)
    form = b'{"type": "default", "components": [{"0": 1}]}'
    assert envelope.decode(form, type="deploy-resource", headers={"fileName": "a.form"}).data == form
