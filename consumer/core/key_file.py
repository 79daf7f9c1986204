"""The signing key that the service makes itself: a file in STATE_DIR, which the dead-letter commands read, too."""

from __future__ import annotations

import base64
import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from consumer.config import Settings

__all__ = ["NAME", "KeyFileError", "known_keys", "own_keys"]

log = logging.getLogger(__name__)

NAME: Final = "signing.key"
"""Of the file in STATE_DIR."""
_SIZE: Final = 32
"""Random bytes of a key."""
_MAX_SIZE: Final = 4096
"""Bytes of the file, at most."""
_OTHERS: Final = stat.S_IRWXO


class KeyFileError(Exception):
    """The file is there and cannot be trusted; the text says why and what to do."""


def own_keys(settings: Settings) -> tuple[bytes, ...]:
    """The keys of a service: those of the settings, else the one in STATE_DIR, which is made when it is missing.

    Where no file can be made the key lives as long as the process, and others do not verify what it signs.

    Raises:
        KeyFileError: the file cannot be trusted.
    """
    if settings.signing_keys:
        return settings.signing_keys
    path = settings.state_dir / NAME
    try:
        return _read(path) or (_make(path),)
    except OSError as error:
        fields = {"event": "signing_key.unsaved", "path": str(path), "error": str(error)}
        words = "no signing key can be kept in %s, so no other process can verify the dead letters of this one: %s"
        log.warning(words, path, error, extra=fields)
        return (_new(),)


def known_keys(settings: Settings) -> tuple[bytes, ...]:
    """The keys of the service that has these settings; empty when its file is not here.

    Raises:
        KeyFileError: the file cannot be trusted or read.
    """
    path = settings.state_dir / NAME
    try:
        return settings.signing_keys or _read(path)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}: run this as the service's user") from error


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    with file:
        mode, content = os.fstat(file.fileno()).st_mode, file.read(_MAX_SIZE).strip()
    if mode & _OTHERS:
        # Not its group: Kubernetes gives the files of a volume to one.
        how = (
            "remove it and restart the service for a new one; letters that this one signed then count as wrongly signed"
        )
        raise KeyFileError(f"{path}: every user can read or change this key (mode {mode & 0o777:o}); {how}")
    if len(content) < _SIZE:
        raise KeyFileError(f"{path}: found {len(content)} bytes; accepted: at least {_SIZE}; remove it for a new one")
    return (content,)


def _make(path: Path) -> bytes:
    """A new key, or the one that another process made meanwhile: the file appears whole, and once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_new() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    [key] = _read(path)
    return key


def _new() -> bytes:
    return base64.b64encode(secrets.token_bytes(_SIZE))
