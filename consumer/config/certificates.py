"""PEM files: each parser gives the path of one that can be used, or raises ValueError saying what is accepted."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Final

from consumer.config.values import content, path

__all__ = ["certificates", "is_pair", "private_key"]

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates(text: str) -> Path:
    """A PEM file with at least one certificate. An empty one must not pass: gRPC takes it for the system's."""
    accepted = "a readable PEM file with at least one certificate"
    blocks = _CERTIFICATE.findall(content(text, accepted))
    if not blocks:
        raise ValueError(f"{accepted} (this one has none)")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b"\n".join(blocks).decode())
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"{accepted} (the one in it cannot be decoded)") from error
    return path(text)


def private_key(text: str) -> Path:
    """A PEM file with a private key."""
    accepted = "a readable PEM file with a private key"
    if b"PRIVATE KEY-----" not in content(text, accepted):
        raise ValueError(f"{accepted} (this one has none)")
    return path(text)


def is_pair(cert: Path, key: Path) -> bool:
    """Whether the private key in `key` belongs to the certificate in `cert` and needs no password."""
    try:
        # Without a password given here OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        return False
    return True
