"""The commands by operation name; a new one is a class in a module of this folder and a name in the list here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zeebe_amqp.commands.cluster import Topology
from zeebe_amqp.commands.command import Command, Result
from zeebe_amqp.commands.decisions import EvaluateDecision
from zeebe_amqp.commands.instances import (
    CancelInstance,
    CreateInstance,
    MigrateInstance,
    ModifyInstance,
    ResolveIncident,
    SetVariables,
)
from zeebe_amqp.commands.jobs import ActivateJobs, CompleteJob, FailJob, ThrowError, UpdateJobRetries, UpdateJobTimeout
from zeebe_amqp.commands.messages import BroadcastSignal, EvaluateConditional, PublishMessage
from zeebe_amqp.commands.resources import DeleteResource, DeployProcess, DeployResource
from zeebe_amqp.commands.signals import Signal

_ALL: Final[tuple[type[Command], ...]] = (
    Topology,
    DeployProcess,
    CreateInstance,
    CancelInstance,
    SetVariables,
    ResolveIncident,
    PublishMessage,
    ActivateJobs,
    CompleteJob,
    FailJob,
    UpdateJobRetries,
    ThrowError,
    DeployResource,
    DeleteResource,
    EvaluateDecision,
    BroadcastSignal,
    UpdateJobTimeout,
    ModifyInstance,
    MigrateInstance,
    EvaluateConditional,
    Signal,
)

COMMANDS: Final[Mapping[str, type[Command]]] = MappingProxyType({command.operation: command for command in _ALL})
"""The command of each operation."""


def names() -> tuple[str, ...]:
    """The names of all operations."""
    return tuple(COMMANDS)


__all__ = [
    "COMMANDS",
    "ActivateJobs",
    "BroadcastSignal",
    "CancelInstance",
    "Command",
    "CompleteJob",
    "CreateInstance",
    "DeleteResource",
    "DeployProcess",
    "DeployResource",
    "EvaluateConditional",
    "EvaluateDecision",
    "FailJob",
    "MigrateInstance",
    "ModifyInstance",
    "PublishMessage",
    "ResolveIncident",
    "Result",
    "SetVariables",
    "Signal",
    "ThrowError",
    "Topology",
    "UpdateJobRetries",
    "UpdateJobTimeout",
    "names",
]
