"""Operations on process instances, their variables and their incidents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from consumer.zeebe.operations.row import Operation, to_data
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.instances import (
    CancelInstance,
    CreateInstance,
    MigrateInstance,
    ModifyInstance,
    MoveInstruction,
    ResolveIncident,
    SetVariables,
    VariableInstruction,
)
from zeebe_amqp.schema.fields import Key, text

__all__ = ["GATEWAY_GRACE"]


LATEST: Final = -1
"""The protocol's "latest version"."""

ANY_ANCESTOR: Final = -1
"""The protocol's "no ancestor was named"."""

GATEWAY_GRACE: Final = 600_000
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
        requestTimeout=command.wait() + GATEWAY_GRACE,
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


def _modify_instance(command: ModifyInstance) -> pb.ModifyProcessInstanceRequest:
    return pb.ModifyProcessInstanceRequest(
        processInstanceKey=int(command.process_instance_key),
        activateInstructions=[
            pb.ModifyProcessInstanceRequest.ActivateInstruction(
                elementId=instruction.element_id,
                ancestorElementInstanceKey=_ancestor(instruction.ancestor_element_instance_key),
                variableInstructions=_variables(instruction.variable_instructions),
            )
            for instruction in command.activate_instructions
        ],
        terminateInstructions=[
            pb.ModifyProcessInstanceRequest.TerminateInstruction(
                elementInstanceKey=int(instruction.element_instance_key or 0), elementId=instruction.element_id or ""
            )
            for instruction in command.terminate_instructions
        ],
        moveInstructions=[_move(instruction) for instruction in command.move_instructions],
        operationReference=command.operation_reference,
    )


def _move(instruction: MoveInstruction) -> pb.ModifyProcessInstanceRequest.MoveInstruction:
    return pb.ModifyProcessInstanceRequest.MoveInstruction(
        sourceElementInstanceKey=int(instruction.source_element_instance_key or 0),
        sourceElementId=instruction.source_element_id or "",
        targetElementId=instruction.target_element_id,
        variableInstructions=_variables(instruction.variable_instructions),
        ancestorElementInstanceKey=_ancestor(instruction.ancestor_element_instance_key),
        inferAncestorScopeFromSourceHierarchy=instruction.infer_ancestor_scope_from_source_hierarchy,
        useSourceParentKeyAsAncestorScopeKey=instruction.use_source_parent_key_as_ancestor_scope_key,
    )


def _ancestor(key: Key | None) -> int:
    return ANY_ANCESTOR if key is None else int(key)


def _variables(
    instructions: Sequence[VariableInstruction],
) -> list[pb.ModifyProcessInstanceRequest.VariableInstruction]:
    return [
        pb.ModifyProcessInstanceRequest.VariableInstruction(
            variables=text(instruction.variables), scopeId=instruction.scope_id
        )
        for instruction in instructions
    ]


def _migrate_instance(command: MigrateInstance) -> pb.MigrateProcessInstanceRequest:
    plan = command.migration_plan
    return pb.MigrateProcessInstanceRequest(
        processInstanceKey=int(command.process_instance_key),
        migrationPlan=pb.MigrateProcessInstanceRequest.MigrationPlan(
            targetProcessDefinitionKey=int(plan.target_process_definition_key),
            mappingInstructions=[
                pb.MigrateProcessInstanceRequest.MappingInstruction(
                    sourceElementId=mapping.source_element_id, targetElementId=mapping.target_element_id
                )
                for mapping in plan.mapping_instructions
            ],
        ),
        operationReference=command.operation_reference,
    )


OPERATIONS: Final = (
    Operation(
        CreateInstance,
        _create_instance,
        to_data,
    ),
    Operation(CancelInstance, _cancel_instance),
    Operation(SetVariables, _set_variables, to_data),
    Operation(ResolveIncident, _resolve_incident),
    Operation(ModifyInstance, _modify_instance),
    Operation(MigrateInstance, _migrate_instance),
)
