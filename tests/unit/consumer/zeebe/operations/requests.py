"""What data become: operation, data, metadata, and the request of the protocol."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb

KEY = 2251799813685249
BPMN = "<definitions/>"
FILE = pb.Resource(name="a.bpmn", content=BPMN.encode())
RENAMED = {"jobType": "type", "workerName": "worker", "fetchVariables": "fetchVariable", "messageName": "name"}
"""What the protocol calls otherwise."""
creation = pb.CreateProcessInstanceRequest
modification = pb.ModifyProcessInstanceRequest
signal = pb.BroadcastSignalRequest


def row(operation: str, data: dict[str, Any], request: type[Message], **otherwise: Any) -> Any:
    """A row whose request says what the data say, and something else only where that is given."""
    return operation, data, {}, ParseDict({**in_protocol(data), **otherwise}, request())


def in_protocol(data: Any) -> Any:
    """Data as the protocol has them: variables are text, and lists that may be absent are wrapped."""
    match data:
        case list():
            return [in_protocol(each) for each in data]
        case dict():
            return {RENAMED.get(name, name): member(name, value) for name, value in data.items()}
    return data


def member(name: str, value: Any) -> Any:
    if name == "variables":
        return orjson.dumps(value).decode()
    if name in ("candidateUsers", "candidateGroups"):
        return {"values": value}
    return in_protocol(value)


REQUESTS: list[tuple[str, Any, dict[str, str], Message]] = [
    row("topology", {}, pb.TopologyRequest),
    ("topology", {"whatever": 1}, {}, pb.TopologyRequest()),
    ("deploy-process", BPMN, {"fileName": "a.bpmn", "tenantId": "acme"},
     pb.DeployResourceRequest(resources=[FILE], tenantId="acme")),
    ("deploy-process", "PGRlZmluaXRpb25zLz4=", {"fileName": "a.bpmn", "encoding": "base64"},
     pb.DeployResourceRequest(resources=[FILE])),
    ("deploy-resource", BPMN, {"fileName": "a.bpmn", "tenantId": "acme"},
     pb.DeployResourceRequest(resources=[FILE], tenantId="acme")),
    ("deploy-resource", "/w==", {"fileName": "a.form", "encoding": "base64"},
     pb.DeployResourceRequest(resources=[pb.Resource(name="a.form", content=b"\xff")])),
    ("deploy-resource",
     {"resources": [{"name": "a.bpmn", "content": BPMN}, {"name": "b.dmn", "content": "/w==", "encoding": "base64"}],
      "tenantId": "acme"}, {},
     pb.DeployResourceRequest(resources=[FILE, pb.Resource(name="b.dmn", content=b"\xff")], tenantId="acme")),
    row("delete-resource", {"resourceKey": KEY}, pb.DeleteResourceRequest),
    row("delete-resource", {"resourceKey": KEY, "deleteHistory": False, "operationReference": 1},
        pb.DeleteResourceRequest),
    row("create-instance", {"bpmnProcessId": "p"}, creation, version=-1),
    row("create-instance", {"bpmnProcessId": "p", "version": 3}, creation),
    row("create-instance", {"processDefinitionKey": KEY}, creation),
    row("create-instance", {"processDefinitionKey": str(KEY)}, creation),
    row("create-instance",
        {"bpmnProcessId": "p", "variables": {"id": 7}, "tenantId": "acme", "startInstructions": [{"elementId": "s"}],
         "runtimeInstructions": [{"terminate": {"afterElementId": "t"}}], "tags": ["a", "b"], "businessId": "order-7",
         "operationReference": 2**64 - 1}, creation, version=-1),
    ("create-instance", {"bpmnProcessId": "p", "fetchVariables": ["a"], "requestTimeout": "5s"}, {},
     creation(bpmnProcessId="p", version=-1)),
    ("create-instance", {"bpmnProcessId": "p", "withResult": True}, {},
     pb.CreateProcessInstanceWithResultRequest(
         request=creation(bpmnProcessId="p", version=-1), requestTimeout=15_000 + 600_000
     )),
    ("create-instance",
     {"bpmnProcessId": "p", "withResult": True, "fetchVariables": ["a", "b"], "requestTimeout": "5s"}, {},
     pb.CreateProcessInstanceWithResultRequest(
         request=creation(bpmnProcessId="p", version=-1), requestTimeout=5_000 + 600_000, fetchVariables=["a", "b"]
     )),
    row("cancel-instance", {"processInstanceKey": KEY, "operationReference": 5}, pb.CancelProcessInstanceRequest),
    row("set-variables", {"elementInstanceKey": KEY, "variables": {"a": 1}}, pb.SetVariablesRequest),
    row("set-variables", {"elementInstanceKey": KEY, "variables": {}, "local": True, "operationReference": 5},
        pb.SetVariablesRequest),
    row("resolve-incident", {"incidentKey": KEY, "operationReference": 5}, pb.ResolveIncidentRequest),
    row("modify-instance", {"processInstanceKey": KEY}, modification),
    row("modify-instance",
        {"processInstanceKey": KEY,
         "activateInstructions": [
             {"elementId": "b", "ancestorElementInstanceKey": KEY + 1,
              "variableInstructions": [{"variables": {"x": 1}, "scopeId": "s"}, {"variables": {}}]}
         ], "terminateInstructions": [{"elementInstanceKey": KEY + 2}, {"elementId": "c"}],
         "moveInstructions": [
             {"sourceElementInstanceKey": KEY + 3, "targetElementId": "d", "ancestorElementInstanceKey": KEY + 4,
              "variableInstructions": [{"variables": {"y": 2}}]}
         ], "operationReference": 1}, modification),
    ("modify-instance",
     {"processInstanceKey": KEY, "activateInstructions": [{"elementId": "a"}],
      "moveInstructions": [
          {"sourceElementId": "e", "targetElementId": "d", "inferAncestorScopeFromSourceHierarchy": True},
          {"sourceElementId": "f", "targetElementId": "d", "useSourceParentKeyAsAncestorScopeKey": True}
      ]}, {},
     modification(
         processInstanceKey=KEY,
         activateInstructions=[modification.ActivateInstruction(elementId="a", ancestorElementInstanceKey=-1)],
         moveInstructions=[
             modification.MoveInstruction(
                 sourceElementId="e", targetElementId="d", ancestorElementInstanceKey=-1,
                 inferAncestorScopeFromSourceHierarchy=True
             ),
             modification.MoveInstruction(
                 sourceElementId="f", targetElementId="d", ancestorElementInstanceKey=-1,
                 useSourceParentKeyAsAncestorScopeKey=True
             )
         ]
     )),
    row("migrate-instance",
        {"processInstanceKey": KEY,
         "migrationPlan": {
             "targetProcessDefinitionKey": KEY + 1,
             "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}]
         }, "operationReference": 1}, pb.MigrateProcessInstanceRequest),
    row("publish-message", {"messageName": "m"}, pb.PublishMessageRequest),
    row("publish-message",
        {"messageName": "m", "correlationKey": "c", "messageId": "i", "timeToLive": "1m", "variables": {"a": 1},
         "tenantId": "acme"}, pb.PublishMessageRequest, timeToLive=60_000),
    row("broadcast-signal", {"signalName": "s"}, signal),
    row("broadcast-signal", {"signalName": "s", "variables": {"a": 1}, "tenantId": "acme"}, signal),
    ("signal",
     {"name": "s", "executionId": None, "variables": {"a": {"value": 1}}, "tenantId": "t", "withoutTenantId": False},
     {}, signal(signalName="s", variables='{"a":1}', tenantId="t")),
    ("signal", {"name": "s", "variables": None}, {}, signal(signalName="s")),
    ("signal", {"name": "s", "variables": {}, "withoutTenantId": False}, {}, signal(signalName="s")),
    ("signal", {"name": "s", "tenantId": "t"}, {}, signal(signalName="s", tenantId="t")),
    ("signal", {"name": "s", "tenantId": "t", "withoutTenantId": True}, {}, signal(signalName="s", tenantId="t")),
    ("signal", {"name": "s", "withoutTenantId": True}, {}, signal(signalName="s", tenantId="<default>")),
    ("signal", {"name": "s", "withoutTenantId": "true"}, {}, signal(signalName="s", tenantId="<default>")),
    row("evaluate-conditional", {}, pb.EvaluateConditionalRequest),
    row("evaluate-conditional", {"variables": {"a": 1}, "processDefinitionKey": KEY, "tenantId": "acme"},
        pb.EvaluateConditionalRequest),
    row("evaluate-decision", {"decisionId": "d"}, pb.EvaluateDecisionRequest),
    row("evaluate-decision", {"decisionKey": KEY, "variables": {"a": 1}, "tenantId": "acme"},
        pb.EvaluateDecisionRequest),
    row("activate-jobs", {"jobType": "t", "maxJobsToActivate": 2}, pb.ActivateJobsRequest,
        timeout=300_000, worker="default", requestTimeout=-1),
    row("activate-jobs",
        {"jobType": "t", "maxJobsToActivate": 2, "timeout": "10s", "workerName": "w", "fetchVariables": ["a"],
         "requestTimeout": "3s", "tenantIds": ["acme"], "tenantFilter": "ASSIGNED"}, pb.ActivateJobsRequest,
        timeout=10_000, requestTimeout=3_000),
    row("complete-job", {"jobKey": KEY}, pb.CompleteJobRequest),
    row("complete-job",
        {"jobKey": KEY, "variables": {"a": 1},
         "result": {
             "type": "userTask", "denied": True, "deniedReason": "no",
             "corrections": {
                 "assignee": "ann", "dueDate": "2026-01-01", "followUpDate": "2026-01-02", "candidateUsers": ["ben"],
                 "candidateGroups": [], "priority": 7
             }, "activateElements": [{"elementId": "a", "variables": {"x": 1}}],
             "isCompletionConditionFulfilled": True, "isCancelRemainingInstances": False
         }}, pb.CompleteJobRequest),
    row("complete-job", {"jobKey": KEY, "result": {"type": "userTask"}}, pb.CompleteJobRequest),
    row("fail-job",
        {"jobKey": KEY, "retries": 0, "errorMessage": "e", "retryBackOff": "2s", "variables": {"a": 1}},
        pb.FailJobRequest, retryBackOff=2_000),
    row("fail-job", {"jobKey": KEY, "retries": -1}, pb.FailJobRequest),
    row("update-job-retries", {"jobKey": KEY}, pb.UpdateJobRetriesRequest, retries=3),
    row("update-job-retries", {"jobKey": KEY, "retries": 9, "operationReference": 1}, pb.UpdateJobRetriesRequest),
    row("update-job-timeout", {"jobKey": KEY, "timeout": "1m30s", "operationReference": 1},
        pb.UpdateJobTimeoutRequest, timeout=90_000),
    row("throw-error", {"jobKey": KEY, "errorCode": "c", "errorMessage": "e", "variables": {"a": 1}},
        pb.ThrowErrorRequest),
]  # fmt: skip
