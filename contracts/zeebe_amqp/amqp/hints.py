"""What an error of a connection attempt to a broker probably means, for people: every mistake looks like an outage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zeebe_amqp.tls import TlsProblem

__all__ = ["ENDED", "hint"]

_NO_AMQP: Final = "that is no port for amqp://: a broker's is 5672, and with TLS, amqps://, 5671"

ENDED: Final = ("unexpectedly closed", "Server connection reset")
"""How the AMQP library says that the broker ended a connection without a word."""

_OURS: Final = "the service's is that of AMQP_CERT and AMQP_KEY, a client's that of certfile and keyfile in its address"
_TLS: Final[Mapping[TlsProblem, str]] = MappingProxyType(
    {
        TlsProblem.EXPIRED: "renew it; or is this machine's clock wrong?",
        TlsProblem.EARLY: "is a clock wrong?",
        TlsProblem.OTHER_NAME: "connect to a name that it is for",
        TlsProblem.UNTRUSTED: "the service trusts those in AMQP_CA, a client those in cafile of its address",
        TlsProblem.PLAINTEXT: "that is no port for amqps://: a broker's is 5671, and without TLS, amqp://, 5672",
        TlsProblem.ENCRYPTED: "use amqps://",
        TlsProblem.NO_CERTIFICATE: _OURS,
        TlsProblem.EXPIRED_CERTIFICATE: _OURS,
        TlsProblem.UNKNOWN_CERTIFICATE: _OURS,
        TlsProblem.REFUSED_CERTIFICATE: _OURS,
        TlsProblem.REFUSED_HANDSHAKE: _OURS,
    }
)

_HINTS: Final = (
    ("Connect call failed", "nothing listens there: is the broker up, and the port right?"),
    ("Name or service not known", "the host name is not known"),
    ("nodename nor servname", "the host name is not known"),
    ("No address associated", "the host name is not known"),
    ("name resolution", "no name server answers"),
    *((words, _NO_AMQP) for words in ENDED),
    ("IncompatibleProtocolError", _NO_AMQP),
    ("Unexpected AMQP protocol header", "what listens there speaks another protocol than AMQP 0-9-1"),
    ("connection limit", "the broker lets no more connections in for now"),
)


def hint(error: BaseException) -> str:
    """What to do about a connection that did not come about; empty when nothing better is known."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer in time: is a firewall between? Or {_NO_AMQP}"
    problem = getattr(error, "problem", None)
    if isinstance(problem, TlsProblem):
        return _TLS[problem]
    said = f"{type(error).__name__}: {error}"
    return next((advice for fragment, advice in _HINTS if fragment in said), "")
