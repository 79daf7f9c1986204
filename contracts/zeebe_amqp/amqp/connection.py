"""A connection to the broker, as callers and the service open and close one. Needs the extra `client`."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError, AuthenticationError, ConnectionClosed, ProbableAuthenticationError
from yarl import URL

from zeebe_amqp import tls as transport_security
from zeebe_amqp.amqp.address import FILES, file_parameters
from zeebe_amqp.amqp.hints import ENDED, hint
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.amqp.tap import TappedConnection
from zeebe_amqp.cancellation import being_cancelled, raise_if_cancelled
from zeebe_amqp.errors import Code
from zeebe_amqp.tls import TlsProblem

__all__ = [
    "CONFIRM_TIMEOUT",
    "CONNECTION_ERRORS",
    "CONNECT_TIMEOUT",
    "PORTS",
    "RPC_TIMEOUT",
    "BrokerError",
    "LoginRefused",
    "TlsError",
    "Unreachable",
    "close",
    "connect",
    "describe",
    "explain",
    "first_answer",
    "login",
    "logins",
    "place",
    "tls_context",
    "translated_errors",
    "vhost",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT: Final = 10
"""Seconds; a dead peer is noticed after about three of them."""
CONNECT_TIMEOUT: Final = 15.0
"""Seconds for one connection attempt."""
RPC_TIMEOUT: Final = 15.0
"""Seconds for one call to the broker; the AMQP library itself may wait for ever."""
CONFIRM_TIMEOUT: Final = 30.0
"""Seconds to wait for the confirm of a message; after an alarm or a restart the broker may take its time."""

PORTS: Final = {"amqp": 5672, "amqps": 5671}
"""The usual port of each kind of address."""
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine."""
DEFAULT_LOGIN: Final = "guest"
"""The name that the AMQP library uses where the address has none."""
TOKEN: Final = "eyJ"
"""How a JSON Web Token begins, which OAuth 2 has in the place of a password."""
TOKEN_DOTS: Final = 2
"""Between its three parts."""

_NO_VHOST: Final = re.compile(r"NOT_ALLOWED - vhost .* not found$")
_VHOST_CLOSED: Final = re.compile(r"NOT_ALLOWED - access to vhost '.*' refused for user '[^']*'$")
"""What the broker says of a virtual host, and nothing after it: a limit, for one, will pass."""

CONNECTION_ERRORS: Final = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What a call to the broker raises when the broker or the way to it is the cause."""


class LoginRefused(BrokerRefusal):
    """The broker does not accept who we say we are, or does not let us into the virtual host."""

    def __init__(self, message: str, code: Code = Code.UNAUTHENTICATED) -> None:
        super().__init__(message, code)


class Unreachable(ConnectionError):
    """No host answered; the text says what each of them said."""


class TlsError(ConnectionError):
    """TLS with the broker did not come about; the text names the cause."""

    def __init__(self, message: str, problem: TlsProblem) -> None:
        super().__init__(message)
        self.problem = problem


class BrokerError(Exception):
    """The broker cannot be used; the text says why and what to do, for an operator."""


async def connect(url: str, name: str, tls: ssl.SSLContext | None = None) -> TappedConnection:
    """Open one connection.

    Args:
        url: `amqp://` or `amqps://`; what its query says goes before our own heartbeat and name.
        name: shown in the broker's list of connections.
        tls: for `amqps://`; None = as the address says, else by the system's authorities.

    Raises:
        LoginRefused: at once, and again as long as address and users are the same.
        One of CONNECTION_ERRORS: otherwise; a TlsError where TLS is the cause.
    """
    query = {"heartbeat": str(HEARTBEAT), "name": name, **URL(url).query}
    checking = partial(_checking, url, tls)
    try:
        return await aio_pika.connect(
            URL(url).with_query(query),
            # Never the library's own, which an address can make that checks nothing.
            ssl_context=await asyncio.to_thread(checking) if URL(url).scheme == "amqps" else None,
            timeout=CONNECT_TIMEOUT,
            connection_class=TappedConnection,
        )
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise LoginRefused(_refusal(url, error)) from error
    except ConnectionClosed as error:
        refused = _not_let_in(url, error)
        if refused is None:
            raise
        raise refused from error
    except (AMQPError, OSError) as error:
        told = await _tls_error(url, error, checking)
        if told is None:
            raise
        raise told from error


def _checking(url: str, tls: ssl.SSLContext | None) -> ssl.SSLContext:
    """What checks the broker."""
    if tls is not None:
        return tls
    try:
        return transport_security.context(*map(file_parameters(url).get, FILES))
    except OSError as error:
        raise ConnectionError(f"{', '.join(file_parameters(url))} of the address cannot be used ({error})") from error


async def _tls_error(url: str, error: Exception, checking: Callable[[], ssl.SSLContext]) -> TlsError | None:
    """What is wrong with TLS where that is the cause; another connection asks the broker for what the error hides."""
    parts, problem = URL(url), transport_security.problem_of(error)
    host, port = str(parts.host), parts.port or PORTS[parts.scheme]
    if problem is None and any(words in str(error) for words in ENDED):
        # An alert is lost where the broker ends the connection while we write.
        if parts.scheme == "amqps":
            problem = await transport_security.look(host, port, checking)
        elif await transport_security.speaks_tls(host, port):
            problem = TlsProblem.ENCRYPTED
    if problem is None:
        return None
    names: Sequence[str] = ()
    if problem is TlsProblem.OTHER_NAME:
        names = await transport_security.other_names(host, port, checking)
    return TlsError(f"the broker at {place(url)} {transport_security.words(problem, host, names)}", problem)


async def first_answer(urls: Iterable[str], attempt: Callable[[str], Awaitable[T]]) -> T:
    """What `attempt` gives for the first host that answers.

    Raises:
        BrokerRefusal: a host says no; the others have the same users, queues and virtual hosts.
        Unreachable: no host answered.
    """
    failures = []
    for url in urls:
        try:
            with translated_errors():
                return await attempt(url)
        except BrokerRefusal:
            raise
        except CONNECTION_ERRORS as error:
            raise_if_cancelled()
            failures.append(f"{place(url)}: {explain(error)}")
    raise Unreachable("; ".join(failures))


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context of these PEM files: whom we trust, our certificate, its key; None where no file is named.

    Raises:
        OSError: a file cannot be read, or has something else in it.
    """
    if not any((ca, cert, key)):
        return None
    return transport_security.context(ca, cert, key)


def logins(urls: Iterable[str]) -> frozenset[str]:
    """Every name under which we may log in."""
    return frozenset(name for name in map(login, urls) if name is not None)


def login(url: str) -> str | None:
    """The name under which an address logs in; None where a certificate or a token says who we are."""
    return None if _proof(url) else URL(url).user or DEFAULT_LOGIN


def _proof(url: str) -> str | None:
    """What says who we are in the place of a name and a password; None where these do."""
    parts = URL(url)
    if parts.query.get("auth", "plain").lower() == "external":
        return "the client certificate"
    password = parts.password or ""
    # A signed JSON object in base64url. The broker takes the name from it, whatever the address has.
    return "this token" if password.startswith(TOKEN) and password.count(".") == TOKEN_DOTS else None


def vhost(url: str) -> str:
    """The virtual host of an address."""
    return URL(url).path.removeprefix("/").replace("%2F", "/") or "/"


def place(url: str) -> str:
    """Host and port of an address."""
    parts = URL(url)
    return f"{parts.host}:{parts.port or PORTS[parts.scheme]}"


def _refusal(url: str, error: Exception) -> str:
    name = login(url)
    who = _proof(url) or f"user {name!r} with this password"
    if isinstance(error, AuthenticationError):
        offered, asked = error.args[0], URL(url).query.get("auth", "plain").upper()
        return f"the broker at {place(url)} does not let {who} log in: it offers {offered}, and not {asked}"
    # The broker's own user, which a fresh installation has, is known only on the broker's own machine.
    far = name == DEFAULT_LOGIN and URL(url).host not in LOCAL
    advice = "; the broker lets guest in only from its own host" if far else ""
    return f"the broker at {place(url)} does not let {who} log in{advice} ({error})"


def _not_let_in(url: str, error: ConnectionClosed) -> LoginRefused | None:
    """The refusal of a virtual host; None where it is only down, or full of connections."""
    words, where = str(error), place(url)
    name = vhost(url)
    if _NO_VHOST.search(words):
        advice = f"look at the end of the address, or create it with `rabbitmqctl add_vhost {name}`"
        return LoginRefused(f"the broker at {where} has no virtual host {name!r}: {advice} ({words})", Code.NOT_FOUND)
    if _VHOST_CLOSED.search(words):
        proof = _proof(url)
        user = f"{proof}'s user" if proof else f"user {login(url)!r}"
        advice = f"look at the end of the address, or give it rights with `rabbitmqctl set_permissions --vhost {name}`"
        told = f"the broker at {where} does not let {user} into the virtual host {name!r}: {advice} ({words})"
        return LoginRefused(told, Code.PERMISSION_DENIED)
    return None


async def close(connection: AbstractConnection) -> None:
    """Close a connection that may be broken; never raises for that."""
    try:
        with translated_errors():
            async with asyncio.timeout(RPC_TIMEOUT):
                await connection.close()
    except CONNECTION_ERRORS:
        log.debug("closing a broken connection", exc_info=True, extra={"event": "broker.unclosed"})


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise ConnectionError for the two odd ways in which the AMQP library ends what waits on a lost connection.

    One is a bare Exception, the other a CancelledError although nobody cancelled: taken for a real one, that would
    end the task that waits. A real cancellation passes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise ConnectionError("the connection was lost") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ConnectionError("the connection was closed") from error


def explain(error: BaseException) -> str:
    """Why a connection did not come about, in one line, with what to do where that is known."""
    advice = hint(error)
    return f"{describe(error)} ({advice})" if advice else describe(error)


def describe(error: BaseException | None) -> str:
    """An error in one line, for a log; None is the end of a connection without one."""
    if error is None or (isinstance(error, asyncio.CancelledError) and not error.args):
        return "closed"
    if isinstance(error, BrokerRefusal | Unreachable | TlsError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
