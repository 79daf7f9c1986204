"""What data become: operation, data, metadata, and the request of the protocol."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb

KEY = 2251799813685249
BPMN = "<definitions/>"
creation = pb.CreateProcessInstanceRequest
modification = pb.ModifyProcessInstanceRequest
migration = pb.MigrateProcessInstanceRequest
RESULT = {
    "type": "userTask",
    "denied": True,
    "deniedReason": "no",
    "corrections": {
        "assignee": "ann", "dueDate": "2026-01-01", "followUpDate": "2026-01-02", "candidateUsers": ["ben"],
        "candidateGroups": [], "priority": 7
    },
    "activateElements": [{"elementId": "a", "variables": {"x": 1}}],
    "isCompletionConditionFulfilled": True,
    "isCancelRemainingInstances": False,
}  # fmt: skip
REQUESTS: list[tuple[str, Any, dict[str, str], Message]] = [
    ("topology", {}, {}, pb.TopologyRequest()),
    ("topology", {"whatever": 1}, {}, pb.TopologyRequest()),
    ("deploy-process", BPMN, {"fileName": "a.bpmn", "tenantId": "acme"},
     pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())], tenantId="acme")),
    ("deploy-process", "PGRlZmluaXRpb25zLz4=", {"fileName": "a.bpmn", "encoding": "base64"},
     pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())])),
    ("create-instance", {"bpmnProcessId": "p"}, {}, creation(bpmnProcessId="p", version=-1)),
    ("create-instance", {"bpmnProcessId": "p", "version": 3}, {}, creation(bpmnProcessId="p", version=3)),
    ("create-instance", {"processDefinitionKey": KEY}, {}, creation(processDefinitionKey=KEY)),
    ("create-instance", {"processDefinitionKey": str(KEY)}, {}, creation(processDefinitionKey=KEY)),
    ("create-instance",
     {"bpmnProcessId": "p", "variables": {"id": 7}, "tenantId": "acme", "startInstructions": [{"elementId": "s"}],
      "runtimeInstructions": [{"terminate": {"afterElementId": "t"}}], "tags": ["a", "b"], "businessId": "order-7",
      "operationReference": 2**64 - 1}, {},
     creation(
         bpmnProcessId="p", version=-1, variables='{"id":7}', tenantId="acme",
         startInstructions=[pb.ProcessInstanceCreationStartInstruction(elementId="s")],
         runtimeInstructions=[
             pb.ProcessInstanceCreationRuntimeInstruction(
                 terminate=pb.TerminateProcessInstanceInstruction(afterElementId="t")
             )
         ], tags=["a", "b"], businessId="order-7", operationReference=2**64 - 1
     )),
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
    ("cancel-instance", {"processInstanceKey": KEY, "operationReference": 5}, {},
     pb.CancelProcessInstanceRequest(processInstanceKey=KEY, operationReference=5)),
    ("set-variables", {"elementInstanceKey": KEY, "variables": {"a": 1}}, {},
     pb.SetVariablesRequest(elementInstanceKey=KEY, variables='{"a":1}')),
    ("set-variables", {"elementInstanceKey": KEY, "variables": {}, "local": True, "operationReference": 5}, {},
     pb.SetVariablesRequest(elementInstanceKey=KEY, variables="{}", local=True, operationReference=5)),
    ("resolve-incident", {"incidentKey": KEY, "operationReference": 5}, {},
     pb.ResolveIncidentRequest(incidentKey=KEY, operationReference=5)),
    ("publish-message", {"messageName": "m"}, {}, pb.PublishMessageRequest(name="m")),
    ("publish-message",
     {"messageName": "m", "correlationKey": "c", "messageId": "i", "timeToLive": "1m", "variables": {"a": 1},
      "tenantId": "acme"}, {},
     pb.PublishMessageRequest(
         name="m", correlationKey="c", messageId="i", timeToLive=60_000, variables='{"a":1}', tenantId="acme"
     )),
    ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 2}, {},
     pb.ActivateJobsRequest(type="t", maxJobsToActivate=2, timeout=300_000, worker="default", requestTimeout=-1)),
    ("activate-jobs",
     {"jobType": "t", "maxJobsToActivate": 2, "timeout": "10s", "workerName": "w", "fetchVariables": ["a"],
      "requestTimeout": "3s", "tenantIds": ["acme"], "tenantFilter": "ASSIGNED"}, {},
     pb.ActivateJobsRequest(
         type="t", maxJobsToActivate=2, timeout=10_000, worker="w", fetchVariable=["a"], requestTimeout=3_000,
         tenantIds=["acme"], tenantFilter=pb.ASSIGNED
     )),
    ("complete-job", {"jobKey": KEY}, {}, pb.CompleteJobRequest(jobKey=KEY)),
    ("complete-job", {"jobKey": KEY, "variables": {"a": 1}, "result": RESULT}, {},
     pb.CompleteJobRequest(
         jobKey=KEY, variables='{"a":1}',
         result=pb.JobResult(
             type="userTask", denied=True, deniedReason="no",
             corrections=pb.JobResultCorrections(
                 assignee="ann", dueDate="2026-01-01", followUpDate="2026-01-02",
                 candidateUsers=pb.StringList(values=["ben"]), candidateGroups=pb.StringList(), priority=7
             ), activateElements=[pb.JobResultActivateElement(elementId="a", variables='{"x":1}')],
             isCompletionConditionFulfilled=True, isCancelRemainingInstances=False
         )
     )),
    ("complete-job", {"jobKey": KEY, "result": {"type": "userTask"}}, {},
     pb.CompleteJobRequest(jobKey=KEY, result=pb.JobResult(type="userTask"))),
    ("fail-job", {"jobKey": KEY, "retries": 0, "errorMessage": "e", "retryBackOff": "2s", "variables": {"a": 1}}, {},
     pb.FailJobRequest(jobKey=KEY, retries=0, errorMessage="e", retryBackOff=2_000, variables='{"a":1}')),
    ("fail-job", {"jobKey": KEY, "retries": -1}, {}, pb.FailJobRequest(jobKey=KEY, retries=-1)),
    ("update-job-retries", {"jobKey": KEY}, {}, pb.UpdateJobRetriesRequest(jobKey=KEY, retries=3)),
    ("update-job-retries", {"jobKey": KEY, "retries": 9, "operationReference": 1}, {},
     pb.UpdateJobRetriesRequest(jobKey=KEY, retries=9, operationReference=1)),
    ("throw-error", {"jobKey": KEY, "errorCode": "c", "errorMessage": "e", "variables": {"a": 1}}, {},
     pb.ThrowErrorRequest(jobKey=KEY, errorCode="c", errorMessage="e", variables='{"a":1}')),
    ("deploy-resource", BPMN, {"fileName": "a.bpmn", "tenantId": "acme"},
     pb.DeployResourceRequest(resources=[pb.Resource(name="a.bpmn", content=BPMN.encode())], tenantId="acme")),
    ("deploy-resource", "/w==", {"fileName": "a.form", "encoding": "base64"},
     pb.DeployResourceRequest(resources=[pb.Resource(name="a.form", content=b"\xff")])),
    ("deploy-resource",
     {"resources": [{"name": "a.bpmn", "content": BPMN}, {"name": "b.dmn", "content": "/w==", "encoding": "base64"}],
      "tenantId": "acme"}, {},
     pb.DeployResourceRequest(
         resources=[pb.Resource(name="a.bpmn", content=BPMN.encode()), pb.Resource(name="b.dmn", content=b"\xff")],
         tenantId="acme"
     )),
    ("delete-resource", {"resourceKey": KEY}, {}, pb.DeleteResourceRequest(resourceKey=KEY)),
    ("delete-resource", {"resourceKey": KEY, "deleteHistory": False, "operationReference": 1}, {},
     pb.DeleteResourceRequest(resourceKey=KEY, deleteHistory=False, operationReference=1)),
    ("evaluate-decision", {"decisionId": "d"}, {}, pb.EvaluateDecisionRequest(decisionId="d")),
    ("evaluate-decision", {"decisionKey": KEY, "variables": {"a": 1}, "tenantId": "acme"}, {},
     pb.EvaluateDecisionRequest(decisionKey=KEY, variables='{"a":1}', tenantId="acme")),
    ("signal",
     {"name": "s", "executionId": None, "variables": {"a": {"value": 1}}, "tenantId": "t", "withoutTenantId": False},
     {}, pb.BroadcastSignalRequest(signalName="s", variables='{"a":1}', tenantId="t")),
    ("broadcast-signal", {"signalName": "s"}, {}, pb.BroadcastSignalRequest(signalName="s")),
    ("broadcast-signal", {"signalName": "s", "variables": {"a": 1}, "tenantId": "acme"}, {},
     pb.BroadcastSignalRequest(signalName="s", variables='{"a":1}', tenantId="acme")),
    ("update-job-timeout", {"jobKey": KEY, "timeout": "1m30s", "operationReference": 1}, {},
     pb.UpdateJobTimeoutRequest(jobKey=KEY, timeout=90_000, operationReference=1)),
    ("modify-instance", {"processInstanceKey": KEY}, {}, modification(processInstanceKey=KEY)),
    ("modify-instance",
     {"processInstanceKey": KEY,
      "activateInstructions": [
          {"elementId": "a"},
          {"elementId": "b", "ancestorElementInstanceKey": KEY + 1,
           "variableInstructions": [{"variables": {"x": 1}, "scopeId": "s"}, {"variables": {}}]}
      ], "terminateInstructions": [{"elementInstanceKey": KEY + 2}, {"elementId": "c"}],
      "moveInstructions": [
          {"sourceElementInstanceKey": KEY + 3, "targetElementId": "d", "ancestorElementInstanceKey": KEY + 4,
           "variableInstructions": [{"variables": {"y": 2}}]},
          {"sourceElementId": "e", "targetElementId": "d", "inferAncestorScopeFromSourceHierarchy": True},
          {"sourceElementId": "e", "targetElementId": "d", "useSourceParentKeyAsAncestorScopeKey": True}
      ], "operationReference": 1}, {},
     modification(
         processInstanceKey=KEY,
         activateInstructions=[
             modification.ActivateInstruction(elementId="a", ancestorElementInstanceKey=-1),
             modification.ActivateInstruction(
                 elementId="b", ancestorElementInstanceKey=KEY + 1,
                 variableInstructions=[
                     modification.VariableInstruction(variables='{"x":1}', scopeId="s"),
                     modification.VariableInstruction(variables="{}")
                 ]
             )
         ],
         terminateInstructions=[
             modification.TerminateInstruction(elementInstanceKey=KEY + 2),
             modification.TerminateInstruction(elementId="c")
         ],
         moveInstructions=[
             modification.MoveInstruction(
                 sourceElementInstanceKey=KEY + 3, targetElementId="d", ancestorElementInstanceKey=KEY + 4,
                 variableInstructions=[modification.VariableInstruction(variables='{"y":2}')]
             ),
             modification.MoveInstruction(
                 sourceElementId="e", targetElementId="d", ancestorElementInstanceKey=-1,
                 inferAncestorScopeFromSourceHierarchy=True
             ),
             modification.MoveInstruction(
                 sourceElementId="e", targetElementId="d", ancestorElementInstanceKey=-1,
                 useSourceParentKeyAsAncestorScopeKey=True
             )
         ], operationReference=1
     )),
    ("migrate-instance",
     {"processInstanceKey": KEY,
      "migrationPlan": {
          "targetProcessDefinitionKey": KEY + 1,
          "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}]
      }, "operationReference": 1}, {},
     migration(
         processInstanceKey=KEY,
         migrationPlan=migration.MigrationPlan(
             targetProcessDefinitionKey=KEY + 1,
             mappingInstructions=[migration.MappingInstruction(sourceElementId="a", targetElementId="b")]
         ), operationReference=1
     )),
    ("evaluate-conditional", {}, {}, pb.EvaluateConditionalRequest()),
    ("evaluate-conditional", {"variables": {"a": 1}, "processDefinitionKey": KEY, "tenantId": "acme"}, {},
     pb.EvaluateConditionalRequest(variables='{"a":1}', processDefinitionKey=KEY, tenantId="acme")),
]  # fmt: skip
