"""JSON that a caller sent as text where an object or a list belongs: the refusal says to parse it first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from tests.unit.contracts.samples import FULLEST, refusal_of
from tests.unit.contracts.values import info
from zeebe_amqp import CommandError, CreateInstance, envelope
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code

ADVICE = " that looks like JSON; parse it first, and send the object or list itself, not as text"
FIELDS = [operation for operation in sorted(FULLEST) if operation != "topology"]


def nested(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return nested(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(nested, kind.types))
    return isinstance(kind, inspect.RawType | inspect.StructType | inspect.VarTupleType)


def packed() -> Iterator[tuple[str, str, Any]]:
    """Every object and list of every operation, one after the other as text: its path, the data."""
    for operation in FIELDS:
        data = FULLEST[operation]
        for field in info(COMMANDS[operation]).fields:
            if nested(field.type) and field.encode_name in data:
                text = json.dumps(data[field.encode_name])
                yield operation, f"data.{field.encode_name}", data | {field.encode_name: text}
        yield operation, "data", json.dumps(data)


def refusal(body: object) -> CommandError:
    with pytest.raises(CommandError) as raised:
        envelope.decode(json.dumps(body).encode())
    return raised.value


def test_every_object_and_list_of_every_operation_sent_as_text_is_refused_with_the_advice() -> None:
    cases = list(packed())
    assert len(cases) > 30
    for operation, path, data in cases:
        if operation == "deploy-resource" and path == "data":
            continue  # text is a file there
        error = refusal_of(operation, data)
        name = f"{operation} {path}"
        assert (error.code, (error.details or {})["field"]) == (Code.INVALID_ARGUMENT, path), name
        assert error.message.startswith(f"{path}: expected "), name
        assert error.message.endswith(ADVICE), f"{name}: {error.message}"


PLACES: dict[str, object] = {
    "the whole body": json.dumps({"operation": "topology"}),
    "metadata": {"operation": "topology", "metadata": '{"keys":"string"}'},
    "a typed variable": {"operation": "signal", "data": {"name": "s", "variables": {"a": '{"value":1}'}}},
    "a valueInfo": {"operation": "signal", "data": {"name": "s", "variables": {"a": {"value": 1, "valueInfo": "{}"}}}},
    "variables behind spaces": {"operation": "create-instance", "data": {"bpmnProcessId": "a", "variables": "\n {}"}},
    "variables behind a mark": {
        "operation": "create-instance",
        "data": {"bpmnProcessId": "a", "variables": "\ufeff{}"},
    },
    "a list of files": {"operation": "deploy-resource", "data": '{"resources": []}'},
}


def test_elsewhere_too() -> None:
    for name, body in PLACES.items():
        assert ADVICE in refusal(body).message, name


def test_other_texts_are_not_said_to_be_json() -> None:
    for text in ("", "secret", "7", "null"):
        error = refusal({"operation": "create-instance", "data": {"bpmnProcessId": "a", "variables": text}})
        assert error.message == "data.variables: expected a JSON object, found text", text


def test_variables_that_python_gives_as_text_are_refused_alike() -> None:
    with pytest.raises(CommandError) as raised:
        envelope.decode(envelope.encode(CreateInstance(bpmn_process_id="a", variables='{"a": 1}')))  # type: ignore
    assert raised.value.message == f"data.variables: expected a JSON object, found text{ADVICE}"
