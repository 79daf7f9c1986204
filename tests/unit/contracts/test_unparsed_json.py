"""JSON that a caller sent as text where an object or a list belongs: the refusal says to parse it first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from tests.cases import check_all
from tests.unit.contracts.samples import FULLEST, refusal_of, refused
from tests.unit.contracts.values import info
from zeebe_amqp import CreateInstance, envelope
from zeebe_amqp.commands import COMMANDS

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
        if operation != "deploy-resource":  # text is a file there
            yield operation, "data", json.dumps(data)


def test_every_object_and_list_of_every_operation_sent_as_text_is_refused_with_the_advice() -> None:
    def is_refused(operation: str, path: str, data: Any) -> None:
        error = refusal_of(operation, data)
        assert (error.details or {})["field"] == path
        assert error.message.startswith(f"{path}: expected ")
        assert error.message.endswith(ADVICE)

    cases = list(packed())
    assert len(cases) > 30
    check_all(cases, is_refused)


PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "metadata": ("topology", {"metadata": '{"keys":"string"}'}),
    "a typed variable": ("signal", {"data": {"name": "s", "variables": {"a": '{"value":1}'}}}),
    "a valueInfo": ("signal", {"data": {"name": "s", "variables": {"a": {"value": 1, "valueInfo": "{}"}}}}),
    "variables behind spaces": ("create-instance", {"data": {"bpmnProcessId": "a", "variables": "\n {}"}}),
    "variables behind a mark": ("create-instance", {"data": {"bpmnProcessId": "a", "variables": "\ufeff{}"}}),
    "a list of files": ("deploy-resource", {"data": '{"resources": []}'}),
}


def test_elsewhere_too() -> None:
    def is_advised(operation: str, others: dict[str, Any]) -> None:
        assert ADVICE in refusal_of(operation, **{"data": None} | others).message

    check_all(PLACES, is_advised)
    assert ADVICE in refused(json.dumps(json.dumps({"operation": "topology"})).encode()).message
    made = CreateInstance(bpmn_process_id="a", variables='{"a": 1}')  # type: ignore[arg-type]
    told = refused(envelope.encode(made)).message
    assert told == f"data.variables: expected a JSON object, found text{ADVICE}"


def test_other_texts_are_not_said_to_be_json() -> None:
    for text in ("", "secret", "7", "null"):
        error = refusal_of("create-instance", {"bpmnProcessId": "a", "variables": text})
        assert error.message == "data.variables: expected a JSON object, found text", text
