"""What a text of the gRPC library probably means, for people: every TLS mistake looks like an outage."""

from __future__ import annotations

_HINTS = (
    ("WRONG_VERSION_NUMBER", "the gateway speaks plaintext there: set ZEEBE_INSECURE_CONNECTION=true"),
    ("Hostname Verification Check failed", "the certificate is for another name: set ZEEBE_OVERRIDE_AUTHORITY to it"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate's authority is not trusted: set ZEEBE_CA_CERTIFICATE_PATH"),
    ("Failed to create security handshaker", "the CA file is not usable: look at ZEEBE_CA_CERTIFICATE_PATH"),
    ("Connection refused", "nothing listens at ZEEBE_ADDRESS: is the gateway up, is the port right?"),
    ("errors resolving", "the host name of ZEEBE_ADDRESS is not known"),
    ("Domain name not found", "the host name of ZEEBE_ADDRESS is not known"),
    ("Socket closed", "the port closes the connection: does it want TLS, or is it no gRPC port?"),
    ("Deadline", "no answer in time: is ZEEBE_ADDRESS a gRPC port, is a firewall between?"),
)


def hint(text: str) -> str:
    """What to do about an unreachable gateway whose error says `text`; empty when nothing better is known."""
    return next((advice for fragment, advice in _HINTS if fragment in text), "")
