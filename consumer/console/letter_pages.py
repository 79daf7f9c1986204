"""The pages of dead letters: causes and letters, one of them, and what was done with them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from consumer.console.guard import FORM, SESSION, Form, page, redirect
from consumer.console.letters import NAME_SIZE, PAGE, Busy, Done, Letters
from consumer.console.rendering import shown
from consumer.core.secret_file import KeyFileError
from consumer.dead_letters.letter import Filter
from zeebe_amqp.amqp.connection import BrokerError

__all__ = ["LetterPages"]

log = logging.getLogger(__name__)

MAX_PAGES: Final = 1000
MAX_LOGGED: Final = 2000
"""Characters of ids in a line of the log."""
SWITCHES: Final = {
    "without_deadline": "Without the caller's deadline, which may have passed (--without-deadline)",
    "unsigned": "Also without a valid signature, as nobody's request (--unsigned)",
    "force": "However often it was sent again before (--force)",
}
"""How a letter may be sent again: what the command calls its options, and its refusals name."""
_BUSY: Final = "Somebody else looks at the dead letters. Try again in a moment."


class LetterPages:
    """Their handlers.

    Args:
        letters: the queue.
    """

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def show(self, request: web.Request) -> web.Response:
        """Causes, and the letters of one of them or of all."""
        return await self._list(request, request.query)

    async def _list(self, request: web.Request, asked: Any, problem: str = "") -> web.Response:
        filter = Filter(code=asked.get("code") or None, operation=asked.get("operation") or None)
        number = _page(asked.get("page", "1"))
        try:
            found = await self._letters.look(filter, number)
        except Busy:
            return page(request, "refused", 503, words=_BUSY)
        pages = max(1, -(-found.matched // PAGE))
        values = {"found": found, "filter": filter, "number": number, "pages": pages, "switches": SWITCHES}
        return page(request, "letters", 400 if problem else 200, problem=problem, **values)

    async def show_one(self, request: web.Request) -> web.Response:
        """Everything about a letter, its body up to a bound."""
        name = request.match_info["name"]
        try:
            found = await self._letters.find(name) if len(name) == NAME_SIZE else None
        except Busy:
            return page(request, "refused", 503, words=_BUSY)
        except (BrokerError, KeyFileError) as error:
            return page(request, "refused", 503, words=str(error))
        if found is None:
            return page(request, "refused", 404, words="This dead letter is not there any more.")
        return page(request, "letter", letter=found, switches=SWITCHES)

    async def change(self, request: web.Request) -> web.Response:
        """Send the chosen letters again, or drop them."""
        form = request[FORM]
        names = [str(each) for each in form.getall("letter", [])][:PAGE]
        action = form.get("action")
        if action not in ("replay", "drop"):
            return redirect("/letters")
        if not names:
            return await self._list(request, form, "Choose a letter first.")
        if action == "drop" and form.get("sure") != "yes":
            return page(request, "drop", names=names)
        try:
            done = await self._do(form, action, names)
        except Busy:
            return page(request, "refused", 503, words=_BUSY)
        self._log(request, action, done)
        return page(request, "done", done=done, action=action)

    async def _do(self, form: Form, action: str, names: Sequence[str]) -> Done:
        if action == "drop":
            return await self._letters.drop(names)
        return await self._letters.replay(names, {name: form.get(name) == "yes" for name in SWITCHES})

    def _log(self, request: web.Request, action: str, done: Done) -> None:
        letters = shown(", ".join(str(each["id"]) for each in done.rows), MAX_LOGGED)
        fields = {"session": request[SESSION].name, "letters": letters, "results": done.results}
        if action == "drop":
            log.info("console: letters dropped: %s", done.results, extra={"event": "console.dropped", **fields})
        else:
            log.info("console: letters sent again: %s", done.results, extra={"event": "console.replayed", **fields})


def _page(text: str) -> int:
    """The number of a page; 1 for what is none."""
    return min(max(int(text), 1), MAX_PAGES) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
