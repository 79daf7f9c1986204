"""A docstring of the code as words for callers, who know the names on the wire and no Python."""

from __future__ import annotations

import re

__all__ = ["camel", "words"]


def words(docstring: str | None) -> str:
    """A docstring as one line: names in their spelling on the wire, and "absent" for None."""
    text = " ".join((docstring or "").split())
    return re.sub(r"`(\w+)`", lambda match: f"`{camel(match[1])}`", text).replace("None", "absent")


def camel(name: str) -> str:
    """A name of the code in its spelling on the wire."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
