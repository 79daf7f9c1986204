"""What an error of a connection attempt to a broker probably means, for people: every mistake looks like an outage."""

from __future__ import annotations

from typing import Final

__all__ = ["hint"]

_NO_AMQP: Final = "that is no port for amqp://: a broker's is 5672, and with TLS, amqps://, 5671"

_HINTS: Final = (
    ("WRONG_VERSION_NUMBER", "that is no port for amqps://: a broker's is 5671, and without TLS, amqp://, 5672"),
    ("Hostname mismatch", "the certificate is for another name than the address has"),
    ("IP address mismatch", "the certificate is for another name than the address has"),
    ("CERTIFICATE_VERIFY_FAILED", "the authority of the broker's certificate is not trusted"),
    ("CERTIFICATE_REQUIRED", "the broker wants a certificate of ours"),
    ("Connect call failed", "nothing listens there: is the broker up, and the port right?"),
    ("Name or service not known", "the host name is not known"),
    ("nodename nor servname", "the host name is not known"),
    ("No address associated", "the host name is not known"),
    ("name resolution", "no name server answers"),
    ("unexpectedly closed", _NO_AMQP),
    ("Server connection reset", _NO_AMQP),
    ("IncompatibleProtocolError", _NO_AMQP),
    ("Unexpected AMQP protocol header", "what listens there speaks another protocol than AMQP 0-9-1"),
    ("connection limit", "the broker lets no more connections in for now"),
)


def hint(error: BaseException) -> str:
    """What to do about a connection that did not come about; empty when nothing better is known."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer in time: is a firewall between? Or {_NO_AMQP}"
    said = f"{type(error).__name__}: {error}"
    return next((advice for fragment, advice in _HINTS if fragment in said), "")
