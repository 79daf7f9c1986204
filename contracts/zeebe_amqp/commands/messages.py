"""Commands about messages."""

from __future__ import annotations

from typing import Any, ClassVar

from zeebe_amqp.commands.command import Command, Result
from zeebe_amqp.fields import Duration, Maybe, Name, Variables


class MessagePublished(Result, frozen=True, kw_only=True):
    """A message that the engine took."""

    key: int
    tenant_id: str


class PublishMessage(Command, frozen=True, kw_only=True):
    """Publish a message; `time_to_live` None = not buffered."""

    operation: ClassVar[str] = "publish-message"
    result: ClassVar[Any] = MessagePublished

    message_name: Name
    correlation_key: str = ""
    message_id: str = ""
    time_to_live: Maybe[Duration] = None
    variables: Maybe[Variables] = None
    tenant_id: str = ""
