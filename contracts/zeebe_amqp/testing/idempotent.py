"""Which commands may run twice, as the service decides it."""

from __future__ import annotations

from typing import Final

from zeebe_amqp.commands import (
    CancelInstance,
    Command,
    CompleteJob,
    DeleteResource,
    DeployProcess,
    DeployResource,
    EvaluateDecision,
    FailJob,
    PublishMessage,
    ResolveIncident,
    SetVariables,
    ThrowError,
    Topology,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from zeebe_amqp.schema.fields import milliseconds

__all__ = ["is_recorded", "is_repeatable"]

_READING: Final = (Topology, EvaluateDecision)
_ALWAYS: Final = (
    *_READING,
    CancelInstance,
    CompleteJob,
    DeleteResource,
    DeployProcess,
    DeployResource,
    FailJob,
    ResolveIncident,
    SetVariables,
    ThrowError,
    UpdateJobRetries,
    UpdateJobTimeout,
)


def is_repeatable(command: Command) -> bool:
    """Whether running it twice leaves the engine as running it once."""
    if isinstance(command, PublishMessage):
        # The engine knows a message's id only while it keeps the message.
        return bool(command.message_id) and milliseconds(command.time_to_live) > 0
    return isinstance(command, _ALWAYS)


def is_recorded(command: Command) -> bool:
    """Whether its answer is kept for the same request id; what changes nothing runs again."""
    return not isinstance(command, _READING)
