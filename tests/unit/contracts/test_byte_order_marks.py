"""A byte order mark is named wherever JSON or base64 is refused for it: nobody sees it in an editor."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable

import pytest

from tests.cases import check_all
from tests.unit.contracts.samples import body, refused
from zeebe_amqp import CommandError, CompleteJob, DeployProcess, envelope
from zeebe_amqp.errors import Code

MARK = codecs.BOM_UTF8
TOPOLOGY = '{"operation":"topology"}'


def envelope_with(data: bytes, metadata: bytes = b"{}") -> Callable[[], object]:
    return lambda: envelope.decode(b'{"operation":"set-variables","data":%s,"metadata":%s}' % (data, metadata))


def signal(value: str) -> Callable[[], object]:
    return lambda: envelope.decode(body("signal", {"name": "s", "variables": {"x": {"type": "Json", "value": value}}}))


PACKED = base64.b64encode(b"<x/>").decode()
PLACES: dict[str, tuple[Callable[[], object], str, str]] = {
    "an envelope": (lambda: envelope.decode(MARK + TOPOLOGY.encode()), "body", "UTF-8"),
    "an envelope in UTF-16": (lambda: envelope.decode(TOPOLOGY.encode("utf-16")), "operation missing", "UTF-16"),
    "an envelope in UTF-32": (lambda: envelope.decode(TOPOLOGY.encode("utf-32")), "operation missing", "UTF-32"),
    "a bare body": (lambda: envelope.decode(MARK + b"{}", type="create-instance"), "data", "UTF-8"),
    "a file of JSON put between envelope and end": (envelope_with(MARK + b"{}"), "body", "UTF-8"),
    "metadata": (envelope_with(b"{}", MARK + b"{}"), "body", "UTF-8"),
    "variables": (envelope_with(b'{"elementInstanceKey":1,"variables":' + MARK + b"{}}"), "body", "UTF-8"),
    "a document in a typed value": (signal("\ufeff{}"), "data.variables.x.value", "UTF-8"),
    "a document that a caller wrote": (
        lambda: envelope.encode(CompleteJob.from_wire(b'{"jobKey":1,"variables":' + MARK + b"{}}", {})),
        "data",
        "UTF-8",
    ),
    "base64": (
        lambda: DeployProcess.from_wire(
            json.dumps("\ufeff" + PACKED).encode(), {"fileName": "a", "encoding": "base64"}
        ),
        "data",
        "UTF-8",
    ),
}


def test_a_byte_order_mark_is_named_with_what_is_expected() -> None:
    def is_named(read: Callable[[], object], field: str, encoding: str) -> None:
        with pytest.raises(CommandError) as refusal:
            read()
        assert refusal.value.code == Code.INVALID_ARGUMENT
        assert refusal.value.message.startswith(f"{field}: ")
        assert f"found a byte order mark of {encoding} at byte " in refusal.value.message
        assert "; expected UTF-8 without one" in refusal.value.message

    check_all(PLACES, is_named)
    assert refused(MARK + TOPOLOGY.encode()).operation == "topology"


def test_bytes_like_a_mark_further_on_are_none_and_in_a_text_they_stay() -> None:
    assert "byte order mark" not in refused(b'{"operation":"topology",\xff\xfe}').message
    request = envelope.decode('{"operation":"publish-message","data":{"messageName":"\ufeffa"}}'.encode())
    assert "\ufeffa".encode() in request.data
