"""An authorization server and a clock for the tests of tokens."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from consumer.config import OAuth


class Authority:
    """An authorization server that hands out token-1, token-2, … unless a test says otherwise."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answers: list[web.Response] = []
        self.life: Any = 3600
        self.hold: asyncio.Event | None = None
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        number = len(self.forms)
        if self.hold is not None:
            await self.hold.wait()
        if self.answers:
            return self.answers.pop(0)
        return web.json_response({"access_token": f"token-{number}", "expires_in": self.life, "token_type": "Bearer"})


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def setting(authority: Authority, **rest: Any) -> OAuth:
    """The settings of a client of that server."""
    return OAuth("worker", "secret", authority.url, "zeebe.example", **rest)
