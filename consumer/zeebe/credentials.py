"""Who we are to the gateway: the value of the `authorization` metadata, fetched and kept fresh."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import math
import re
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from consumer.config import Basic, OAuth
from consumer.core.http_body import PLAIN, BodyRefused, read_body
from consumer.core.proxy import web_proxy
from consumer.zeebe.failures import Failure, FailureKind
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.tls import TlsProblem, problem_of, speaks_tls

__all__ = ["SERVER", "Credentials", "Fixed", "Token", "credentials_for"]


log = logging.getLogger(__name__)

FETCH_TIMEOUT: Final = 10.0
"""Seconds for one request to the authorization server."""
EARLY: Final = 60.0
"""Seconds before a token's end (at most half its life) from which on the next one is fetched."""
MAX_BODY: Final = 64 * 1024
"""Bytes of an answer that are read."""
DEFAULT_LIFE: Final = 300.0
"""Seconds a token is used when the server does not say how long it is valid, or says something impossible."""
MIN_LIFE: Final = 1.0
"""Seconds; who says less would be asked for each call."""
MAX_LIFE: Final = 86400.0
"""Seconds after which a token is replaced, however long it is valid."""
FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
REFRESH_PAUSE: Final = 5.0
"""Seconds between two fetches because the gateway refused: it may refuse every token, and calls are many."""
SERVER: Final = "the authorization server"
"""What texts call the server that gives tokens."""
ASKED_WITH: Final = ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET", "ZEEBE_TOKEN_AUDIENCE", "ZEEBE_TOKEN_SCOPE")
"""The settings that a refused request for a token was made of."""
REFUSALS: Final = frozenset({400, 401, 403})
REASONS: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""What a server of tokens says in `error`; another text may be anything, also what we have sent."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
"""What can stand in a header: anything else could begin another one, or break the call."""


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
        except Exception as error:  # whatever it is: without a pause each call would ask again
            self._record_failure(self._unavailable(f"could not be asked ({type(error).__name__})"))
        finally:
            self._fetching = None

    def _accept(self, answer: dict[str, Any]) -> None:
        token, seconds = answer.get("access_token"), _life(answer.get("expires_in"))
        if not isinstance(token, str) or not token:
            raise self._unavailable("answered without an access_token")
        if _TOKEN.fullmatch(token) is None:
            raise self._unavailable("answered with an access_token that is not of visible ASCII characters")
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
        url = self._setting.authorization_server_url
        proxy = web_proxy(url)
        way = None if proxy is None else proxy.url
        try:
            # A redirect would take the secret elsewhere.
            async with self._connection().post(url, data=self._form(), proxy=way, allow_redirects=False) as response:
                status, body = response.status, await read_body(response, MAX_BODY)
        except BodyRefused as error:
            raise self._unavailable(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = problem_of(error)
            if isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, aiohttp.ClientConnectorError):
                problem = problem or await self._encrypted()
            raise self._unavailable(problem.value if problem else f"did not answer ({type(error).__name__})") from error
        answer = _json(body)
        if status != HTTPStatus.OK:
            raise await self._refusal(status, _reason(answer))
        if not isinstance(answer, dict):
            raise self._unavailable("answered without an access_token")
        return answer

    async def _encrypted(self) -> TlsProblem | None:
        """Whether the server at an http:// URL speaks TLS; it answers nothing then, or a page."""
        parts = urlsplit(self._setting.authorization_server_url)
        if parts.scheme == "https" or web_proxy(parts.geturl()) is not None:
            return None
        return TlsProblem.ENCRYPTED if await speaks_tls(parts.hostname or "", parts.port or 80) else None

    def _connection(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT)
            connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, headers=PLAIN, auto_decompress=False
            )
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

    async def _refusal(self, status: int, why: str) -> Failure:
        reason = f"answered {status}{f' ({why})' if why else ''}"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return self._unavailable(f"{reason}, a redirect, which is not followed")
        if status not in REFUSALS:
            return self._unavailable(reason)
        if not why and (problem := await self._encrypted()) is not None:
            return self._unavailable(problem.value)
        client, *others = (self._setting.names[each] for each in ASKED_WITH)
        text = f"{client}: {SERVER} {reason}; check {', '.join((client, *others))}"
        return Failure(Code.UNAUTHENTICATED, text, FailureKind.FINAL, Source.CONSUMER)

    @staticmethod
    def _again(failure: Failure) -> Failure:
        # Every caller gets its own: a raised exception collects the tracebacks of all who raise it.
        return Failure(failure.code, failure.text, failure.kind, failure.source)


def _json(body: bytes) -> Any:
    """A document of JSON; None for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _life(told: Any) -> float:
    """The seconds of an `expires_in`: a number or the text of one; what is impossible counts as not said."""
    try:
        seconds = math.nan if isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFE
    return min(seconds, MAX_LIFE) if math.isfinite(seconds) and seconds >= MIN_LIFE else DEFAULT_LIFE


def _reason(answer: Any) -> str:
    """The error code of RFC 6749, which is safe to show; whatever else an answer has is not."""
    reason = answer.get("error") if isinstance(answer, dict) else None
    return reason if isinstance(reason, str) and reason in REASONS else ""
