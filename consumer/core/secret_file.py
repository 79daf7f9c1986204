"""A secret in a file of STATE_DIR: made once, whole, and for nobody else's eyes."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["KeyFileError", "SecretFile", "new_secret"]

_SIZE: Final = 32
"""Random bytes of a secret."""
_MAX_SIZE: Final = 4096
"""Bytes of the file, at most."""
_OTHERS: Final = stat.S_IRWXO


class KeyFileError(Exception):
    """The file is there and cannot be trusted; the text says why and what to do."""


@dataclass(frozen=True)
class SecretFile:
    """A file with one secret."""

    path: Path
    what: str
    """The secret in words, such as "key"."""
    how: str
    """What to do when others may know it."""

    def read(self) -> bytes | None:
        """The secret; None when the file is not here.

        Raises:
            KeyFileError: every user could read or change it, or it is too short.
            OSError: it cannot be read.
        """
        try:
            file = self.path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read(_MAX_SIZE).strip()
        if mode & _OTHERS:
            # Not its group: Kubernetes gives the files of a volume to one.
            found = f"every user can read or change this {self.what} (mode {mode & 0o777:o})"
            raise KeyFileError(f"{self.path}: {found}; {self.how}")
        if len(content) < _SIZE:
            found = f"found {len(content)} bytes; accepted: at least {_SIZE}; remove it for a new one"
            raise KeyFileError(f"{self.path}: {found}")
        return content

    def make(self) -> bytes:
        """A new secret, or the one that another process made meanwhile: the file appears whole, and once.

        Raises:
            KeyFileError: as for `read`.
            OSError: it cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(new_secret() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)
        made = self.read()
        assert made is not None
        return made


def new_secret() -> bytes:
    """A new secret: base64 of random bytes."""
    return base64.b64encode(secrets.token_bytes(_SIZE))
