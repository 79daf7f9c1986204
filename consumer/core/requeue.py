"""A request that is not answered here and now, and not lost either."""

from __future__ import annotations

__all__ = ["Requeue"]


class Requeue(Exception):
    """The request was not run: its delivery goes back to the queue, and is answered when it comes again.

    Raised by handlers instead of a reply; the text says why.
    """
