"""Explains errors of the gRPC library to people: to the library, every wrong setting looks like an outage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import urlsplit

from consumer.config import OAuth, Zeebe
from consumer.core.foreign_text import operators_text
from consumer.core.proxy import grpc_proxy, web_proxy
from consumer.zeebe import tls
from consumer.zeebe.credentials import SERVER
from consumer.zeebe.failures import NOT_THE_GATEWAYS
from zeebe_amqp.errors import CommandError
from zeebe_amqp.tls import TlsProblem

__all__ = ["add_hint", "advise", "hint"]


T = TypeVar("T")

_ENABLE: Final = (
    "gRPC must be enabled on the gateway (Camunda 8.10 announces it off by default), and its port is 26500 by default"
)
_NO_GRPC: Final = f"HTTP answers there, not gRPC; that may be the REST API's port: {_ENABLE}"

_IN_BETWEEN: Final = (
    "a proxy or an ingress that cannot reach the gateway or does not speak gRPC to it, or the REST API's port: "
    f"{_ENABLE}"
)

_CLOSES: Final = (
    "the server closes the connection: does it require TLS ({ZEEBE_INSECURE_CONNECTION}=false), or is it not a gRPC "
    "port?"
)

_SAYS_NOTHING: Final = (
    "the server accepts no gRPC connection: is the gateway frozen, does a firewall block it, or is it not a gRPC port?"
)

_UNKNOWN_HOST: Final = "the host name in {ZEEBE_ADDRESS} is unknown"

_HINTS: Final = (
    ("http1.x server", _NO_GRPC),
    ("Failed parsing HTTP/2", _NO_GRPC),
    ("missing selected ALPN", _NO_GRPC),
    (NOT_THE_GATEWAYS, _IN_BETWEEN),
    ("Failed to create security handshaker", "the CA file cannot be used: check {ZEEBE_CA_CERTIFICATE_PATH}"),
    (
        "Connection refused",
        f"nothing listens at {{ZEEBE_ADDRESS}}: is the gateway running, and is the port right? {_ENABLE}",
    ),
    ("errors resolving", _UNKNOWN_HOST),
    ("Domain name not found", _UNKNOWN_HOST),
    (tls.CLOSED, _CLOSES),
    ("Connection reset", _CLOSES),
    ("receiving SETTINGS frame", _SAYS_NOTHING),
    ("no connection to the gateway within", _SAYS_NOTHING),
    (
        "the gateway did not answer within",
        "is {ZEEBE_ADDRESS} a gRPC port, does it require TLS, does a firewall block it?",
    ),
)


_ON_THE_WAY: Final = (
    "Failed to connect",
    "Connection refused",
    "errors resolving",
    "Domain name not found",
    tls.CLOSED,
    "Connection reset",
    "HTTP proxy returned",
    "Expected 'H'",
    "receiving SETTINGS frame",
    "no connection to the gateway within",
    "the gateway did not answer within",
)
"""Errors of a connection that fails. With a proxy on the way, the cause is the proxy, or lies behind it."""


_TOKEN_ADVICE: Final[Mapping[TlsProblem, str]] = MappingProxyType(
    {
        TlsProblem.EXPIRED: "that of {url}; or is this machine's clock wrong?",
        TlsProblem.EARLY: "that of {url}; is a clock wrong?",
        TlsProblem.OTHER_NAME: "is {url} its address?",
        TlsProblem.UNTRUSTED: "the authorities of the system are trusted; SSL_CERT_FILE names the file of others",
        TlsProblem.PLAINTEXT: "is {url} its address, with https://?",
        TlsProblem.ENCRYPTED: "use https:// in {url}",
    }
)
"""What to do about TLS with the authorization server."""


def hint(text: str, zeebe: Zeebe) -> str:
    """What to do about an unreachable gateway whose error says `text`; empty when there is no advice."""
    if isinstance(zeebe.credentials, OAuth) and f": {SERVER} " in text:
        return _token_hint(text, zeebe.credentials.authorization_server_url)
    proxy = grpc_proxy(zeebe.host)
    if proxy is not None and any(fragment in text for fragment in _ON_THE_WAY):
        return proxy.advice("the gateway", zeebe.host)
    if told := tls.advice(text, zeebe):
        return told
    advice = next((advice for fragment, advice in _HINTS if fragment in text), "")
    return advice.format_map(zeebe.names)


async def advise(text: str, zeebe: Zeebe) -> str:
    """The same, after a closer look where the text does not tell enough."""
    is_gateways = f": {SERVER} " not in text and grpc_proxy(zeebe.host) is None
    return (await tls.look_closer(text, zeebe) if is_gateways else "") or hint(text, zeebe)


def _token_hint(text: str, url: str) -> str:
    """The same for the server at `url`, which issues tokens."""
    proxy = web_proxy(url)
    if proxy is not None:
        return proxy.advice("the authorization server", urlsplit(url).hostname or "")
    problem = next((problem for problem in TlsProblem if problem.value in text), None)
    if problem is not None:
        return _TOKEN_ADVICE.get(problem, "").format(url=url)
    return f"is {url} its address, and is it running?" if "did not answer" in text else ""


async def add_hint(ask: Callable[[], Awaitable[T]], zeebe: Zeebe) -> T:
    """What `ask` gives; its error says what was said and what to do, for an operator.

    Raises:
        CommandError: as `ask`, with a hint.
    """
    try:
        return await ask()
    except CommandError as error:
        text = operators_text(error)
        advice = await advise(text, zeebe)
        error.message = f"{text} ({advice})" if advice else text
        raise
