"""A smallest and a fullest request for every operation, as they come over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.unit.contracts.values import info, value
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

KEY = 2251799813685250

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
"""Any JSON, numbers beyond those of the engine included."""

SMALLEST: dict[str, dict[str, Any]] = {
    **{name: value(info(COMMANDS[name])) for name in COMMANDS if name not in ("deploy-process", "signal")},
    "fail-job": {"jobKey": KEY, "retries": 0},
    "deploy-resource": {"resources": [{"name": "a.bpmn", "content": "<x/>"}]},
    "signal": {"name": "changed"},
}
"""Only the required fields, most made from the types; deploy-process is not an object and stands in its own tests."""

FULLEST: dict[str, dict[str, Any]] = {
    **{name: value(info(COMMANDS[name]), whole=True) for name in SMALLEST if name != "signal"},
    "topology": {"anything": [1, {"is": "ignored"}]},
    "signal": {
        "name": "changed",
        "variables": {"a": {"value": 24, "type": "Integer", "valueInfo": {"transient": False}}},
        "tenantId": "acme",
        "withoutTenantId": True,
    },
}
"""Every field, or one of those that exclude each other; most are made from the types."""


def body(operation: object, data: object = None, **others: object) -> bytes:
    """An envelope as bytes."""
    members = {"operation": operation} | ({} if data is None else {"data": data}) | others
    return json.dumps(members).encode()


def request(operation: str, data: object = None, **others: object) -> Request:
    """The decoded envelope."""
    return envelope.decode(body(operation, data, **others))


def command(operation: str, data: object = None) -> Any:
    """The decoded command."""
    return request(operation, data).command


def refused(raw: bytes, code: Code = Code.INVALID_ARGUMENT, **properties: Any) -> CommandError:
    """Why a body is refused; it is always the consumer's word, and final."""
    with pytest.raises(CommandError) as refusal:
        envelope.decode(raw, **properties)
    error = refusal.value
    assert (error.code, error.source, error.outcome) == (code, Source.CONSUMER, Outcome.NOT_EXECUTED)
    assert not error.retryable
    return error


def refusal_of(operation: str, data: object, **others: object) -> CommandError:
    """Why a request is refused."""
    return refused(body(operation, data, **others))


def smallest(operation: str) -> Command:
    """The smallest command of any operation; those that are no object deploy a file."""
    if operation in SMALLEST:
        return COMMANDS[operation].from_wire(json.dumps(SMALLEST[operation]).encode(), {})
    return COMMANDS[operation].from_wire(b'"<xml/>"', {wire.FILE_NAME: "order.bpmn"})
