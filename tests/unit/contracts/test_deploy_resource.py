"""deploy-resource: one file as deploy-process takes it, or a list of files."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.contracts.samples import body
from zeebe_amqp import DeployResource, Resource, envelope
from zeebe_amqp.errors import Code, CommandError

FORM = '{"id": "f", "schemaVersion": 4}'
NAMED = {"fileName": "a.form"}
LIST = {
    "resources": [{"name": "a.form", "content": FORM}, {"name": "b.dmn", "content": "PHgvPg==", "encoding": "base64"}]
}


def decoded(data: object, metadata: dict[str, str] | None = None) -> DeployResource:
    command = envelope.decode(body("deploy-resource", data, metadata=metadata)).command
    assert isinstance(command, DeployResource)
    return command


def bare(data: bytes, headers: dict[str, Any], content_type: str | None = None) -> DeployResource:
    command = envelope.decode(data, type="deploy-resource", content_type=content_type, headers=headers).command
    assert isinstance(command, DeployResource)
    return command


def files(command: DeployResource) -> list[tuple[str, bytes]]:
    return [(resource.name, resource.unpacked()) for resource in command.resources]


def refusal(data: object, metadata: dict[str, str] | None = None) -> str:
    with pytest.raises(CommandError) as raised:
        decoded(data, metadata)
    assert raised.value.code == Code.INVALID_ARGUMENT
    return raised.value.message


def test_a_string_is_a_file_of_any_kind() -> None:
    command = decoded(FORM, NAMED | {"tenantId": "acme"})
    assert (files(command), command.tenant_id) == ([("a.form", FORM.encode())], "acme")
    packed = base64.b64encode(b"\xff").decode()
    assert files(decoded(packed, {"fileName": "b.dmn", "encoding": "base64"})) == [("b.dmn", b"\xff")]


def test_an_object_is_the_list_of_files() -> None:
    command = decoded(LIST | {"tenantId": "acme"})
    assert (files(command), command.tenant_id) == ([("a.form", FORM.encode()), ("b.dmn", b"<x/>")], "acme")


@pytest.mark.parametrize("content_type", [None, "application/json", "application/octet-stream", "text/xml"])
def test_a_bare_body_with_a_file_name_is_a_file_even_when_it_is_an_object(content_type: str | None) -> None:
    assert files(bare(FORM.encode(), NAMED, content_type)) == [("a.form", FORM.encode())]
    assert files(bare(b"{}", NAMED, content_type)) == [("a.form", b"{}")]
    assert files(bare(b"\xff\x00", NAMED, content_type)) == [("a.form", b"\xff\x00")]


def test_a_bare_object_without_a_file_name_is_the_list() -> None:
    assert files(bare(b" " + json.dumps(LIST).encode(), {})) == files(decoded(LIST))


@pytest.mark.parametrize(
    ("data", "metadata", "message"),
    [
        (None, NAMED, "data: missing; expected the text of the file"),
        ("", NAMED, "data: missing; expected the text of the file"),
        (None, {}, "data.resources: missing; expected a list of at least 1; each item is an object"),
        ({}, {}, "data.resources: missing; expected a list of at least 1; each item is an object"),
        ("<x/>", {}, 'metadata.fileName: missing; expected the file\'s name, such as "order.dmn"'),
        ("<x/>", {"fileName": " "}, 'metadata.fileName: missing; expected the file\'s name, such as "order.dmn"'),
        (
            [LIST],
            NAMED,
            "data: expected the file's text as a JSON string, or an object with the list resources, found a list",
        ),
        (LIST, NAMED, "metadata.fileName: not allowed beside a list of files; each file has a name of its own"),
        (
            LIST,
            {"encoding": "base64"},
            "metadata.encoding: not allowed beside a list of files; each file has an encoding of its own",
        ),
        (
            LIST,
            {"tenantId": "acme"},
            "metadata.tenantId: not allowed beside a list of files; name the tenant in data.tenantId",
        ),
        (
            {"resources": []},
            {},
            "data.resources: expected a list of at least 1; each item is an object, found an empty list",
        ),
        (
            {"resources": [{"name": "a.form", "content": "x", "encoding": "base64"}]},
            {},
            "data.resources[0].content: not valid base64: ",
        ),
        (
            {"resources": [LIST["resources"][0], {"name": "a.form", "content": " ", "encoding": "base64"}]},
            {},
            "data.resources[1].content: missing; expected the text of the file",
        ),
        ({"resources": [{"name": "a.form", "content": ""}]}, {}, "data.resources[0].content: expected text that"),
        ("%", NAMED | {"encoding": "base64"}, "data: not valid base64: "),
    ],
)
def test_what_is_no_file_and_no_list_is_refused_by_its_place(
    data: object, metadata: dict[str, str], message: str
) -> None:
    assert refusal(data, metadata).startswith(message)


def test_an_empty_bare_body_is_refused() -> None:
    for headers in (NAMED, {}):
        with pytest.raises(CommandError) as raised:
            bare(b"", headers)
        assert raised.value.code == Code.INVALID_ARGUMENT


@given(st.lists(st.tuples(st.text(min_size=1).filter(str.strip), st.binary(min_size=1)), min_size=1, max_size=5))
def test_any_files_survive_writing_and_reading(given_files: list[tuple[str, bytes]]) -> None:
    made = DeployResource(resources=tuple(Resource.of(*file) for file in given_files), tenant_id="acme")
    read = envelope.decode(envelope.encode(made)).command
    assert read == made
    assert isinstance(read, DeployResource)
    assert files(read) == given_files
