"""A byte order mark is named wherever JSON or base64 is refused for it: nobody sees it in an editor."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from tests.cases import for_each
from tests.unit.contracts.samples import body, refused
from zeebe_amqp import CommandError, CompleteJob, DeployProcess, envelope
from zeebe_amqp.errors import Code

MARK = codecs.BOM_UTF8
TOPOLOGY = '{"operation":"topology"}'
PACKED: Mapping[str, str] = {"fileName": "a", "encoding": "base64"}
SIGNAL = {"name": "s", "variables": {"x": {"type": "Json", "value": "\ufeff{}"}}}


def with_data(data: bytes, metadata: bytes = b"{}") -> bytes:
    return b'{"operation":"set-variables","data":%s,"metadata":%s}' % (data, metadata)


def written_by_a_caller() -> None:
    envelope.encode(CompleteJob.from_wire(b'{"jobKey":1,"variables":' + MARK + b"{}}", {}))


def read(raw: bytes, **properties: Any) -> Callable[[], object]:
    return partial(envelope.decode, raw, **properties)


PLACES: list[tuple[Callable[[], object], str, str]] = [
    (read(MARK + TOPOLOGY.encode()), "body", "UTF-8"),
    (read(TOPOLOGY.encode("utf-16")), "operation missing", "UTF-16"),
    (read(TOPOLOGY.encode("utf-32")), "operation missing", "UTF-32"),
    (read(MARK + b"{}", type="create-instance"), "data", "UTF-8"),
    (read(with_data(MARK + b"{}")), "body", "UTF-8"),
    (read(with_data(b"{}", MARK + b"{}")), "body", "UTF-8"),
    (read(with_data(b'{"elementInstanceKey":1,"variables":' + MARK + b"{}}")), "body", "UTF-8"),
    (read(body("signal", SIGNAL)), "data.variables.x.value", "UTF-8"),
    (written_by_a_caller, "data", "UTF-8"),
    (partial(DeployProcess.from_wire, json.dumps("\ufeffPHgvPg==").encode(), PACKED), "data", "UTF-8"),
]


@for_each(PLACES)
def test_a_byte_order_mark_is_named_with_what_is_expected(
    read: Callable[[], object], field: str, encoding: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        read()
    assert refusal.value.code == Code.INVALID_ARGUMENT
    assert refusal.value.message.startswith(f"{field}: ")
    assert f"found a byte order mark of {encoding} at byte " in refusal.value.message
    assert "; expected UTF-8 without one" in refusal.value.message


def test_behind_a_mark_the_operation_is_read_and_in_a_text_or_further_on_it_is_none() -> None:
    assert refused(MARK + TOPOLOGY.encode()).operation == "topology"
    assert "byte order mark" not in refused(b'{"operation":"topology",\xff\xfe}').message
    request = envelope.decode('{"operation":"publish-message","data":{"messageName":"\ufeffa"}}'.encode())
    assert "\ufeffa".encode() in request.data
