"""The web console: what the service does, its dead letters and a form for requests, on the port of health and metrics.

Only this machine reaches it, and only with its token. Pages are made here, and work without the little script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.config import Settings
from consumer.console.watched import Off, Watched

if TYPE_CHECKING:
    from consumer.console.console import Console

__all__ = ["Off", "Watched", "open_console"]


def open_console(settings: Settings, watched: Watched) -> Console | Off:
    """The console; one that does nothing where the settings want none.

    Raises:
        KeyFileError: the token in STATE_DIR cannot be trusted, or none can be made.
    """
    if not settings.console:
        return Off(watched)
    # Imported where it is used: few installations need templates of pages.
    from consumer.console.console import Console

    return Console(settings, watched)
