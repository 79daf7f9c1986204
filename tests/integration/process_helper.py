"""What several tests need of an engine, made through the queue: processes, instances, jobs, incidents."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.engine_features import BROKER, EngineFeatures
from zeebe_amqp.errors import Error
from zeebe_amqp.reply import Reply

PARTITION_SHIFT = 51
"""A key's bits from here on are the number of its partition."""
ABSENT = (1 << PARTITION_SHIFT) + 999_999_999
"""A key of partition 1 that the engine has not given to anything."""


BY_KEY: dict[str, tuple[str, dict[str, Any]]] = {
    "cancel-instance": ("processInstanceKey", {}),
    "set-variables": ("elementInstanceKey", {"variables": {}}),
    "resolve-incident": ("incidentKey", {}),
    "complete-job": ("jobKey", {}),
    "fail-job": ("jobKey", {"retries": 1}),
    "throw-error": ("jobKey", {"errorCode": "e"}),
    "update-job-retries": ("jobKey", {}),
}
"""The operations about something that runs: the field of its key, and what else they need."""


class AnyKey:
    """Equals every key that an engine gives: a whole number of partition 1 or above."""

    def __eq__(self, other: object) -> bool:
        return type(other) is int and other >> PARTITION_SHIFT > 0

    def __hash__(self) -> int:
        return hash(AnyKey)

    def __repr__(self) -> str:
        return "<a key>"


KEY = AnyKey()


def unique(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def refused(reply: Reply) -> Error:
    """The error of a reply that must have one."""
    assert reply.error is not None, reply.data
    return reply.error


class ProcessHelper:
    """A caller with a process of its own, `id`: one service task with jobs of type `job_type`."""

    def __init__(self, caller: Caller, features: EngineFeatures = BROKER) -> None:
        self.caller = caller
        self.features = features
        self.id = unique("process")
        self.job_type = unique("job")

    async def deploy_text(self, text: str, name: str = "process.bpmn") -> dict[str, Any]:
        """The process of a deployment of one BPMN text."""
        deployed = await self.caller.result("deploy-process", text, metadata={"fileName": name})
        return dict(deployed["processes"][0])

    async def deploy(self, **options: Any) -> dict[str, Any]:
        """Deploy the process."""
        return await self.deploy_text(processes.work(self.id, self.job_type, **options))

    async def instance(self, **data: Any) -> int:
        """The key of a new instance."""
        created = await self.caller.result("create-instance", {"bpmnProcessId": self.id, **data})
        return int(created["processInstanceKey"])

    async def jobs(self, count: int = 1, **data: Any) -> list[dict[str, Any]]:
        """Activate jobs of that type, waiting for the first."""
        poll = {"jobType": self.job_type, "maxJobsToActivate": count, "requestTimeout": "30s", **data}
        async with asyncio.timeout(60):
            while True:
                if found := await self.caller.result("activate-jobs", poll, queue=self.caller.polls):
                    return list(found)
                assert not self.features.waits, "30 s without jobs"
                await asyncio.sleep(0.02)

    async def job(self, **variables: Any) -> dict[str, Any]:
        """Deploy, create and activate: one job that is locked for us."""
        await self.deploy()
        await self.instance(variables=variables)
        return (await self.jobs())[0]

    async def failed_job(self) -> int:
        """The key of a job without retries left, and so with an incident."""
        key = int((await self.job())["key"])
        await self.caller.result("fail-job", {"jobKey": key, "retries": 0, "errorMessage": "broken"})
        return key

    async def incident(self) -> tuple[int, int]:
        """The keys of a job without retries left and of its incident."""
        job = int((await self.job())["key"])
        async with self.new_keys() as keys:
            await self.caller.result("fail-job", {"jobKey": job, "retries": 0})
        return job, await self.incident_among(keys)

    async def incident_among(self, keys: list[int]) -> int:
        """The one of the keys that is the incident of a job without retries: it stays open, and the refusal says so."""
        for key in keys:
            reply = await self.caller.call("resolve-incident", {"incidentKey": key})
            if reply.error is not None and "no retries left" in reply.error.message:
                return key
        raise AssertionError("no incident among the new keys")

    @asynccontextmanager
    async def new_keys(self) -> AsyncIterator[list[int]]:
        """The keys that the engine has given while the block ran, known at its end; one of them may be an incident's.

        No answer of the protocol names incidents. Keys are consecutive on each partition, so it is between those of
        two messages there.
        """
        keys: list[int] = []
        before = await self._marks()
        yield keys
        for partition, last in (await self._marks()).items():
            keys.extend(range(before[partition] + 1, last))

    async def _marks(self) -> dict[int, int]:
        """A fresh key of every partition: messages go to that of their correlation key."""
        marks: dict[int, int] = {}
        while len(marks) < self.features.partitions:
            message = {"messageName": "mark", "correlationKey": uuid.uuid4().hex}
            key = int((await self.caller.result("publish-message", message))["key"])
            marks.setdefault(key >> PARTITION_SHIFT, key)
        return marks
