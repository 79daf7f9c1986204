"""Operations on resources: deployments and deletion."""

from __future__ import annotations

from typing import Any, Final

from consumer.zeebe.operations.rendering import render
from consumer.zeebe.operations.row import Operation, to_data
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.resources import DeleteResource, DeployProcess, DeployResource

__all__ = ["OPERATIONS"]


def _deploy_process(command: DeployProcess) -> pb.DeployResourceRequest:
    # The RPC DeployProcess is deprecated; DeployResource deploys the same file.
    resource = pb.Resource(name=command.name, content=command.content)
    return pb.DeployResourceRequest(resources=[resource], tenantId=command.tenant_id)


def _deployed_processes(
    response: pb.DeployResourceResponse, keys_as_text: bool, gateway_version: str | None = None
) -> dict[str, Any]:
    whole = render(response, keys_as_text, gateway_version)
    processes = [entry["process"] for entry in whole["deployments"] if "process" in entry]
    return {"key": whole["key"], "processes": processes, "tenantId": whole["tenantId"]}


def _deploy_resource(command: DeployResource) -> pb.DeployResourceRequest:
    resources = [pb.Resource(name=resource.name, content=resource.unpacked()) for resource in command.resources]
    return pb.DeployResourceRequest(resources=resources, tenantId=command.tenant_id)


def _delete_resource(command: DeleteResource) -> pb.DeleteResourceRequest:
    return pb.DeleteResourceRequest(
        resourceKey=int(command.resource_key),
        deleteHistory=command.delete_history,
        operationReference=command.operation_reference,
    )


def _deleted(
    response: pb.DeleteResourceResponse, keys_as_text: bool, gateway_version: str | None = None
) -> dict[str, Any]:
    # The contract has text here for every version: empty where the gateway says none.
    return {**render(response, keys_as_text, gateway_version), "resourceKey": response.resourceKey}


OPERATIONS: Final = (
    Operation(DeployProcess, _deploy_process, _deployed_processes),
    Operation(DeployResource, _deploy_resource, to_data),
    Operation(DeleteResource, _delete_resource, _deleted),
)
