"""One question over HTTP: never redirected, never longer than it may be, with the moment in which it was answered."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp

from consumer.core.http_body import PLAIN, BodyRefused, pieces
from consumer.core.proxy import web_proxy
from consumer.doctor.clocks import Reading

__all__ = ["Answer", "get"]

TIMEOUT: Final = 5.0
"""Seconds for one question."""
MAX_BODY: Final = 2**20
"""Bytes of an answer that are read."""


class Answer(NamedTuple):
    """An answer, whatever its status is."""

    status: int
    body: bytes
    clock: Reading | None
    """The time that its Date header has; None without one."""


async def get(
    url: str,
    *,
    login: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    direct: bool = False,
    max_body: int = MAX_BODY,
) -> Answer:
    """Ask once.

    Args:
        url: without user and password.
        login: name and password for Basic authentication.
        tls: for https:// URLs; None = the system's authorities.
        direct: not through a proxy of the environment.
        max_body: bytes of the answer that are read; of a compressed one, which nobody asked for, none are.

    Raises:
        OSError: it was not reached, or did not answer in time; without anything secret.
    """
    headers = {**PLAIN} if login is None else {**PLAIN, "authorization": aiohttp.encode_basic_auth(*login)}
    timeout = aiohttp.ClientTimeout(TIMEOUT)
    found = None if direct else web_proxy(url)
    proxy = None if found is None else found.url
    connector = aiohttp.TCPConnector(ssl=tls or ssl.create_default_context())
    before = time.time()
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session,
            session.get(url, headers=headers, proxy=proxy, allow_redirects=False) as response,
        ):
            clock = _clock(response.headers.get("Date", ""), before)
            return Answer(response.status, await _read(response, max_body), clock)
    except TimeoutError:
        raise TimeoutError(f"no answer within {TIMEOUT:g} s") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise ConnectionError(_reason(error)) from error


async def _read(response: aiohttp.ClientResponse, max_body: int) -> bytes:
    body = bytearray()
    with suppress(BodyRefused):
        async for piece in pieces(response, max_body):
            body += piece
    return bytes(body)


def _reason(error: Exception) -> str:
    """Why; only what the system says, because other texts may repeat a URL."""
    system = getattr(error, "os_error", None)
    return str(getattr(system, "strerror", None) or type(error).__name__)


def _clock(date: str, before: float) -> Reading | None:
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    # It has whole seconds.
    return Reading(before, time.time(), theirs, theirs + 1)
