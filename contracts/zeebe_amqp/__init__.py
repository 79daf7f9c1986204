"""Zeebe commands over AMQP: the wire contract, version 1."""

from __future__ import annotations

from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import (
    COMMANDS,
    ActivateJobs,
    CancelInstance,
    Command,
    CompleteJob,
    CreateInstance,
    DeployProcess,
    FailJob,
    PublishMessage,
    ResolveIncident,
    SetVariables,
    ThrowError,
    Topology,
    UpdateJobRetries,
)
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source
from zeebe_amqp.reply import Reply

__version__ = "0.1.0"

__all__ = [
    "COMMANDS",
    "ActivateJobs",
    "CancelInstance",
    "Code",
    "Command",
    "CommandError",
    "CompleteJob",
    "CreateInstance",
    "DeployProcess",
    "Error",
    "FailJob",
    "Outcome",
    "PublishMessage",
    "Reply",
    "Request",
    "ResolveIncident",
    "SetVariables",
    "Source",
    "ThrowError",
    "Topology",
    "UpdateJobRetries",
    "__version__",
    "envelope",
    "wire",
]
