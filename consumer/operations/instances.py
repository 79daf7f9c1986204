"""Operations on process instances, their variables and their incidents."""

from __future__ import annotations

from google.protobuf.message import Message

from consumer.gateway.protocol import gateway_pb2 as pb
from consumer.operations.row import Operation, always, rendered
from zeebe_amqp.commands.instances import CancelInstance, CreateInstance, ResolveIncident, SetVariables
from zeebe_amqp.fields import milliseconds, text

LATEST = -1
"""The protocol's "latest version"."""

DEFAULT_WAIT = 15_000
"""Milliseconds to wait for the result of an instance when the caller names no time; the engine's own default."""

GATEWAY_GRACE = 600_000
"""Milliseconds by which the gateway is told to wait longer than we do.

When the gateway's own timer ends such a wait it drops its connection to the broker, and every other
command in flight on that partition is aborted; so our timer must end it first.
"""


def _create_instance(command: CreateInstance) -> Message:
    request = _creation(command)
    if not command.with_result:
        return request
    return pb.CreateProcessInstanceWithResultRequest(
        request=request,
        requestTimeout=_wait(command) + GATEWAY_GRACE,
        fetchVariables=command.fetch_variables,
    )


def _creation(command: CreateInstance) -> pb.CreateProcessInstanceRequest:
    by_id = bool(command.bpmn_process_id)
    return pb.CreateProcessInstanceRequest(
        bpmnProcessId=command.bpmn_process_id or "",
        processDefinitionKey=int(command.process_definition_key or 0),
        version=(command.version if command.version is not None else LATEST) if by_id else 0,
        variables=text(command.variables),
        tenantId=command.tenant_id,
        startInstructions=[
            pb.ProcessInstanceCreationStartInstruction(elementId=instruction.element_id)
            for instruction in command.start_instructions
        ],
        runtimeInstructions=[
            pb.ProcessInstanceCreationRuntimeInstruction(
                terminate=pb.TerminateProcessInstanceInstruction(afterElementId=instruction.terminate.after_element_id)
            )
            for instruction in command.runtime_instructions
        ],
        tags=command.tags,
        businessId=command.business_id,
        operationReference=command.operation_reference,
    )


def _wait(command: CreateInstance) -> int:
    return milliseconds(command.request_timeout) or DEFAULT_WAIT


def _own_wait(command: CreateInstance) -> float | None:
    return _wait(command) / 1000 if command.with_result else None


def _cancel_instance(command: CancelInstance) -> pb.CancelProcessInstanceRequest:
    return pb.CancelProcessInstanceRequest(
        processInstanceKey=int(command.process_instance_key), operationReference=command.operation_reference
    )


def _set_variables(command: SetVariables) -> pb.SetVariablesRequest:
    return pb.SetVariablesRequest(
        elementInstanceKey=int(command.element_instance_key),
        variables=text(command.variables),
        local=command.local,
        operationReference=command.operation_reference,
    )


def _resolve_incident(command: ResolveIncident) -> pb.ResolveIncidentRequest:
    return pb.ResolveIncidentRequest(
        incidentKey=int(command.incident_key), operationReference=command.operation_reference
    )


OPERATIONS = (
    Operation(
        CreateInstance,
        _create_instance,
        rendered,
        attempt_timeout=_own_wait,
        when_late="the process instance, if it was created, goes on running",
    ),
    Operation(CancelInstance, _cancel_instance, repeatable=always),
    Operation(SetVariables, _set_variables, rendered, repeatable=always),
    Operation(ResolveIncident, _resolve_incident, repeatable=always),
)
