"""What one operation is to Zeebe: a typed command, and two pure functions around its RPC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from consumer.zeebe.operations.rendering import render
from zeebe_amqp.commands import Command

__all__ = ["Operation", "ToResult", "nothing", "to_data"]


ToResult: TypeAlias = Callable[[Any, bool, str | None], Any]


def to_data(response: Message, keys_as_text: bool, gateway_version: str | None = None) -> Any:
    """The response as plain data, every field present."""
    return render(response, keys_as_text, gateway_version)


def nothing(_: Message, __: bool, ___: str | None = None) -> None:
    """An operation without a response body answers null."""


@dataclass(frozen=True)
class Operation:
    """One operation: its typed command, and how it becomes a request and its answer a result.

    The RPC is found by the type of the request message, so it is not named here. What else is known of an operation,
    its command says.
    """

    command: type[Command]
    """The typed command; it carries the operation's name."""
    to_request: Callable[[Any], Message]
    """Command to protobuf request; pure."""
    to_result: ToResult = nothing
    """Protobuf response (a list of them for a stream), "int64 as text?", the gateway's version, to plain data; pure."""

    @property
    def name(self) -> str:
        """The operation's name on the wire."""
        return self.command.operation
