"""The token of the console: the setting's, or one in a file of STATE_DIR."""

from __future__ import annotations

from typing import Final

from consumer.config import Settings
from consumer.core.secret_file import KeyFileError, SecretFile

__all__ = ["NAME", "find_token"]

NAME: Final = "console.token"
"""Of the file in STATE_DIR."""
_HOW: Final = "remove it and restart the service for a new one"


def find_token(settings: Settings) -> tuple[str, str]:
    """The token, and where it is in words; the file is made when it is missing.

    Raises:
        KeyFileError: the file cannot be trusted, read or made.
    """
    if settings.console_token is not None:
        return settings.console_token, "CONSOLE_TOKEN"
    file = SecretFile(settings.state_dir / NAME, "token", _HOW)
    try:
        token = file.read() or file.make()
    except OSError as error:
        raise KeyFileError(f"{file.path}: {error.strerror}: no token can be kept here; set CONSOLE_TOKEN") from error
    return token.decode(errors="replace"), str(file.path)
