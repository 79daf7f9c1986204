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
    Rejection,
    after,
    just,
    of_tenant,
    running_instance,
    with_key,
)
from tests.integration.process_helper import ABSENT, ProcessHelper, unique


def files(**contents: str) -> dict[str, Any]:
    """The data of a deployment of several files; `a_bpmn` is called a.bpmn."""
    return {"resources": [{"name": name.replace("_", "."), "content": text} for name, text in contents.items()]}


def refused(why: str, data: dict[str, Any], text: str, **more: Any) -> Rejection:
    """A rejected deployment of several files."""
    return Rejection("deploy-resource", why, just(data), INVALID, DEPLOYING + text, **more)


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
    of_tenant("deploy-resource", "DeployResource", just({**files(a_form=forms.approval("a")), "tenantId": "acme"})),
]


async def definition_in_use(process: ProcessHelper) -> int:
    deployed = await process.deploy()
    await process.instance()
    return int(deployed["processDefinitionKey"])


async def a_decision(process: ProcessHelper) -> int:
    deployed = await process.caller.result("deploy-resource", files(a_dmn=decisions.fee(unique("decision"))))
    return int(next(entry["decision"]["decisionKey"] for entry in deployed["deployments"] if "decision" in entry))


async def awaited_signal(process: ProcessHelper) -> dict[str, Any]:
    """Variables that are copied for whom the signal reaches are too large sooner than those that reach nobody."""
    signal = unique("signal")
    await process.deploy_text(processes.roused(process.id, signal, process.job_type))
    return {"signalName": signal, "variables": LARGE}


NO_RESOURCE = "Expected to delete resource but no resource found with key `{resourceKey}`"
IN_USE = "Expected to delete resource with key `{resourceKey}` but there are still running instances"
UNDECIDED = "Expected to evaluate decision '{decision}', but no decision found for {field} '{decision}'"
NO_JOB = "Expected to update job with key '{jobKey}', but no such job was found"
NOT_ACTIVE = "Expected to update the timeout of job with key '{jobKey}', but it is not active"
NOT_THERE = {"rejection": NOT_FOUND}
"""What the newer engine calls a decision that is absent."""
NO_DECISION = {**NOT_THERE, "text": UNDECIDED.format(decision="nowhere", field="id")}
OTHERS = [
    *(
        Rejection("delete-resource", why, prepare, NOT_FOUND, NO_RESOURCE)
        for why, prepare in {
            "absent": just({"resourceKey": ABSENT}),
            "a decision, not its requirements": with_key("resourceKey", a_decision),
            "an instance": with_key("resourceKey", running_instance),
        }.items()
    ),
    Rejection("delete-resource", "with running instances", with_key("resourceKey", definition_in_use), STATE, IN_USE),
    *(
        Rejection(
            "evaluate-decision",
            f"unknown {what}",
            just({field: value}),
            INVALID,
            UNDECIDED.format(decision=value, field=what),
            newer=NOT_THERE,
        )
        for what, field, value in (("id", "decisionId", "nowhere"), ("key", "decisionKey", ABSENT))
    ),
    of_tenant(
        "evaluate-decision",
        "EvaluateDecision",
        just({"decisionId": "nowhere", "tenantId": "acme"}),
        in_memory=NO_DECISION,
    ),
    of_tenant("broadcast-signal", "BroadcastSignal", just({"signalName": "s", "tenantId": "acme"})),
    Rejection("broadcast-signal", "too large", after(awaited_signal), TOO_LARGE, ""),
    Rejection("update-job-timeout", "absent", just({"jobKey": ABSENT, "timeout": "1m"}), NOT_FOUND, NO_JOB),
    Rejection(
        "update-job-timeout",
        "not locked",
        with_key("jobKey", ProcessHelper.failed_job, timeout="1m"),
        STATE,
        NOT_ACTIVE,
    ),
]


def bad_change(why: str, text: str, **instructions: Any) -> Rejection:
    """A modification of a running instance whose instructions are wrong."""
    start = "Expected to modify instance of process '{process}' but it contains one or more "
    prepare = with_key("processInstanceKey", running_instance, **instructions)
    return Rejection("modify-instance", why, prepare, INVALID, start + text)


MODIFICATIONS = [
    Rejection(
        "modify-instance",
        "absent",
        just({"processInstanceKey": ABSENT}),
        NOT_FOUND,
        "Expected to modify process instance but no process instance found with key '{processInstanceKey}'",
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


def migration(instance: int, target: int, *mappings: tuple[str, str]) -> dict[str, Any]:
    """The data of a migration."""
    steps = [{"sourceElementId": source, "targetElementId": goal} for source, goal in mappings]
    plan = {"targetProcessDefinitionKey": target, "mappingInstructions": steps}
    return {"processInstanceKey": instance, "migrationPlan": plan}


async def to_nowhere(process: ProcessHelper) -> dict[str, Any]:
    return migration(await running_instance(process), ABSENT)


async def of_nothing(process: ProcessHelper) -> dict[str, Any]:
    return migration(ABSENT, int((await process.deploy())["processDefinitionKey"]))


def bad_plan(why: str, text: str, rejection: str, *mappings: tuple[str, str]) -> Rejection:
    """A migration from the element `work` to a process of the elements `before` and `after`, with a wrong plan."""

    async def data(process: ProcessHelper) -> dict[str, Any]:
        instance = await running_instance(process)
        await process.jobs()  # so that the element is active
        target = await process.deploy_text(processes.steps(unique("process"), unique("job"), "before", "after"))
        return migration(instance, target["processDefinitionKey"], *mappings)

    start = "Expected to migrate process instance '{processInstanceKey}' but "
    return Rejection("migrate-instance", why, after(data), rejection, start + text)


UNKNOWN_END = "mapping instructions contain a non-existing {0} element id 'zzz'. " + (
    "Elements provided in mapping instructions must exist in the {0} process definition."
)
MIGRATIONS = [
    Rejection(
        "migrate-instance",
        "absent target",
        after(to_nowhere),
        NOT_FOUND,
        "Expected to migrate process instance to process definition but no process definition found with key "
        f"'{ABSENT}'",
    ),
    Rejection(
        "migrate-instance",
        "absent instance",
        after(of_nothing),
        NOT_FOUND,
        "Expected to migrate process instance but no process instance found with key '{processInstanceKey}'",
    ),
    bad_plan(
        "active element without mapping",
        "no mapping instruction defined for active element with id 'work'."
        " Elements cannot be migrated without a mapping.",
        STATE,
    ),
    bad_plan("unknown source", UNKNOWN_END.format("source"), INVALID, ("zzz", "before")),
    bad_plan("unknown target", UNKNOWN_END.format("target"), INVALID, ("work", "zzz")),
    bad_plan(
        "source mapped twice",
        "the mapping instructions contain duplicate source element ids '[work]'.",
        INVALID,
        ("work", "before"),
        ("work", "after"),
    ),
    bad_plan(
        "element of another type",
        "active element with id 'work' and type 'SERVICE_TASK' is mapped to an element with id 'end'"
        " and different type 'END_EVENT'. Elements must be mapped to elements of the same type.",
        STATE,
        ("work", "end"),
    ),
]

REJECTIONS = [*DEPLOYMENTS, *OTHERS, *MODIFICATIONS, *MIGRATIONS]
