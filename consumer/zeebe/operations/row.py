"""What one operation is: a row that names its command and two pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from consumer.core.message import RestRequest
from consumer.zeebe.operations.rendering import render
from zeebe_amqp.commands import Command


def never(_: Any) -> bool:
    """Not idempotent: a second run would do it twice."""
    return False


def always(_: Any) -> bool:
    """Idempotent: a second run leaves the engine as the first did, or says harmlessly that it is done."""
    return True


def rendered(response: Message, keys_as_text: bool, gateway_version: str | None = None) -> Any:
    """The response as plain data, every field present."""
    return render(response, keys_as_text, gateway_version)


def nothing(_: Message, __: bool, ___: str | None = None) -> None:
    """An operation without a response body answers null."""


@dataclass(frozen=True)
class Operation:
    """One operation: its typed command, and how it becomes a request and its answer a result.

    The RPC is found by the type of the request message, so it is not named here; so is the engine, as a
    `RestRequest` is for Camunda 7.
    """

    command: type[Command]
    """The typed command; it carries the operation's name."""
    to_request: Callable[[Any], Message | RestRequest]
    """Command to protobuf request, or to one for Camunda 7; pure."""
    to_result: Callable[[Any, bool, str | None], Any] = nothing
    """Protobuf response (a list of them for a stream), "int64 as text?" and the gateway's version to plain reply data.

    Pure. A version of None is not known.
    """
    idempotent: Callable[[Any], bool] = never
    """Whether running this very command twice is harmless (delivery rules)."""
    exempt_from_limit: bool = False
    """Whether it takes load off the engine, and so is never held back by backpressure."""
    recorded: bool = True
    """Whether the ledger keeps its answer; false for what changes nothing."""
    attempt_timeout: Callable[[Any], float | None] = lambda _: None
    """Seconds one attempt may take; None for the configured default."""
    in_metadata: frozenset[str] = frozenset()
    """Fields of the request that may come from the envelope's metadata: errors name them there."""
    when_late: str = ""
    """What a caller must know when the answer did not come in time."""

    @property
    def name(self) -> str:
        """The operation's name on the wire."""
        return self.command.operation
