"""Commands that tell every process at once: signals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Final, Self

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.camunda7 import values as typed_values
from zeebe_amqp.camunda7.values import Converted
from zeebe_amqp.commands.command import DATA, Command
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, Target
from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import fields
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.fields import LenientBool, Maybe, Variables
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["VARIABLES", "Signal"]


VARIABLES: Final = f"{DATA}.variables"
"""The path of a signal's variables, for errors."""


class Signal(Command[None], frozen=True, kw_only=True, forbid_unknown_fields=False, dict=True):
    """Deliver a signal like Camunda 7's `POST /signal`; unknown fields and nulls are ignored.

    Without `tenant_id` and `without_tenant_id` the signal goes to all tenants.

    Args:
        name: the name of the signal, as in the BPMN.
        execution_id: the id of the only execution that gets the signal, for a Camunda 7 engine.
        variables: the variables that come with the signal, each with its type: `{"x": {"value": 24, "type": "Integer",
            "valueInfo": {}}}`. The type is optional.
        tenant_id: the tenant whose processes get the signal.
        without_tenant_id: true: only processes that belong to no tenant get the signal.

    Errors:
        UNIMPLEMENTED: there is an `execution_id`, and the service has no Camunda 7 engine.
        NOT_FOUND: Camunda 7 has no such execution.
        FAILED_PRECONDITION: the execution does not wait for this signal.
    """

    operation: ClassVar[str] = "signal"
    named_by: ClassVar[Mapping[str, str]] = {"signals": "name"}
    places: ClassVar[Mapping[str, str]] = {"keys": f"{DATA}.executionId"}

    name: str
    execution_id: str | None = None
    variables: Maybe[Variables] = None
    tenant_id: str | None = None
    without_tenant_id: LenientBool = False

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """Read and check the command from `data`, JSON as sent.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field; in the order and the words of the REST API.
        """
        if _is_unnamed(data):
            raise invalid(f"{DATA}.name", "No signal name given; expected text")
        command = super().from_wire(data, metadata, bare=bare, max_depth=max_depth)
        # A document inside a text counts as nested in the variables, where Zeebe gets it.
        if plain := typed_values.document(command.converted()):
            documents.check(plain.encode(), VARIABLES, max_depth)
        return command

    def verify(self) -> None:
        """Every variable converts; a tenant only without an execution."""
        self.converted()
        if self.execution_id is not None and (self.tenant_id is not None or self.without_tenant_id):
            field = "withoutTenantId" if self.tenant_id is None else "tenantId"
            text = "Cannot specify a tenant-id when deliver a signal to a single execution."
            raise invalid(f"{DATA}.{field}", f"{text} Send either this field or executionId")

    def named(self) -> Target:
        """The signal, and the tenants or the one execution that it is for."""
        if self.execution_id is not None:
            return Target(signals=(self.name,), keys=(self.execution_id,))
        tenants = (self.tenant_id, DEFAULT_TENANT) if self.without_tenant_id else (self.tenant_id,)
        # An empty one is Zeebe's to refuse, and Camunda 7's to understand.
        known = (ANY if tenant == "" else tenant for tenant in tenants if tenant is not None)
        return Target(signals=(self.name,), tenants=tuple(known) or (DEFAULT_TENANT,))

    def converted(self) -> dict[str, Converted]:
        """The variables by name, read by their types.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the first that cannot be read.
        """
        return self._converted

    @cached_property
    def _converted(self) -> dict[str, Converted]:
        # Checks and mapping want them, too, and there may be a hundred thousand.
        return typed_values.convert(fields.text(self.variables).encode(), VARIABLES)


def _is_unnamed(data: bytes) -> bool:
    try:
        name = OBJECT.decode(data).get("name")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the refusal is the typed decoder's
        return False
    return name is None or bytes(name) == b"null"
