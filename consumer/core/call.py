"""A command on its way to an engine, the one interface of every engine, and who watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from consumer.core.limiter import AimdLimit
from zeebe_amqp.commands import Command

__all__ = ["Call", "CallObserver", "CallSpan", "Engine", "RoutedEngine", "Unwatched", "unobserved"]


@dataclass(slots=True)
class Call:
    """One command for an engine, and on which terms."""

    command: Command
    deadline: float | None = None
    """When the caller stops waiting, seconds since 1970; no attempt outlives it."""
    attempt_timeout: float | None = None
    """Seconds one attempt of a long-running command may take; None for the engine's setting."""
    idempotent: bool = False
    """Whether it may run twice: then it is tried again after an unknown outcome."""
    keys_as_text: bool = False
    """Whether numbers of 64 bits are text in the result."""
    limiter: AimdLimit | None = None
    """Is told of every attempt that the engine did, or refused for load; None for a command that says nothing of it."""
    large: bool = False
    """Whether the request came in so large a message that working on it would hold up the event loop."""
    may_go: Callable[[], Awaitable[object]] | None = None
    """Is awaited right before each attempt is sent; raises `CommandError` when the command may not be sent any more."""
    sent: bool = False
    """Whether anything may have reached the engine: the engine says so, and a defect after that leaves it open."""
    attempts: int = 0
    """How often it was sent; the engine counts."""
    is_empty: Callable[[Any], bool] | None = None
    """Tells an answer that nothing came of: no span is kept of a call that is repeated for ever. None: all are kept."""
    trace: tuple[tuple[str, str], ...] = ()
    """The trace context that went with it, for links to it; the engine says so."""


class Engine(Protocol):
    """An engine, whatever its protocol is."""

    async def execute(self, call: Call) -> Any:
        """Do a command; the data of its reply.

        Raises:
            CommandError: as the contract's table of errors says. `asyncio.CancelledError` passes through.
        """

    async def close(self) -> None:
        """Close the connection; calls that are still out end with an unknown outcome."""


@dataclass(frozen=True, slots=True)
class RoutedEngine:
    """An engine for most commands, and another one for those that it takes."""

    default: Engine
    other: Engine
    takes: Callable[[Command], bool]

    async def execute(self, call: Call) -> Any:
        """See `Engine.execute`."""
        return await (self.other if self.takes(call.command) else self.default).execute(call)

    async def close(self) -> None:
        """Close both."""
        await self.default.close()
        await self.other.close()


class CallSpan(Protocol):
    """What an engine tells an observer about one logical call."""

    metadata: tuple[tuple[str, str], ...]
    """gRPC metadata, or HTTP headers, to send along: the trace context."""

    def attempt(self, number: int, code: str, delay: float) -> None:
        """Attempt `number` (from 1) ended with gRPC status `code`; the next one follows after `delay` seconds."""

    def finish(self, code: str) -> None:
        """The call ended with gRPC status name `code` ("OK" for success)."""

    def discard(self) -> None:
        """Nothing came of the call: it is counted, but leaves no span."""


class CallObserver(Protocol):
    """Watches calls to an engine; telemetry is one."""

    def __call__(self, rpc: str, target: str) -> AbstractContextManager[CallSpan]:
        """Open the span of a call of `rpc` ("CreateProcessInstance", "POST /signal") to `target` ("host:port")."""


class Unwatched:
    """The span of a call that nobody observes."""

    metadata: tuple[tuple[str, str], ...] = ()

    def attempt(self, number: int, code: str, delay: float) -> None:
        """Nobody listens."""

    def finish(self, code: str) -> None:
        """Nobody listens."""

    def discard(self) -> None:
        """Nobody listens."""


def unobserved(rpc: str, target: str) -> AbstractContextManager[CallSpan]:
    """The `CallObserver` where nobody watches."""
    return nullcontext(Unwatched())
