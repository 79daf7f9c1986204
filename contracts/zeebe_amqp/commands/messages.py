"""Commands that processes wait for: messages, signals, conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zeebe_amqp.commands.command import Command, Result
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, Target
from zeebe_amqp.schema.fields import Duration, Key, Maybe, Name, Variables, milliseconds

__all__ = [
    "BroadcastSignal",
    "ConditionalEvaluated",
    "EvaluateConditional",
    "MessagePublished",
    "PublishMessage",
    "SignalBroadcast",
    "StartedInstance",
]


class MessagePublished(Result, frozen=True, kw_only=True):
    """A message that the engine accepted.

    Attributes:
        key: the key of the message.
        tenant_id: the tenant that it belongs to.
    """

    key: int
    tenant_id: str


class PublishMessage(Command[MessagePublished], frozen=True, kw_only=True):
    """Publish a message; an instance that waits for it continues, or a process starts.

    Args:
        message_name: the name of the message, as in the BPMN.
        correlation_key: which instance it is for: the value that the waiting instance has, such as the number of an
            order.
        message_id: an id of your own. While the engine keeps the message, it refuses another one with the same id, name
            and correlation key.
        time_to_live: how long the engine keeps the message if nothing waits for it yet. Without it: not at all.
        variables: the variables that come with the message.
        tenant_id: the tenant, if the engine separates tenants; "" is the default tenant.

    Errors:
        ALREADY_EXISTS: the engine keeps a message with this id, name and correlation key.
        UNKNOWN: the variables are too large for the engine, from about 2 MB.
    """

    operation: ClassVar[str] = "publish-message"
    carries_trace: ClassVar[bool] = True
    named_by: ClassVar[Mapping[str, str]] = {"messages": "message_name"}

    message_name: Name
    correlation_key: str = ""
    message_id: str = ""
    time_to_live: Maybe[Duration] = None
    variables: Maybe[Variables] = None
    tenant_id: str = ""

    def is_idempotent(self) -> bool:
        """True with an id and a time to live: the engine compares ids only with messages that it keeps."""
        return bool(self.message_id) and milliseconds(self.time_to_live) > 0


class SignalBroadcast(Result, frozen=True, kw_only=True):
    """A signal that the engine accepted.

    Attributes:
        key: the key of the signal.
        tenant_id: the tenant that it belongs to.
    """

    key: int
    tenant_id: str


class BroadcastSignal(Command[SignalBroadcast], frozen=True, kw_only=True):
    """Broadcast a signal; all instances that wait for it continue, and processes start.

    Args:
        signal_name: the name of the signal, as in the BPMN.
        variables: the variables that come with the signal.
        tenant_id: the tenant, if the engine separates tenants; "" is the default tenant.

    Errors:
        UNKNOWN: the variables are too large for the engine, from about 2 MB.
    """

    operation: ClassVar[str] = "broadcast-signal"
    carries_trace: ClassVar[bool] = True
    named_by: ClassVar[Mapping[str, str]] = {"signals": "signal_name"}

    signal_name: Name
    variables: Maybe[Variables] = None
    tenant_id: str = ""


class StartedInstance(Result, frozen=True, kw_only=True):
    """A process instance that a condition started.

    Attributes:
        process_definition_key: the key of the process definition, which is one version of a process.
        process_instance_key: the key of the new instance, which other operations ask for.
    """

    process_definition_key: int
    process_instance_key: int


class ConditionalEvaluated(Result, frozen=True, kw_only=True):
    """What true conditions started.

    Attributes:
        process_instances: the process instances that were started; none if no condition is true.
        conditional_evaluation_key: the key of the evaluation, in the engine's records.
        tenant_id: the tenant that it belongs to.
    """

    process_instances: tuple[StartedInstance, ...]
    conditional_evaluation_key: int
    tenant_id: str


class EvaluateConditional(Command[ConditionalEvaluated], frozen=True, kw_only=True):
    """Start the processes whose start condition is true.

    Args:
        variables: the variables for the conditions; started instances get them, too.
        process_definition_key: the key of the only process definition to look at; without it all of the tenant.
        tenant_id: the tenant, if the engine separates tenants; "" is the default tenant.

    Errors:
        NOT_FOUND: no process definition has this key.
    """

    operation: ClassVar[str] = "evaluate-conditional"
    named_by: ClassVar[Mapping[str, str]] = {"processes": "process_definition_key"}

    variables: Maybe[Variables] = None
    process_definition_key: Maybe[Key] = None
    tenant_id: str = ""

    def named(self) -> Target:
        """Without a key every process, and the tenant."""
        processes = (ANY,) if self.process_definition_key is None else ()
        return Target(processes=processes, tenants=(self.tenant_id or DEFAULT_TENANT,))
