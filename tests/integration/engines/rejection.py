"""What an engine says to a request that it rejects, and the steps that lead to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.integration import processes
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import ProcessHelper, unique
from zeebe_amqp.errors import Code

TENANT = "<default>"
LARGE = {"text": "x" * 2_500_000}
"""Variables that a request may carry and the engine cannot process."""

Request = tuple[Any, dict[str, str]]
"""Data and metadata."""
Prepare = Callable[[ProcessHelper], Awaitable[Request]]


def just(data: Any, **metadata: str) -> Prepare:
    """A request that needs no preparation."""

    async def prepare(_: ProcessHelper) -> Request:
        return data, metadata

    return prepare


def after(step: Callable[[ProcessHelper], Awaitable[Any]]) -> Prepare:
    """A request whose data another step yields."""

    async def prepare(process: ProcessHelper) -> Request:
        return await step(process), {}

    return prepare


async def ended_instance(process: ProcessHelper) -> int:
    await process.deploy_text(processes.empty(process.id))
    data = {"bpmnProcessId": process.id, "withResult": True}
    return int((await process.caller.result("create-instance", data))["processInstanceKey"])


async def running_instance(process: ProcessHelper) -> int:
    await process.deploy()
    return await process.instance()


async def thrown_job(process: ProcessHelper) -> int:
    key = int((await process.job())["key"])
    await process.caller.result("throw-error", {"jobKey": key, "errorCode": "nobody-catches"})
    return key


async def published(process: ProcessHelper) -> dict[str, Any]:
    data = {"messageName": unique("message"), "messageId": unique("id"), "timeToLive": "1m"}
    await process.caller.result("publish-message", data)
    return data


async def definition(process: ProcessHelper) -> str:
    await process.deploy()
    return process.id


async def asleep(process: ProcessHelper) -> dict[str, Any]:
    await process.deploy_text(processes.awakened(process.id, unique("message"), process.job_type))
    return {"bpmnProcessId": process.id}


def with_key(field: str, step: Callable[[ProcessHelper], Awaitable[Any]], **more: Any) -> Prepare:
    """A request for something that another step makes."""

    async def data(process: ProcessHelper) -> dict[str, Any]:
        return {field: await step(process), **more}

    return after(data)


NOT_FOUND, INVALID, STATE, EXISTS = "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_STATE", "ALREADY_EXISTS"
TOO_LARGE = "EXCEEDED_BATCH_RECORD_SIZE"
GATEWAY = ""
"""Instead of a rejection by the engine: the gateway itself refuses."""
CODES = {
    NOT_FOUND: Code.NOT_FOUND,
    INVALID: Code.INVALID_ARGUMENT,
    STATE: Code.FAILED_PRECONDITION,
    EXISTS: Code.ALREADY_EXISTS,
    TOO_LARGE: Code.UNKNOWN,
    GATEWAY: Code.INVALID_ARGUMENT,
}
INTENTS = {
    "deploy-process": "CREATE",
    "deploy-resource": "CREATE",
    "delete-resource": "DELETE",
    "create-instance": "CREATE",
    "cancel-instance": "CANCEL",
    "modify-instance": "MODIFY",
    "migrate-instance": "MIGRATE",
    "set-variables": "UPDATE",
    "resolve-incident": "RESOLVE",
    "publish-message": "PUBLISH",
    "broadcast-signal": "BROADCAST",
    "evaluate-decision": "EVALUATE",
    "complete-job": "COMPLETE",
    "fail-job": "FAIL",
    "throw-error": "THROW_ERROR",
    "update-job-retries": "UPDATE_RETRIES",
    "update-job-timeout": "UPDATE_TIMEOUT",
}
"""What the engine calls the command of an operation."""


@dataclass(frozen=True)
class Rejection:
    """What the engine says to a request; `text` may name the request's fields and the test's process in braces.

    `command` is what the engine calls it where that is not the usual one of the operation. `newer` has what engines
    from 8.8 on say otherwise, `in_memory` what the one in memory does; None: there the request succeeds.
    """

    operation: str
    why: str
    prepare: Prepare
    rejection: str
    text: str
    command: str = ""
    newer: Mapping[str, Any] | None = field(default_factory=dict)
    in_memory: Mapping[str, Any] | None = field(default_factory=dict)

    @property
    def code(self) -> Code:
        """The code of the answer."""
        return CODES[self.rejection]

    @property
    def intent(self) -> str:
        """What the engine calls the command; empty when the gateway itself refuses."""
        return (self.command or INTENTS[self.operation]) if self.rejection else ""

    def on(self, features: EngineFeatures) -> Rejection | None:
        """The same for one engine; None: that one accepts the request."""
        changed: dict[str, Any] = {}
        for applies, change in ((features.is_newer, self.newer), (features.in_memory, self.in_memory)):
            if applies and change is None:
                return None
            changed |= (change or {}) if applies else {}
        return replace(self, **changed)

    def message(self, data: Any, process: ProcessHelper) -> str:
        """The whole text."""
        start = f"Command '{self.intent}' rejected with code '{self.rejection}': " if self.rejection else ""
        return start + self.text.format_map({"process": process.id, **(data if isinstance(data, dict) else {})})


DEPLOYING = "Expected to deploy new resources, but encountered the following errors:\n"
TENANTS = "Expected to handle gRPC request {} with tenant identifier 'acme', but multi-tenancy is disabled"


def of_tenant(
    operation: str, rpc: str, prepare: Prepare, *, why: str = "tenant", in_memory: Mapping[str, Any] | None = None
) -> Rejection:
    """What a gateway without multi-tenancy says; named is the RPC that carries the request."""
    return Rejection(operation, why, prepare, GATEWAY, TENANTS.format(rpc), in_memory=in_memory)
