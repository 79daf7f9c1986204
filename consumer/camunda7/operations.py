"""What a Camunda 7 engine can do: signals, by the body of its own REST API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from consumer.config import Camunda7
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.signals import VARIABLES, Signal
from zeebe_amqp.commands.target import ANY, Target
from zeebe_amqp.errors import invalid
from zeebe_amqp.schema.fields import text

__all__ = ["RestRequest", "accepts", "reach", "to_request"]


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request to the REST API: POST `body`, JSON, to `path` below the engine's URL."""

    path: str
    body: bytes


def accepts(*, every: bool) -> Callable[[Command], bool]:
    """Which commands the engine gets: signals to one execution, with `every` all signals."""
    return lambda command: isinstance(command, Signal) and (every or command.execution_id is not None)


def reach(engine: Camunda7 | None) -> Callable[[Command], Target]:
    """What a command acts on beside this engine (None: no such engine). A signal to it without a tenant is for all."""
    if engine is None:
        return target
    takes = accepts(every=engine.every)

    def found(command: Command) -> Target:
        acted_on = target(command)
        if isinstance(command, Signal) and takes(command) and _is_for_all(command):
            return msgspec.structs.replace(acted_on, tenants=(ANY,))
        return acted_on

    return found


def _is_for_all(command: Signal) -> bool:
    return command.execution_id is None and command.tenant_id is None and not command.without_tenant_id


def to_request(command: Signal) -> RestRequest:
    """The request for a signal; pure.

    Raises:
        CommandError: INVALID_ARGUMENT, a variable that the engine would answer with an error of its own.
    """
    for name, variable in command.converted().items():
        if variable.camunda7:
            raise invalid(f"{VARIABLES}.{name}.value", f"Camunda 7 cannot take {variable.camunda7}")
    variables = text(command.variables).encode()
    given = {
        "name": command.name,
        "executionId": command.execution_id,
        # Byte for byte: the engine reads types and numbers itself.
        "variables": msgspec.Raw(variables) if variables else None,
        "tenantId": command.tenant_id,
        "withoutTenantId": True if command.without_tenant_id else None,
    }
    return RestRequest("/signal", msgspec.json.encode({name: each for name, each in given.items() if each is not None}))
