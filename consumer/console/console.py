"""The console as one part of the service: its pages by their paths, and its life."""

from __future__ import annotations

import logging

from aiohttp import web

from consumer.config import Settings
from consumer.console.failures import RecentFailures
from consumer.console.guard import PATH, Guard
from consumer.console.letter_pages import LetterPages
from consumer.console.letters import Letters
from consumer.console.login import Login
from consumer.console.overview import Overview
from consumer.console.queue_meter import QueueMeter
from consumer.console.rendering import STATIC
from consumer.console.send_pages import SendPages
from consumer.console.sending import Sender
from consumer.console.session import Sessions
from consumer.console.token import find_token
from consumer.console.watched import Watched

__all__ = ["Console"]

log = logging.getLogger(__name__)


class Console:
    """The web console.

    Args:
        settings: with the console on.
        watched: what is shown.

    Raises:
        KeyFileError: the token in STATE_DIR cannot be trusted, or none can be made.
    """

    def __init__(self, settings: Settings, watched: Watched) -> None:
        token, self._place = find_token(settings)
        self._meter = QueueMeter(watched.numbers, watched.queues)
        self.report = RecentFailures(watched.report, watched.trace_id)
        sessions = Sessions(token)
        self._guard = Guard(sessions)
        self._login = Login(sessions, self._place)
        self._letters = LetterPages(Letters(settings))
        self._sending = SendPages(Sender(settings))
        self._overview = Overview(watched, self._meter, self.report, settings.zeebe.address)

    def mount(self, application: web.Application) -> None:
        """Answer below `PATH`."""
        pages = web.Application(middlewares=[self._guard.admit])
        get, post = pages.router.add_get, pages.router.add_post
        for path in ("", "/"):
            get(path, self._overview.show, allow_head=False)
        get("/live", self._overview.show_live, allow_head=False)
        get("/letters", self._letters.show, allow_head=False)
        get("/letters/{name}", self._letters.show_one, allow_head=False)
        post("/letters", self._letters.change)
        get("/send", self._sending.show, allow_head=False)
        get("/send/{operation}", self._sending.show_one, allow_head=False)
        post("/send", self._sending.send)
        get("/login", self._login.show, allow_head=False)
        post("/login", self._login.begin)
        post("/logout", self._login.end)
        get("/static/{name}", _serve_static, allow_head=False)
        application.add_subapp(PATH, pages)

    def start(self, port: int) -> None:
        """Begin to look at the queues, and say where the console is."""
        self._meter.start()
        url = f"http://localhost:{port}{PATH}/"
        fields = {"event": "console.on", "url": url, "token": self._place}
        log.info("console at %s, for this machine only; its token is in %s", url, self._place, extra=fields)

    def stop(self) -> None:
        """Look no more."""
        self._meter.stop()


async def _serve_static(request: web.Request) -> web.Response:
    found = STATIC.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    kind, content = found
    return web.Response(body=content, content_type=kind, charset="utf-8")
