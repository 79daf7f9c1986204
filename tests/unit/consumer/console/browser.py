"""A console that listens, and a browser's part of talking to it: cookies, origin, forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp

from consumer import telemetry
from consumer.config import Amqp, Settings
from consumer.console import Watched
from consumer.console.console import Console
from consumer.health import Health
from consumer.pipeline.ending import ignore

TOKEN = "a token of at least thirty-two characters".replace(" ", "-")
QUEUES = ("zeebe.commands", "zeebe.polls")


@dataclass
class Answer:
    """What a browser gets; the text without what a page escapes, too."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def csrf(self) -> str:
        """What the forms of the page carry."""
        [found] = set(re.findall(r'name="csrf" value="([^"]*)"', self.text))
        return found

    @property
    def words(self) -> str:
        """What a person reads."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


class Browser:
    """Asks as a browser does: with its cookies, and with an origin where it sends a form."""

    def __init__(self, session: aiohttp.ClientSession, port: int, console: Console) -> None:
        self.session = session
        self.console = console
        self.origin = f"http://127.0.0.1:{port}"

    async def ask(self, path: str, method: str = "GET", **more: Any) -> Answer:
        """The answer itself, where it leads elsewhere, too."""
        async with self.session.request(method, f"{self.origin}{path}", allow_redirects=False, **more) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, path: str, form: Any, **headers: str) -> Answer:
        """Send a form of our own page."""
        return await self.ask(path, "POST", data=form, headers={"Origin": self.origin, **headers})

    async def log_in(self) -> str:
        """Log in; what the forms of the session carry."""
        assert (await self.send("/console/login", {"token": TOKEN})).status == 303
        return (await self.ask("/console/")).csrf


@asynccontextmanager
async def browsing(folder: Path, watch: Any = None, **settings: Any) -> AsyncIterator[Browser]:
    """A browser before a console."""
    watch = watch or telemetry.setup({}, version="1")
    made = Settings(
        **{"amqp": Amqp(queues=QUEUES), "state_dir": folder, "console": True, "console_token": TOKEN, **settings}
    )
    console = Console(made, Watched(watch, dict, ignore, watch.trace_id, QUEUES))
    health = Health(("127.0.0.1", 0), dict, watch.prometheus, console.mount)
    await health.start()
    console.start(health.port)
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            yield Browser(session, health.port, console)
    finally:
        console.stop()
        await health.stop()
