"""The examples: parcels that are packed, paid for and sent, with all that can happen to them on the way."""

from __future__ import annotations

from typing import Any, Final

from zeebe_amqp.examples.example import Example, Kept, file_text

__all__ = ["EXAMPLES", "INCIDENT"]

PARCEL: Final = Kept("parcel", 2251799813685250)
EXPRESS: Final = Kept("express", 2251799813685254)
FORM: Final = Kept("form", 2251799813685261)
INSTANCE: Final = Kept("instance", 2251799813685270)
JOB: Final = Kept("job", 2251799813685276)
INCIDENT: Final = Kept("incident", 2251799813685281)
"""No reply names an incident; monitoring does (Operate, an exporter)."""
DAMAGED_JOB: Final = Kept("damaged job", 2251799813685296)
MIGRATED: Final = Kept("migrated instance", 2251799813685301)
MIGRATED_TASK: Final = Kept("migrated task", 2251799813685306)

TENANT: Final = "<default>"


def _process(name: str, key: int) -> dict[str, Any]:
    return {
        "bpmnProcessId": name,
        "version": 1,
        "processDefinitionKey": key,
        "resourceName": f"{name}.bpmn",
        "tenantId": TENANT,
    }


def _created(instance: int, name: str = "parcel", key: int = PARCEL.like) -> dict[str, Any]:
    return {
        "processDefinitionKey": key,
        "bpmnProcessId": name,
        "version": 1,
        "processInstanceKey": instance,
        "tenantId": TENANT,
        "tags": None,
        "businessId": None,
    }


def _job(number: str, key: int, instance: int, element: int) -> dict[str, Any]:
    return {
        "key": key,
        "type": "pack-parcel",
        "processInstanceKey": instance,
        "bpmnProcessId": "parcel",
        "processDefinitionVersion": 1,
        "processDefinitionKey": PARCEL.like,
        "elementId": "pack",
        "elementInstanceKey": element,
        "customHeaders": "{}",
        "worker": "packer",
        "retries": 3,
        "deadline": 1893456000000,
        "variables": f'{{"number":"{number}"}}',
        "tenantId": TENANT,
        "kind": None,
        "listenerEventType": None,
        "userTask": None,
        "tags": None,
    }


_PACKING: Final = {
    "jobType": "pack-parcel",
    "maxJobsToActivate": 1,
    "timeout": "5m",
    "workerName": "packer",
    "requestTimeout": "10s",
    "fetchVariables": ["number"],
}

EXAMPLES: Final[tuple[Example, ...]] = (
    Example(
        "topology",
        {},
        {
            "brokers": [
                {
                    "nodeId": 0,
                    "host": "10.0.0.7",
                    "port": 26501,
                    "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}],
                    "version": "8.6.0",
                }
            ],
            "clusterSize": 1,
            "partitionsCount": 1,
            "replicationFactor": 1,
            "gatewayVersion": "8.6.0",
            "clusterId": None,
        },
        "The cluster",
    ),
    Example(
        "deploy-process",
        file_text("parcel.bpmn"),
        {"key": 2251799813685249, "processes": [_process("parcel", PARCEL.like)], "tenantId": TENANT},
        "A BPMN file as text",
        {"fileName": "parcel.bpmn"},
        {"parcel": "processes.0.processDefinitionKey"},
    ),
    Example(
        "deploy-resource",
        {
            "resources": [
                {"name": "express.bpmn", "content": file_text("express.bpmn")},
                {"name": "quote.bpmn", "content": file_text("quote.bpmn")},
                {"name": "discount.dmn", "content": file_text("discount.dmn")},
            ]
        },
        {
            "key": 2251799813685252,
            "deployments": [
                {"process": _process("express", EXPRESS.like)},
                {"process": _process("quote", 2251799813685255)},
                {
                    "decision": {
                        "dmnDecisionId": "discount",
                        "dmnDecisionName": "Discount",
                        "version": 1,
                        "decisionKey": 2251799813685257,
                        "dmnDecisionRequirementsId": "discounts",
                        "decisionRequirementsKey": 2251799813685256,
                        "tenantId": TENANT,
                    }
                },
                {
                    "decisionRequirements": {
                        "dmnDecisionRequirementsId": "discounts",
                        "dmnDecisionRequirementsName": "Discounts",
                        "version": 1,
                        "decisionRequirementsKey": 2251799813685256,
                        "resourceName": "discount.dmn",
                        "tenantId": TENANT,
                    }
                },
            ],
            "tenantId": TENANT,
        },
        "Several files, all or none",
        keeps={"express": "deployments.0.process.processDefinitionKey"},
    ),
    Example(
        "deploy-resource",
        file_text("address.form"),
        {
            "key": 2251799813685260,
            "deployments": [
                {
                    "form": {
                        "formId": "address",
                        "version": 1,
                        "formKey": FORM.like,
                        "resourceName": "address.form",
                        "tenantId": TENANT,
                    }
                }
            ],
            "tenantId": TENANT,
        },
        "One file of any kind as text",
        {"fileName": "address.form"},
        {"form": "deployments.0.form.formKey"},
    ),
    Example(
        "create-instance",
        {"bpmnProcessId": "parcel", "variables": {"number": "P-1"}},
        _created(INSTANCE.like),
        "By id, the latest version",
        keeps={"instance": "processInstanceKey"},
    ),
    Example(
        "create-instance",
        {
            "bpmnProcessId": "quote",
            "variables": {"weight": 4},
            "withResult": True,
            "fetchVariables": ["price"],
            "requestTimeout": "30s",
        },
        {**_created(2251799813685288, "quote", 2251799813685255), "variables": '{"price":12}'},
        "Wait for the end, and fetch what came out",
    ),
    Example(
        "activate-jobs",
        _PACKING,
        [_job("P-1", JOB.like, INSTANCE.like, 2251799813685275)],
        "Wait up to ten seconds for one job",
        keeps={"job": "0.key"},
    ),
    Example("update-job-timeout", {"jobKey": JOB, "timeout": "10m"}, title="Ten minutes from now"),
    Example(
        "set-variables",
        {"elementInstanceKey": INSTANCE, "variables": {"gift": True}, "local": True},
        {"key": 2251799813685279},
        "In a process instance",
    ),
    Example(
        "fail-job",
        {"jobKey": JOB, "retries": 0, "errorMessage": "out of paper"},
        title="No retries are left: an incident is raised",
    ),
    Example("update-job-retries", {"jobKey": JOB, "retries": 2}, title="Two more tries"),
    Example("resolve-incident", {"incidentKey": INCIDENT}, title="After what stopped the instance was mended"),
    Example("complete-job", {"jobKey": JOB, "variables": {"boxes": 2}}, title="With variables for the process"),
    Example(
        "publish-message",
        {
            "messageName": "parcel-paid",
            "correlationKey": "P-1",
            "timeToLive": "1h",
            "messageId": "payment-77",
            "variables": {"paid": 12.5},
        },
        {"key": 2251799813685291, "tenantId": TENANT},
        "Buffered for an hour, and not twice",
    ),
    Example(
        "create-instance",
        {"processDefinitionKey": PARCEL, "variables": {"number": "P-2"}},
        _created(2251799813685293),
        "By key, which names a version",
    ),
    Example(
        "activate-jobs",
        _PACKING,
        [_job("P-2", DAMAGED_JOB.like, 2251799813685293, 2251799813685295)],
        keeps={"damaged job": "0.key"},
    ),
    Example(
        "throw-error",
        {"jobKey": DAMAGED_JOB, "errorCode": "damaged", "errorMessage": "a broken cup"},
        title="Caught by an error event of the process",
    ),
    Example(
        "create-instance",
        {"bpmnProcessId": "parcel", "variables": {"number": "P-3"}},
        _created(MIGRATED.like),
        keeps={"migrated instance": "processInstanceKey"},
    ),
    Example(
        "activate-jobs",
        _PACKING,
        [_job("P-3", 2251799813685307, MIGRATED.like, MIGRATED_TASK.like)],
        keeps={"migrated task": "0.elementInstanceKey"},
    ),
    Example(
        "migrate-instance",
        {
            "processInstanceKey": MIGRATED,
            "migrationPlan": {
                "targetProcessDefinitionKey": EXPRESS,
                "mappingInstructions": [{"sourceElementId": "pack", "targetElementId": "pack"}],
            },
        },
        title="To another definition, with the task that is active",
    ),
    Example(
        "modify-instance",
        {
            "processInstanceKey": MIGRATED,
            "terminateInstructions": [{"elementInstanceKey": MIGRATED_TASK}],
            "activateInstructions": [{"elementId": "paid", "variableInstructions": [{"variables": {"packed": False}}]}],
        },
        title="Leave one task out",
    ),
    Example("cancel-instance", {"processInstanceKey": MIGRATED}, title="Cancel an instance"),
    Example(
        "evaluate-decision",
        {"decisionId": "discount", "variables": {"amount": 120}},
        {
            "decisionKey": 2251799813685257,
            "decisionId": "discount",
            "decisionName": "Discount",
            "decisionVersion": 1,
            "decisionRequirementsId": "discounts",
            "decisionRequirementsKey": 2251799813685256,
            "decisionOutput": "10",
            "evaluatedDecisions": [
                {
                    "decisionKey": 2251799813685257,
                    "decisionId": "discount",
                    "decisionName": "Discount",
                    "decisionVersion": 1,
                    "decisionType": "DECISION_TABLE",
                    "decisionOutput": "10",
                    "matchedRules": [
                        {
                            "ruleId": "large",
                            "ruleIndex": 1,
                            "evaluatedOutputs": [{"outputId": "percent", "outputName": "percent", "outputValue": "10"}],
                        }
                    ],
                    "evaluatedInputs": [{"inputId": "amount", "inputName": "amount", "inputValue": "120"}],
                    "tenantId": TENANT,
                    "decisionEvaluationInstanceKey": None,
                }
            ],
            "failedDecisionId": "",
            "failureMessage": "",
            "tenantId": TENANT,
            "decisionInstanceKey": 2251799813685316,
            "decisionEvaluationKey": None,
        },
        "A decision table",
    ),
    Example(
        "broadcast-signal",
        {"signalName": "warehouse-closed", "variables": {"until": "Monday"}},
        {"key": 2251799813685318, "tenantId": TENANT},
        "To all who wait for it",
    ),
    Example(
        "signal",
        {"name": "policy_conditions_changed", "variables": {"newTimePeriodInMonth": {"value": 24, "type": "Integer"}}},
        None,
        "By the body of Camunda 7's REST API",
    ),
    Example(
        "evaluate-conditional",
        {"variables": {"temperature": 41}},
        {"processInstances": [], "conditionalEvaluationKey": 2251799813685320, "tenantId": TENANT},
        "All process definitions that start on a condition",
    ),
    Example(
        "delete-resource",
        {"resourceKey": FORM},
        {"resourceKey": "", "batchOperation": None},
        "A form",
    ),
)
"""In this order an engine can run them. The name "incident" is kept by none: no reply of the gateway has its key."""
