"""What an engine says to a request that it rejects, and the steps that lead to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.integration import decisions, forms, processes
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import ABSENT, ProcessHelper, unique
from zeebe_amqp.errors import Code

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
    **dict.fromkeys(("deploy-process", "deploy-resource"), "CREATE"),
    "set-variables": "UPDATE",
    "throw-error": "THROW_ERROR",
    "update-job-retries": "UPDATE_RETRIES",
    "update-job-timeout": "UPDATE_TIMEOUT",
}
"""What the engine calls the command of an operation where that is not the operation's first word."""
WITH_RESULT = "with result"
DEPLOYING = "Expected to deploy new resources, but encountered the following errors:\n"

Prepare = Callable[[ProcessHelper], Awaitable[tuple[Any, dict[str, str]]]]
"""Yields data and metadata."""


@dataclass(frozen=True)
class Rejection:
    """What the engine says to a request; `text` may name the request's fields and the test's process in braces.

    `newer` has what engines from 8.8 on say otherwise, `in_memory` what the one in memory does; None: there the
    request succeeds.
    """

    operation: str
    why: str
    prepare: Prepare
    rejection: str
    text: str = ""
    newer: Mapping[str, Any] | None = field(default_factory=dict)
    in_memory: Mapping[str, Any] | None = field(default_factory=dict)

    @property
    def code(self) -> Code:
        """The code of the answer."""
        return CODES[self.rejection]

    @property
    def intent(self) -> str:
        """What the engine calls the command; empty when the gateway itself refuses."""
        if not self.rejection:
            return ""
        if self.why.startswith(WITH_RESULT):
            return "CREATE_WITH_AWAITING_RESULT"
        return INTENTS.get(self.operation) or self.operation.partition("-")[0].upper()

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
        start += DEPLOYING if self.operation.startswith("deploy") and self.rejection else ""
        return start + self.text.format_map({"process": process.id, **(data if isinstance(data, dict) else {})})


# --- the steps that lead to one ---


def just(data: Any, **metadata: str) -> Prepare:
    """A request that needs no preparation."""

    async def prepare(_: ProcessHelper) -> tuple[Any, dict[str, str]]:
        return data, metadata

    return prepare


def fields(**data: Any) -> Prepare:
    """The same, of these fields."""
    return just(data)


def after(step: Callable[[ProcessHelper], Awaitable[Any]], name: str = "", **more: Any) -> Prepare:
    """A request whose data another step yields, or with a name only that field of it."""

    async def prepare(process: ProcessHelper) -> tuple[Any, dict[str, str]]:
        found = await step(process)
        return ({name: found, **more} if name else found), {}

    return prepare


async def ended_instance(process: ProcessHelper) -> int:
    await process.deploy_text(processes.empty(process.id))
    return await process.instance(withResult=True)


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


async def asleep(process: ProcessHelper) -> str:
    await process.deploy_text(processes.awakened(process.id, unique("message"), process.job_type))
    return process.id


async def definition_in_use(process: ProcessHelper) -> int:
    deployed = await process.deploy()
    await process.instance()
    return int(deployed["processDefinitionKey"])


def files(**contents: str) -> dict[str, Any]:
    """The data of a deployment of several files; `a_bpmn` is called a.bpmn."""
    return {"resources": [{"name": name.replace("_", "."), "content": text} for name, text in contents.items()]}


async def a_decision(process: ProcessHelper) -> int:
    deployed = await process.caller.result("deploy-resource", files(a_dmn=decisions.fee(unique("decision"))))
    return int(next(entry["decision"]["decisionKey"] for entry in deployed["deployments"] if "decision" in entry))


async def awaited_signal(process: ProcessHelper) -> str:
    """Variables that are copied for whom the signal reaches are too large sooner than those that reach nobody."""
    signal = unique("signal")
    await process.deploy_text(processes.roused(process.id, signal, process.job_type))
    return signal


def migration(*mappings: tuple[str, str], instance: int = 0, target: int = 0) -> Prepare:
    """From the element `work` to a process of the elements `before` and `after`, or with another instance or target."""
    steps = [{"sourceElementId": source, "targetElementId": goal} for source, goal in mappings]

    async def data(process: ProcessHelper) -> dict[str, Any]:
        key = instance or await running_instance(process)
        if not instance:
            await process.jobs()  # so that the element is active
        text = processes.steps(unique("process"), unique("job"), "before", "after")
        goal = target or (await process.deploy_text(text))["processDefinitionKey"]
        plan = {"targetProcessDefinitionKey": goal, "mappingInstructions": steps}
        return {"processInstanceKey": key, "migrationPlan": plan}

    return after(data)


# --- the rejections ---

Row = tuple[Any, ...]
"""The fields of a rejection, from `prepare` on."""


def of_tenant(rpc: str, prepare: Prepare, in_memory: Mapping[str, Any] | None = None) -> Row:
    """What a gateway without multi-tenancy says; named is the RPC that carries the request."""
    text = f"Expected to handle gRPC request {rpc} with tenant identifier 'acme', but multi-tenancy is disabled"
    return prepare, GATEWAY, text, {}, in_memory


def of_job(what: str, **more: Any) -> dict[str, Row]:
    """The rejections that completing, failing and throwing have in common."""
    start = f"Expected to {what} with key '{{jobKey}}', but "
    failed, thrown = after(ProcessHelper.failed_job, "jobKey", **more), after(thrown_job, "jobKey", **more)
    return {
        "absent": (fields(jobKey=ABSENT, **more), NOT_FOUND, start + "no such job was found"),
        "no retries left": (failed, STATE, start + "it is in state 'FAILED'"),
        "thrown": (thrown, STATE, start + "it is in state 'ERROR_THROWN'"),
    }


def modification(text: str, **instructions: Any) -> Row:
    """A modification of a running instance whose instructions are wrong."""
    start = "Expected to modify instance of process '{process}' but it contains one or more "
    return after(running_instance, "processInstanceKey", **instructions), INVALID, start + text


def activation(text: str, **instruction: Any) -> Row:
    """A wrong instruction to activate."""
    return modification(f"activate instructions with {text}", activateInstructions=[instruction])


def plan(rejection: str, text: str, *mappings: tuple[str, str]) -> Row:
    """A migration with a wrong plan."""
    return migration(*mappings), rejection, "Expected to migrate process instance '{processInstanceKey}' but " + text


LARGE = {"text": "x" * 2_500_000}
"""Variables that a request may carry and the engine cannot process."""
POLL = {"jobType": "t", "maxJobsToActivate": 1}
EMPTY, BROKEN_FEE = processes.empty("a"), decisions.fee("a").replace("weight &lt;= 100", "1 + (")
OTHER = [{"elementId": "zzz"}]
UNKNOWN_SCOPE = [{"variables": {}, "scopeId": "zzz"}]
TRUNCATED = "'a.bpmn': Fatal Error: URI=null Line=1: XML document structures must start and end within the same entity."
NOT_EXECUTABLE = "'a.bpmn': - Element: definitions\n    - ERROR: Must contain at least one executable process\n"
UNKNOWN_TYPE = "\n'a.{}': unknown resource type"
DUPLICATE = "Duplicated process id in resources 'a.bpmn' and 'b.bpmn'"
UNPARSED = "'b.dmn': Failed to parse DMN: org.camunda.bpm.model.dmn.DmnModelException: Unable to parse model"
BAD_EXPRESSION = (
    "'a.dmn': FEEL expression: failed to parse expression 'assert(weight, 1 + ()': Expected (binaryComparison | "
    'between | instanceOf | in | "and" | "or" | end-of-input):1:7, found "(weight, 1"'
)
NO_JSON = (
    "'a.form': Cannot invoke \"java.lang.Throwable.getMessage()\" because the return value of "
    '"com.fasterxml.jackson.core.JsonProcessingException.getCause()" is null'
)
NO_JSON_NOW = (
    "Failed to parse form JSON. 'a.form': Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or "
    "token 'null', 'true' or 'false')\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled);"
    " line: 1, column: 1]"
)
NOWHERE = "Expected to find process definition with process ID '{bpmnProcessId}', but none found"
OTHER_VERSION = "Expected to find process definition with process ID '{bpmnProcessId}' and version '99', but none found"
OTHER_KEY = "Expected to find process definition with key '{processDefinitionKey}', but none found"
OTHER_ELEMENT = "Expected to create instance of process with start instructions but no element found with id 'zzz'."
NONE_START = "Expected to create instance of process with none start event, but there is no such event"
NO_INSTANCE = "Expected to cancel a process instance with key '{processInstanceKey}', but no such process was found"
NO_ELEMENT = "Expected to update variables for element with key '{elementInstanceKey}', but no such element was found"
NO_INCIDENT = "Expected to resolve incident with key '{incidentKey}', but no such incident was found"
SAME_ID = "Expected to publish a new message with id '{messageId}', but a message with that id was already published"
NO_JOB = "Expected to update job with key '{jobKey}', but no such job was found"
NOT_ACTIVE = "Expected to update the timeout of job with key '{jobKey}', but it is not active"
RETRIES = (
    "Expected to update retries for job with key '{jobKey}' with a positive amount of retries, "
    "but the amount given was '{retries}'"
)
NO_RESOURCE = "Expected to delete resource but no resource found with key `{resourceKey}`"
IN_USE = "Expected to delete resource with key `{resourceKey}` but there are still running instances"
NO_DECISION = "Expected to evaluate decision '{decisionId}', but no decision found for id '{decisionId}'"
NO_DECISION_KEY = "Expected to evaluate decision '{decisionKey}', but no decision found for key '{decisionKey}'"
UNCHANGED = "Expected to modify process instance but no process instance found with key '{processInstanceKey}'"
ANCESTOR = f"an ancestor scope key that does not exist, or is not in an active state: '{ABSENT}'"
NO_TARGET = (
    f"Expected to migrate process instance to process definition but no process definition found with key '{ABSENT}'"
)
UNMOVED = "Expected to migrate process instance but no process instance found with key '{processInstanceKey}'"
UNMAPPED = (
    "no mapping instruction defined for active element with id 'work'. Elements cannot be migrated without a mapping."
)
UNKNOWN_END = "mapping instructions contain a non-existing {0} element id 'zzz'. " + (
    "Elements provided in mapping instructions must exist in the {0} process definition."
)
TWICE = "the mapping instructions contain duplicate source element ids '[work]'."
OTHER_TYPE = (
    "active element with id 'work' and type 'SERVICE_TASK' is mapped to an element with id 'end'"
    " and different type 'END_EVENT'. Elements must be mapped to elements of the same type."
)
LOOKS = {"text": NOWHERE, "rejection": NOT_FOUND}
"""An engine that ignores the tenant looks for the process."""
ABSENT_NOW = {"rejection": NOT_FOUND}
"""What the newer engine calls a decision that is absent."""

TABLE: dict[str, dict[str, Row]] = {
    "deploy-process": {
        "cut": (just("<a", fileName="a.bpmn"), INVALID, TRUNCATED),
        "not executable": (just(processes.empty("a", executable=False), fileName="a.bpmn"), INVALID, NOT_EXECUTABLE),
        "unknown type": (just(EMPTY, fileName="a.txt"), INVALID, UNKNOWN_TYPE.format("txt")),
        "tenant": of_tenant("DeployResource", just(EMPTY, fileName="a.bpmn", tenantId="acme")),
    },
    "create-instance": {
        "unknown id": (fields(bpmnProcessId="nowhere"), NOT_FOUND, NOWHERE),
        "unknown version": (after(definition, "bpmnProcessId", version=99), NOT_FOUND, OTHER_VERSION),
        "unknown key": (fields(processDefinitionKey=ABSENT), NOT_FOUND, OTHER_KEY),
        "starts by message only": (after(asleep, "bpmnProcessId"), STATE, NONE_START),
        "unknown element": (after(definition, "bpmnProcessId", startInstructions=OTHER), INVALID, OTHER_ELEMENT),
        f"{WITH_RESULT}, unknown id": (fields(bpmnProcessId="nowhere", withResult=True), NOT_FOUND, NOWHERE),
        "tenant": of_tenant("CreateProcessInstance", fields(bpmnProcessId="nowhere", tenantId="acme"), LOOKS),
        f"{WITH_RESULT}, tenant": of_tenant(
            "CreateProcessInstanceWithResult", fields(bpmnProcessId="nowhere", tenantId="acme", withResult=True), LOOKS
        ),
        "too large": (after(definition, "bpmnProcessId", variables=LARGE), TOO_LARGE),
    },
    "cancel-instance": {
        "absent": (fields(processInstanceKey=ABSENT), NOT_FOUND, NO_INSTANCE),
        "ended": (after(ended_instance, "processInstanceKey"), NOT_FOUND, NO_INSTANCE),
    },
    "set-variables": {
        "absent": (fields(elementInstanceKey=ABSENT, variables={}), NOT_FOUND, NO_ELEMENT),
        "ended": (after(ended_instance, "elementInstanceKey", variables={}), NOT_FOUND, NO_ELEMENT),
        "too large": (after(running_instance, "elementInstanceKey", variables=LARGE), TOO_LARGE),
    },
    "resolve-incident": {
        "absent": (fields(incidentKey=ABSENT), NOT_FOUND, NO_INCIDENT),
        "not an incident": (after(running_instance, "incidentKey"), NOT_FOUND, NO_INCIDENT),
    },
    "publish-message": {
        "same id again": (after(published), EXISTS, SAME_ID),
        "too large": (fields(messageName="m", variables=LARGE), TOO_LARGE),
        "tenant": of_tenant("PublishMessage", fields(messageName="m", tenantId="acme")),
    },
    "activate-jobs": {
        # Everything else that the engine could find wrong with a poll is refused before it gets there.
        "tenant": of_tenant("ActivateJobs", fields(**POLL, tenantIds=["acme"])),
        "one of two tenants": of_tenant(
            "ActivateJobs", fields(**POLL, requestTimeout="5s", tenantIds=["<default>", "acme"])
        ),
    },
    "complete-job": of_job("complete job"),
    "fail-job": of_job("fail job", retries=1),
    "throw-error": of_job("throw an error for job", errorCode="e"),
    "update-job-retries": {
        "absent": (fields(jobKey=ABSENT), NOT_FOUND, NO_JOB),
        "to 0": (after(ProcessHelper.failed_job, "jobKey", retries=0), INVALID, RETRIES),
        "to -1": (after(ProcessHelper.failed_job, "jobKey", retries=-1), INVALID, RETRIES),
    },
    "update-job-timeout": {
        "absent": (fields(jobKey=ABSENT, timeout="1m"), NOT_FOUND, NO_JOB),
        "not locked": (after(ProcessHelper.failed_job, "jobKey", timeout="1m"), STATE, NOT_ACTIVE),
    },
    "deploy-resource": {
        "same process in two files": (just(files(a_bpmn=EMPTY, b_bpmn=EMPTY)), INVALID, DUPLICATE),
        "one good, one bad": (just(files(a_bpmn=EMPTY, b_dmn="<a")), INVALID, UNPARSED),
        "bad expression in a decision": (just(files(a_dmn=BROKEN_FEE)), INVALID, BAD_EXPRESSION),
        "form without id": (just(files(a_form="{}")), INVALID, "Expected the form id to be present, but none given"),
        "form that is not JSON": (just(files(a_form="x")), INVALID, NO_JSON, {"text": NO_JSON_NOW}),
        "unknown kind": (just(files(a_txt="x")), INVALID, UNKNOWN_TYPE.format("txt")),
        "kind of newer engines": (just(files(a_rpa='{"id": "a"}')), INVALID, UNKNOWN_TYPE.format("rpa"), None),
        "tenant": of_tenant("DeployResource", fields(**files(a_form=forms.approval("a")), tenantId="acme")),
    },
    "delete-resource": {
        "absent": (fields(resourceKey=ABSENT), NOT_FOUND, NO_RESOURCE),
        "a decision, not its requirements": (after(a_decision, "resourceKey"), NOT_FOUND, NO_RESOURCE),
        "an instance": (after(running_instance, "resourceKey"), NOT_FOUND, NO_RESOURCE),
        "with running instances": (after(definition_in_use, "resourceKey"), STATE, IN_USE),
    },
    "evaluate-decision": {
        "unknown id": (fields(decisionId="nowhere"), INVALID, NO_DECISION, ABSENT_NOW),
        "unknown key": (fields(decisionKey=ABSENT), INVALID, NO_DECISION_KEY, ABSENT_NOW),
        "tenant": of_tenant(
            "EvaluateDecision", fields(decisionId="nowhere", tenantId="acme"), {**ABSENT_NOW, "text": NO_DECISION}
        ),
    },
    "broadcast-signal": {
        "tenant": of_tenant("BroadcastSignal", fields(signalName="s", tenantId="acme")),
        "too large": (after(awaited_signal, "signalName", variables=LARGE), TOO_LARGE),
    },
    "modify-instance": {
        "absent": (fields(processInstanceKey=ABSENT), NOT_FOUND, UNCHANGED),
        "unknown element": activation("an element that could not be found: 'zzz'", elementId="zzz"),
        "unknown scope of variables": modification(
            "variable instructions with a scope element id that could not be found: 'zzz'",
            activateInstructions=[{"elementId": "work", "variableInstructions": UNKNOWN_SCOPE}],
        ),
        "absent ancestor": activation(ANCESTOR, elementId="work", ancestorElementInstanceKey=ABSENT),
        "absent element instance": modification(
            f"terminate instructions with an element instance that could not be found: '{ABSENT}'",
            terminateInstructions=[{"elementInstanceKey": ABSENT}],
        ),
    },
    "migrate-instance": {
        "absent target": (migration(target=ABSENT), NOT_FOUND, NO_TARGET),
        "absent instance": (migration(instance=ABSENT), NOT_FOUND, UNMOVED),
        "active element without mapping": plan(STATE, UNMAPPED),
        "unknown source": plan(INVALID, UNKNOWN_END.format("source"), ("zzz", "before")),
        "unknown target": plan(INVALID, UNKNOWN_END.format("target"), ("work", "zzz")),
        "source mapped twice": plan(INVALID, TWICE, ("work", "before"), ("work", "after")),
        "element of another type": plan(STATE, OTHER_TYPE, ("work", "end")),
    },
}
REJECTIONS = [Rejection(operation, why, *row) for operation, rows in TABLE.items() for why, row in rows.items()]
