"""A Camunda 7 engine: mapping, deadline, attempts, credentials and observation of every request."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import httpx

from consumer.camunda7.failures import DONE, Answer, error
from consumer.camunda7.operations import RestRequest, to_request
from consumer.config import Camunda7 as Settings
from consumer.core import backoff
from consumer.core.call import Call, CallObserver, CallSpan, unobserved
from consumer.core.large import offload
from consumer.core.proxy import web_proxy
from zeebe_amqp.commands.signals import Signal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection, and again for its TLS."""
PROBE_TIMEOUT = 5.0
"""Seconds for the question whether the engine is there."""
BODY_TIMEOUT = 2.0
"""Seconds for the body of an answer whose status is known."""
BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are read; a refusal is short, a proxy's page need not be."""
IDLE = 5.0
"""Seconds an unused connection is kept. Servers keep theirs far longer: one that they close while a request is on
its way would leave its outcome unknown."""


_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "content-type": "application/json"}
_NONE: Mapping[str, str] = MappingProxyType({})


class NotSent(Exception):
    """An attempt that ended before anything of the request was sent."""


class Camunda7Engine:
    """A Camunda 7 engine behind its REST API. Make it inside the running event loop; `close` it at the end."""

    def __init__(
        self,
        settings: Settings,
        observer: CallObserver | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`clock` gives seconds since 1970, `random` numbers from 0 to 1; tests bring their own."""
        self._url = httpx.URL(settings.url)
        self._timeout = settings.request_timeout
        self._observer = observer or unobserved
        self._clock, self._sleep, self._random = clock, sleep, random
        self._away = False
        who = settings.credentials
        self._proxy = web_proxy(settings.url)
        self._http = httpx.AsyncClient(
            # As for every other server: the client's own matching of NO_PROXY differs.
            trust_env=False,
            proxy=None if self._proxy is None else self._proxy.url,
            auth=None if who is None else httpx.BasicAuth(who.username, who.password),
            # The system's authorities, not those of a package.
            verify=ssl.create_default_context(),
            limits=httpx.Limits(keepalive_expiry=IDLE),
            follow_redirects=False,
        )

    @property
    def address(self) -> str:
        """The engine's URL without user and password, for people."""
        return str(self._url)

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
        with self._observer(f"POST {request.path}", self._url.netloc.decode("ascii")) as span:
            try:
                answer = await self._attempts(request, call, span)
                if answer.status != DONE:
                    raise error(answer)
            except CommandError as failed:
                span.finish(failed.code)
                raise
            span.finish("OK")

    async def probe(self) -> str:
        """Ask the engine for its version, once and with a short deadline; "" when it is too old to tell.

        Raises:
            CommandError: it did not answer, refused our credentials, or is no REST API of an engine.
        """
        answer = await self._asked("/version")
        if answer.status == httpx.codes.OK and isinstance(found := _json(answer.body), dict):
            return str(found.get("version", ""))
        if answer.status == httpx.codes.NOT_FOUND:
            answer = await self._asked("/engine")
            if answer.status == httpx.codes.OK and isinstance(_json(answer.body), list):
                return ""
        raise error(answer)

    def hint(self, failed: CommandError) -> str:
        """What to do about an engine that is not reached, for an operator; empty when nothing better is known."""
        if failed.code not in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED):
            return ""
        if self._proxy is not None:
            return f" ({self._proxy.advice('the engine', self._url.host)})"
        not_sent = failed.__cause__
        why = not_sent.__cause__ if isinstance(not_sent, NotSent) else None
        return f" (is the engine up, and CAMUNDA7_REST_URL right?{f' {why}' if why else ''})"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _asked(self, path: str) -> Answer:
        try:
            return await self._exchange("GET", path, PROBE_TIMEOUT)
        except NotSent as failure:
            raise _unreached(failure, 1) from failure

    async def _attempts(self, request: RestRequest, call: Call, span: CallSpan) -> Answer:
        made, last, deadline = 0, None, call.deadline
        while True:
            seconds = self._timeout if deadline is None else min(self._timeout, deadline - self._clock())
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
        if made >= backoff.ATTEMPTS or (deadline is not None and self._clock() + delay >= deadline):
            raise last
        span.attempt(made, last.code, delay)
        await self._sleep(delay)

    async def _exchange(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str] = _NONE, body: bytes | None = None
    ) -> Answer:
        sending = _Sending(method, asyncio.get_running_loop().time() + seconds)
        request = self._http.build_request(
            method,
            f"{self.address}{path}",
            headers=httpx.Headers(_HEADERS | dict(headers)),
            content=body,
            # TCP and TLS each, so that both stay within the whole.
            timeout=httpx.Timeout(None, connect=min(CONNECT_TIMEOUT, seconds / 2), pool=seconds),
            extensions={"trace": sending.note},
        )
        try:
            async with sending.limit:
                response = await self._http.send(request, stream=True)
        except TimeoutError as failure:
            raise _late(seconds) from failure
        except httpx.RequestError as failure:
            raise (_lost(failure) if sending.begun else NotSent(_reason(failure))) from failure
        kind = response.headers.get("content-type", "")
        return Answer(response.status_code, kind, await _beginning(response), f"{method} {request.url.path}")

    def _note(self, failure: NotSent | None) -> None:
        """Say once that the engine is away, and once that it is back."""
        if failure is not None and not self._away:
            through = "" if self._proxy is None else f", through the proxy {self._proxy} of {self._proxy.variable}"
            log.warning(
                "Camunda 7 engine %s: not reached%s: %s (%s)", self.address, through, failure, failure.__cause__
            )
        elif failure is None and self._away:
            log.info("Camunda 7 engine %s: reached again", self.address)
        self._away = failure is not None


class _Sending:
    """Watches one request for the moment from which on the engine may have got something of it.

    From then on `limit` ends it at `end`, in the loop's time. Before, the client's own limits do: a handshake that is
    cancelled from outside would leave its socket behind.
    """

    def __init__(self, method: str, end: float) -> None:
        self._method, self._end = method.encode(), end
        self.begun = False
        self.limit = asyncio.timeout(None)

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        # A proxy is asked to CONNECT first; that is not the request.
        if event.endswith("send_request_headers.started") and info["request"].method == self._method:
            self.begun = True
            self.limit.reschedule(self._end)


async def _beginning(response: httpx.Response) -> bytes:
    """The answer's body as far as it comes: the status is known, and nothing about the body may spoil that."""
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > BODY_LIMIT:
                    break
    except (TimeoutError, httpx.RequestError):
        log.debug("the body of an answer with status %d broke off", response.status_code)
    finally:
        await response.aclose()
    return body[:BODY_LIMIT]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _reason(failure: httpx.RequestError) -> str:
    """Why nothing was sent, without names of hosts; the log has the rest."""
    return "no connection in time" if isinstance(failure, httpx.TimeoutException) else "no connection"


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


def _lost(failure: httpx.RequestError) -> CommandError:
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
