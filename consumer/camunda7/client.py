"""A Camunda 7 engine: mapping, deadline, attempts, credentials and observation of every request."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp

from consumer.camunda7.failures import DONE, Answer, error
from consumer.camunda7.operations import RestRequest, to_request
from consumer.config import Basic
from consumer.config import Camunda7 as Settings
from consumer.core import backoff
from consumer.core.call import Call, CallObserver, CallSpan, unobserved
from consumer.core.foreign_text import EngineError, tell_apart
from consumer.core.http_body import PLAIN, BodyRefused, pieces
from consumer.core.large import offload
from consumer.core.proxy import web_proxy
from zeebe_amqp.commands.signals import Signal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

__all__ = ["BODY_TIMEOUT", "Camunda7Engine", "NotSent"]


log = logging.getLogger(__name__)

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for a connection and its TLS."""
PROBE_TIMEOUT: Final = 5.0
"""Seconds for the question whether the engine is there."""
BODY_TIMEOUT: Final = 2.0
"""Seconds for the body of an answer whose status is known."""
BODY_LIMIT: Final = 64 * 1024
"""Bytes of an answer that are read; a refusal is short, a proxy's page need not be. A header may be as long."""
IDLE: Final = 5.0
"""Seconds an unused connection is kept. Servers keep theirs far longer: one that they close while a request is on
its way would leave its outcome unknown."""


_HEADERS: Final = {"accept": "application/json", "content-type": "application/json", **PLAIN}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class NotSent(Exception):
    """An attempt that ended before anything of the request was sent."""


class Camunda7Engine:
    """A Camunda 7 engine behind its REST API. Make it inside the running event loop; `close` it at the end."""

    def __init__(
        self,
        settings: Settings,
        observer: CallObserver | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`random` gives numbers from 0 to 1; tests bring their own."""
        self._url = settings.url
        self._host = urlsplit(settings.url)
        self._timeout = settings.request_timeout
        self._observer = observer or unobserved
        self._sleep, self._random = sleep, random
        self._away = False
        self._proxy = web_proxy(settings.url)
        self._http = _session(settings.credentials)

    @property
    def address(self) -> str:
        """The engine's URL without user and password, for people."""
        return self._url

    async def execute(self, call: Call) -> None:
        """Do a signal; see `consumer.core.call.Engine`. The limit of commands in flight is not about this engine."""
        signal = cast("Signal", call.command)
        await self.send(await offload(to_request, signal) if call.large else to_request(signal), call)

    async def send(self, request: RestRequest, call: Call) -> None:
        """Post a request, again as long as nothing was sent, on the terms of the call.

        Raises:
            CommandError: as the table of answers says; UNAVAILABLE when the engine was not reached, or the
                connection was lost with an unknown outcome; DEADLINE_EXCEEDED when it did not answer in time.
                `asyncio.CancelledError` passes through.
        """
        with self._observer(f"POST {request.path}", self._host.netloc) as span:
            try:
                answer = await self._attempts(request, call, span)
                if answer.status != DONE:
                    raise _refusal(answer)
            except CommandError as failed:
                span.finish(failed.code)
                raise
            span.finish("OK")

    async def probe(self) -> str:
        """Ask the engine for its version, once and with a short deadline; "" when it is too old to tell.

        Raises:
            CommandError: it did not answer, refused our credentials, or is no REST API of an engine.
        """
        answer = await self._ask("/version")
        if answer.status == HTTPStatus.OK and isinstance(found := _json(answer.body), dict):
            return str(found.get("version", ""))
        if answer.status == HTTPStatus.NOT_FOUND:
            answer = await self._ask("/engine")
            if answer.status == HTTPStatus.OK and isinstance(_json(answer.body), list):
                return ""
        raise error(answer)

    def hint(self, failed: CommandError) -> str:
        """What to do about an engine that is not reached, for an operator; empty when nothing better is known."""
        if failed.code not in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED):
            return ""
        if self._proxy is not None:
            return f" ({self._proxy.advice('the engine', self._host.hostname or '')})"
        not_sent = failed.__cause__
        why = not_sent.__cause__ if isinstance(not_sent, NotSent) else None
        return f" (is the engine up, and CAMUNDA7_REST_URL right?{f' {why}' if why else ''})"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def _ask(self, path: str) -> Answer:
        try:
            return await self._exchange("GET", path, PROBE_TIMEOUT)
        except NotSent as failure:
            raise _unreached(failure, 1) from failure

    async def _attempts(self, request: RestRequest, call: Call, span: CallSpan) -> Answer:
        made, last, deadline = 0, None, call.deadline
        while True:
            seconds = self._timeout if deadline is None else min(self._timeout, deadline - time.time())
            if seconds <= 0:
                raise last or _past()
            call.sent = True
            call.attempts += 1
            try:
                answer = await self._exchange("POST", request.path, seconds, dict(span.metadata), request.body)
            except NotSent as failure:
                made, last = made + 1, _unreached(failure, made + 1)
                self._note(failure)
                await self._pause(span, made, deadline, last)
            else:
                self._note(None)
                return answer

    async def _pause(self, span: CallSpan, made: int, deadline: float | None, last: CommandError) -> None:
        delay = backoff.delay(made, self._random)
        if made >= backoff.ATTEMPTS or (deadline is not None and time.time() + delay >= deadline):
            raise last
        span.attempt(made, last.code, delay)
        await self._sleep(delay)

    async def _exchange(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str] = _NONE, body: bytes | None = None
    ) -> Answer:
        attempt = _Attempt()
        request = self._http.request(
            method,
            f"{self._url}{path}",
            headers=headers,
            data=body,
            proxy=None if self._proxy is None else self._proxy.url,
            allow_redirects=False,
            trace_request_ctx=attempt,
        )
        try:
            async with asyncio.timeout(seconds):
                response = await request
        except TimeoutError as failure:
            raise (_late(seconds) if attempt.begun else NotSent("no connection in time")) from failure
        except (aiohttp.ClientError, OSError) as failure:
            raise (_lost(failure) if attempt.begun else NotSent("no connection")) from failure
        kind = response.headers.get("content-type", "")
        return Answer(response.status, kind, await _read_body(response), f"{method} {self._host.path}{path}")

    def _note(self, failure: NotSent | None) -> None:
        """Say once that the engine is away, and once that it is back."""
        if failure is not None and not self._away:
            through = "" if self._proxy is None else f", through the proxy {self._proxy} of {self._proxy.variable}"
            fields = {"event": "camunda7.away", "address": self.address, "error": f"{failure} ({failure.__cause__})"}
            words = "Camunda 7 engine %s: not reached%s: %s (%s)"
            log.warning(words, self.address, through, failure, failure.__cause__, extra=fields)
        elif failure is None and self._away:
            fields = {"event": "camunda7.back", "address": self.address}
            log.info("Camunda 7 engine %s: reached again", self.address, extra=fields)
        self._away = failure is not None


class _Attempt:
    """One attempt; `begun` from the moment on when the engine may have got something of the request."""

    begun = False


def _session(who: Basic | None) -> aiohttp.ClientSession:
    login = {} if who is None else {"authorization": aiohttp.encode_basic_auth(who.username, who.password)}
    return aiohttp.ClientSession(
        # The system's authorities, not those of a package.
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), keepalive_timeout=IDLE),
        headers=_HEADERS | login,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        trace_configs=[_watch()],
        auto_decompress=False,
        max_line_size=BODY_LIMIT,
        max_field_size=BODY_LIMIT,
    )


def _watch() -> aiohttp.TraceConfig:
    """Notes on each attempt when it has a connection: the first byte of a request leaves after that.

    A connection is there when TLS is, and when a proxy has made the way through: what was said to that was no request.
    """
    config = aiohttp.TraceConfig()

    async def begin(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.begun = True

    config.on_connection_create_end.append(begin)
    config.on_connection_reuseconn.append(begin)
    return config


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body as far as it comes: the status is known, and nothing about the body may spoil that."""
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for piece in pieces(response, BODY_LIMIT):
                body += piece
    except (TimeoutError, aiohttp.ClientError, OSError, BodyRefused) as failure:
        fields = {"event": "camunda7.broke_off", "status": response.status}
        log.debug("the body of an answer with status %d broke off: %r", response.status, failure, extra=fields)
    finally:
        response.release()
    return body


def _refusal(answer: Answer) -> EngineError:
    refused = error(answer)
    tell_apart(refused, quotes=True)
    return refused


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unreached(failure: NotSent, attempts: int) -> CommandError:
    return CommandError(
        Code.UNAVAILABLE,
        f"the Camunda 7 engine of CAMUNDA7_REST_URL was not reached ({failure}); nothing was sent",
        source=Source.GATEWAY,
        retryable=True,
        details={"attempts": attempts} if attempts > 1 else None,
    )


def _late(seconds: float) -> CommandError:
    return CommandError(
        Code.DEADLINE_EXCEEDED,
        f"the Camunda 7 engine did not answer within {seconds:.3g} s; the command may have been executed",
        outcome=Outcome.UNKNOWN,
    )


def _lost(failure: Exception) -> CommandError:
    return CommandError(
        Code.UNAVAILABLE,
        f"the connection to the Camunda 7 engine was lost ({type(failure).__name__}) before it answered; the command "
        "may have been executed",
        source=Source.GATEWAY,
        outcome=Outcome.UNKNOWN,
    )


def _past() -> CommandError:
    return CommandError(
        Code.DEADLINE_EXCEEDED,
        "the caller's deadline passed before the command could be sent",
        details={"field": "deadline"},
    )
