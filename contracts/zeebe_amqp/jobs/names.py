"""The queues and headers of jobs on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zeebe_amqp import wire

__all__ = [
    "BPMN_PROCESS_ID",
    "COMPLETED",
    "CUSTOM_HEADERS",
    "DEAD",
    "DEADLINE",
    "DELIVERY_LIMIT",
    "ELEMENT_ID",
    "ELEMENT_INSTANCE_KEY",
    "JOBS_EXCHANGE",
    "JOB_KEY",
    "JOB_KEY_TEXT",
    "JOB_RESULT",
    "JOB_TYPE",
    "KIND",
    "LIMIT",
    "LISTENER_EVENT_TYPE",
    "MAX_JOB_TYPE",
    "OUTCOME",
    "PREFIX",
    "PROCESS_DEFINITION_KEY",
    "PROCESS_DEFINITION_VERSION",
    "PROCESS_INSTANCE_KEY",
    "RESERVED",
    "RESULTS",
    "RESULTS_EXCHANGE",
    "RETRIES",
    "TAGS",
    "TENANT_ID",
    "UNDONE",
    "USER_TASK",
    "WORKER",
    "job_queue",
    "job_queue_arguments",
]

PREFIX: Final = "zeebe.jobs."
"""The names of the queues of jobs begin so; the type of the job follows."""
RESULTS: Final = "zeebe.jobs.results"
"""The queue of answers."""
JOBS_EXCHANGE: Final = "zeebe.jobs"
"""With strict replies: the direct exchange that jobs are published to; the routing key is the queue's name."""
RESULTS_EXCHANGE: Final = RESULTS
"""With strict replies: the direct exchange that workers publish answers to; the routing key is the queue's name."""
DEAD: Final = "zeebe.jobs.dead"
"""The exchange that takes jobs that no worker ends."""
UNDONE: Final = "zeebe.jobs.undone"
"""The queue of that exchange; the service reads it."""
RESERVED: Final = frozenset({"results", "undone"})
"""Types whose queue must have another name."""
MAX_JOB_TYPE: Final = 240
"""The longest type of a job, bytes: with the prefix it must be the name of a queue."""
LIMIT: Final = 100
"""Jobs of a type that wait, at most, unless its settings say otherwise."""
DELIVERY_LIMIT: Final = 3
"""How often a job is delivered again after its worker died, unless the type's settings say otherwise."""
MAX_QUEUE_BYTES: Final = 128 * 1024 * 1024
"""Bytes of jobs that wait in one queue, at most."""

COMPLETED: Final = ".result"
"""What follows the type of the job in a property `type` that completes it."""
OUTCOME: Final = "outcome"
"""Header of an answer, in place of its property `type`: what became of the job."""
JOB_RESULT: Final = "job-result"
"""Header of an answer that completes the job of a listener or an ad-hoc sub-process: its result, JSON text."""

JOB_KEY: Final = "job-key"
"""The key of the job."""
JOB_KEY_TEXT: Final = "job-key-text"
"""The key as text, for clients whose numbers are doubles."""
JOB_TYPE: Final = "job-type"
"""The type of the job."""
PROCESS_INSTANCE_KEY: Final = "process-instance-key"
"""The key of its process instance."""
PROCESS_DEFINITION_KEY: Final = "process-definition-key"
"""The key of the definition of its process."""
PROCESS_DEFINITION_VERSION: Final = "process-definition-version"
"""The version of that definition."""
BPMN_PROCESS_ID: Final = "bpmn-process-id"
"""The id of its process."""
ELEMENT_ID: Final = "element-id"
"""The id of its element in the process."""
ELEMENT_INSTANCE_KEY: Final = "element-instance-key"
"""The key of that element's instance."""
RETRIES: Final = "retries"
"""Tries that are left, this one included."""
DEADLINE: Final = "deadline"
"""When the engine gives out the job again, milliseconds since 1970 UTC."""
CUSTOM_HEADERS: Final = "custom-headers"
"""The custom headers of the element, JSON text."""
TENANT_ID: Final = "tenant-id"
"""Its tenant."""
WORKER: Final = "worker"
"""The name under which the service fetched the job."""
KIND: Final = "kind"
"""What the job is for, as the engine names it; gateways before 8.8 do not say."""
LISTENER_EVENT_TYPE: Final = "listener-event-type"
"""Of a listener's job: what it listens to."""
USER_TASK: Final = "user-task"
"""The user task that the job listens to, JSON text."""
TAGS: Final = "tags"
"""The tags of the process instance, JSON text."""


def job_queue(job_type: str) -> str:
    """The queue of the jobs of a type, unless its table names another one."""
    return PREFIX + job_type


def job_queue_arguments(limit: int, delivery_limit: int) -> Mapping[str, Any]:
    """Arguments with which a queue of jobs is declared.

    Args:
        limit: jobs that wait, as the service fetches them; several services may each fetch as many.
        delivery_limit: how often a job is delivered again after workers died with it.
    """
    return {
        **wire.REQUEST_QUEUE,
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": DEAD,
        "x-max-length": 4 * limit,
        "x-max-length-bytes": MAX_QUEUE_BYTES,
    }
