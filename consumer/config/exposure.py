"""What others could overhear or take the place of, as the settings are: it is accepted, and warned about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from consumer.config.ledger_url import unverified
from consumer.config.settings import OAuth, Settings
from consumer.config.urls import is_local

__all__ = ["exposures"]

_TEXT: Final = "credentials are sent to the {} in plaintext, where they can be overheard; use {}"


def exposures(settings: Settings) -> Iterator[str]:
    """Each of them in one sentence, which says what to do."""
    zeebe, camunda7 = settings.zeebe, settings.camunda7
    if zeebe.plaintext and zeebe.credentials is not None:
        yield _TEXT.format("gateway", "TLS")
    if isinstance(zeebe.credentials, OAuth) and _is_overheard(zeebe.credentials.authorization_server_url):
        yield f"{zeebe.names['ZEEBE_AUTHORIZATION_SERVER_URL']}: {_TEXT.format('authorization server', 'https://')}"
    if camunda7 is not None and camunda7.credentials is not None and _is_overheard(camunda7.url):
        yield f"CAMUNDA7_REST_URL: {_TEXT.format('Camunda 7 engine', 'https://')}"
    if (mode := unverified(settings.ledger)) is not None:
        yield (
            f"LEDGER: with sslmode={mode} another server can take PostgreSQL's place, or TLS be missing; use "
            "sslmode=verify-full and sslrootcert=PATH"
        )


def _is_overheard(url: str) -> bool:
    """Whether what is sent there leaves this machine in plaintext."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_local(parts.hostname or "")
