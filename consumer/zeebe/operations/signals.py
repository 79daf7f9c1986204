"""Signals by the body of Camunda 7's REST API, to Zeebe."""

from __future__ import annotations

import logging
from functools import cache
from typing import Final

from consumer.zeebe.operations.row import Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.camunda7 import values as typed_values
from zeebe_amqp.commands.signals import VARIABLES, Signal
from zeebe_amqp.errors import Code, CommandError, invalid

__all__ = ["DEFAULT_TENANT", "OPERATIONS"]


log = logging.getLogger(__name__)

DEFAULT_TENANT: Final = "<default>"
"""Zeebe's tenant of everything that belongs to none."""


def _to_zeebe(command: Signal) -> pb.BroadcastSignalRequest:
    if command.execution_id is not None:
        raise _only_camunda7()
    if not command.name:
        raise invalid("data.name", "empty; Zeebe accepts text that is not empty")
    variables = command.converted()
    for name, variable in variables.items():
        if variable.zeebe:
            raise invalid(f"{VARIABLES}.{name}.value", f"Zeebe cannot take {variable.zeebe}")
        if variable.transient:
            _note_transient()
    return pb.BroadcastSignalRequest(
        signalName=command.name, variables=typed_values.document(variables), tenantId=_tenant(command)
    )


def _only_camunda7() -> CommandError:
    return CommandError(
        Code.UNIMPLEMENTED,
        "data.executionId: Zeebe delivers a signal to everyone, never to one execution; not executed. Set "
        "CAMUNDA7_REST_URL to the REST API of a Camunda 7 engine, or use publish-message with a correlation key",
        details={"field": "data.executionId", "suggestion": "publish-message"},
    )


@cache
def _note_transient() -> None:
    """Say it once: a warning for each would only fill the log."""
    words = "signal: valueInfo.transient has no meaning in Zeebe; such variables are stored like all others"
    log.info(words, extra={"event": "signal.transient"})


def _tenant(command: Signal) -> str:
    if command.tenant_id == "":
        # To Zeebe an empty text is no tenant at all, and the signal would reach those it was not meant for.
        raise invalid("data.tenantId", "empty; Zeebe accepts a tenant's id, or the field left out")
    if command.tenant_id is None and command.without_tenant_id:
        return DEFAULT_TENANT
    return command.tenant_id or ""


OPERATIONS: Final = (Operation(Signal, _to_zeebe),)
