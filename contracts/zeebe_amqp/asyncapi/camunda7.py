"""JSON Schemas of what only the operation `signal` has: typed variables, and its rule about tenants."""

from __future__ import annotations

from typing import Any, Final

from zeebe_amqp.camunda7.types import TYPES

__all__ = ["TENANTS", "TYPED_VARIABLES"]


_TYPE_NAMES: Final = "|".join(f"[{name[0]}{name[0].lower()}]{name[1:]}" for name in TYPES if name)

TYPED_VARIABLES: Final[dict[str, Any]] = {
    "title": "TypedVariables",
    "description": 'variables with their types, such as `{"months": {"value": 24, "type": "Integer"}}`',
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "value": {"description": "any JSON value that the type accepts"},
            "type": {"type": ["string", "null"], "pattern": f"^(?:{_TYPE_NAMES})$"},
            "valueInfo": {"type": ["object", "null"], "description": "what some types need, such as a file's name"},
        },
    },
}
"""The variables of a signal."""


def _given(field: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"required": [field], "properties": {field: value}}


_YES: Final[dict[str, Any]] = {"anyOf": [{"enum": [True, 1]}, {"type": "string", "pattern": "^[Tt][Rr][Uu][Ee]$"}]}
_TEXT: Final[dict[str, Any]] = {"type": "string"}

TENANTS: Final[dict[str, Any]] = {
    "allOf": [_given("executionId", _TEXT), {"anyOf": [_given("tenantId", _TEXT), _given("withoutTenantId", _YES)]}]
}
"""What is refused: a signal to one execution that names a tenant."""
