"""What a text of the gRPC library probably means, for people: every mistake looks like an outage."""

from __future__ import annotations

from consumer.zeebe.failures import NOT_THE_GATEWAYS

PLAINTEXT_MARK = "WRONG_VERSION_NUMBER"
"""In the text of an attempt with TLS at a port without."""

_ENABLE = (
    "gRPC must be enabled on the gateway (Camunda 8.10 announces it off by default), and its port is 26500 by default"
)
_NO_GRPC = f"HTTP answers there, not gRPC; that may be the REST API's port: {_ENABLE}"

_IN_BETWEEN = (
    "a proxy or an ingress that does not get through to the gateway or does not speak gRPC to it, or the REST API's "
    f"port: {_ENABLE}"
)

_HINTS = (
    ("http1.x server", _NO_GRPC),
    ("Failed parsing HTTP/2", _NO_GRPC),
    (NOT_THE_GATEWAYS, _IN_BETWEEN),
    (PLAINTEXT_MARK, "the gateway speaks plaintext there: set ZEEBE_INSECURE_CONNECTION=true"),
    ("Hostname Verification Check failed", "the certificate is for another name: set ZEEBE_OVERRIDE_AUTHORITY to it"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate's authority is not trusted: set ZEEBE_CA_CERTIFICATE_PATH"),
    ("Failed to create security handshaker", "the CA file is not usable: look at ZEEBE_CA_CERTIFICATE_PATH"),
    ("Connection refused", f"nothing listens at ZEEBE_ADDRESS: is the gateway up, is the port right? {_ENABLE}"),
    ("errors resolving", "the host name of ZEEBE_ADDRESS is not known"),
    ("Domain name not found", "the host name of ZEEBE_ADDRESS is not known"),
    ("Socket closed", "the port closes the connection: does it want TLS, or is it no gRPC port?"),
    ("Deadline", "no answer in time: is ZEEBE_ADDRESS a gRPC port, is a firewall between?"),
)


def hint(text: str) -> str:
    """What to do about an unreachable gateway whose error says `text`; empty when nothing better is known."""
    return next((advice for fragment, advice in _HINTS if fragment in text), "")
