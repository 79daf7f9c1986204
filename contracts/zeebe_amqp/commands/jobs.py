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
    """The user task that a job listens to. Fields that the engine did not send are None."""

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
    """A job that the caller has locked until `deadline` (milliseconds since 1970).

    `custom_headers` and `variables` are JSON documents as text; `kind` and `listener_event_type` are enum names.
    Gateways before 8.8 have no `kind` and no `tags`. Only the jobs of listeners have a `listener_event_type`.
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
    """Lock jobs of a type for a worker and fetch them.

    `timeout` is the length of the lock (None = 5 minutes). `request_timeout` is how long to wait for jobs (None = 0, at
    most 15 minutes). When the service stops, the answer comes earlier, mostly without jobs: poll again.
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
    """Changes that a listener makes to its user task; None = keep, "" or an empty list = clear."""

    assignee: Maybe[str] = None
    due_date: Maybe[str] = None
    follow_up_date: Maybe[str] = None
    candidate_users: Maybe[tuple[str, ...]] = None
    candidate_groups: Maybe[tuple[str, ...]] = None
    priority: Maybe[Priority] = None


class ActivateElement(Part, frozen=True, kw_only=True):
    """An element of an ad-hoc sub-process to activate, with variables of its own."""

    element_id: Name
    variables: Maybe[Variables] = None


class JobResult(Part, frozen=True, kw_only=True):
    """The decision of a listener's or an ad-hoc sub-process's job; None = no decision.

    `type` is the protocol's "userTask" or "adHocSubProcess".
    """

    type: Maybe[str] = None
    denied: Maybe[bool] = None
    denied_reason: Maybe[str] = None
    corrections: Maybe[Corrections] = None
    activate_elements: tuple[ActivateElement, ...] = ()
    is_completion_condition_fulfilled: Maybe[bool] = None
    is_cancel_remaining_instances: Maybe[bool] = None


class CompleteJob(Command[None], frozen=True, kw_only=True):
    """Complete a job. Jobs of listeners and ad-hoc sub-processes may have a `result`."""

    operation: ClassVar[str] = "complete-job"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    variables: Maybe[Variables] = None
    # Not "result" in Python: that names the type of the reply's data on every command.
    job_result: Maybe[JobResult] = field(default=None, name="result")


class FailJob(Command[None], frozen=True, kw_only=True):
    """Fail a job. `retries` are the tries left; 0 or less raises an incident. `retry_back_off` delays the retry."""

    operation: ClassVar[str] = "fail-job"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    retries: Retries
    error_message: str = ""
    retry_back_off: Maybe[Duration] = None
    variables: Maybe[Variables] = None


class UpdateJobRetries(Command[None], frozen=True, kw_only=True):
    """Set how many tries a job has left."""

    operation: ClassVar[str] = "update-job-retries"
    idempotent: ClassVar[bool] = True

    job_key: Key
    retries: Retries = 3
    operation_reference: Maybe[Reference] = None


class UpdateJobTimeout(Command[None], frozen=True, kw_only=True):
    """Set how long a job stays locked, from now."""

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
    """Throw a BPMN error in a job."""

    operation: ClassVar[str] = "throw-error"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    job_key: Key
    error_code: Name
    error_message: str = ""
    variables: Maybe[Variables] = None
