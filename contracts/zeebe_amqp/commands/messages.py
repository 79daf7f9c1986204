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
    """A message that the engine accepted."""

    key: int
    tenant_id: str


class PublishMessage(Command[MessagePublished], frozen=True, kw_only=True):
    """Publish a message. Without `time_to_live` the engine does not buffer it."""

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
    """A signal that the engine accepted."""

    key: int
    tenant_id: str


class BroadcastSignal(Command[SignalBroadcast], frozen=True, kw_only=True):
    """Broadcast a signal; waiting process instances continue and processes start."""

    operation: ClassVar[str] = "broadcast-signal"
    carries_trace: ClassVar[bool] = True
    named_by: ClassVar[Mapping[str, str]] = {"signals": "signal_name"}

    signal_name: Name
    variables: Maybe[Variables] = None
    tenant_id: str = ""


class StartedInstance(Result, frozen=True, kw_only=True):
    """A process instance that a condition started."""

    process_definition_key: int
    process_instance_key: int


class ConditionalEvaluated(Result, frozen=True, kw_only=True):
    """The process instances that a true condition started."""

    process_instances: tuple[StartedInstance, ...]
    conditional_evaluation_key: int
    tenant_id: str


class EvaluateConditional(Command[ConditionalEvaluated], frozen=True, kw_only=True):
    """Start the processes whose condition is true; of one process definition or (None) of all, with these variables."""

    operation: ClassVar[str] = "evaluate-conditional"
    named_by: ClassVar[Mapping[str, str]] = {"processes": "process_definition_key"}

    variables: Maybe[Variables] = None
    process_definition_key: Maybe[Key] = None
    tenant_id: str = ""

    def named(self) -> Target:
        """Without a key every process, and the tenant."""
        processes = (ANY,) if self.process_definition_key is None else ()
        return Target(processes=processes, tenants=(self.tenant_id or DEFAULT_TENANT,))
