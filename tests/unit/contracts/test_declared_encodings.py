"""A file's XML declaration is true when the file is deployed: text that would make it a lie is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.unit.contracts.samples import body
from zeebe_amqp import envelope
from zeebe_amqp.commands import Command, DeployProcess, DeployResource
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.errors import Code, CommandError

FILE = {"fileName": "a.bpmn"}
OTHERS = ("utf-16", "UTF-16LE", "UTF-32", "ISO-8859-1", "windows-1252", "latin1", "Shift_JIS", "x-unknown", " utf-16 ")
TRUE = (
    "",
    ' encoding="utf-8"',
    " encoding='UTF-8'",
    ' encoding="UTF8"',
    ' encoding = "us-ascii"',
    ' encoding="US-ASCII"',
)


def xml(declared: str) -> str:
    return f'<?xml version="1.0"{declared} standalone="yes"?><x encoding="utf-16" name="bestätigt"/>'


def lying() -> list[str]:
    """Texts whose declaration is not what they will be."""
    spaces = " \r\n\t" * 500
    texts = [xml(f" encoding={quote}{name}{quote}") for name in OTHERS for quote in "'\""]
    texts += [xml(f"{spaces}encoding{spaces}={spaces}'utf-16'"), "\ufeff" + xml(' encoding="utf-16"')]
    return [*texts, '<?xml encoding="utf-16"?><x/>']


def refusal(operation: str, data: Any, **metadata: str) -> CommandError:
    with pytest.raises(CommandError) as refused:
        envelope.decode(body(operation, data, metadata=metadata))
    assert refused.value.code == Code.INVALID_ARGUMENT
    return refused.value


def contents(command: Command) -> list[bytes]:
    """The bytes that the engine gets."""
    if isinstance(command, DeployProcess):
        return [command.content]
    assert isinstance(command, DeployResource)
    return [resource.unpacked() for resource in command.resources]


def again(command: Command) -> list[bytes]:
    """The bytes that the engine gets when a client sends the command."""
    return contents(envelope.decode(envelope.encode(command)).command)


def test_text_that_declares_another_encoding_is_refused_with_the_way_out() -> None:
    for text in lying():
        for operation in ("deploy-process", "deploy-resource"):
            error = refusal(operation, text, **FILE)
            assert (error.details or {})["field"] == "data", text
            assert 'metadata.encoding = "base64"' in error.message
            assert "bare" in error.message
        listed = {"resources": [{"name": "a.bpmn", "content": xml("")}, {"name": "b.dmn", "content": text}]}
        error = refusal("deploy-resource", listed)
        assert (error.details or {})["field"] == "data.resources[1].content", text
        assert '"encoding": "base64"' in error.message


def test_the_refusal_names_the_encoding() -> None:
    text = xml(' encoding="ISO-8859-1"')
    assert 'encoding="ISO-8859-1"' in refusal("deploy-process", text, **FILE).message


def test_text_that_declares_what_it_is_is_deployed_as_it_is() -> None:
    for declared in TRUE:
        for text in (xml(declared), "\ufeff" + xml(declared), "<x/>" + xml(' encoding="utf-16"')):
            for operation in ("deploy-process", "deploy-resource"):
                command = envelope.decode(body(operation, text, metadata=FILE)).command
                assert contents(command) == [text.encode()]
                assert again(command) == [text.encode()]


def test_bytes_that_declare_another_encoding_are_deployed_as_they_are() -> None:
    files = [xml(f' encoding="{name}"').encode(name) for name in ("utf-16", "iso-8859-1", "utf-32")]
    files += [text.encode() for text in lying()]
    for file in files:
        packed = base64.b64encode(file).decode()
        listed = {"resources": [{"name": "a.bpmn", "content": packed, "encoding": "base64"}]}
        requests = [
            envelope.decode(body("deploy-process", packed, metadata={**FILE, "encoding": "base64"})),
            envelope.decode(body("deploy-resource", packed, metadata={**FILE, "encoding": "base64"})),
            envelope.decode(body("deploy-resource", listed)),
            envelope.decode(file, type="deploy-process", headers=FILE),
            envelope.decode(file, type="deploy-resource", headers=FILE, content_type="application/xml"),
        ]
        for request in requests:
            assert contents(request.command) == [file]
            assert again(request.command) == [file]


def test_a_client_that_has_the_bytes_sends_them_so_that_they_stay_what_they_are() -> None:
    for text in lying():
        file = text.encode()
        resources = (Resource.of("a.bpmn", file), Resource.of("b.form", b"{}"))
        assert again(DeployProcess(name="a.bpmn", content=file)) == [file]
        assert again(DeployResource(resources=resources)) == [file, b"{}"]


def test_a_client_that_has_only_text_is_told_before_it_sends() -> None:
    text = xml(' encoding="utf-16"')
    with pytest.raises(CommandError, match="utf-16"):
        DeployResource(resources=(Resource(name="a.bpmn", content=text),)).verify()


def test_a_file_that_is_not_xml_declares_nothing() -> None:
    form = json.dumps({"text": '<?xml encoding="utf-16"?>'})
    command = envelope.decode(body("deploy-resource", form, metadata={"fileName": "a.form"})).command
    assert contents(command) == [form.encode()]


def test_a_stylesheet_is_no_declaration() -> None:
    text = '<?xml-stylesheet href="a.css" encoding="latin1"?><definitions/>'
    command = envelope.decode(body("deploy-process", text, metadata={"fileName": "a.bpmn"})).command
    assert contents(command) == [text.encode()]
