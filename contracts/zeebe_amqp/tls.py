"""What is wrong with the TLS on the way to a server, in words that name the cause: the same for every server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

__all__ = ["TlsProblem", "context", "look", "other_names", "problem_of", "speaks_tls", "words"]

LOOK_TIMEOUT: Final = 3.0
"""Seconds for one look at a server."""
ALERT_TIMEOUT: Final = 2.0
"""Seconds in which a server that does not accept our certificate says so: with TLS 1.3 only after the handshake."""


class TlsProblem(Enum):
    """A cause, in words that continue the name of a server."""

    EXPIRED = "has a certificate that has expired"
    EARLY = "has a certificate that is not yet valid"
    OTHER_NAME = "has a certificate for another name"
    UNTRUSTED = "has a certificate of an unknown authority"
    PLAINTEXT = "does not speak TLS"
    ENCRYPTED = "speaks TLS"
    NO_CERTIFICATE = "wants a client certificate"
    EXPIRED_CERTIFICATE = "does not accept the client certificate, which has expired"
    UNKNOWN_CERTIFICATE = "does not accept the client certificate: its authority is unknown there"
    REFUSED_CERTIFICATE = "does not accept the client certificate"
    REFUSED_HANDSHAKE = "refuses the TLS handshake: does it want a client certificate, or another version of TLS"
    """What servers of TLS 1.2 say for all of these."""


# The words of OpenSSL and of BoringSSL; the first that is found decides. An alert is what the server says of us.
_WORDS: Final = (
    ("ALERT_CERTIFICATE_REQUIRED", TlsProblem.NO_CERTIFICATE),
    ("ALERT_CERTIFICATE_EXPIRED", TlsProblem.EXPIRED_CERTIFICATE),
    ("ALERT_UNKNOWN_CA", TlsProblem.UNKNOWN_CERTIFICATE),
    ("ALERT_BAD_CERTIFICATE", TlsProblem.REFUSED_CERTIFICATE),
    ("ALERT_CERTIFICATE_", TlsProblem.REFUSED_CERTIFICATE),
    ("ALERT_UNSUPPORTED_CERTIFICATE", TlsProblem.REFUSED_CERTIFICATE),
    ("ALERT_HANDSHAKE_FAILURE", TlsProblem.REFUSED_HANDSHAKE),
    ("ALERT_PROTOCOL_VERSION", TlsProblem.REFUSED_HANDSHAKE),
    ("certificate has expired", TlsProblem.EXPIRED),
    ("certificate is not yet valid", TlsProblem.EARLY),
    ("Hostname mismatch", TlsProblem.OTHER_NAME),
    ("IP address mismatch", TlsProblem.OTHER_NAME),
    ("Hostname Verification Check failed", TlsProblem.OTHER_NAME),
    ("CERTIFICATE_VERIFY_FAILED", TlsProblem.UNTRUSTED),
    ("WRONG_VERSION_NUMBER", TlsProblem.PLAINTEXT),
    ("RECORD_LAYER_FAILURE", TlsProblem.PLAINTEXT),
    ("PACKET_LENGTH_TOO_LONG", TlsProblem.PLAINTEXT),
)


def problem_of(error: BaseException | str) -> TlsProblem | None:
    """What the error of a connection, or its text, says of TLS; None when it is about something else."""
    text = error if isinstance(error, str) else _texts(error)
    return next((problem for fragment, problem in _WORDS if fragment in text), None)


def words(problem: TlsProblem, host: str, names: Sequence[str] = ()) -> str:
    """The cause, to continue the name of the server at `host`, whose certificate has these names if they are known."""
    if problem is not TlsProblem.OTHER_NAME:
        return str(problem.value)
    return f"has a certificate for {', '.join(names) or 'another name'}, not for {host}"


def _texts(error: BaseException | None) -> str:
    """The texts of an error and of what caused it."""
    told = []
    while error is not None:
        told.append(str(error))
        error = error.__cause__
    return "\n".join(told)


def context(
    ca: Path | str | None = None, cert: Path | str | None = None, key: Path | str | None = None
) -> ssl.SSLContext:
    """What checks a server: by the authorities in a PEM file, else the system's; with a client certificate if given.

    Raises:
        OSError: a file cannot be read, or has something else in it.
    """
    made = ssl.create_default_context(cafile=ca)
    if cert is not None:
        # Without a password given here OpenSSL would ask for one on the terminal.
        made.load_cert_chain(cert, key, password="")
    return made


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server answers in TLS, whoever it is: nothing but a greeting is sent."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        await _shake_hands(host, port, anybody)
    except ssl.SSLError as error:
        return problem_of(error) is not TlsProblem.PLAINTEXT
    except (OSError, TimeoutError):
        return False
    return True


async def other_names(host: str, port: int, checking: Callable[[], ssl.SSLContext]) -> tuple[str, ...]:
    """The names in the certificate of a server whose name is another one; none where it is not to be had.

    Args:
        host: of the server.
        port: of the server.
        checking: makes what checks the server; all but its name is checked here, too.
    """
    try:
        found = await _shake_hands(host, port, _whatever_its_name(await asyncio.to_thread(checking)))
    except (OSError, TimeoutError, ValueError):
        return ()
    return tuple(str(name) for _, name in found.get("subjectAltName", ()))


def _whatever_its_name(checking: ssl.SSLContext) -> ssl.SSLContext:
    """What trusts the same authorities, and takes any name; what checks is used by others, and stays as it is."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(cadata=b"".join(checking.get_ca_certs(binary_form=True)))
    return made


async def look(
    host: str, port: int, checking: Callable[[], ssl.SSLContext], name: str | None = None
) -> TlsProblem | None:
    """What is wrong with TLS to a server, whose certificate must have this `name`, else that of its host."""
    try:
        await _shake_hands(host, port, await asyncio.to_thread(checking), name, waiting=ALERT_TIMEOUT)
    except (OSError, TimeoutError) as error:
        return problem_of(error)
    return None


async def _shake_hands(
    host: str, port: int, checking: ssl.SSLContext, name: str | None = None, waiting: float = 0
) -> Mapping[str, Any]:
    """The certificate of a server, as far as it was checked; waits so long for an alert."""
    async with asyncio.timeout(LOOK_TIMEOUT):
        reader, writer = await asyncio.open_connection(host, port, ssl=checking, server_hostname=name or host)
    try:
        if waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), waiting)
        return writer.get_extra_info("peercert") or {}
    finally:
        writer.transport.abort()
