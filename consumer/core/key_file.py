"""The signing key that the service makes itself: a file in STATE_DIR, which the dead-letter commands read, too."""

from __future__ import annotations

import logging
from typing import Final

from consumer.config import Settings
from consumer.core.secret_file import KeyFileError, SecretFile, new_secret

__all__ = ["NAME", "KeyFileError", "known_keys", "own_keys"]

log = logging.getLogger(__name__)

NAME: Final = "signing.key"
"""Of the file in STATE_DIR."""
_HOW: Final = (
    "remove it and restart the service for a new one; letters that this one signed then count as wrongly signed"
)


def own_keys(settings: Settings) -> tuple[bytes, ...]:
    """The keys of a service: those of the settings, else the one in STATE_DIR, which is made when it is missing.

    Where no file can be made the key lives as long as the process, and others do not verify what it signs.

    Raises:
        KeyFileError: the file cannot be trusted.
    """
    if settings.signing_keys:
        return settings.signing_keys
    file = _file(settings)
    try:
        return (file.read() or file.make(),)
    except OSError as error:
        fields = {"event": "signing_key.unsaved", "path": str(file.path), "error": str(error)}
        words = "no signing key can be kept in %s, so no other process can verify the dead letters of this one: %s"
        log.warning(words, file.path, error, extra=fields)
        return (new_secret(),)


def known_keys(settings: Settings) -> tuple[bytes, ...]:
    """The keys of the service that has these settings; empty when its file is not here.

    Raises:
        KeyFileError: the file cannot be trusted or read.
    """
    if settings.signing_keys:
        return settings.signing_keys
    file = _file(settings)
    try:
        key = file.read()
    except OSError as error:
        raise KeyFileError(f"{file.path}: {error.strerror}: run this as the service's user") from error
    return () if key is None else (key,)


def _file(settings: Settings) -> SecretFile:
    return SecretFile(settings.state_dir / NAME, "key", _HOW)
