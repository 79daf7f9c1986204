"""What both peers do with a command: the call that pyzeebe has for it."""

from __future__ import annotations

from typing import Any

from pyzeebe import ZeebeClient, create_insecure_channel


def connected(address: str) -> ZeebeClient:
    """A client of the gateway."""
    return ZeebeClient(create_insecure_channel(grpc_address=address))


async def execute(client: ZeebeClient, operation: str, data: dict[str, Any]) -> dict[str, Any]:
    """Execute a command; its answer."""
    if operation != "create-instance":
        raise ValueError(f"operation: {operation}; accepted: create-instance")
    made = await client.run_process(data["bpmnProcessId"], data.get("variables"), data.get("version", -1))
    return {
        "processDefinitionKey": str(made.process_definition_key),
        "bpmnProcessId": made.bpmn_process_id,
        "version": made.version,
        "processInstanceKey": str(made.process_instance_key),
        "tenantId": made.tenant_id,
    }
