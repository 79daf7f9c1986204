"""The whole answers of operations: every field, with `KEY` for the keys that only the engine knows."""

from __future__ import annotations

from typing import Any

from tests.integration.process_helper import KEY, ProcessHelper


def deployment(process: ProcessHelper, version: int = 1, name: str = "process.bpmn") -> dict[str, Any]:
    """The whole answer to the deployment of one process."""
    deployed = {
        "bpmnProcessId": process.id,
        "version": version,
        "processDefinitionKey": KEY,
        "resourceName": name,
        "tenantId": process.features.tenant,
    }
    return {"key": KEY, "processes": [deployed], "tenantId": process.features.tenant}


def creation(process: ProcessHelper, **more: Any) -> dict[str, Any]:
    """The whole answer to the creation of an instance."""
    return {
        "processDefinitionKey": KEY,
        "bpmnProcessId": process.id,
        "version": 1,
        "processInstanceKey": KEY,
        "tenantId": process.features.tenant,
        "tags": process.features.says("8.8", []),
        "businessId": None,
        **more,
    }
