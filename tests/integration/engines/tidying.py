"""A caller that leaves an engine as it was: somebody's own engine is not ours to fill."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures
from zeebe_amqp.reply import Reply

DEFINITIONS = {"process": "processDefinitionKey", "decisionRequirements": "decisionRequirementsKey", "form": "formKey"}
"""What a deployment may hold that can be deleted, and the field of its key."""


class TidyCaller(Caller):
    """Remembers what its requests have made: `instances` and `definitions`, by their keys."""

    def __init__(self, url: str, *queues: str) -> None:
        super().__init__(url, *queues)
        self.instances: set[int] = set()
        self.definitions: set[int] = set()

    async def call(
        self, operation: str, data: Any = None, metadata: dict[str, str] | None = None, **properties: Any
    ) -> Reply:
        """See `Caller.call`."""
        reply = await super().call(operation, data, metadata, **properties)
        if reply.error is None:
            self._remember(operation, reply.data)
        return reply

    def _remember(self, operation: str, data: Any) -> None:
        if operation == "create-instance":
            self.instances.add(int(data["processInstanceKey"]))
        if operation == "activate-jobs":  # signals, messages and conditions start instances that no answer names
            self.instances |= {int(job["processInstanceKey"]) for job in data}
        if operation == "deploy-process":
            self.definitions |= {int(process["processDefinitionKey"]) for process in data["processes"]}
        if operation == "deploy-resource":
            parts = [item for entry in data["deployments"] for item in entry.items()]
            self.definitions |= {int(part[DEFINITIONS[name]]) for name, part in parts if name in DEFINITIONS}

    async def tidy(self, features: EngineFeatures) -> None:
        """Cancel what still runs, then delete what was deployed; what is gone already is no error."""
        await self._ended("cancel-instance", "processInstanceKey", self.instances)
        if features.answers_deletions:
            await self._ended("delete-resource", "resourceKey", self.definitions)

    async def _ended(self, operation: str, field: str, keys: set[int]) -> None:
        headers = {"deadline": round((time.time() + 20) * 1000)}
        await asyncio.gather(*(super(TidyCaller, self).call(operation, {field: key}, headers=headers) for key in keys))
