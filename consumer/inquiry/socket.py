"""A socket in STATE_DIR on which a running service answers questions about requests, to its own user only.

The ledger's file belongs to the process that writes it, and nobody else can read it meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector, web

from consumer.inquiry.facts import Fact
from consumer.ledger import LedgerError

__all__ = ["Inquire", "InquirySocket", "ask"]

log = logging.getLogger(__name__)

NAME: Final = "requests.sock"
"""Of the socket in STATE_DIR."""
TIMEOUT: Final = 10.0
"""Seconds for one question."""

Inquire: TypeAlias = Callable[[str | None, str], Awaitable[list[Fact]]]
"""Tells what is known of a request: of any user's with None, of nobody's with "". LedgerError when the ledger cannot be
read."""


class InquirySocket:
    """Serves the socket.

    Args:
        folder: where it is made.
        inquire: answers.
    """

    def __init__(self, folder: Path, inquire: Inquire) -> None:
        self._path = folder / NAME
        self._inquire = inquire
        self._runner: web.AppRunner | None = None
        self._made: tuple[int, int] | None = None
        """Which file is ours: another process with the same folder puts its own in the place."""

    async def start(self) -> None:
        """Begin to answer. Where no socket can be made, a warning says so; nothing else depends on it."""
        application = web.Application(client_max_size=1024)
        application.router.add_get("/", self._answer, allow_head=False)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # From its beginning: later would be a moment in which others may ask.
            before = os.umask(0o177)
            try:
                await web.UnixSite(runner, str(self._path)).start()
            finally:
                os.umask(before)
            self._made = self._there()
        except OSError as error:
            await runner.cleanup()
            fields = {"event": "inquiry.off", "path": str(self._path), "error": str(error)}
            words = "`consumer request` cannot ask this process: no socket at %s (%s)"
            log.warning(words, self._path, error, extra=fields)
            return
        self._runner = runner

    async def stop(self) -> None:
        """Answer no more; harmless when it never started."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            if self._there() == self._made:
                with suppress(OSError):  # who comes next takes over what is left
                    self._path.unlink()

    def _there(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    async def _answer(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            facts = await self._inquire(query.get("user"), query.get("id", ""))
        except LedgerError as error:
            facts = [{"where": "ledger", "state": f"not known: {error}"}]
        return web.Response(body=orjson.dumps(facts), content_type="application/json")


async def ask(folder: Path, user: str | None, request_id: str) -> list[Fact] | None:
    """Ask the service whose STATE_DIR this is; None when none answers there. `user` is that of `Inquire`."""
    question = {"id": request_id} if user is None else {"id": request_id, "user": user}
    connector = UnixConnector(str(folder / NAME))
    try:
        async with (
            ClientSession(connector=connector, timeout=ClientTimeout(TIMEOUT)) as session,
            session.get("http://service/", params=question) as response,
        ):
            facts: list[Fact] = orjson.loads(await response.read())
            return facts
    except (OSError, ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        fields = {"event": "inquiry.unanswered", "path": str(folder / NAME), "error": str(error)}
        log.debug("no service answers at %s: %s", folder / NAME, error, extra=fields)
        return None
