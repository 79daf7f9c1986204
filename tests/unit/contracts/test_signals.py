"""The command `signal`: the REST API's order of checks and its words, its tenants, its unknown siblings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases import for_each
from tests.unit.contracts.samples import command, refusal_of, refused
from zeebe_amqp import Signal, envelope
from zeebe_amqp.errors import CommandError

BAD = {"x": {"value": "a", "type": "Integer"}}
TENANT = "Cannot specify a tenant-id when deliver a signal to a single execution."
S = {"name": "s"}
E = S | {"executionId": "e"}


WRONG: list[tuple[Any, str, str]] = [
    ({}, "name", "No signal name given"),
    ({"name": None, "variables": BAD}, "name", "No signal name given"),
    ({"variables": BAD, "executionId": "e", "tenantId": "t"}, "name", "No signal name given"),
    (E | {"variables": BAD, "tenantId": "t"}, "variables.x.value", "Cannot convert"),
    (S | {"variables": {"a": {"value": 1}, "b": BAD["x"], "c": 5}}, "variables.b.value", "Cannot convert"),
    (E | {"tenantId": "t"}, "tenantId", TENANT),
    (S | {"executionId": "", "tenantId": ""}, "tenantId", TENANT),
    (E | {"withoutTenantId": True}, "withoutTenantId", TENANT),
    (E | {"withoutTenantId": 1, "tenantId": "t"}, "tenantId", TENANT),
    ({"name": 5}, "name", "expected text, found 5"),
    ({"name": True}, "name", "expected text, found true"),
    (S | {"executionId": 5}, "executionId", "expected text, found 5"),
    (S | {"tenantId": False}, "tenantId", "expected text, found false"),
    (S | {"withoutTenantId": "yes"}, "withoutTenantId", 'expected true or false, found text "yes"'),
    (S | {"variables": []}, "variables", "expected a JSON object, found a list"),
]


@for_each(WRONG)
def test_what_is_wrong_is_told_in_the_order_and_the_words_of_the_rest_api(data: Any, field: str, text: str) -> None:
    error = refusal_of("signal", data)
    assert error.message.startswith(f"data.{field}: {text}")
    assert error.details == {"field": f"data.{field}"}


def test_every_text_is_a_name_null_is_as_if_absent_and_unknown_siblings_are_ignored() -> None:
    for name in ("", " ", "a b"):
        assert command("signal", {"name": name}).name == name
    nulls = S | dict.fromkeys(("executionId", "variables", "tenantId", "withoutTenantId"))
    expected = Signal(name="s", variables=command("signal", nulls).variables)
    assert command("signal", nulls | {"nmae": "t", "processInstanceId": 5}) == expected


def test_without_tenant_id_is_read_as_the_rest_api_reads_it_and_may_stand_beside_a_tenant() -> None:
    for expected, values in {True: (True, 1, "true", "TRUE", "True"), False: (False, 0, "false", "", None)}.items():
        for sent in values:
            read = command("signal", S | {"tenantId": "t", "withoutTenantId": sent})
            assert (read.tenant_id, bool(read.without_tenant_id)) == ("t", expected), sent


def test_a_document_inside_a_text_is_bounded_too() -> None:
    body = envelope.encode(Signal(name="s", variables={"x": {"value": "[" * 12 + "]" * 12, "type": "Json"}}))
    assert envelope.decode(body, max_depth=13)
    assert refused(body, max_depth=12).message.startswith("data.variables: nested deeper than 12 levels")
    for document in ('[{"a":', '["'):
        with pytest.raises(CommandError, match=r"data\.variables\.x\.value: not valid JSON"):
            Signal(name="s", variables={"x": {"value": document, "type": "Json"}}).verify()


def test_signals_are_written_from_plain_python() -> None:
    made = Signal(name="s", variables={"a": {"value": 1}}, without_tenant_id=True)
    again: Any = envelope.decode(envelope.encode(made)).command
    assert (again.name, bool(again.without_tenant_id), again.converted()["a"].json) == ("s", True, b"1")
    with pytest.raises(CommandError, match="Cannot specify a tenant-id"):
        Signal(name="s", execution_id="e", tenant_id="t").verify()
