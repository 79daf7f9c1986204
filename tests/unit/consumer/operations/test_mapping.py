"""Every field of every operation: data to protobuf request, protobuf response to reply data."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from google.protobuf.message import Message

from consumer.gateway.protocol import gateway_pb2 as pb
from consumer.operations import OPERATIONS
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS

KEY = 2251799813685249
BPMN = "<definitions/>"


def request(operation: str, data: Any, metadata: dict[str, str] | None = None) -> Message:
    body = orjson.dumps({"operation": operation, "data": data, "metadata": metadata})
    return OPERATIONS[operation].to_request(envelope.decode(body).command)


creation = pb.CreateProcessInstanceRequest
modification = pb.ModifyProcessInstanceRequest
migration = pb.MigrateProcessInstanceRequest
RESULT = {
    "type": "userTask",
    "denied": True,
    "deniedReason": "no",
    "corrections": {
        "assignee": "ann",
        "dueDate": "2026-01-01",
        "followUpDate": "2026-01-02",
        "candidateUsers": ["ben"],
        "candidateGroups": [],
        "priority": 7,
    },
    "activateElements": [{"elementId": "a", "variables": {"x": 1}}],
    "isCompletionConditionFulfilled": True,
    "isCancelRemainingInstances": False,
}
REQUESTS: list[tuple[str, Any, dict[str, str], Message]] = [
    ("topology", {}, {}, pb.TopologyRequest()),
    ("topology", {"whatever": 1}, {}, pb.TopologyRequest()),
    (
        "deploy-process",
        BPMN,
        {"fileName": "a.bpmn", "tenantId": "acme"},
        pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())], tenantId="acme"),
    ),
    (
        "deploy-process",
        "PGRlZmluaXRpb25zLz4=",
        {"fileName": "a.bpmn", "encoding": "base64"},
        pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())]),
    ),
    ("create-instance", {"bpmnProcessId": "p"}, {}, creation(bpmnProcessId="p", version=-1)),
    ("create-instance", {"bpmnProcessId": "p", "version": 3}, {}, creation(bpmnProcessId="p", version=3)),
    ("create-instance", {"processDefinitionKey": KEY}, {}, creation(processDefinitionKey=KEY)),
    ("create-instance", {"processDefinitionKey": str(KEY)}, {}, creation(processDefinitionKey=KEY)),
    (
        "create-instance",
        {
            "bpmnProcessId": "p",
            "variables": {"id": 7},
            "tenantId": "acme",
            "startInstructions": [{"elementId": "s"}],
            "runtimeInstructions": [{"terminate": {"afterElementId": "t"}}],
            "tags": ["a", "b"],
            "businessId": "order-7",
            "operationReference": 2**64 - 1,
        },
        {},
        creation(
            bpmnProcessId="p",
            version=-1,
            variables='{"id":7}',
            tenantId="acme",
            startInstructions=[pb.ProcessInstanceCreationStartInstruction(elementId="s")],
            runtimeInstructions=[
                pb.ProcessInstanceCreationRuntimeInstruction(
                    terminate=pb.TerminateProcessInstanceInstruction(afterElementId="t")
                )
            ],
            tags=["a", "b"],
            businessId="order-7",
            operationReference=2**64 - 1,
        ),
    ),
    (
        "create-instance",
        {"bpmnProcessId": "p", "fetchVariables": ["a"], "requestTimeout": "5s"},
        {},
        creation(bpmnProcessId="p", version=-1),
    ),
    (
        "create-instance",
        {"bpmnProcessId": "p", "withResult": True},
        {},
        pb.CreateProcessInstanceWithResultRequest(
            request=creation(bpmnProcessId="p", version=-1), requestTimeout=15_000 + 600_000
        ),
    ),
    (
        "create-instance",
        {"bpmnProcessId": "p", "withResult": True, "fetchVariables": ["a", "b"], "requestTimeout": "5s"},
        {},
        pb.CreateProcessInstanceWithResultRequest(
            request=creation(bpmnProcessId="p", version=-1),
            requestTimeout=5_000 + 600_000,
            fetchVariables=["a", "b"],
        ),
    ),
    (
        "cancel-instance",
        {"processInstanceKey": KEY, "operationReference": 5},
        {},
        pb.CancelProcessInstanceRequest(processInstanceKey=KEY, operationReference=5),
    ),
    (
        "set-variables",
        {"elementInstanceKey": KEY, "variables": {"a": 1}},
        {},
        pb.SetVariablesRequest(elementInstanceKey=KEY, variables='{"a":1}'),
    ),
    (
        "set-variables",
        {"elementInstanceKey": KEY, "variables": {}, "local": True, "operationReference": 5},
        {},
        pb.SetVariablesRequest(elementInstanceKey=KEY, variables="{}", local=True, operationReference=5),
    ),
    (
        "resolve-incident",
        {"incidentKey": KEY, "operationReference": 5},
        {},
        pb.ResolveIncidentRequest(incidentKey=KEY, operationReference=5),
    ),
    ("publish-message", {"messageName": "m"}, {}, pb.PublishMessageRequest(name="m")),
    (
        "publish-message",
        {
            "messageName": "m",
            "correlationKey": "c",
            "messageId": "i",
            "timeToLive": "1m",
            "variables": {"a": 1},
            "tenantId": "acme",
        },
        {},
        pb.PublishMessageRequest(
            name="m", correlationKey="c", messageId="i", timeToLive=60_000, variables='{"a":1}', tenantId="acme"
        ),
    ),
    (
        "activate-jobs",
        {"jobType": "t", "maxJobsToActivate": 2},
        {},
        pb.ActivateJobsRequest(type="t", maxJobsToActivate=2, timeout=300_000, worker="default", requestTimeout=-1),
    ),
    (
        "activate-jobs",
        {
            "jobType": "t",
            "maxJobsToActivate": 2,
            "timeout": "10s",
            "workerName": "w",
            "fetchVariables": ["a"],
            "requestTimeout": "3s",
            "tenantIds": ["acme"],
            "tenantFilter": "ASSIGNED",
        },
        {},
        pb.ActivateJobsRequest(
            type="t",
            maxJobsToActivate=2,
            timeout=10_000,
            worker="w",
            fetchVariable=["a"],
            requestTimeout=3_000,
            tenantIds=["acme"],
            tenantFilter=pb.ASSIGNED,
        ),
    ),
    ("complete-job", {"jobKey": KEY}, {}, pb.CompleteJobRequest(jobKey=KEY)),
    (
        "complete-job",
        {"jobKey": KEY, "variables": {"a": 1}, "result": RESULT},
        {},
        pb.CompleteJobRequest(
            jobKey=KEY,
            variables='{"a":1}',
            result=pb.JobResult(
                type="userTask",
                denied=True,
                deniedReason="no",
                corrections=pb.JobResultCorrections(
                    assignee="ann",
                    dueDate="2026-01-01",
                    followUpDate="2026-01-02",
                    candidateUsers=pb.StringList(values=["ben"]),
                    candidateGroups=pb.StringList(),
                    priority=7,
                ),
                activateElements=[pb.JobResultActivateElement(elementId="a", variables='{"x":1}')],
                isCompletionConditionFulfilled=True,
                isCancelRemainingInstances=False,
            ),
        ),
    ),
    (
        "complete-job",
        {"jobKey": KEY, "result": {"type": "userTask"}},
        {},
        pb.CompleteJobRequest(jobKey=KEY, result=pb.JobResult(type="userTask")),
    ),
    (
        "fail-job",
        {"jobKey": KEY, "retries": 0, "errorMessage": "e", "retryBackOff": "2s", "variables": {"a": 1}},
        {},
        pb.FailJobRequest(jobKey=KEY, retries=0, errorMessage="e", retryBackOff=2_000, variables='{"a":1}'),
    ),
    ("fail-job", {"jobKey": KEY, "retries": -1}, {}, pb.FailJobRequest(jobKey=KEY, retries=-1)),
    ("update-job-retries", {"jobKey": KEY}, {}, pb.UpdateJobRetriesRequest(jobKey=KEY, retries=3)),
    (
        "update-job-retries",
        {"jobKey": KEY, "retries": 9, "operationReference": 1},
        {},
        pb.UpdateJobRetriesRequest(jobKey=KEY, retries=9, operationReference=1),
    ),
    (
        "throw-error",
        {"jobKey": KEY, "errorCode": "c", "errorMessage": "e", "variables": {"a": 1}},
        {},
        pb.ThrowErrorRequest(jobKey=KEY, errorCode="c", errorMessage="e", variables='{"a":1}'),
    ),
    (
        "deploy-resource",
        BPMN,
        {"fileName": "a.bpmn", "tenantId": "acme"},
        pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())], tenantId="acme"),
    ),
    (
        "deploy-resource",
        "/w==",
        {"fileName": "a.form", "encoding": "base64"},
        pb.DeployResourceRequest(resources=[pb.Resource(name="a.form", content=b"\xff")]),
    ),
    (
        "deploy-resource",
        {
            "resources": [
                {"name": "a.bpmn", "content": BPMN},
                {"name": "b.dmn", "content": "/w==", "encoding": "base64"},
            ],
            "tenantId": "acme",
        },
        {},
        pb.DeployResourceRequest(
            resources=[pb.Resource(name="a.bpmn", content=BPMN.encode()), pb.Resource(name="b.dmn", content=b"\xff")],
            tenantId="acme",
        ),
    ),
    ("delete-resource", {"resourceKey": KEY}, {}, pb.DeleteResourceRequest(resourceKey=KEY)),
    (
        "delete-resource",
        {"resourceKey": KEY, "deleteHistory": False, "operationReference": 1},
        {},
        pb.DeleteResourceRequest(resourceKey=KEY, deleteHistory=False, operationReference=1),
    ),
    ("evaluate-decision", {"decisionId": "d"}, {}, pb.EvaluateDecisionRequest(decisionId="d")),
    (
        "evaluate-decision",
        {"decisionKey": KEY, "variables": {"a": 1}, "tenantId": "acme"},
        {},
        pb.EvaluateDecisionRequest(decisionKey=KEY, variables='{"a":1}', tenantId="acme"),
    ),
    ("broadcast-signal", {"signalName": "s"}, {}, pb.BroadcastSignalRequest(signalName="s")),
    (
        "broadcast-signal",
        {"signalName": "s", "variables": {"a": 1}, "tenantId": "acme"},
        {},
        pb.BroadcastSignalRequest(signalName="s", variables='{"a":1}', tenantId="acme"),
    ),
    (
        "update-job-timeout",
        {"jobKey": KEY, "timeout": "1m30s", "operationReference": 1},
        {},
        pb.UpdateJobTimeoutRequest(jobKey=KEY, timeout=90_000, operationReference=1),
    ),
    ("modify-instance", {"processInstanceKey": KEY}, {}, modification(processInstanceKey=KEY)),
    (
        "modify-instance",
        {
            "processInstanceKey": KEY,
            "activateInstructions": [
                {"elementId": "a"},
                {
                    "elementId": "b",
                    "ancestorElementInstanceKey": KEY + 1,
                    "variableInstructions": [{"variables": {"x": 1}, "scopeId": "s"}, {"variables": {}}],
                },
            ],
            "terminateInstructions": [{"elementInstanceKey": KEY + 2}, {"elementId": "c"}],
            "moveInstructions": [
                {
                    "sourceElementInstanceKey": KEY + 3,
                    "targetElementId": "d",
                    "ancestorElementInstanceKey": KEY + 4,
                    "variableInstructions": [{"variables": {"y": 2}}],
                },
                {"sourceElementId": "e", "targetElementId": "d", "inferAncestorScopeFromSourceHierarchy": True},
                {"sourceElementId": "e", "targetElementId": "d", "useSourceParentKeyAsAncestorScopeKey": True},
            ],
            "operationReference": 1,
        },
        {},
        modification(
            processInstanceKey=KEY,
            activateInstructions=[
                modification.ActivateInstruction(elementId="a", ancestorElementInstanceKey=-1),
                modification.ActivateInstruction(
                    elementId="b",
                    ancestorElementInstanceKey=KEY + 1,
                    variableInstructions=[
                        modification.VariableInstruction(variables='{"x":1}', scopeId="s"),
                        modification.VariableInstruction(variables="{}"),
                    ],
                ),
            ],
            terminateInstructions=[
                modification.TerminateInstruction(elementInstanceKey=KEY + 2),
                modification.TerminateInstruction(elementId="c"),
            ],
            moveInstructions=[
                modification.MoveInstruction(
                    sourceElementInstanceKey=KEY + 3,
                    targetElementId="d",
                    ancestorElementInstanceKey=KEY + 4,
                    variableInstructions=[modification.VariableInstruction(variables='{"y":2}')],
                ),
                modification.MoveInstruction(
                    sourceElementId="e",
                    targetElementId="d",
                    ancestorElementInstanceKey=-1,
                    inferAncestorScopeFromSourceHierarchy=True,
                ),
                modification.MoveInstruction(
                    sourceElementId="e",
                    targetElementId="d",
                    ancestorElementInstanceKey=-1,
                    useSourceParentKeyAsAncestorScopeKey=True,
                ),
            ],
            operationReference=1,
        ),
    ),
    (
        "migrate-instance",
        {
            "processInstanceKey": KEY,
            "migrationPlan": {
                "targetProcessDefinitionKey": KEY + 1,
                "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}],
            },
            "operationReference": 1,
        },
        {},
        migration(
            processInstanceKey=KEY,
            migrationPlan=migration.MigrationPlan(
                targetProcessDefinitionKey=KEY + 1,
                mappingInstructions=[migration.MappingInstruction(sourceElementId="a", targetElementId="b")],
            ),
            operationReference=1,
        ),
    ),
    ("evaluate-conditional", {}, {}, pb.EvaluateConditionalRequest()),
    (
        "evaluate-conditional",
        {"variables": {"a": 1}, "processDefinitionKey": KEY, "tenantId": "acme"},
        {},
        pb.EvaluateConditionalRequest(variables='{"a":1}', processDefinitionKey=KEY, tenantId="acme"),
    ),
]


@pytest.mark.parametrize(("operation", "data", "metadata", "expected"), REQUESTS)
def test_data_becomes_the_request(operation: str, data: Any, metadata: dict[str, str], expected: Message) -> None:
    assert request(operation, data, metadata) == expected


def test_every_field_of_every_command_is_in_the_table_of_requests() -> None:
    """A field that no row of the table sends would be a field that nobody has seen arrive."""
    for operation, command in COMMANDS.items():
        sent: set[str] = set()
        for name, data, _, _ in REQUESTS:
            if name == operation and isinstance(data, dict):
                sent |= set(data)
        fields = {field.encode_name for field in msgspec.structs.fields(command)}
        if operation != "deploy-process":  # its fields come from the text and the metadata
            assert fields <= sent, f"{operation}: {fields - sent} not in the table"


def test_variables_reach_the_engine_byte_for_byte() -> None:
    document = '{ "b" : 1.0,\t"a": 9007199254740993, "a": 1e2, "c":"\\u00e9é" }'
    body = f'{{"operation":"create-instance","data":{{"bpmnProcessId":"p","variables":{document}}}}}'
    message = OPERATIONS["create-instance"].to_request(envelope.decode(body.encode()).command)
    assert message.variables == document  # type: ignore[attr-defined]


ZERO_JOB = {
    "key": 0,
    "type": "",
    "processInstanceKey": 0,
    "bpmnProcessId": "",
    "processDefinitionVersion": 0,
    "processDefinitionKey": 0,
    "elementId": "",
    "elementInstanceKey": 0,
    "customHeaders": "",
    "worker": "",
    "retries": 0,
    "deadline": 0,
    "variables": "",
    "tenantId": "",
    "userTask": None,
    "kind": "BPMN_ELEMENT",
    "listenerEventType": "ASSIGNING",
    "tags": [],
}
RESULTS: list[tuple[str, Any, Any]] = [
    (
        "topology",
        pb.TopologyResponse(brokers=[pb.BrokerInfo(partitions=[pb.Partition(partitionId=1)])], gatewayVersion="8.6.0"),
        {
            "brokers": [
                {
                    "nodeId": 0,
                    "host": "",
                    "port": 0,
                    "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}],
                    "version": "",
                }
            ],
            "clusterSize": 0,
            "partitionsCount": 0,
            "replicationFactor": 0,
            "gatewayVersion": "8.6.0",
            "clusterId": "",
        },
    ),
    (
        "deploy-process",
        pb.DeployResourceResponse(
            key=KEY,
            deployments=[
                pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="p", version=1, processDefinitionKey=KEY))
            ],
        ),
        {
            "key": KEY,
            "processes": [
                {
                    "bpmnProcessId": "p",
                    "version": 1,
                    "processDefinitionKey": KEY,
                    "resourceName": "",
                    "tenantId": "",
                }
            ],
            "tenantId": "",
        },
    ),
    (
        "create-instance",
        pb.CreateProcessInstanceResponse(processInstanceKey=KEY),
        {
            "processDefinitionKey": 0,
            "bpmnProcessId": "",
            "version": 0,
            "processInstanceKey": KEY,
            "tenantId": "",
            "tags": [],
            "businessId": None,
        },
    ),
    (
        "create-instance",
        pb.CreateProcessInstanceWithResultResponse(variables="{}", businessId=""),
        {
            "processDefinitionKey": 0,
            "bpmnProcessId": "",
            "version": 0,
            "processInstanceKey": 0,
            "variables": "{}",
            "tenantId": "",
            "tags": [],
            "businessId": "",
        },
    ),
    ("cancel-instance", pb.CancelProcessInstanceResponse(), None),
    ("set-variables", pb.SetVariablesResponse(), {"key": 0}),
    ("resolve-incident", pb.ResolveIncidentResponse(), None),
    ("publish-message", pb.PublishMessageResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("activate-jobs", [], []),
    (
        "activate-jobs",
        [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob()]), pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=KEY)])],
        [ZERO_JOB, {**ZERO_JOB, "key": KEY}],
    ),
    (
        "activate-jobs",
        [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(userTask=pb.UserTaskProperties(formKey=KEY))])],
        [
            {
                **ZERO_JOB,
                "userTask": {
                    "action": None,
                    "assignee": None,
                    "candidateGroups": [],
                    "candidateUsers": [],
                    "changedAttributes": [],
                    "dueDate": None,
                    "followUpDate": None,
                    "formKey": KEY,
                    "priority": None,
                    "userTaskKey": None,
                },
            }
        ],
    ),
    ("complete-job", pb.CompleteJobResponse(), None),
    ("fail-job", pb.FailJobResponse(), None),
    ("update-job-retries", pb.UpdateJobRetriesResponse(), None),
    ("throw-error", pb.ThrowErrorResponse(), None),
    (
        "deploy-resource",
        pb.DeployResourceResponse(
            key=KEY,
            deployments=[
                pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="p")),
                pb.Deployment(decision=pb.DecisionMetadata(dmnDecisionId="d")),
                pb.Deployment(decisionRequirements=pb.DecisionRequirementsMetadata(dmnDecisionRequirementsId="r")),
                pb.Deployment(form=pb.FormMetadata(formId="f")),
            ],
        ),
        {
            "key": KEY,
            "deployments": [
                {
                    "process": {
                        "bpmnProcessId": "p",
                        "version": 0,
                        "processDefinitionKey": 0,
                        "resourceName": "",
                        "tenantId": "",
                    }
                },
                {
                    "decision": {
                        "dmnDecisionId": "d",
                        "dmnDecisionName": "",
                        "version": 0,
                        "decisionKey": 0,
                        "dmnDecisionRequirementsId": "",
                        "decisionRequirementsKey": 0,
                        "tenantId": "",
                    }
                },
                {
                    "decisionRequirements": {
                        "dmnDecisionRequirementsId": "r",
                        "dmnDecisionRequirementsName": "",
                        "version": 0,
                        "decisionRequirementsKey": 0,
                        "resourceName": "",
                        "tenantId": "",
                    }
                },
                {"form": {"formId": "f", "version": 0, "formKey": 0, "resourceName": "", "tenantId": ""}},
            ],
            "tenantId": "",
        },
    ),
    ("delete-resource", pb.DeleteResourceResponse(), {"resourceKey": "", "batchOperation": None}),
    (
        "delete-resource",
        pb.DeleteResourceResponse(
            resourceKey=str(KEY),
            batchOperation=pb.BatchOperationCreatedResult(
                batchOperationKey="7", batchOperationType="DELETE_PROCESS_INSTANCE"
            ),
        ),
        {
            "resourceKey": str(KEY),
            "batchOperation": {"batchOperationKey": "7", "batchOperationType": "DELETE_PROCESS_INSTANCE"},
        },
    ),
    (
        "evaluate-decision",
        pb.EvaluateDecisionResponse(
            decisionKey=KEY,
            decisionOutput="10",
            evaluatedDecisions=[
                pb.EvaluatedDecision(
                    decisionId="d",
                    matchedRules=[
                        pb.MatchedDecisionRule(
                            ruleIndex=1, evaluatedOutputs=[pb.EvaluatedDecisionOutput(outputValue="10")]
                        )
                    ],
                    evaluatedInputs=[pb.EvaluatedDecisionInput(inputValue="7")],
                )
            ],
        ),
        {
            "decisionKey": KEY,
            "decisionId": "",
            "decisionName": "",
            "decisionVersion": 0,
            "decisionRequirementsId": "",
            "decisionRequirementsKey": 0,
            "decisionOutput": "10",
            "evaluatedDecisions": [
                {
                    "decisionKey": 0,
                    "decisionId": "d",
                    "decisionName": "",
                    "decisionVersion": 0,
                    "decisionType": "",
                    "decisionOutput": "",
                    "matchedRules": [
                        {
                            "ruleId": "",
                            "ruleIndex": 1,
                            "evaluatedOutputs": [{"outputId": "", "outputName": "", "outputValue": "10"}],
                        }
                    ],
                    "evaluatedInputs": [{"inputId": "", "inputName": "", "inputValue": "7"}],
                    "tenantId": "",
                    "decisionEvaluationInstanceKey": "",
                }
            ],
            "failedDecisionId": "",
            "failureMessage": "",
            "tenantId": "",
            "decisionInstanceKey": 0,
            "decisionEvaluationKey": 0,
        },
    ),
    ("broadcast-signal", pb.BroadcastSignalResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("update-job-timeout", pb.UpdateJobTimeoutResponse(), None),
    ("modify-instance", pb.ModifyProcessInstanceResponse(), None),
    ("migrate-instance", pb.MigrateProcessInstanceResponse(), None),
    (
        "evaluate-conditional",
        pb.EvaluateConditionalResponse(
            processInstances=[pb.ProcessInstanceReference(processInstanceKey=KEY)], conditionalEvaluationKey=KEY
        ),
        {
            "processInstances": [{"processDefinitionKey": 0, "processInstanceKey": KEY}],
            "conditionalEvaluationKey": KEY,
            "tenantId": "",
        },
    ),
]


@pytest.mark.parametrize(("operation", "response", "expected"), RESULTS)
def test_the_response_becomes_data_with_every_field_present(operation: str, response: Any, expected: Any) -> None:
    assert OPERATIONS[operation].to_result(response, False) == expected


@pytest.mark.parametrize(("operation", "response", "expected"), RESULTS)
def test_the_data_is_what_the_typed_result_says(operation: str, response: Any, expected: Any) -> None:
    result = COMMANDS[operation].result
    if expected is None:
        assert result is None
        return
    typed = msgspec.convert(expected, result)
    first, plain = (typed[:1], expected[:1]) if isinstance(expected, list) else ([typed], [expected])
    for struct, data in zip(first, plain, strict=True):
        names = {field.encode_name for field in msgspec.structs.fields(struct)}
        assert set(data) - names <= {"variables"}, "the typed result lacks a field"
        assert names <= set(data), "the data lacks a field"


def test_int64_become_text_on_request_and_int32_do_not() -> None:
    response = pb.CreateProcessInstanceResponse(processInstanceKey=2**53 + 1, version=3)
    data = OPERATIONS["create-instance"].to_result(response, True)
    assert data["processInstanceKey"] == "9007199254740993"
    assert data["version"] == 3


def test_an_enum_value_newer_than_the_protocol_is_shown_as_its_number() -> None:
    job = pb.ActivatedJob()
    job.kind = 99  # type: ignore[assignment]
    [data] = OPERATIONS["activate-jobs"].to_result([pb.ActivateJobsResponse(jobs=[job])], False)
    assert data["kind"] == "99"


def test_the_operations_are_the_commands() -> None:
    assert set(OPERATIONS) == set(COMMANDS)
