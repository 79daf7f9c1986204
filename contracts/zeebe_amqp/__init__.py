"""Zeebe commands over AMQP: the wire contract, version 1."""

from __future__ import annotations

from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import (
    COMMANDS,
    ActivateJobs,
    BroadcastSignal,
    CancelInstance,
    Command,
    CompleteJob,
    CreateInstance,
    DeleteResource,
    DeployProcess,
    DeployResource,
    EvaluateConditional,
    EvaluateDecision,
    FailJob,
    MigrateInstance,
    ModifyInstance,
    PublishMessage,
    ResolveIncident,
    SetVariables,
    ThrowError,
    Topology,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source
from zeebe_amqp.reply import Reply

__version__ = "0.1.0"

__all__ = [
    "COMMANDS",
    "ActivateJobs",
    "BroadcastSignal",
    "CancelInstance",
    "Code",
    "Command",
    "CommandError",
    "CompleteJob",
    "CreateInstance",
    "DeleteResource",
    "DeployProcess",
    "DeployResource",
    "Error",
    "EvaluateConditional",
    "EvaluateDecision",
    "FailJob",
    "MigrateInstance",
    "ModifyInstance",
    "Outcome",
    "PublishMessage",
    "Reply",
    "Request",
    "ResolveIncident",
    "Resource",
    "SetVariables",
    "Source",
    "ThrowError",
    "Topology",
    "UpdateJobRetries",
    "UpdateJobTimeout",
    "__version__",
    "envelope",
    "wire",
]
