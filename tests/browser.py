"""A browser's part of talking to the console: cookies, origin, forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import aiohttp

__all__ = ["Answer", "Browser", "opened"]


@dataclass
class Answer:
    """What a browser gets."""

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

    def values(self, name: str) -> list[str]:
        """The values of the fields of this name."""
        return [unescape(each) for each in re.findall(rf'name="{name}" value="([^"]*)"', self.text)]


class Browser:
    """Asks as a browser does: with its cookies, and with an origin where it sends a form."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.origin = f"http://127.0.0.1:{port}"

    async def ask(self, path: str, method: str = "GET", **more: Any) -> Answer:
        """The answer itself, also where it leads elsewhere."""
        url = f"{self.origin}{path}"
        async with self._session.request(method, url, allow_redirects=False, **more) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, path: str, form: Any, **headers: str) -> Answer:
        """Send a form of our own page."""
        return await self.ask(path, "POST", data=form, headers={"Origin": self.origin, **headers})

    async def log_in(self, token: str) -> str:
        """Log in; what the forms of the session carry."""
        assert (await self.send("/console/login", {"token": token})).status == 303
        return (await self.ask("/console/")).csrf


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Browser]:
    """A browser with cookies of its own."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(session, port)
