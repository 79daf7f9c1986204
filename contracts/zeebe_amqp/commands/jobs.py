"""Commands about jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

import msgspec
from msgspec import field

from zeebe_amqp.commands.command import DATA, Command, Part, Result, check_wait, missing
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, Target
from zeebe_amqp.schema.fields import (
    Count,
    Duration,
    Key,
    Maybe,
    Name,
    Period,
    Priority,
    Reference,
    Retries,
    Variables,
    milliseconds,
)
from zeebe_amqp.schema.json_documents import Carrier

__all__ = [
    "ActivateElement",
    "ActivateJobs",
    "ActivatedJob",
    "CompleteJob",
    "Corrections",
    "FailJob",
    "JobResult",
    "ThrowError",
    "UpdateJobRetries",
    "UpdateJobTimeout",
    "UserTask",
]


MAX_TENANTS: Final = 1_000
"""Tenants that a target lists; of more, any may be among them."""


class UserTask(Result, frozen=True, kw_only=True):
    """The user task that a job listens to.

    Attributes:
        action: what happens to the task, such as claim, update or complete.
        assignee: the user who has the task.
        candidate_groups: the groups whose members may take the task.
        candidate_users: the users who may take the task.
        changed_attributes: the attributes that are being changed.
        due_date: when the task is due, ISO 8601.
        follow_up_date: when to look at the task again, ISO 8601.
        form_key: the key of its form.
        priority: its priority, from 0 to 100.
        user_task_key: the key of the task.
    """

    action: str | None = None
    assignee: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    changed_attributes: tuple[str, ...] = ()
    due_date: str | None = None
    follow_up_date: str | None = None
    form_key: int | None = None
    priority: int | None = None
    user_task_key: int | None = None


class ActivatedJob(Result, Carrier, frozen=True, kw_only=True):
    """A job that you have locked until `deadline`.

    Attributes:
        key: the key of the job; complete-job, fail-job and throw-error ask for it as `job_key`.
        type: the type of the job.
        process_instance_key: the key of its process instance.
        bpmn_process_id: the id of its process, as in the BPMN.
        process_definition_version: the version of its process.
        process_definition_key: the key of the process definition, which is one version of a process.
        element_id: the id of its element, as in the BPMN.
        element_instance_key: the key of that element's instance.
        custom_headers: the headers that the BPMN gives the element, a JSON document as text.
        worker: the name of the worker that the job was fetched for.
        retries: how many tries are left, this one included.
        deadline: when the lock ends and the engine may give out the job again, milliseconds since 1970 UTC.
        variables: the variables that the job may see, or those that were asked for; a JSON document as text.
        tenant_id: the tenant that it belongs to.
        kind: what the job is for: BPMN_ELEMENT, EXECUTION_LISTENER, TASK_LISTENER or AD_HOC_SUB_PROCESS.
        listener_event_type: the event that a listener's job is about, such as START or COMPLETING; other jobs have
            none.
        user_task: the user task that a task listener's job is about.
        tags: the tags of the process instance.
    """

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    custom_headers: str
    worker: str
    retries: int
    deadline: int
    variables: str
    tenant_id: str
    kind: str | None
    listener_event_type: str | None
    user_task: UserTask | None = None
    tags: tuple[str, ...] | None = None

    def headers(self) -> dict[str, str]:
        """The parsed custom headers of the job's element."""
        return msgspec.json.decode(self.custom_headers, type=dict[str, str])


class ActivateJobs(Command[tuple[ActivatedJob, ...]], frozen=True, kw_only=True):
    """Lock jobs of a type for a worker and fetch them; wait for them if there are none.

    When the service stops, the answer comes earlier, mostly without jobs: poll again.

    Args:
        job_type: the type of the jobs, as in the BPMN.
        max_jobs_to_activate: how many jobs to fetch at most.
        timeout: how long the jobs stay locked; then the engine may give them out again. Without it: 5 minutes.
        worker_name: a name for the worker, which the engine writes into its records.
        fetch_variables: the names of the variables to return; an empty list returns all that the job may see.
        request_timeout: how long to wait for jobs if there are none, at most 15 minutes; without it the answer comes at
            once.
        tenant_ids: the tenants whose jobs to fetch; an empty list is the default tenant.
        tenant_filter: PROVIDED: the tenants in `tenant_ids`. ASSIGNED: all tenants that the service itself may use.
    """

    operation: ClassVar[str] = "activate-jobs"
    named_by: ClassVar[Mapping[str, str]] = {"job_types": "job_type"}
    places: ClassVar[Mapping[str, str]] = {"tenants": f"{DATA}.tenantIds"}
    when_late: ClassVar[str] = "jobs that were activated stay locked until their timeout"
    wait_margin: ClassVar[float] = 10.0

    job_type: Name
    max_jobs_to_activate: Count
    timeout: Maybe[Duration] = None
    worker_name: Name = "default"
    fetch_variables: tuple[Name, ...] = ()
    request_timeout: Maybe[Duration] = None
    tenant_ids: tuple[Name, ...] = ()
    tenant_filter: Literal["PROVIDED", "ASSIGNED"] = "PROVIDED"

    def verify(self) -> None:
        """Limit the wait."""
        check_wait(self.request_timeout)

    def wait(self) -> int:
        """Until there are jobs."""
        return milliseconds(self.request_timeout)

    def named(self) -> Target:
        """The type of the jobs, and the tenants: with the filter ASSIGNED all that the service itself may use."""
        is_open = self.tenant_filter == "ASSIGNED" or len(self.tenant_ids) > MAX_TENANTS
        tenants = (ANY,) if is_open else self.tenant_ids
        return Target(job_types=(self.job_type,), tenants=tenants or (DEFAULT_TENANT,))


class Corrections(Part, frozen=True, kw_only=True):
    """Changes that a listener makes to its user task. What is not given stays.

    Args:
        assignee: the user who has the task; "" is nobody.
        due_date: when the task is due, ISO 8601; "" is never.
        follow_up_date: when to look at the task again, ISO 8601; "" is never.
        candidate_users: the users who may take the task; an empty list clears them.
        candidate_groups: the groups whose members may take the task; an empty list clears them.
        priority: its priority, from 0 to 100.
    """

    assignee: Maybe[str] = None
    due_date: Maybe[str] = None
    follow_up_date: Maybe[str] = None
    candidate_users: Maybe[tuple[str, ...]] = None
    candidate_groups: Maybe[tuple[str, ...]] = None
    priority: Maybe[Priority] = None


class ActivateElement(Part, frozen=True, kw_only=True):
    """An element of an ad-hoc sub-process to activate.

    Args:
        element_id: the id of the element, as in the BPMN.
        variables: variables to create in its scope.
    """

    element_id: Name
    variables: Maybe[Variables] = None


class JobResult(Part, frozen=True, kw_only=True):
    """What a listener or an ad-hoc sub-process decided.

    Args:
        type: "userTask", which is also the default, or "adHocSubProcess".
        denied: true: refuse what is happening to the user task, such as its completion.
        denied_reason: why it was refused.
        corrections: changes to the user task.
        activate_elements: the elements of the ad-hoc sub-process to activate next.
        is_completion_condition_fulfilled: true: the ad-hoc sub-process is complete.
        is_cancel_remaining_instances: true: terminate what is still active in the ad-hoc sub-process.
    """

    type: Maybe[str] = None
    denied: Maybe[bool] = None
    denied_reason: Maybe[str] = None
    corrections: Maybe[Corrections] = None
    activate_elements: tuple[ActivateElement, ...] = ()
    is_completion_condition_fulfilled: Maybe[bool] = None
    is_cancel_remaining_instances: Maybe[bool] = None


class CompleteJob(Command[None], frozen=True, kw_only=True):
    """Complete a job; the process continues.

    Args:
        job_key: the key of the job.
        variables: the result of the work: variables for the process.
        job_result: what a listener or an ad-hoc sub-process decided; other jobs have none.

    Errors:
        NOT_FOUND: no job has this key, or it has ended.
        FAILED_PRECONDITION: the job has failed and no worker may have it now, or it has thrown an error that nothing
            caught.
    """

    operation: ClassVar[str] = "complete-job"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    variables: Maybe[Variables] = None
    # Not "result" in Python: that names the type of the reply's data on every command.
    job_result: Maybe[JobResult] = field(default=None, name="result")


class FailJob(Command[None], frozen=True, kw_only=True):
    """Fail a job; the engine gives it out again, or raises an incident.

    Args:
        job_key: the key of the job.
        retries: how many tries are left. 0 or less raises an incident.
        error_message: why it failed, for people; the incident shows it.
        retry_back_off: how long the engine waits before it gives out the job again.
        variables: variables to set in the scope of the job's element.

    Errors:
        NOT_FOUND: no job has this key, or it has ended.
        FAILED_PRECONDITION: the job has failed and no worker may have it now, or it has thrown an error that nothing
            caught.
    """

    operation: ClassVar[str] = "fail-job"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    retries: Retries
    error_message: str = ""
    retry_back_off: Maybe[Duration] = None
    variables: Maybe[Variables] = None


class UpdateJobRetries(Command[None], frozen=True, kw_only=True):
    """Set how many tries a job has left.

    Args:
        job_key: the key of the job.
        retries: how many tries are left from now on, 1 or more.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no job has this key, or it has ended.
        INVALID_ARGUMENT: `retries` is 0 or less.
    """

    operation: ClassVar[str] = "update-job-retries"
    idempotent: ClassVar[bool] = True

    job_key: Key
    retries: Retries = 3
    operation_reference: Maybe[Reference] = None


class UpdateJobTimeout(Command[None], frozen=True, kw_only=True):
    """Set how long a job stays locked, from now.

    Args:
        job_key: the key of the job.
        timeout: how long the job stays locked, from now; then the engine may give it out again.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no job has this key, or it has ended.
        FAILED_PRECONDITION: the job is not locked.
    """

    operation: ClassVar[str] = "update-job-timeout"
    idempotent: ClassVar[bool] = True

    job_key: Key
    timeout: Duration
    operation_reference: Maybe[Reference] = None

    def verify(self) -> None:
        """Require a duration above 0."""
        if not milliseconds(self.timeout):
            raise missing("timeout", Period.description)


class ThrowError(Command[None], frozen=True, kw_only=True):
    """Throw a BPMN error in a job; an event of the process catches it by its code.

    Args:
        job_key: the key of the job.
        error_code: the code of the error, as in the BPMN. If nothing catches it, the engine raises an incident.
        error_message: what happened, for people.
        variables: variables to set in the scope of the event that catches the error.

    Errors:
        NOT_FOUND: no job has this key, or it has ended.
        FAILED_PRECONDITION: the job has failed and no worker may have it now, or it has thrown an error that nothing
            caught.
    """

    operation: ClassVar[str] = "throw-error"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    error_code: Name
    error_message: str = ""
    variables: Maybe[Variables] = None
