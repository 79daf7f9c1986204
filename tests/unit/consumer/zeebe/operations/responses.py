"""What responses become: operation, response of the protocol, and the reply's data."""

from __future__ import annotations

from typing import Any

from consumer.zeebe.protocol import gateway_pb2 as pb

KEY = 2251799813685249
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
    "listenerEventType": None,
    "tags": [],
}
RESULTS: list[tuple[str, Any, Any]] = [
    ("topology",
     pb.TopologyResponse(brokers=[pb.BrokerInfo(partitions=[pb.Partition(partitionId=1)])], gatewayVersion="8.6.0"),
     {"brokers": [
          {"nodeId": 0, "host": "", "port": 0,
           "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}], "version": ""}
      ], "clusterSize": 0, "partitionsCount": 0, "replicationFactor": 0, "gatewayVersion": "8.6.0", "clusterId": None}),
    ("deploy-process",
     pb.DeployResourceResponse(
         key=KEY,
         deployments=[pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="p", version=1, processDefinitionKey=KEY))]
     ),
     {"key": KEY,
      "processes": [
          {"bpmnProcessId": "p", "version": 1, "processDefinitionKey": KEY, "resourceName": "", "tenantId": ""}
      ], "tenantId": ""}),
    ("create-instance", pb.CreateProcessInstanceResponse(processInstanceKey=KEY),
     {"processDefinitionKey": 0, "bpmnProcessId": "", "version": 0, "processInstanceKey": KEY, "tenantId": "",
      "tags": [], "businessId": None}),
    ("create-instance", pb.CreateProcessInstanceWithResultResponse(variables="{}", businessId=""),
     {"processDefinitionKey": 0, "bpmnProcessId": "", "version": 0, "processInstanceKey": 0, "variables": "{}",
      "tenantId": "", "tags": [], "businessId": ""}),
    ("cancel-instance", pb.CancelProcessInstanceResponse(), None),
    ("set-variables", pb.SetVariablesResponse(), {"key": 0}),
    ("resolve-incident", pb.ResolveIncidentResponse(), None),
    ("publish-message", pb.PublishMessageResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("activate-jobs", [], []),
    ("activate-jobs",
     [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob()]), pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=KEY)])],
     [ZERO_JOB, {**ZERO_JOB, "key": KEY}]),
    ("activate-jobs", [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(userTask=pb.UserTaskProperties(formKey=KEY))])],
     [{**ZERO_JOB,
       "userTask": {
           "action": None, "assignee": None, "candidateGroups": [], "candidateUsers": [], "changedAttributes": [],
           "dueDate": None, "followUpDate": None, "formKey": KEY, "priority": None, "userTaskKey": None
       }}]),
    ("complete-job", pb.CompleteJobResponse(), None),
    ("fail-job", pb.FailJobResponse(), None),
    ("update-job-retries", pb.UpdateJobRetriesResponse(), None),
    ("throw-error", pb.ThrowErrorResponse(), None),
    ("deploy-resource",
     pb.DeployResourceResponse(
         key=KEY,
         deployments=[
             pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="p")),
             pb.Deployment(decision=pb.DecisionMetadata(dmnDecisionId="d")),
             pb.Deployment(decisionRequirements=pb.DecisionRequirementsMetadata(dmnDecisionRequirementsId="r")),
             pb.Deployment(form=pb.FormMetadata(formId="f"))
         ]
     ),
     {"key": KEY,
      "deployments": [
          {"process": {
               "bpmnProcessId": "p", "version": 0, "processDefinitionKey": 0, "resourceName": "", "tenantId": ""
           }},
          {"decision": {
               "dmnDecisionId": "d", "dmnDecisionName": "", "version": 0, "decisionKey": 0,
               "dmnDecisionRequirementsId": "", "decisionRequirementsKey": 0, "tenantId": ""
           }},
          {"decisionRequirements": {
               "dmnDecisionRequirementsId": "r", "dmnDecisionRequirementsName": "", "version": 0,
               "decisionRequirementsKey": 0, "resourceName": "", "tenantId": ""
           }}, {"form": {"formId": "f", "version": 0, "formKey": 0, "resourceName": "", "tenantId": ""}}
      ], "tenantId": ""}),
    ("delete-resource", pb.DeleteResourceResponse(), {"resourceKey": "", "batchOperation": None}),
    ("delete-resource",
     pb.DeleteResourceResponse(
         resourceKey=str(KEY),
         batchOperation=pb.BatchOperationCreatedResult(
             batchOperationKey="7", batchOperationType="DELETE_PROCESS_INSTANCE"
         )
     ),
     {"resourceKey": str(KEY),
      "batchOperation": {"batchOperationKey": "7", "batchOperationType": "DELETE_PROCESS_INSTANCE"}}),
    ("evaluate-decision",
     pb.EvaluateDecisionResponse(
         decisionKey=KEY, decisionOutput="10",
         evaluatedDecisions=[
             pb.EvaluatedDecision(
                 decisionId="d",
                 matchedRules=[
                     pb.MatchedDecisionRule(
                         ruleIndex=1, evaluatedOutputs=[pb.EvaluatedDecisionOutput(outputValue="10")]
                     )
                 ], evaluatedInputs=[pb.EvaluatedDecisionInput(inputValue="7")]
             )
         ]
     ),
     {"decisionKey": KEY, "decisionId": "", "decisionName": "", "decisionVersion": 0, "decisionRequirementsId": "",
      "decisionRequirementsKey": 0, "decisionOutput": "10",
      "evaluatedDecisions": [
          {"decisionKey": 0, "decisionId": "d", "decisionName": "", "decisionVersion": 0, "decisionType": "",
           "decisionOutput": "",
           "matchedRules": [
               {"ruleId": "", "ruleIndex": 1,
                "evaluatedOutputs": [{"outputId": "", "outputName": "", "outputValue": "10"}]}
           ], "evaluatedInputs": [{"inputId": "", "inputName": "", "inputValue": "7"}], "tenantId": "",
           "decisionEvaluationInstanceKey": ""}
      ], "failedDecisionId": "", "failureMessage": "", "tenantId": "", "decisionInstanceKey": 0,
      "decisionEvaluationKey": 0}),
    ("signal", pb.BroadcastSignalResponse(key=KEY, tenantId="t"), None),
    ("broadcast-signal", pb.BroadcastSignalResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("update-job-timeout", pb.UpdateJobTimeoutResponse(), None),
    ("modify-instance", pb.ModifyProcessInstanceResponse(), None),
    ("migrate-instance", pb.MigrateProcessInstanceResponse(), None),
    ("evaluate-conditional",
     pb.EvaluateConditionalResponse(
         processInstances=[pb.ProcessInstanceReference(processInstanceKey=KEY)], conditionalEvaluationKey=KEY
     ),
     {"processInstances": [{"processDefinitionKey": 0, "processInstanceKey": KEY}], "conditionalEvaluationKey": KEY,
      "tenantId": ""}),
]  # fmt: skip
