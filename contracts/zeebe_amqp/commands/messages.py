"""Commands that processes wait for: messages, signals, conditions."""

from __future__ import annotations

from typing import ClassVar

from zeebe_amqp.commands.command import Command, Result
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
    """A message that the engine took."""

    key: int
    tenant_id: str


class PublishMessage(Command[MessagePublished], frozen=True, kw_only=True):
    """Publish a message; `time_to_live` None = not buffered."""

    operation: ClassVar[str] = "publish-message"

    message_name: Name
    correlation_key: str = ""
    message_id: str = ""
    time_to_live: Maybe[Duration] = None
    variables: Maybe[Variables] = None
    tenant_id: str = ""

    def is_idempotent(self) -> bool:
        """The engine compares ids only among the messages that it keeps: without both there is nothing to compare."""
        return bool(self.message_id) and milliseconds(self.time_to_live) > 0


class SignalBroadcast(Result, frozen=True, kw_only=True):
    """A signal that the engine took."""

    key: int
    tenant_id: str


class BroadcastSignal(Command[SignalBroadcast], frozen=True, kw_only=True):
    """Broadcast a signal to everything that waits for it; process instances go on, processes start."""

    operation: ClassVar[str] = "broadcast-signal"

    signal_name: Name
    variables: Maybe[Variables] = None
    tenant_id: str = ""


class StartedInstance(Result, frozen=True, kw_only=True):
    """A process instance that a condition started."""

    process_definition_key: int
    process_instance_key: int


class ConditionalEvaluated(Result, frozen=True, kw_only=True):
    """The process instances that were started because a condition was true."""

    process_instances: tuple[StartedInstance, ...]
    conditional_evaluation_key: int
    tenant_id: str


class EvaluateConditional(Command[ConditionalEvaluated], frozen=True, kw_only=True):
    """Start the processes whose condition is true; of one process definition or (None) of all, with these variables."""

    operation: ClassVar[str] = "evaluate-conditional"

    variables: Maybe[Variables] = None
    process_definition_key: Maybe[Key] = None
    tenant_id: str = ""
