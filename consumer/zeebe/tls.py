"""TLS with the gateway that does not come about: the cause for callers, and for operators what to do."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from consumer.config import Zeebe
from consumer.zeebe.failures import Failure, FailureKind
from zeebe_amqp.tls import TlsProblem, context, look, other_names, problem_of, speaks_tls

__all__ = ["CLOSED", "advice", "look_closer", "name_cause"]

CLOSED: Final = "Socket closed"
"""All that C-core says when the server ends a connection without a word."""
_ENDED: Final = (CLOSED, "Unwrap failed")
"""The same, and what it says of an alert that comes when TLS is there, whatever the alert says."""
_CUT: Final = ("Connection reset", "Broken pipe", "Delayed close")
"""What it may say instead where an alert was lost with the connection; that has other causes, too."""

_OURS: Final = "see {ZEEBE_CLIENT_CERT_PATH} and {ZEEBE_CLIENT_KEY_PATH}"
_ADVICE: Final[Mapping[TlsProblem, str]] = MappingProxyType(
    {
        TlsProblem.EXPIRED: "renew it; or is this machine's clock wrong?",
        TlsProblem.EARLY: "is a clock wrong?",
        TlsProblem.OTHER_NAME: "set {ZEEBE_OVERRIDE_AUTHORITY} to a name that it is for",
        TlsProblem.UNTRUSTED: "set {ZEEBE_CA_CERTIFICATE_PATH} to the PEM file of its authority",
        TlsProblem.PLAINTEXT: "set {ZEEBE_INSECURE_CONNECTION}=true",
        TlsProblem.ENCRYPTED: "set {ZEEBE_INSECURE_CONNECTION}=false",
        TlsProblem.NO_CERTIFICATE: "set {ZEEBE_CLIENT_CERT_PATH} and {ZEEBE_CLIENT_KEY_PATH}",
        TlsProblem.EXPIRED_CERTIFICATE: _OURS,
        TlsProblem.UNKNOWN_CERTIFICATE: _OURS,
        TlsProblem.REFUSED_CERTIFICATE: _OURS,
        TlsProblem.REFUSED_HANDSHAKE: _OURS,
    }
)


def name_cause(failure: Failure, zeebe: Zeebe) -> Failure:
    """The failure; that of a gateway which was not reached says what TLS has to do with it, if it has, to all."""
    if failure.kind is FailureKind.UNREACHABLE and (told := _cause(failure.text, zeebe)):
        failure.add(told)
    return failure


def _cause(text: str, zeebe: Zeebe) -> str:
    """What it has to do with it, by C-core's text; empty when it has nothing to do."""
    problem = problem_of(text)
    if problem is not None:
        return f"the gateway {problem.value}"
    if not _is_ended(text):
        return ""
    if zeebe.plaintext:
        return "the gateway ends plaintext connections: it may want TLS"
    what = (
        "may want a client certificate" if zeebe.client_cert_path is None else "may not accept the client certificate"
    )
    return f"the gateway ends the connection once TLS is there: it {what}"


def advice(text: str, zeebe: Zeebe) -> str:
    """What to do about it; empty when that is not known."""
    problem = problem_of(text)
    if problem is None and _is_ended(text) and not zeebe.plaintext:
        problem = TlsProblem.NO_CERTIFICATE if zeebe.client_cert_path is None else TlsProblem.REFUSED_CERTIFICATE
    return "" if problem is None else _ADVICE[problem].format_map(zeebe.names)


def _is_ended(text: str) -> bool:
    return any(words in text for words in _ENDED)


async def look_closer(text: str, zeebe: Zeebe) -> str:
    """What C-core's text does not tell, by a connection of our own, over which nothing is sent, and what to do.

    Empty when that shows nothing.
    """
    host, port = zeebe.host, int(zeebe.address.rpartition(":")[2])
    checking = partial(_checking, zeebe)
    if problem_of(text) is TlsProblem.OTHER_NAME:
        names = await other_names(host, port, checking)
        told = f"it is for {', '.join(names)}, not for {zeebe.override_authority or host}: {advice(text, zeebe)}"
        return told if names else ""
    if not (_is_ended(text) or any(words in text for words in _CUT)):
        return ""
    if zeebe.plaintext:
        problem = TlsProblem.ENCRYPTED if await speaks_tls(host, port) else None
    else:
        problem = await look(host, port, checking, zeebe.override_authority)
    return "" if problem is None else f"the gateway {problem.value}: {_ADVICE[problem].format_map(zeebe.names)}"


def _checking(zeebe: Zeebe) -> ssl.SSLContext:
    """What checks the gateway, as C-core does."""
    made = context(zeebe.ca_certificate_path, zeebe.client_cert_path, zeebe.client_key_path)
    made.set_alpn_protocols(["h2"])
    return made
