"""Operations on jobs: activate them, and say how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from consumer.zeebe.operations.rendering import render
from consumer.zeebe.operations.row import Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.jobs import (
    ActivateJobs,
    CompleteJob,
    FailJob,
    JobResult,
    ThrowError,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from zeebe_amqp.schema.fields import milliseconds, text

__all__ = ["AT_ONCE", "DEFAULT_LOCK", "NO_LISTENERS", "OPERATIONS"]


AT_ONCE: Final = -1
"""The protocol's "do not wait for jobs"; its 0 would mean the gateway's default of 10 s."""

DEFAULT_LOCK: Final = 300_000
"""Milliseconds a job is locked for its worker when the caller names no time (the binding's five minutes)."""

NO_LISTENERS: Final = frozenset({pb.ActivatedJob.BPMN_ELEMENT, pb.ActivatedJob.AD_HOC_SUB_PROCESS})
"""Kinds of jobs that listen to nothing."""


def _activate_jobs(command: ActivateJobs) -> pb.ActivateJobsRequest:
    return pb.ActivateJobsRequest(
        type=command.job_type,
        maxJobsToActivate=command.max_jobs_to_activate,
        timeout=milliseconds(command.timeout) or DEFAULT_LOCK,
        worker=command.worker_name,
        fetchVariable=command.fetch_variables,
        requestTimeout=milliseconds(command.request_timeout) or AT_ONCE,
        tenantIds=command.tenant_ids,
        tenantFilter=command.tenant_filter,
    )


def _jobs(
    responses: Sequence[pb.ActivateJobsResponse], keys_as_text: bool, gateway_version: str | None = None
) -> list[dict[str, Any]]:
    return [_job(job, keys_as_text, gateway_version) for response in responses for job in response.jobs]


def _job(job: pb.ActivatedJob, keys_as_text: bool, gateway_version: str | None) -> dict[str, Any]:
    rendered = render(job, keys_as_text, gateway_version)
    if job.kind in NO_LISTENERS:
        # The protocol has to name some event; its first one is "ASSIGNING".
        rendered["listenerEventType"] = None
    return rendered


def _complete_job(command: CompleteJob) -> pb.CompleteJobRequest:
    return pb.CompleteJobRequest(
        jobKey=int(command.job_key),
        variables=text(command.variables),
        result=_job_result(command.job_result) if command.job_result is not None else None,
    )


def _job_result(result: JobResult) -> pb.JobResult:
    return pb.JobResult(
        type=result.type,
        denied=result.denied,
        deniedReason=result.denied_reason,
        corrections=_corrections(result),
        activateElements=[
            pb.JobResultActivateElement(elementId=element.element_id, variables=text(element.variables))
            for element in result.activate_elements
        ],
        isCompletionConditionFulfilled=result.is_completion_condition_fulfilled,
        isCancelRemainingInstances=result.is_cancel_remaining_instances,
    )


def _corrections(result: JobResult) -> pb.JobResultCorrections | None:
    corrections = result.corrections
    if corrections is None:
        return None
    return pb.JobResultCorrections(
        assignee=corrections.assignee,
        dueDate=corrections.due_date,
        followUpDate=corrections.follow_up_date,
        candidateUsers=_string_list(corrections.candidate_users),
        candidateGroups=_string_list(corrections.candidate_groups),
        priority=corrections.priority,
    )


def _string_list(values: Sequence[str] | None) -> pb.StringList | None:
    # An empty list corrects to "nobody"; an absent one corrects nothing.
    return None if values is None else pb.StringList(values=values)


def _fail_job(command: FailJob) -> pb.FailJobRequest:
    return pb.FailJobRequest(
        jobKey=int(command.job_key),
        retries=command.retries,
        errorMessage=command.error_message,
        retryBackOff=milliseconds(command.retry_back_off),
        variables=text(command.variables),
    )


def _update_job_retries(command: UpdateJobRetries) -> pb.UpdateJobRetriesRequest:
    return pb.UpdateJobRetriesRequest(
        jobKey=int(command.job_key), retries=command.retries, operationReference=command.operation_reference
    )


def _update_job_timeout(command: UpdateJobTimeout) -> pb.UpdateJobTimeoutRequest:
    return pb.UpdateJobTimeoutRequest(
        jobKey=int(command.job_key),
        timeout=milliseconds(command.timeout),
        operationReference=command.operation_reference,
    )


def _throw_error(command: ThrowError) -> pb.ThrowErrorRequest:
    return pb.ThrowErrorRequest(
        jobKey=int(command.job_key),
        errorCode=command.error_code,
        errorMessage=command.error_message,
        variables=text(command.variables),
    )


OPERATIONS: Final = (
    Operation(
        ActivateJobs,
        _activate_jobs,
        _jobs,
    ),
    Operation(CompleteJob, _complete_job),
    Operation(FailJob, _fail_job),
    Operation(UpdateJobRetries, _update_job_retries),
    Operation(UpdateJobTimeout, _update_job_timeout),
    Operation(ThrowError, _throw_error),
)
