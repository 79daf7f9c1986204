"""Who we are to the gateway: the value of the `authorization` metadata, fetched and kept fresh."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import aiohttp

from consumer.config import Basic, OAuth
from consumer.core.proxy import web_proxy
from consumer.zeebe.failures import Failure, FailureKind
from zeebe_amqp.errors import Code, Source

__all__ = ["SERVER", "Credentials", "Fixed", "Token", "credentials_for"]


log = logging.getLogger(__name__)

FETCH_TIMEOUT: Final = 10.0
"""Seconds for one request to the authorization server."""
EARLY: Final = 60.0
"""Seconds before a token's end (at most half its life) from which on the next one is fetched."""
DEFAULT_LIFE: Final = 300.0
"""Seconds a token is used when the server does not say how long it is valid."""
FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
REFRESH_PAUSE: Final = 5.0
"""Seconds between two fetches because the gateway refused: it may refuse every token, and calls are many."""
SERVER: Final = "the authorization server"
"""What texts call the server that gives tokens."""
ASKED_WITH: Final = ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET", "ZEEBE_TOKEN_AUDIENCE", "ZEEBE_TOKEN_SCOPE")
"""The settings that a refused request for a token was made of."""
OK: Final = 200
REFUSALS: Final = frozenset({400, 401, 403})


class Credentials(Protocol):
    """Something that knows the `authorization` of a call."""

    async def authorization(self, within: float) -> str | None:
        """The metadata value, None to send none; waits `within` seconds for it where it must be fetched.

        Raises:
            Failure: there is none to be had now; nothing was sent to the gateway.
        """

    async def refresh(self, refused: str | None) -> bool:
        """The gateway refused this value: get another one; False when there is no other."""

    async def close(self) -> None:
        """Release what is held."""


def credentials_for(setting: OAuth | Basic | None, clock: Callable[[], float] = time.monotonic) -> Credentials:
    """The credentials that the settings ask for."""
    if isinstance(setting, OAuth):
        return Token(setting, clock)
    if isinstance(setting, Basic):
        pair = f"{setting.username}:{setting.password}".encode()
        return Fixed(f"Basic {base64.b64encode(pair).decode('ascii')}")
    return Fixed(None)


class Fixed:
    """The same value for ever: Basic authentication, or none at all."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    async def authorization(self, within: float) -> str | None:
        """The value."""
        return self._value

    async def refresh(self, refused: str | None) -> bool:
        """There is no other value."""
        return False

    async def close(self) -> None:
        """Nothing is held."""


class Token:
    """An access token by OAuth client credentials, shared by all calls.

    One task fetches at a time. From shortly before its end a token is still used while the next one is
    fetched, so that calls wait for the first token only.
    """

    def __init__(self, setting: OAuth, clock: Callable[[], float] = time.monotonic) -> None:
        self._setting = setting
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._value: str | None = None
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._failure: Failure | None = None
        self._failures = 0
        self._not_before = 0.0
        self._refreshed_at = -REFRESH_PAUSE

    async def authorization(self, within: float) -> str:
        """The current token as "Bearer …"; waits `within` seconds for one.

        Raises:
            Failure: no valid token, and the authorization server gave none in that time.
        """
        now = self._clock()
        if self._value is not None and now < self._ends_at:
            if now >= self._renew_at and now >= self._not_before:
                self._fetch()
            return self._value
        return await self._next(within)

    async def refresh(self, refused: str | None) -> bool:
        """Replace a token that the gateway refused; False when it was replaced moments ago already."""
        if refused != self._value:
            return True
        now = self._clock()
        if now - self._refreshed_at < REFRESH_PAUSE:
            return False
        self._refreshed_at = now
        self._value = None
        return True

    async def close(self) -> None:
        """Stop fetching and close the connection to the authorization server."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _next(self, within: float) -> str:
        if self._fetching is None and self._failure is not None and self._clock() < self._not_before:
            raise self._again(self._failure)
        # Only waited for: one caller who gives up must not take the token from the others.
        fetching = self._fetch()
        await asyncio.wait({fetching}, timeout=within)
        if self._value is not None:
            return self._value
        if fetching.done() and self._failure is not None:
            raise self._again(self._failure)
        raise self._unavailable("did not issue a token in time")

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._run())
        return self._fetching

    async def _run(self) -> None:
        try:
            self._accept(await self._request())
        except Failure as failure:
            self._record_failure(failure)
        finally:
            self._fetching = None

    def _accept(self, answer: dict[str, Any]) -> None:
        token, life = answer.get("access_token"), answer.get("expires_in", DEFAULT_LIFE)
        if not isinstance(token, str) or not token:
            raise self._unavailable("answered without an access_token")
        try:
            seconds = float(life)
        except (TypeError, ValueError):
            seconds = DEFAULT_LIFE
        now = self._clock()
        self._value = f"Bearer {token}"
        self._ends_at = now + seconds
        self._renew_at = self._ends_at - min(EARLY, seconds / 2)
        self._failure, self._failures, self._not_before = None, 0, 0.0

    def _record_failure(self, failure: Failure) -> None:
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2**self._failures)
        self._failure, self._failures = failure, self._failures + 1
        self._not_before = self._clock() + pause
        if self._value is not None and self._clock() >= self._ends_at:
            self._value = None
        fields = {"event": "token.failed", "error": failure.text, "seconds": round(pause, 1)}
        log.warning("no access token: %s; asked again in %.1f s at the earliest", failure.text, pause, extra=fields)

    async def _request(self) -> dict[str, Any]:
        try:
            url = self._setting.authorization_server_url
            proxy = web_proxy(url)
            way = None if proxy is None else proxy.url
            async with self._connection().post(url, data=self._form(), proxy=way) as response:
                if response.status != OK:
                    raise await self._refusal(response)
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._unavailable(f"did not answer ({type(error).__name__})") from error
        if not isinstance(answer, dict):
            raise self._unavailable("answered without an access_token")
        return answer

    def _connection(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session

    def _form(self) -> dict[str, str]:
        setting = self._setting
        form = {
            "grant_type": "client_credentials",
            "client_id": setting.client_id,
            "client_secret": setting.client_secret,
            "audience": setting.audience,
            "scope": setting.scope or "",
        }
        return {name: value for name, value in form.items() if value}

    def _unavailable(self, what: str) -> Failure:
        setting = self._setting.names["ZEEBE_AUTHORIZATION_SERVER_URL"]
        text = f"{setting}: {SERVER} {what}; nothing was sent to the gateway"
        return Failure(Code.UNAVAILABLE, text, FailureKind.UNREACHABLE, Source.CONSUMER)

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        reason = f"answered {response.status}{await _reason(response)}"
        if response.status not in REFUSALS:
            return self._unavailable(reason)
        client, *others = (self._setting.names[each] for each in ASKED_WITH)
        text = f"{client}: {SERVER} {reason}; check {', '.join((client, *others))}"
        return Failure(Code.UNAUTHENTICATED, text, FailureKind.FINAL, Source.CONSUMER)

    @staticmethod
    def _again(failure: Failure) -> Failure:
        # Every caller gets its own: a raised exception collects the tracebacks of all who raise it.
        return Failure(failure.code, failure.text, failure.kind, failure.source)


async def _reason(response: aiohttp.ClientResponse) -> str:
    """The RFC 6749 error code, which is safe to show; bodies of proxies are not."""
    try:
        answer = await response.json(content_type=None)
    except ValueError:
        return ""
    reason = answer.get("error") if isinstance(answer, dict) else None
    return f" ({reason})" if isinstance(reason, str) and reason.isidentifier() else ""
