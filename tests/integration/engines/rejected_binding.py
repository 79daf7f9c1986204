"""How the engines reject the operations of the binding."""

from __future__ import annotations

from typing import Any

from tests.integration import processes
from tests.integration.engines.rejection import (
    DEPLOYING,
    INVALID,
    LARGE,
    NOT_FOUND,
    STATE,
    TENANT,
    TOO_LARGE,
    Rejection,
    after,
    asleep,
    definition,
    ended_instance,
    just,
    published,
    running_instance,
    tenants,
    thrown_job,
    with_key,
)
from tests.integration.process_helper import ABSENT, ProcessHelper
from zeebe_amqp.errors import Code

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


def jobs(operation: str, intent: str, what: str, **more: Any) -> list[Rejection]:
    """The rejections that completing, failing and throwing have in common."""
    wrong = f"Expected to {what} with key '{{jobKey}}', but it is in state "
    absent = f"Expected to {what} with key '{{jobKey}}', but no such job was found"
    failed, thrown = with_key("jobKey", ProcessHelper.failed_job, **more), with_key("jobKey", thrown_job, **more)
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
            "update-job-retries", f"to {retries}", with_key("jobKey", ProcessHelper.failed_job, retries=retries),
            Code.INVALID_ARGUMENT,
            "Expected to update retries for job with key '{jobKey}' with a positive amount of retries, "
            "but the amount given was '{retries}'",
            "UPDATE_RETRIES", INVALID,
        )
        for retries in (0, -1)
    ),
]  # fmt: skip
