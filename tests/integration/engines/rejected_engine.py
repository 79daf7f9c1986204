"""How the engines reject the commands that the binding does not have."""

from __future__ import annotations

from typing import Any

from tests.integration import decisions, forms, processes
from tests.integration.engines.rejection import (
    DEPLOYING,
    INVALID,
    LARGE,
    NOT_FOUND,
    STATE,
    TOO_LARGE,
    Prepare,
    Rejection,
    after,
    just,
    running_instance,
    tenants,
    with_key,
)
from tests.integration.process_helper import ABSENT, ProcessHelper, unique
from zeebe_amqp.errors import Code


def files(**contents: str) -> dict[str, Any]:
    """The data of a deployment of several files; `a_bpmn` is called a.bpmn."""
    return {"resources": [{"name": name.replace("_", "."), "content": text} for name, text in contents.items()]}


def refused(why: str, data: dict[str, Any], text: str, **more: Any) -> Rejection:
    """A rejected deployment of several files."""
    return Rejection(
        "deploy-resource", why, just(data), Code.INVALID_ARGUMENT, DEPLOYING + text, "CREATE", INVALID, **more
    )


DEPLOYMENTS = [
    refused(
        "same process in two files",
        files(a_bpmn=processes.empty("a"), b_bpmn=processes.empty("a")),
        "Duplicated process id in resources 'a.bpmn' and 'b.bpmn'",
    ),
    refused(
        "one good, one bad",
        files(a_bpmn=processes.empty("a"), b_dmn="<a"),
        "'b.dmn': Failed to parse DMN: org.camunda.bpm.model.dmn.DmnModelException: Unable to parse model",
    ),
    refused(
        "bad expression in a decision",
        files(a_dmn=decisions.fee("a").replace("weight &lt;= 100", "1 + (")),
        "'a.dmn': FEEL expression: failed to parse expression 'assert(weight, 1 + ()': Expected (binaryComparison | "
        'between | instanceOf | in | "and" | "or" | end-of-input):1:7, found "(weight, 1"',
    ),
    refused("form without id", files(a_form="{}"), "Expected the form id to be present, but none given"),
    refused(
        "form that is not JSON",
        files(a_form="x"),
        "'a.form': Cannot invoke \"java.lang.Throwable.getMessage()\" because the return value of "
        '"com.fasterxml.jackson.core.JsonProcessingException.getCause()" is null',
        newer={
            "text": f"{DEPLOYING}Failed to parse form JSON. 'a.form': Unrecognized token 'x': was expecting (JSON "
            "String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: REDACTED "
            "(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]"
        },
    ),
    refused("unknown kind", files(a_txt="x"), "\n'a.txt': unknown resource type"),
    refused("kind of newer engines", files(a_rpa='{"id": "a"}'), "\n'a.rpa': unknown resource type", newer=None),
    Rejection(
        "deploy-resource",
        "tenant",
        just({**files(a_form=forms.approval("a")), "tenantId": "acme"}),
        Code.INVALID_ARGUMENT,
        tenants("DeployResource"),
        in_memory=None,
    ),
]


async def definition_in_use(process: ProcessHelper) -> int:
    deployed = await process.deploy()
    await process.instance()
    return int(deployed["processDefinitionKey"])


async def a_decision(process: ProcessHelper) -> int:
    deployed = await process.caller.result("deploy-resource", files(a_dmn=decisions.fee(unique("decision"))))
    return int(next(entry["decision"]["decisionKey"] for entry in deployed["deployments"] if "decision" in entry))


NO_RESOURCE = "Expected to delete resource but no resource found with key `{resourceKey}`"
DELETIONS = [
    Rejection("delete-resource", why, prepare, Code.NOT_FOUND, NO_RESOURCE, "DELETE", NOT_FOUND)
    for why, prepare in {
        "absent": just({"resourceKey": ABSENT}),
        "a decision, not its requirements": with_key("resourceKey", a_decision),
        "an instance": with_key("resourceKey", running_instance),
    }.items()
] + [
    Rejection(
        "delete-resource",
        "with running instances",
        with_key("resourceKey", definition_in_use),
        Code.FAILED_PRECONDITION,
        "Expected to delete resource with key `{resourceKey}` but there are still running instances",
        "DELETE",
        STATE,
    )
]

NOT_THERE = {"code": Code.NOT_FOUND, "rejection": NOT_FOUND}
"""What the newer engine calls a decision that is absent."""
EVALUATIONS = [
    Rejection(
        "evaluate-decision",
        f"unknown {what}",
        just({field: value}),
        Code.INVALID_ARGUMENT,
        f"Expected to evaluate decision '{value}', but no decision found for {what} '{value}'",
        "EVALUATE",
        INVALID,
        newer=NOT_THERE,
    )
    for what, field, value in (("id", "decisionId", "nowhere"), ("key", "decisionKey", ABSENT))
] + [
    Rejection(
        "evaluate-decision",
        "tenant",
        just({"decisionId": "nowhere", "tenantId": "acme"}),
        Code.INVALID_ARGUMENT,
        tenants("EvaluateDecision"),
        in_memory={
            **NOT_THERE,
            "text": "Expected to evaluate decision 'nowhere', but no decision found for id 'nowhere'",
            "intent": "EVALUATE",
        },
    ),
]


async def awaited_signal(process: ProcessHelper) -> dict[str, Any]:
    """Variables that are copied for whom the signal reaches are too large sooner than those that reach nobody."""
    signal = unique("signal")
    await process.deploy_text(processes.roused(process.id, signal, process.job_type))
    return {"signalName": signal, "variables": LARGE}


SIGNALS = [
    Rejection(
        "broadcast-signal",
        "tenant",
        just({"signalName": "s", "tenantId": "acme"}),
        Code.INVALID_ARGUMENT,
        tenants("BroadcastSignal"),
        in_memory=None,
    ),
    Rejection(
        "broadcast-signal",
        "too large",
        after(awaited_signal),
        Code.UNKNOWN,
        "",
        "BROADCAST",
        TOO_LARGE,
    ),
]


TIMEOUTS = [
    Rejection(
        "update-job-timeout",
        "absent",
        just({"jobKey": ABSENT, "timeout": "1m"}),
        Code.NOT_FOUND,
        "Expected to update job with key '{jobKey}', but no such job was found",
        "UPDATE_TIMEOUT",
        NOT_FOUND,
    ),
    Rejection(
        "update-job-timeout",
        "not locked",
        with_key("jobKey", ProcessHelper.failed_job, timeout="1m"),
        Code.FAILED_PRECONDITION,
        "Expected to update the timeout of job with key '{jobKey}', but it is not active",
        "UPDATE_TIMEOUT",
        STATE,
    ),
]


def change(**instructions: Any) -> Prepare:
    """A modification of a running instance."""
    return with_key("processInstanceKey", running_instance, **instructions)


def bad_change(why: str, text: str, **instructions: Any) -> Rejection:
    """A modification whose instructions are wrong."""
    start = "Expected to modify instance of process '{process}' but it contains one or more "
    return Rejection(
        "modify-instance", why, change(**instructions), Code.INVALID_ARGUMENT, start + text, "MODIFY", INVALID
    )


MODIFICATIONS = [
    Rejection(
        "modify-instance",
        "absent",
        just({"processInstanceKey": ABSENT}),
        Code.NOT_FOUND,
        "Expected to modify process instance but no process instance found with key '{processInstanceKey}'",
        "MODIFY",
        NOT_FOUND,
    ),
    bad_change(
        "unknown element",
        "activate instructions with an element that could not be found: 'zzz'",
        activateInstructions=[{"elementId": "zzz"}],
    ),
    bad_change(
        "unknown scope of variables",
        "variable instructions with a scope element id that could not be found: 'zzz'",
        activateInstructions=[{"elementId": "work", "variableInstructions": [{"variables": {}, "scopeId": "zzz"}]}],
    ),
    bad_change(
        "absent ancestor",
        "activate instructions with an ancestor scope key that does not exist, or is not in an active state: "
        f"'{ABSENT}'",
        activateInstructions=[{"elementId": "work", "ancestorElementInstanceKey": ABSENT}],
    ),
    bad_change(
        "absent element instance",
        f"terminate instructions with an element instance that could not be found: '{ABSENT}'",
        terminateInstructions=[{"elementInstanceKey": ABSENT}],
    ),
]


def plan(*mappings: tuple[str, str]) -> Prepare:
    """A migration from the element `work` to a process of the elements `before` and `after`."""

    async def data(process: ProcessHelper) -> dict[str, Any]:
        instance = await running_instance(process)
        await process.jobs()  # so that the element is active
        target = await process.deploy_text(processes.steps(unique("process"), unique("job"), "before", "after"))
        return migration(instance, target["processDefinitionKey"], *mappings)

    return after(data)


def migration(instance: int, target: int, *mappings: tuple[str, str]) -> dict[str, Any]:
    """The data of a migration."""
    steps = [{"sourceElementId": source, "targetElementId": goal} for source, goal in mappings]
    return {
        "processInstanceKey": instance,
        "migrationPlan": {"targetProcessDefinitionKey": target, "mappingInstructions": steps},
    }


async def to_nowhere(process: ProcessHelper) -> dict[str, Any]:
    return migration(await running_instance(process), ABSENT)


async def of_nothing(process: ProcessHelper) -> dict[str, Any]:
    return migration(ABSENT, int((await process.deploy())["processDefinitionKey"]))


def bad_plan(why: str, text: str, code: Code, rejection: str, *mappings: tuple[str, str]) -> Rejection:
    """A migration whose plan is wrong."""
    start = "Expected to migrate process instance '{processInstanceKey}' but "
    return Rejection("migrate-instance", why, plan(*mappings), code, start + text, "MIGRATE", rejection)


MIGRATIONS = [
    Rejection(
        "migrate-instance",
        "absent target",
        after(to_nowhere),
        Code.NOT_FOUND,
        "Expected to migrate process instance to process definition but no process definition found with key "
        f"'{ABSENT}'",
        "MIGRATE",
        NOT_FOUND,
    ),
    Rejection(
        "migrate-instance",
        "absent instance",
        after(of_nothing),
        Code.NOT_FOUND,
        "Expected to migrate process instance but no process instance found with key '{processInstanceKey}'",
        "MIGRATE",
        NOT_FOUND,
    ),
    bad_plan(
        "active element without mapping",
        "no mapping instruction defined for active element with id 'work'."
        " Elements cannot be migrated without a mapping.",
        Code.FAILED_PRECONDITION,
        STATE,
    ),
    bad_plan(
        "unknown source",
        "mapping instructions contain a non-existing source element id 'zzz'."
        " Elements provided in mapping instructions must exist in the source process definition.",
        Code.INVALID_ARGUMENT,
        INVALID,
        ("zzz", "before"),
    ),
    bad_plan(
        "unknown target",
        "mapping instructions contain a non-existing target element id 'zzz'."
        " Elements provided in mapping instructions must exist in the target process definition.",
        Code.INVALID_ARGUMENT,
        INVALID,
        ("work", "zzz"),
    ),
    bad_plan(
        "source mapped twice",
        "the mapping instructions contain duplicate source element ids '[work]'.",
        Code.INVALID_ARGUMENT,
        INVALID,
        ("work", "before"),
        ("work", "after"),
    ),
    bad_plan(
        "element of another type",
        "active element with id 'work' and type 'SERVICE_TASK' is mapped to an element with id 'end'"
        " and different type 'END_EVENT'. Elements must be mapped to elements of the same type.",
        Code.FAILED_PRECONDITION,
        STATE,
        ("work", "end"),
    ),
]

REJECTIONS = [*DEPLOYMENTS, *DELETIONS, *EVALUATIONS, *SIGNALS, *TIMEOUTS, *MODIFICATIONS, *MIGRATIONS]
