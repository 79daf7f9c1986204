"""A job as a message: its variables are the body, everything else is in properties and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.commands.jobs import ActivatedJob, UserTask
from zeebe_amqp.jobs import names

__all__ = ["read_job", "write_job"]

_ENCODER: Final = msgspec.json.Encoder()
_HEADERS: Final[Mapping[str, str]] = {
    names.JOB_KEY: "key",
    names.JOB_TYPE: "type",
    names.PROCESS_INSTANCE_KEY: "process_instance_key",
    names.PROCESS_DEFINITION_KEY: "process_definition_key",
    names.PROCESS_DEFINITION_VERSION: "process_definition_version",
    names.BPMN_PROCESS_ID: "bpmn_process_id",
    names.ELEMENT_ID: "element_id",
    names.ELEMENT_INSTANCE_KEY: "element_instance_key",
    names.RETRIES: "retries",
    names.DEADLINE: "deadline",
    names.CUSTOM_HEADERS: "custom_headers",
    names.TENANT_ID: "tenant_id",
    names.WORKER: "worker",
    names.KIND: "kind",
    names.LISTENER_EVENT_TYPE: "listener_event_type",
}
"""The headers with one value of the job each."""
_TEXTS: Final = frozenset(
    {"type", "bpmn_process_id", "element_id", "custom_headers", "tenant_id", "worker", "kind", "listener_event_type"}
)


def write_job(job: ActivatedJob, signed_id: str, now: float, trace: Mapping[str, str]) -> tuple[bytes, Properties]:
    """The body and the properties of a job's message.

    Args:
        job: as the engine gave it out.
        signed_id: proves to whoever gets the answer that the job was given out; its correlation id.
        now: seconds since 1970.
        trace: the headers of the trace context; none where there is none.
    """
    headers: dict[str, Any] = {name: getattr(job, attribute) for name, attribute in _HEADERS.items()}
    headers = {name: value for name, value in headers.items() if value is not None}
    headers[names.JOB_KEY_TEXT] = str(job.key)
    if job.user_task is not None:
        headers[names.USER_TASK] = _ENCODER.encode(job.user_task).decode()
    if job.tags:
        headers[names.TAGS] = _ENCODER.encode(job.tags).decode()
    properties = Properties(
        content_type=wire.CONTENT_TYPE,
        type=job.type,
        reply_to=names.RESULTS,
        correlation_id=signed_id,
        message_id=f"{job.key}-{job.deadline}",
        expiration=str(max(0, job.deadline - int(now * 1000))),
        timestamp=int(now),
        delivery_mode=2,
        headers={**headers, **trace},
    )
    return job.variables.encode(), properties


def read_job(body: bytes, headers: Mapping[str, Any]) -> ActivatedJob:
    """The job in a message.

    Raises:
        ValueError: a header that every job has is missing or is of another type; the text names it.
    """
    found: dict[str, Any] = {}
    for name, attribute in _HEADERS.items():
        value = headers.get(name)
        kind = str if attribute in _TEXTS else int
        if value is None and attribute in ("kind", "listener_event_type"):
            found[attribute] = None
        elif isinstance(value, kind) and not isinstance(value, bool):
            found[attribute] = value
        else:
            raise ValueError(f"header {name}: expected {'text' if kind is str else 'a whole number'}, found {value!r}")
    return ActivatedJob(
        variables=str(body, "utf-8"),
        user_task=_json(headers, names.USER_TASK, UserTask),
        tags=_json(headers, names.TAGS, tuple[str, ...]),
        **found,
    )


def _json(headers: Mapping[str, Any], name: str, kind: Any) -> Any:
    text = headers.get(name)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (TypeError, msgspec.DecodeError) as problem:
        raise ValueError(f"header {name}: {problem}") from None
