"""The command `signal`: the REST API's order of checks and its words, its tenants, its unknown siblings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.contracts.samples import command, request
from zeebe_amqp import Signal, envelope
from zeebe_amqp.errors import Code, CommandError

BAD = {"x": {"value": "a", "type": "Integer"}}
TENANT = "Cannot specify a tenant-id when deliver a signal to a single execution."


def refusal(data: Any, **options: Any) -> CommandError:
    with pytest.raises(CommandError) as raised:
        request("signal", data, **options)
    assert raised.value.code is Code.INVALID_ARGUMENT
    return raised.value


def test_the_example_of_the_documentation_is_read() -> None:
    example = {"name": "policy_conditions_changed", "variables": {"newTimePeriodInMonth": {"value": 24}}}
    read = command("signal", example)
    assert (read.name, read.execution_id, read.tenant_id, bool(read.without_tenant_id)) == (
        "policy_conditions_changed",
        None,
        None,
        False,
    )
    assert {name: each.json for name, each in read.converted().items()} == {"newTimePeriodInMonth": b"24"}


@pytest.mark.parametrize(
    ("data", "field", "text"),
    [
        ({}, "name", "No signal name given"),
        ({"name": None, "variables": BAD}, "name", "No signal name given"),
        ({"variables": BAD, "executionId": "e", "tenantId": "t"}, "name", "No signal name given"),
        ({"name": "s", "variables": BAD, "executionId": "e", "tenantId": "t"}, "variables.x.value", "Cannot convert"),
        ({"name": "s", "executionId": "e", "tenantId": "t"}, "tenantId", TENANT),
        ({"name": "s", "executionId": "", "tenantId": ""}, "tenantId", TENANT),
        ({"name": "s", "executionId": "e", "withoutTenantId": True}, "withoutTenantId", TENANT),
        ({"name": "s", "executionId": "e", "withoutTenantId": 1, "tenantId": "t"}, "tenantId", TENANT),
        ({"name": 5}, "name", "expected text, found 5"),
        ({"name": True}, "name", "expected text, found true"),
        ({"name": "s", "executionId": 5}, "executionId", "expected text, found 5"),
        ({"name": "s", "tenantId": False}, "tenantId", "expected text, found false"),
        ({"name": "s", "withoutTenantId": "yes"}, "withoutTenantId", 'expected true or false, found text "yes"'),
        ({"name": "s", "variables": []}, "variables", "expected a JSON object, found a list"),
    ],
)
def test_what_is_wrong_is_told_in_the_order_and_the_words_of_the_rest_api(data: Any, field: str, text: str) -> None:
    error = refusal(data)
    assert error.message.startswith(f"data.{field}: {text}")
    assert error.details == {"field": f"data.{field}"}


def test_the_first_variable_that_cannot_be_read_is_named() -> None:
    variables = {"a": {"value": 1}, "b": {"value": "x", "type": "Long"}, "c": 5}
    assert refusal({"name": "s", "variables": variables}).details == {"field": "data.variables.b.value"}


@pytest.mark.parametrize("name", ["", " ", "a b"])
def test_every_text_is_a_name(name: str) -> None:
    assert command("signal", {"name": name}).name == name


def test_null_is_as_if_absent_and_unknown_siblings_are_ignored() -> None:
    nulls = {"executionId": None, "variables": None, "tenantId": None, "withoutTenantId": None}
    assert command("signal", {"name": "s", **nulls, "nmae": "t", "processInstanceId": 5}) == Signal(
        name="s", variables=command("signal", {"name": "s", **nulls}).variables
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(value, True) for value in (True, 1, "true", "TRUE", "True")]
    + [(value, False) for value in (False, 0, "false", "", None)],
)
def test_without_tenant_id_is_read_as_the_rest_api_reads_it(sent: Any, expected: bool) -> None:
    assert bool(command("signal", {"name": "s", "withoutTenantId": sent}).without_tenant_id) is expected


def test_a_tenant_beside_without_tenant_id_is_no_error() -> None:
    assert command("signal", {"name": "s", "tenantId": "t", "withoutTenantId": True}).tenant_id == "t"


@pytest.mark.parametrize("document", ['[{"a":', '["'])
def test_a_document_inside_a_text_is_bounded_too(document: str) -> None:
    text = "[" * 12 + "]" * 12
    variables = {"x": {"value": text, "type": "Json"}}
    body = envelope.encode(Signal(name="s", variables=variables))
    assert envelope.decode(body, max_depth=13)
    with pytest.raises(CommandError, match=r"data\.variables: nested deeper than 12 levels"):
        envelope.decode(body, max_depth=12)
    with pytest.raises(CommandError, match=r"data\.variables\.x\.value: not valid JSON"):
        Signal(name="s", variables={"x": {"value": document, "type": "Json"}}).verify()


def test_signals_are_written_from_plain_python() -> None:
    made = Signal(name="s", variables={"a": {"value": 1}}, without_tenant_id=True)
    again = envelope.decode(envelope.encode(made)).command
    assert isinstance(again, Signal)
    assert (again.name, bool(again.without_tenant_id), again.converted()["a"].json) == ("s", True, b"1")
    with pytest.raises(CommandError, match="Cannot specify a tenant-id"):
        Signal(name="s", execution_id="e", tenant_id="t").verify()


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"[]", b'"s"', b'{"name":"s"', b'{"name":"\xff"}', b'{"name":"s","variables":{"a":{"value":1e999}}}'],
)
def test_hostile_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(CommandError) as raised:
        Signal.from_wire(data, {})
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message.startswith("data")
