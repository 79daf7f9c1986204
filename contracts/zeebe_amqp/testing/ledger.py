"""Do it once: the same request id is answered again and not run again, as the service does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from zeebe_amqp.commands import Command
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.reply import Reply

__all__ = ["Ledger"]

SHOWN: Final = 80
"""How many characters of a request id an error repeats."""


@dataclass(eq=False)
class _Entry:
    digest: bytes
    reply: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Ledger:
    """The answers by request id."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def knows(self, request_id: str) -> bool:
        """Whether a request of that id runs, or was answered for good."""
        return request_id in self._entries

    async def run(self, request: Request, request_id: str, run: Callable[[], Awaitable[Reply]], *, told: bool) -> Reply:
        """Run the request, or answer it as before; `told` says whether somebody gets the answer.

        Raises:
            CommandError: ALREADY_EXISTS, the id is another request's.
        """
        if request.command.read_only:
            return await run()
        entry = self._entries.get(request_id)
        if entry is None:
            return await self._first(_Entry(request.digest()), request.command, request_id, run, told)
        if entry.digest != request.digest():
            raise _taken(request_id)
        # Who stops waiting must not end the run that others wait for.
        return replace(await asyncio.shield(entry.reply), replayed=True)

    async def _first(
        self, entry: _Entry, command: Command, request_id: str, run: Callable[[], Awaitable[Reply]], told: bool
    ) -> Reply:
        self._entries[request_id] = entry
        try:
            reply = await run()
        except BaseException:
            del self._entries[request_id]
            entry.reply.cancel()
            raise
        entry.reply.set_result(reply)
        # A rejection that nobody was told runs again, when its dead letter is replayed.
        known = told or reply.error is None or reply.error.outcome is Outcome.UNKNOWN
        if not (known and reply.is_final(command.is_idempotent())):
            del self._entries[request_id]
        return reply


def _taken(request_id: str) -> CommandError:
    return CommandError(
        Code.ALREADY_EXISTS,
        f"request-id: {request_id[:SHOWN]!r} was used by another request with different content; "
        "use a new id for a new request",
        details={"field": "request-id"},
    )
