"""Logging in with the token, and out."""

from __future__ import annotations

import logging

from aiohttp import web

from consumer.console.guard import FORM, PATH, SESSION, cookie, page, redirect
from consumer.console.session import MAX_AGE, Sessions, TooManyTries

__all__ = ["Login"]

log = logging.getLogger(__name__)


class Login:
    """The page with the form for the token.

    Args:
        sessions: begin here.
        place: where the token is, in words.
    """

    def __init__(self, sessions: Sessions, place: str) -> None:
        self._sessions = sessions
        self._place = place

    async def show(self, request: web.Request) -> web.Response:
        """The form; for somebody who is logged in already, the first page."""
        if request.get(SESSION) is not None:
            return redirect("/")
        return page(request, "login", place=self._place, problem="")

    async def begin(self, request: web.Request) -> web.Response:
        """Exchange the token for a session."""
        try:
            session = self._sessions.begin(str(request[FORM].get("token", "")).strip())
        except TooManyTries:
            return self._refused(request, 429, "Too many wrong tokens. Try again in a minute.")
        if session is None:
            return self._refused(request, 403, "This is not the token.")
        fields = {"event": "console.login", "session": session.name}
        log.info("console: session %s begins", session.name, extra=fields)
        answer = redirect("/")
        answer.set_cookie(
            cookie(request), session.key, path=PATH, httponly=True, samesite="Strict", max_age=int(MAX_AGE)
        )
        return answer

    def _refused(self, request: web.Request, status: int, problem: str) -> web.Response:
        fields = {"event": "console.denied", "reason": "a wrong token", "peer": request.remote}
        log.warning("console: a login is refused: a wrong token", extra=fields)
        return page(request, "login", status, place=self._place, problem=problem)

    async def end(self, request: web.Request) -> web.Response:
        """End the session."""
        self._sessions.end(request[SESSION])
        answer = redirect("/login")
        answer.del_cookie(cookie(request), path=PATH)
        return answer
