"""Jobs as an engine gives them out."""

from __future__ import annotations

from zeebe_amqp.commands.jobs import ActivatedJob

__all__ = ["KEY", "job"]

KEY = 2251799813685250


def job(variables: str = "{}", deadline: int = 1_800_000_000_000) -> ActivatedJob:
    """A job with these variables."""
    return ActivatedJob(
        key=KEY,
        type="pay",
        process_instance_key=KEY + 1,
        bpmn_process_id="order",
        process_definition_version=1,
        process_definition_key=KEY + 2,
        element_id="pay",
        element_instance_key=KEY + 3,
        custom_headers="{}",
        worker="zeebe-amqp",
        retries=3,
        deadline=deadline,
        variables=variables,
        tenant_id="<default>",
        kind=None,
        listener_event_type=None,
    )
