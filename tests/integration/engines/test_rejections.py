"""How the engines reject each operation: their codes and their words reach the caller unchanged.

`REJECTIONS` is complete: every operation has at least two. Topology has none, the engine has no reason to reject a
question; two refusals by the consumer stand in their place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.kinds import IN_MEMORY, REAL, Kind
from tests.integration.scene import ABSENT, Scene, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.errors import Code, Error, Outcome, Source

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
    await scene.deploy(processes.awakened(scene.process, unique("message")))
    return {"bpmnProcessId": scene.process}


def with_key(field: str, step: Callable[[Scene], Awaitable[Any]], **more: Any) -> Prepare:
    """A request for something that another step makes."""

    async def data(scene: Scene) -> dict[str, Any]:
        return {field: await step(scene), **more}

    return after(data)


@dataclass(frozen=True)
class Rejection:
    """What the engine says to a request; `text` may name the request's fields in braces.

    `intent` and `rejection` are what its text begins with, both empty when the gateway itself refused.
    `in_memory` has what the newer engine in memory says otherwise; None: there the request succeeds.
    """

    operation: str
    why: str
    prepare: Prepare
    code: Code
    text: str
    intent: str = ""
    rejection: str = ""
    in_memory: Mapping[str, Any] | None = field(default_factory=dict)

    def on(self, kind: Kind) -> Rejection | None:
        """The same for one engine; None: that one accepts the request."""
        if kind is not IN_MEMORY:
            return self
        return None if self.in_memory is None else replace(self, **self.in_memory)

    def message(self, data: Any) -> str:
        """The whole text."""
        start = f"Command '{self.intent}' rejected with code '{self.rejection}': " if self.intent else ""
        return start + self.text.format_map(data if isinstance(data, dict) else {})


NOT_FOUND, INVALID, STATE = "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_STATE"
TOO_LARGE = "EXCEEDED_BATCH_RECORD_SIZE"
DEPLOYING = "Expected to deploy new resources, but encountered the following errors:\n"
TENANTS = "Expected to handle gRPC request {} with tenant identifier 'acme', but multi-tenancy is disabled"
NO_ELEMENT = "Expected to update variables for element with key '{elementInstanceKey}', but no such element was found"
NO_INSTANCE = "Expected to cancel a process instance with key '{processInstanceKey}', but no such process was found"
NO_INCIDENT = "Expected to resolve incident with key '{incidentKey}', but no such incident was found"
TRUNCATED = "'a.bpmn': Fatal Error: URI=null Line=1: XML document structures must start and end within the same entity."
NOT_EXECUTABLE = (
    "'a.bpmn': - Element: definitions\n    - ERROR: Must contain at least one executable process\n"  # the engine's own
)
NONE_START = "Expected to create instance of process with none start event, but there is no such event"


NOWHERE = "Expected to find process definition with process ID '{bpmnProcessId}', but none found"


def nowhere(intent: str) -> dict[str, Any]:
    """What an engine that ignores the tenant says: it looks for the process."""
    return {"code": Code.NOT_FOUND, "text": NOWHERE, "intent": intent, "rejection": NOT_FOUND}


def tenants(rpc: str) -> str:
    """What a gateway without multi-tenancy says; named is the RPC that carries the request."""
    return TENANTS.format(rpc)


def jobs(operation: str, intent: str, what: str, **more: Any) -> list[Rejection]:
    """The rejections that completing, failing and throwing have in common."""
    wrong = f"Expected to {what} with key '{{jobKey}}', but it is in state "
    absent = f"Expected to {what} with key '{{jobKey}}', but no such job was found"
    failed, thrown = with_key("jobKey", Scene.failed_job, **more), with_key("jobKey", thrown_job, **more)
    missing = just({"jobKey": ABSENT, **more})
    return [
        Rejection(operation, "absent", missing, Code.NOT_FOUND, absent, intent, NOT_FOUND),
        Rejection(operation, "no retries left", failed, Code.FAILED_PRECONDITION, wrong + "'FAILED'", intent, STATE),
        Rejection(operation, "thrown", thrown, Code.FAILED_PRECONDITION, wrong + "'ERROR_THROWN'", intent, STATE),
    ]


REJECTIONS: list[Rejection] = [
    Rejection(
        "deploy-process", "cut", just("<a", fileName="a.bpmn"),
        Code.INVALID_ARGUMENT, DEPLOYING + TRUNCATED, "CREATE", INVALID,
    ),
    Rejection(
        "deploy-process", "not executable", just(processes.empty("a", executable=False), fileName="a.bpmn"),
        Code.INVALID_ARGUMENT, DEPLOYING + NOT_EXECUTABLE, "CREATE", INVALID,
    ),
    Rejection(
        "deploy-process", "unknown type", just(processes.empty("a"), fileName="a.txt"),
        Code.INVALID_ARGUMENT, DEPLOYING + "\n'a.txt': unknown resource type", "CREATE", INVALID,
    ),
    Rejection(
        "deploy-process", "tenant", just(processes.empty("a"), fileName="a.bpmn", tenantId="acme"),
        Code.INVALID_ARGUMENT, tenants("DeployResource"), in_memory=None,
    ),
    Rejection(
        "create-instance", "unknown id", just({"bpmnProcessId": "nowhere"}), Code.NOT_FOUND,
        NOWHERE, "CREATE", NOT_FOUND,
    ),
    Rejection(
        "create-instance", "unknown version", with_key("bpmnProcessId", definition, version=99), Code.NOT_FOUND,
        "Expected to find process definition with process ID '{bpmnProcessId}' and version '99', but none found",
        "CREATE", NOT_FOUND,
    ),
    Rejection(
        "create-instance", "unknown key", just({"processDefinitionKey": ABSENT}), Code.NOT_FOUND,
        "Expected to find process definition with key '{processDefinitionKey}', but none found", "CREATE", NOT_FOUND,
    ),
    Rejection(
        "create-instance", "starts by message only", after(asleep),
        Code.FAILED_PRECONDITION, NONE_START, "CREATE", STATE,
    ),
    Rejection(
        "create-instance", "unknown element",
        with_key("bpmnProcessId", definition, startInstructions=[{"elementId": "zzz"}]), Code.INVALID_ARGUMENT,
        "Expected to create instance of process with start instructions but no element found with id 'zzz'.",
        "CREATE", INVALID,
    ),
    Rejection(
        "create-instance", "with result, unknown id", just({"bpmnProcessId": "nowhere", "withResult": True}),
        Code.NOT_FOUND, NOWHERE, "CREATE_WITH_AWAITING_RESULT", NOT_FOUND,
    ),
    Rejection(
        "create-instance", "tenant", just({"bpmnProcessId": "nowhere", "tenantId": "acme"}),
        Code.INVALID_ARGUMENT, tenants("CreateProcessInstance"), in_memory=nowhere("CREATE"),
    ),
    Rejection(
        "create-instance", "with result, tenant",
        just({"bpmnProcessId": "nowhere", "tenantId": "acme", "withResult": True}),
        Code.INVALID_ARGUMENT, tenants("CreateProcessInstanceWithResult"),
        in_memory=nowhere("CREATE_WITH_AWAITING_RESULT"),
    ),
    Rejection(
        "create-instance", "too large", with_key("bpmnProcessId", definition, variables=LARGE),
        Code.UNKNOWN, "", "CREATE", TOO_LARGE,
    ),
    Rejection(
        "cancel-instance", "absent", just({"processInstanceKey": ABSENT}),
        Code.NOT_FOUND, NO_INSTANCE, "CANCEL", NOT_FOUND,
    ),
    Rejection(
        "cancel-instance", "ended", with_key("processInstanceKey", ended_instance),
        Code.NOT_FOUND, NO_INSTANCE, "CANCEL", NOT_FOUND,
    ),
    Rejection(
        "set-variables", "absent", just({"elementInstanceKey": ABSENT, "variables": {}}),
        Code.NOT_FOUND, NO_ELEMENT, "UPDATE", NOT_FOUND,
    ),
    Rejection(
        "set-variables", "ended", with_key("elementInstanceKey", ended_instance, variables={}),
        Code.NOT_FOUND, NO_ELEMENT, "UPDATE", NOT_FOUND,
    ),
    Rejection(
        "set-variables", "too large", with_key("elementInstanceKey", running_instance, variables=LARGE),
        Code.UNKNOWN, "", "UPDATE", TOO_LARGE,
    ),
    Rejection(
        "resolve-incident", "absent", just({"incidentKey": ABSENT}),
        Code.NOT_FOUND, NO_INCIDENT, "RESOLVE", NOT_FOUND,
    ),
    Rejection(
        "resolve-incident", "not an incident", with_key("incidentKey", running_instance),
        Code.NOT_FOUND, NO_INCIDENT, "RESOLVE", NOT_FOUND,
    ),
    Rejection(
        "publish-message", "same id again", after(published), Code.ALREADY_EXISTS,
        "Expected to publish a new message with id '{messageId}', but a message with that id was already published",
        "PUBLISH", "ALREADY_EXISTS",
    ),
    Rejection(
        "publish-message", "too large", just({"messageName": "m", "variables": LARGE}),
        Code.UNKNOWN, "", "PUBLISH", TOO_LARGE,
    ),
    Rejection(
        "publish-message", "tenant", just({"messageName": "m", "tenantId": "acme"}),
        Code.INVALID_ARGUMENT, tenants("PublishMessage"), in_memory=None,
    ),
    # Everything else that the engine could find wrong with a poll is refused before it gets there.
    Rejection(
        "activate-jobs", "tenant", just({"jobType": "t", "maxJobsToActivate": 1, "tenantIds": ["acme"]}),
        Code.INVALID_ARGUMENT, tenants("ActivateJobs"), in_memory=None,
    ),
    Rejection(
        "activate-jobs", "one of two tenants",
        just({"jobType": "t", "maxJobsToActivate": 1, "requestTimeout": "5s", "tenantIds": [TENANT, "acme"]}),
        Code.INVALID_ARGUMENT, tenants("ActivateJobs"), in_memory=None,
    ),
    *jobs("complete-job", "COMPLETE", "complete job"),
    *jobs("fail-job", "FAIL", "fail job", retries=1),
    *jobs("throw-error", "THROW_ERROR", "throw an error for job", errorCode="e"),
    Rejection(
        "update-job-retries", "absent", just({"jobKey": ABSENT}), Code.NOT_FOUND,
        "Expected to update job with key '{jobKey}', but no such job was found", "UPDATE_RETRIES", NOT_FOUND,
    ),
    *(
        Rejection(
            "update-job-retries", f"to {retries}", with_key("jobKey", Scene.failed_job, retries=retries),
            Code.INVALID_ARGUMENT,
            "Expected to update retries for job with key '{jobKey}' with a positive amount of retries, "
            "but the amount given was '{retries}'",
            "UPDATE_RETRIES", INVALID,
        )
        for retries in (0, -1)
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", REJECTIONS, ids=lambda case: f"{case.operation}: {case.why}")
async def test_a_rejection_is_told_in_the_engine_s_words(scene: Scene, case: Rejection) -> None:
    data, metadata = await case.prepare(scene)
    error = (await scene.caller.call(case.operation, data, metadata)).error
    expected = case.on(scene.kind)
    if expected is None:
        assert error is None
        return
    assert error is not None
    details = dict(error.details or {})
    advice = details.pop("suggestion", "")
    assert error.message == expected.message(data)
    assert (error.code, error.source, error.outcome, error.retryable) == (
        expected.code,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        False,
    )
    assert details == ({"intent": expected.intent, "rejection": expected.rejection} if expected.intent else {})
    assert ("1.5 MB are known to pass" in advice) == (expected.rejection == TOO_LARGE)


async def test_an_incident_is_not_resolved_while_its_job_has_no_retries(scene: Scene) -> None:
    job, incident = await scene.incident()
    error = (await scene.caller.call("resolve-incident", {"incidentKey": incident})).error
    code, rejection = {
        REAL: (Code.NOT_FOUND, NOT_FOUND),
        IN_MEMORY: (Code.FAILED_PRECONDITION, STATE),
    }[scene.kind]
    assert error == Error(
        code=code,
        message=f"Command 'RESOLVE' rejected with code '{rejection}': Expected to resolve incident with key"
        f" '{incident}', but job with key '{job}' has no retries left. Please update the job retries and retry"
        " resolving the incident",
        source=Source.GATEWAY,
        outcome=Outcome.NOT_EXECUTED,
        retryable=False,
        details={"intent": "RESOLVE", "rejection": rejection},
    )


async def test_topology_is_refused_for_bad_metadata(caller: Caller) -> None:
    """The engine has no reason to reject a question, so its refusals are ours: this one and the next."""
    error = (await caller.call("topology", {}, metadata={"keys": "number"})).error
    assert error is not None
    assert (error.code, error.source, error.details) == (
        Code.INVALID_ARGUMENT,
        Source.CONSUMER,
        {"field": "metadata.keys"},
    )


async def test_topology_is_refused_after_the_caller_s_deadline(caller: Caller) -> None:
    error = (await caller.call("topology", {}, headers={"deadline": 1})).error
    assert error is not None
    assert (error.code, error.source, error.outcome) == (
        Code.DEADLINE_EXCEEDED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
    )


@pytest.mark.parametrize("operation", sorted(set(BINDING) - {"topology"}))
def test_every_operation_but_topology_has_at_least_two_different_rejections(operation: str) -> None:
    told = {(case.why, case.code, case.text) for case in REJECTIONS if case.operation == operation}
    assert len(told) >= 2
