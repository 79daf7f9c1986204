"""Jobs of Zeebe as they are fetched: by long polls, and by streams where the gateway has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from consumer.config.settings import JobType
from consumer.core.call import Call
from consumer.jobs.source import Fetched
from consumer.zeebe.client import ZeebeEngine
from consumer.zeebe.operations.jobs import NO_LISTENERS
from consumer.zeebe.operations.rendering import render
from consumer.zeebe.polls import Poll
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.protocol.since import SINCE, Version, parse
from zeebe_amqp.commands import ActivateJobs
from zeebe_amqp.commands.jobs import ActivatedJob, UserTask

__all__ = ["WORKER", "ZeebeJobs", "to_job"]

WORKER: Final = "zeebe-amqp"
"""The name under which jobs are fetched; the same for all replicas, so that the engine sees one stream of a type."""
STREAM_LIFE: Final = 3600.0
"""Seconds after which a stream is opened anew: a gateway that is new in the cluster gets its part of them."""


def _names(field: str) -> dict[int, str]:
    kind = pb.ActivatedJob.DESCRIPTOR.fields_by_name[field].enum_type
    assert kind is not None
    return {number: value.name for number, value in kind.values_by_number.items()}


_KINDS: Final[Mapping[int, str]] = _names("kind")
_EVENTS: Final[Mapping[int, str]] = _names("listenerEventType")
_NEWS: Final = SINCE["ActivatedJob.kind"]
"""The version that brought `kind`, `listenerEventType`, `tags` and `userTask`."""


class ZeebeJobs:
    """Asks Zeebe for jobs; see `consumer.jobs.source.JobSource`.

    Args:
        engine: whose connection, credentials and circuit are used; its `end_polls` ends what is asked here, too.
    """

    def __init__(self, engine: ZeebeEngine) -> None:
        self._engine = engine

    async def activate(self, job_type: JobType, number: int, wait: float) -> Fetched:
        """Jobs of a type, as soon as there are any; see `JobSource`."""
        request = pb.ActivateJobsRequest(
            type=job_type.name,
            worker=WORKER,
            timeout=_milliseconds(job_type.timeout),
            maxJobsToActivate=number,
            requestTimeout=_milliseconds(wait),
            fetchVariable=job_type.fetch_variables,
            tenantIds=job_type.tenant_ids,
        )
        command = ActivateJobs(job_type=job_type.name, max_jobs_to_activate=number)
        # Jobs that an attempt with an unknown outcome has locked stay so whether another one follows or not.
        call = Call(command, attempt_timeout=wait + command.wait_margin, idempotent=True, is_empty=_is_empty)
        responses: Any = await self._engine.send(request, call)
        version = self._version()
        return Fetched([to_job(job, version) for response in responses for job in response.jobs], dict(call.trace))

    async def stream(self, job_type: JobType, take: Callable[[ActivatedJob], Awaitable[None] | None]) -> None:
        """Have jobs of a type pushed; see `JobSource`."""
        request = pb.StreamActivatedJobsRequest(
            type=job_type.name,
            worker=WORKER,
            timeout=_milliseconds(job_type.timeout),
            fetchVariable=job_type.fetch_variables,
            tenantIds=job_type.tenant_ids,
        )
        command = ActivateJobs(job_type=job_type.name, max_jobs_to_activate=1)
        call = Call(command, attempt_timeout=STREAM_LIFE, idempotent=True)
        await self._engine.send(request, call, Poll(lambda job: take(to_job(job, self._version()))))

    def _version(self) -> Version | None:
        version = self._engine.last_version
        return None if version is None else parse(version)


def _is_empty(responses: Any) -> bool:
    return not any(response.jobs for response in responses)


def to_job(job: pb.ActivatedJob, version: Version | None) -> ActivatedJob:
    """A job as callers know it; by hand, because rendering takes several times as long.

    Args:
        job: as the gateway sent it.
        version: of the gateway; None where it is not known, and then all fields count as known to it.
    """
    # Of a gateway that does not know a field only what is more than its default is a fact.
    knows = version is None or version >= _NEWS
    kind, event = job.kind, job.listenerEventType
    return ActivatedJob(
        key=job.key,
        type=job.type,
        process_instance_key=job.processInstanceKey,
        bpmn_process_id=job.bpmnProcessId,
        process_definition_version=job.processDefinitionVersion,
        process_definition_key=job.processDefinitionKey,
        element_id=job.elementId,
        element_instance_key=job.elementInstanceKey,
        custom_headers=job.customHeaders,
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline,
        variables=job.variables,
        tenant_id=job.tenantId,
        kind=_KINDS.get(kind, str(kind)) if knows or kind else None,
        listener_event_type=_EVENTS.get(event, str(event)) if kind not in NO_LISTENERS and (knows or event) else None,
        user_task=_user_task(job) if job.HasField("userTask") else None,
        tags=tuple(job.tags) if knows or job.tags else None,
    )


def _user_task(job: pb.ActivatedJob) -> UserTask:
    return msgspec.convert(render(job.userTask), UserTask)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
