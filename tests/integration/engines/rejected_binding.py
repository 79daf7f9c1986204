"""How the engines reject the operations of the binding."""

from __future__ import annotations

from typing import Any

from tests.integration import processes
from tests.integration.engines.rejection import (
    DEPLOYING,
    EXISTS,
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
    of_tenant,
    published,
    running_instance,
    thrown_job,
    with_key,
)
from tests.integration.process_helper import ABSENT, ProcessHelper

NO_ELEMENT = "Expected to update variables for element with key '{elementInstanceKey}', but no such element was found"
NO_INSTANCE = "Expected to cancel a process instance with key '{processInstanceKey}', but no such process was found"
NO_INCIDENT = "Expected to resolve incident with key '{incidentKey}', but no such incident was found"
TRUNCATED = "'a.bpmn': Fatal Error: URI=null Line=1: XML document structures must start and end within the same entity."
NOT_EXECUTABLE = (
    "'a.bpmn': - Element: definitions\n    - ERROR: Must contain at least one executable process\n"  # the engine's own
)
NONE_START = "Expected to create instance of process with none start event, but there is no such event"
NOWHERE = "Expected to find process definition with process ID '{bpmnProcessId}', but none found"
OTHER_VERSION = "Expected to find process definition with process ID '{bpmnProcessId}' and version '99', but none found"
OTHER_KEY = "Expected to find process definition with key '{processDefinitionKey}', but none found"
OTHER_ELEMENT = "Expected to create instance of process with start instructions but no element found with id 'zzz'."
SAME_ID = "Expected to publish a new message with id '{messageId}', but a message with that id was already published"
NO_JOB = "Expected to update job with key '{jobKey}', but no such job was found"
RETRIES = (
    "Expected to update retries for job with key '{jobKey}' with a positive amount of retries, "
    "but the amount given was '{retries}'"
)
LOOKS_FIRST = {"text": NOWHERE, "rejection": NOT_FOUND}
"""An engine that ignores the tenant looks for the process."""
AWAITED = "CREATE_WITH_AWAITING_RESULT"


def jobs(operation: str, what: str, **more: Any) -> list[Rejection]:
    """The rejections that completing, failing and throwing have in common."""
    wrong = f"Expected to {what} with key '{{jobKey}}', but it is in state "
    absent = f"Expected to {what} with key '{{jobKey}}', but no such job was found"
    failed, thrown = with_key("jobKey", ProcessHelper.failed_job, **more), with_key("jobKey", thrown_job, **more)
    return [
        Rejection(operation, "absent", just({"jobKey": ABSENT, **more}), NOT_FOUND, absent),
        Rejection(operation, "no retries left", failed, STATE, wrong + "'FAILED'"),
        Rejection(operation, "thrown", thrown, STATE, wrong + "'ERROR_THROWN'"),
    ]


def deployment(why: str, content: str, text: str, name: str = "a.bpmn") -> Rejection:
    """A rejected deployment of one file."""
    return Rejection("deploy-process", why, just(content, fileName=name), INVALID, DEPLOYING + text)


def creation(why: str, data: dict[str, Any], rejection: str, text: str, command: str = "") -> Rejection:
    """A rejected creation; without the id or key of a process, of one that is there."""
    there = data.keys() & {"bpmnProcessId", "processDefinitionKey"}
    prepare = just(data) if there else with_key("bpmnProcessId", definition, **data)
    return Rejection("create-instance", why, prepare, rejection, text, command)


POLL = {"jobType": "t", "maxJobsToActivate": 1}
ELSEWHERE = {"bpmnProcessId": "nowhere", "tenantId": "acme"}
REJECTIONS: list[Rejection] = [
    deployment("cut", "<a", TRUNCATED),
    deployment("not executable", processes.empty("a", executable=False), NOT_EXECUTABLE),
    deployment("unknown type", processes.empty("a"), "\n'a.txt': unknown resource type", "a.txt"),
    of_tenant("deploy-process", "DeployResource", just(processes.empty("a"), fileName="a.bpmn", tenantId="acme")),
    creation("unknown id", {"bpmnProcessId": "nowhere"}, NOT_FOUND, NOWHERE),
    creation("unknown version", {"version": 99}, NOT_FOUND, OTHER_VERSION),
    creation("unknown key", {"processDefinitionKey": ABSENT}, NOT_FOUND, OTHER_KEY),
    Rejection("create-instance", "starts by message only", after(asleep), STATE, NONE_START),
    creation("unknown element", {"startInstructions": [{"elementId": "zzz"}]}, INVALID, OTHER_ELEMENT),
    creation("with result, unknown id", {"bpmnProcessId": "nowhere", "withResult": True}, NOT_FOUND, NOWHERE, AWAITED),
    of_tenant("create-instance", "CreateProcessInstance", just(ELSEWHERE), in_memory=LOOKS_FIRST),
    of_tenant(
        "create-instance",
        "CreateProcessInstanceWithResult",
        just({**ELSEWHERE, "withResult": True}),
        why="with result, tenant",
        in_memory={**LOOKS_FIRST, "command": AWAITED},
    ),
    creation("too large", {"variables": LARGE}, TOO_LARGE, ""),
    Rejection("cancel-instance", "absent", just({"processInstanceKey": ABSENT}), NOT_FOUND, NO_INSTANCE),
    Rejection("cancel-instance", "ended", with_key("processInstanceKey", ended_instance), NOT_FOUND, NO_INSTANCE),
    Rejection("set-variables", "absent", just({"elementInstanceKey": ABSENT, "variables": {}}), NOT_FOUND, NO_ELEMENT),
    Rejection(
        "set-variables", "ended", with_key("elementInstanceKey", ended_instance, variables={}), NOT_FOUND, NO_ELEMENT
    ),
    Rejection(
        "set-variables", "too large", with_key("elementInstanceKey", running_instance, variables=LARGE), TOO_LARGE, ""
    ),
    Rejection("resolve-incident", "absent", just({"incidentKey": ABSENT}), NOT_FOUND, NO_INCIDENT),
    Rejection("resolve-incident", "not an incident", with_key("incidentKey", running_instance), NOT_FOUND, NO_INCIDENT),
    Rejection("publish-message", "same id again", after(published), EXISTS, SAME_ID),
    Rejection("publish-message", "too large", just({"messageName": "m", "variables": LARGE}), TOO_LARGE, ""),
    of_tenant("publish-message", "PublishMessage", just({"messageName": "m", "tenantId": "acme"})),
    # Everything else that the engine could find wrong with a poll is refused before it gets there.
    of_tenant("activate-jobs", "ActivateJobs", just({**POLL, "tenantIds": ["acme"]})),
    of_tenant(
        "activate-jobs",
        "ActivateJobs",
        just({**POLL, "requestTimeout": "5s", "tenantIds": [TENANT, "acme"]}),
        why="one of two tenants",
    ),
    *jobs("complete-job", "complete job"),
    *jobs("fail-job", "fail job", retries=1),
    *jobs("throw-error", "throw an error for job", errorCode="e"),
    Rejection("update-job-retries", "absent", just({"jobKey": ABSENT}), NOT_FOUND, NO_JOB),
    *(
        Rejection(
            "update-job-retries",
            f"to {retries}",
            with_key("jobKey", ProcessHelper.failed_job, retries=retries),
            INVALID,
            RETRIES,
        )
        for retries in (0, -1)
    ),
]
