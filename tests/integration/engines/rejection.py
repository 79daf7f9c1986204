"""What an engine says to a request that it rejects, and the steps that lead to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.integration import processes
from tests.integration.kinds import Kind
from tests.integration.scene import Scene, unique
from zeebe_amqp.errors import Code

TENANT = "<default>"
LARGE = {"text": "x" * 2_500_000}
"""Variables that a request may carry and the engine cannot process."""

Request = tuple[Any, dict[str, str]]
"""Data and metadata."""
Prepare = Callable[[Scene], Awaitable[Request]]


def just(data: Any, **metadata: str) -> Prepare:
    """A request that needs no preparation."""

    async def prepare(_: Scene) -> Request:
        return data, metadata

    return prepare


def after(step: Callable[[Scene], Awaitable[Any]]) -> Prepare:
    """A request whose data another step yields."""

    async def prepare(scene: Scene) -> Request:
        return await step(scene), {}

    return prepare


async def ended_instance(scene: Scene) -> int:
    await scene.deploy(processes.empty(scene.process))
    data = {"bpmnProcessId": scene.process, "withResult": True}
    return int((await scene.caller.result("create-instance", data))["processInstanceKey"])


async def running_instance(scene: Scene) -> int:
    await scene.worked()
    return await scene.instance()


async def thrown_job(scene: Scene) -> int:
    key = int((await scene.job())["key"])
    await scene.caller.result("throw-error", {"jobKey": key, "errorCode": "nobody-catches"})
    return key


async def published(scene: Scene) -> dict[str, Any]:
    data = {"messageName": unique("message"), "messageId": unique("id"), "timeToLive": "1m"}
    await scene.caller.result("publish-message", data)
    return data


async def definition(scene: Scene) -> str:
    await scene.worked()
    return scene.process


async def asleep(scene: Scene) -> dict[str, Any]:
    await scene.deploy(processes.awakened(scene.process, unique("message"), scene.job_type))
    return {"bpmnProcessId": scene.process}


def with_key(field: str, step: Callable[[Scene], Awaitable[Any]], **more: Any) -> Prepare:
    """A request for something that another step makes."""

    async def data(scene: Scene) -> dict[str, Any]:
        return {field: await step(scene), **more}

    return after(data)


@dataclass(frozen=True)
class Rejection:
    """What the engine says to a request; `text` may name the request's fields and the scene's process in braces.

    `intent` and `rejection` are what its text begins with, both empty when the gateway itself refused.
    `newer` has what engines from 8.8 on say otherwise, `in_memory` what the one in memory does; None: there the
    request succeeds.
    """

    operation: str
    why: str
    prepare: Prepare
    code: Code
    text: str
    intent: str = ""
    rejection: str = ""
    newer: Mapping[str, Any] | None = field(default_factory=dict)
    in_memory: Mapping[str, Any] | None = field(default_factory=dict)

    def on(self, kind: Kind) -> Rejection | None:
        """The same for one engine; None: that one accepts the request."""
        changed: dict[str, Any] = {}
        for applies, change in ((kind.is_newer, self.newer), (kind.in_memory, self.in_memory)):
            if applies and change is None:
                return None
            changed |= (change or {}) if applies else {}
        return replace(self, **changed)

    @property
    def differs(self) -> bool:
        """Whether some engine says something else than a broker of 8.6."""
        return self.newer != {} or self.in_memory != {}

    def message(self, data: Any, scene: Scene) -> str:
        """The whole text."""
        start = f"Command '{self.intent}' rejected with code '{self.rejection}': " if self.intent else ""
        return start + self.text.format_map({"process": scene.process, **(data if isinstance(data, dict) else {})})


NOT_FOUND, INVALID, STATE = "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_STATE"
TOO_LARGE = "EXCEEDED_BATCH_RECORD_SIZE"
DEPLOYING = "Expected to deploy new resources, but encountered the following errors:\n"
TENANTS = "Expected to handle gRPC request {} with tenant identifier 'acme', but multi-tenancy is disabled"


def tenants(rpc: str) -> str:
    """What a gateway without multi-tenancy says; named is the RPC that carries the request."""
    return TENANTS.format(rpc)
