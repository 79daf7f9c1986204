"""What every request of the console passes: who asks, from where, with which form; and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from consumer.console.access import HEADERS, foreign, port, strange_form
from consumer.console.rendering import render
from consumer.console.session import Session, Sessions
from consumer.core.connections import SILENCE
from consumer.health import CONNECTIONS

__all__ = [
    "FORM",
    "MAX_FORM",
    "OPEN",
    "PATH",
    "SESSION",
    "Form",
    "Guard",
    "Handler",
    "cookie",
    "page",
    "redirect",
]

log = logging.getLogger(__name__)

PATH: Final = "/console"
"""Where the console is."""
LOGIN: Final = f"{PATH}/login"
OPEN: Final = (LOGIN, f"{PATH}/static/")
"""How paths begin that need no session."""
LIVE: Final = f"{PATH}/live"
"""What the script asks for; it cannot use a page to log in."""
MAX_FORM: Final = 2**20
"""Bytes of a form."""
MAX_LOGIN: Final = 8192
"""Bytes of the form for the token, which anybody on this machine may send."""
MAX_QUERY: Final = 2048
"""Characters of a path with its query."""
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_WORDS: Final[Mapping[int, str]] = {
    400: "The form cannot be read.",
    403: "This request is refused.",
    404: "There is no such page.",
    405: "This page takes no such request.",
    408: "The form did not come in time.",
    413: "The form is too large.",
    414: "The address is too long.",
    415: "This is no form.",
}

Form: TypeAlias = MultiDictProxy[Any]
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION: Final = web.RequestKey("console.session", Session)
"""Of the request: whose it is."""
FORM: Final[web.RequestKey[Form]] = web.RequestKey("console.form", MultiDictProxy)
"""Of the request: its form; empty without one."""
_NO_FORM: Final[Form] = MultiDictProxy(MultiDict())


class _Denied(Exception):
    """It is refused; the text says why, for the log alone."""


class Guard:
    """Lets requests pass, or answers them itself.

    Args:
        sessions: who is logged in.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass to its page, or answer it; the middleware of all pages."""
        try:
            response = await self._answer(request, handler)
        except _Denied as denied:
            fields = {"event": "console.denied", "reason": str(denied), "peer": request.remote}
            log.warning("console: a request is refused: %s", denied, extra=fields)
            response = _error(403)
        except web.HTTPException as error:
            response = _error(error.status)
        except Exception:
            log.exception("console: a page could not be made", extra={"event": "console.failed"})
            response = _error(500)
        response.headers.update(HEADERS)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (why := foreign(request)) is not None:
            raise _Denied(why)
        if len(request.path_qs) > MAX_QUERY:
            return _error(414)
        session = self._sessions.find(request.cookies.get(cookie(request)), used=request.path != LIVE)
        if request.method == "POST" and (why := strange_form(request)) is not None:
            raise _Denied(why)
        if session is not None:
            request[SESSION] = session
        elif not request.path.startswith(OPEN):
            return _error(401) if request.path == LIVE else redirect("/login")
        request[FORM] = await _form(request, session) if request.method == "POST" else _NO_FORM
        return await handler(request)


async def _form(request: web.Request, session: Session | None) -> Form:
    """The form of a change, if it is one of the session; who has none yet sends a token and no more."""
    if session is None or request.path == LOGIN:
        return await _read(request, MAX_LOGIN)
    form = await _read(request, MAX_FORM)
    if not session.owns(str(form.get("csrf", ""))):
        raise _Denied("the form is not one of this session")
    return form


def cookie(request: web.Request) -> str:
    """The name of the session's cookie: browsers share cookies between the ports of a machine."""
    return f"zeebe_amqp_console_{port(request)}"


async def _read(request: web.Request, bound: int) -> Form:
    if request.content_type != _FORM_TYPE:
        raise web.HTTPUnsupportedMediaType
    try:
        with request.config_dict[CONNECTIONS].reading(request.transport):
            async with asyncio.timeout(SILENCE):
                return await request.clone(client_max_size=bound).post()
    except (TimeoutError, ConnectionError) as error:  # it did not come, or had to make room
        raise web.HTTPRequestTimeout from error
    except (UnicodeDecodeError, LookupError, ValueError) as error:
        raise web.HTTPBadRequest from error


def page(request: web.Request, name: str, status: int = 200, **values: Any) -> web.Response:
    """The answer with a page, for whoever asked."""
    session = request.get(SESSION)
    values = {"path": PATH, "session": session, "csrf": "" if session is None else session.csrf, **values}
    return web.Response(body=render(name, values), status=status, content_type="text/html", charset="utf-8")


def redirect(path: str) -> web.Response:
    """The answer that leads to another page of the console."""
    return web.Response(status=303, headers={"Location": f"{PATH}{path}"})


def _error(status: int) -> web.Response:
    words = _WORDS.get(status, "This went wrong; the log of the service says more.")
    values = {"path": PATH, "session": None, "csrf": "", "words": words, "status": status}
    return web.Response(body=render("error", values), status=status, content_type="text/html", charset="utf-8")
