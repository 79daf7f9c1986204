"""Zeebe commands over AMQP: the wire contract, version 1; and, with the extra `client`, a client for callers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

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
    Signal,
    ThrowError,
    Topology,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import (
    Aborted,
    AlreadyExists,
    Code,
    CommandError,
    DeadlineExceeded,
    Error,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Outcome,
    OutcomeUnknown,
    PermissionDenied,
    ResourceExhausted,
    Retryable,
    Source,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from zeebe_amqp.reply import Reply

if TYPE_CHECKING:
    from zeebe_amqp.client import BpmnError, Client, Job, JobFailure, Jobs, SyncClient, Worker

__version__ = "0.1.0"

_CLIENT: Final = ("BpmnError", "Client", "Job", "JobFailure", "Jobs", "SyncClient", "Worker")

__all__ = [
    "COMMANDS",
    "Aborted",
    "ActivateJobs",
    "AlreadyExists",
    "BpmnError",
    "BroadcastSignal",
    "CancelInstance",
    "Client",
    "Code",
    "Command",
    "CommandError",
    "CompleteJob",
    "CreateInstance",
    "DeadlineExceeded",
    "DeleteResource",
    "DeployProcess",
    "DeployResource",
    "Error",
    "EvaluateConditional",
    "EvaluateDecision",
    "FailJob",
    "FailedPrecondition",
    "InvalidArgument",
    "Job",
    "JobFailure",
    "Jobs",
    "MigrateInstance",
    "ModifyInstance",
    "NotFound",
    "Outcome",
    "OutcomeUnknown",
    "PermissionDenied",
    "PublishMessage",
    "Reply",
    "Request",
    "ResolveIncident",
    "Resource",
    "ResourceExhausted",
    "Retryable",
    "SetVariables",
    "Signal",
    "Source",
    "SyncClient",
    "ThrowError",
    "Topology",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "UpdateJobRetries",
    "UpdateJobTimeout",
    "Worker",
    "__version__",
    "envelope",
    "wire",
]


def __getattr__(name: str) -> Any:
    # The client is imported when it is asked for: whoever needs the contract alone needs no AMQP library.
    if name not in _CLIENT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module("zeebe_amqp.client"), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("aio_pika", "aiormq"):
            raise
        raise ImportError(f"{name} needs the extra `client`: pip install 'zeebe-amqp[client]'") from missing
