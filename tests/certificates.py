"""Certificates for servers and clients of a test: good ones, and one for each thing that can be wrong with them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

__all__ = ["OTHER_NAME", "Certificates"]

OTHER_NAME = "other.example"
DAY = timedelta(days=1)


class Certificates:
    """PEM files in a folder, by name: `good`, `expired`, `early`, `misnamed` and `foreign`, each as `.pem` and `.key`,
    for a server at 127.0.0.1 and for clients; `authority.pem` vouches for all but the last, `stranger.pem` for that."""

    def __init__(self, folder: Path) -> None:
        self._folder, now = folder, datetime.now(UTC)
        authority, stranger = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(str(self.path("authority.pem")))
        stranger.cert_pem.write_to_path(str(self.path("stranger.pem")))
        here = ("127.0.0.1", "localhost")
        self._write("good", authority.issue_cert(*here))
        self._write("expired", authority.issue_cert(*here, not_before=now - 2 * DAY, not_after=now - DAY))
        self._write("early", authority.issue_cert(*here, not_before=now + DAY, not_after=now + 2 * DAY))
        self._write("misnamed", authority.issue_cert(OTHER_NAME))
        self._write("foreign", stranger.issue_cert(*here))

    def path(self, name: str) -> Path:
        """The path of a file."""
        return self._folder / name

    def pair(self, name: str) -> tuple[Path, Path]:
        """The paths of a certificate and its key."""
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def server(self, name: str) -> ssl.SSLContext:
        """What a server uses that shows this certificate."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.pair(name))
        return made

    def _write(self, name: str, made: Any) -> None:
        cert, key = self.pair(name)
        cert.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
