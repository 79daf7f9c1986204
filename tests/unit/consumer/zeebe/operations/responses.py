"""What responses become: operation, response of the protocol, and what the reply's data say that is no default."""

from __future__ import annotations

from typing import Any

from consumer.zeebe.protocol import gateway_pb2 as pb

KEY = 2251799813685249
RESULTS: list[tuple[str, Any, Any]] = [
    ("topology",
     pb.TopologyResponse(brokers=[pb.BrokerInfo(partitions=[pb.Partition(partitionId=1)])], gatewayVersion="8.6.0"),
     {"brokers": [{"nodeId": 0, "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}]}],
      "gatewayVersion": "8.6.0", "clusterId": None}),
    ("deploy-process",
     pb.DeployResourceResponse(
         key=KEY,
         deployments=[pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="p", version=1, processDefinitionKey=KEY))]
     ),
     {"key": KEY, "processes": [{"bpmnProcessId": "p", "version": 1, "processDefinitionKey": KEY}], "tenantId": ""}),
    ("create-instance", pb.CreateProcessInstanceResponse(processInstanceKey=KEY),
     {"processInstanceKey": KEY, "businessId": None}),
    ("create-instance", pb.CreateProcessInstanceWithResultResponse(variables="{}", businessId=""),
     {"variables": "{}", "businessId": ""}),
    ("cancel-instance", pb.CancelProcessInstanceResponse(), None),
    ("set-variables", pb.SetVariablesResponse(), {"key": 0}),
    ("resolve-incident", pb.ResolveIncidentResponse(), None),
    ("publish-message", pb.PublishMessageResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("activate-jobs", [], []),
    ("activate-jobs",
     [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob()]), pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=KEY)])],
     [{"key": 0, "kind": "BPMN_ELEMENT", "listenerEventType": None, "userTask": None, "tags": []}, {"key": KEY}]),
    ("activate-jobs", [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(userTask=pb.UserTaskProperties(formKey=KEY))])],
     [{"userTask": {"formKey": KEY, "userTaskKey": None, "candidateUsers": []}}]),
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
          {"process": {"bpmnProcessId": "p"}}, {"decision": {"dmnDecisionId": "d"}},
          {"decisionRequirements": {"dmnDecisionRequirementsId": "r"}}, {"form": {"formId": "f"}}
      ]}),
    ("delete-resource", pb.DeleteResourceResponse(), {"resourceKey": "", "batchOperation": None}),
    ("delete-resource",
     pb.DeleteResourceResponse(
         resourceKey=str(KEY),
         batchOperation={"batchOperationKey": "7", "batchOperationType": "DELETE_PROCESS_INSTANCE"}
     ),
     {"resourceKey": str(KEY),
      "batchOperation": {"batchOperationKey": "7", "batchOperationType": "DELETE_PROCESS_INSTANCE"}}),
    ("evaluate-decision",
     pb.EvaluateDecisionResponse(
         decisionKey=KEY, decisionOutput="10",
         evaluatedDecisions=[
             pb.EvaluatedDecision(
                 decisionId="d", evaluatedInputs=[pb.EvaluatedDecisionInput(inputValue="7")],
                 matchedRules=[pb.MatchedDecisionRule(ruleIndex=1, evaluatedOutputs=[{"outputValue": "10"}])]
             )
         ]
     ),
     {"decisionKey": KEY, "decisionOutput": "10",
      "evaluatedDecisions": [
          {"decisionId": "d", "evaluatedInputs": [{"inputValue": "7"}],
           "matchedRules": [{"ruleIndex": 1, "evaluatedOutputs": [{"outputValue": "10"}]}]}
      ]}),
    ("signal", pb.BroadcastSignalResponse(key=KEY, tenantId="t"), None),
    ("broadcast-signal", pb.BroadcastSignalResponse(key=KEY), {"key": KEY, "tenantId": ""}),
    ("update-job-timeout", pb.UpdateJobTimeoutResponse(), None),
    ("modify-instance", pb.ModifyProcessInstanceResponse(), None),
    ("migrate-instance", pb.MigrateProcessInstanceResponse(), None),
    ("evaluate-conditional",
     pb.EvaluateConditionalResponse(processInstances=[{"processInstanceKey": KEY}], conditionalEvaluationKey=KEY),
     {"processInstances": [{"processInstanceKey": KEY}], "conditionalEvaluationKey": KEY}),
]  # fmt: skip
