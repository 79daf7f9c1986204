"""The whole answers of operations: every field, with `KEY` for the keys that only the engine knows."""

from __future__ import annotations

from typing import Any

from tests.integration.scene import KEY, Scene


def deployment(scene: Scene, version: int = 1, name: str = "process.bpmn") -> dict[str, Any]:
    """The whole answer to the deployment of one process."""
    deployed = {
        "bpmnProcessId": scene.process,
        "version": version,
        "processDefinitionKey": KEY,
        "resourceName": name,
        "tenantId": scene.kind.tenant,
    }
    return {"key": KEY, "processes": [deployed], "tenantId": scene.kind.tenant}


def creation(scene: Scene, **more: Any) -> dict[str, Any]:
    """The whole answer to the creation of an instance."""
    return {
        "processDefinitionKey": KEY,
        "bpmnProcessId": scene.process,
        "version": 1,
        "processInstanceKey": KEY,
        "tenantId": scene.kind.tenant,
        "tags": scene.kind.says("8.8", []),
        "businessId": None,
        **more,
    }
