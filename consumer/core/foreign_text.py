"""What an engine, its gateway or a proxy says, as callers may read it: without hosts, addresses and stack traces.

A caller's own words may look like an address: the engine quotes them, and what is quoted stays.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from zeebe_amqp.errors import Code, CommandError

__all__ = ["ADDRESS", "READ", "TEXT_LIMIT", "EngineError", "operators_text", "redact", "shorten", "tell_apart"]

log = logging.getLogger(__name__)

TEXT_LIMIT: Final = 2048
"""Bytes of a foreign text that go into a reply; a rejection may contain the whole document."""
READ: Final = 2 * TEXT_LIMIT
"""Characters of a foreign text that are looked at."""
LOGGED: Final = 1000
"""Characters of it that the log keeps, where callers are told other words."""
LOGGED_OF_CALLERS: Final = 200
"""The same of a text that may quote the caller's document."""
ADDRESS: Final = "<address>"
"""Stands where an address was."""
_END: Final = " …"
_HALF: Final = 300
"""Characters of an address, at most: one at the cut must not be half there."""

# Each begins only where a run of its letters does, and goes through the run once: one pass, whatever the text.
_QUOTED: Final = r"""(?P<quoted>(?<!\w)'[^'\n]*+'(?!\w)|(?<!\w)"[^"\n]*+"(?!\w))"""
_INSIDE: Final = (
    # A frame of a stack trace, and how one begins; then the name of an exception, whose text may say anything.
    r"\bat (?=[\w$/@<>-]*+\.)[\w$./@<>-]++\(",
    r"\bCaused by: ",
    r"\bTraceback \(most recent call last\)",
    r"(?<![\w.$])(?:[a-z_]\w*+\.){1,20}+[A-Z][\w$]*+(?:(?<=Exception)|(?<=Error))\b",
    r"(?<![\w.$])[A-Z][\w$]*+(?<=\wException)\b",
)
_ADDRESSES: Final = (
    r"(?<![\w+.-])[A-Za-z][\w+.-]*+://[^\s'\"<>]*[^\s'\"<>.,;:)\]]",
    r"(?:\bipv[46]:)?(?:(?<![\w.-])[\w.-]*+/)?(?:"
    # [fe80::1%eth0]:26500, the same as C-core writes it, 10.0.0.7:26500.
    r"\[(?=[\da-f.]*+:)[\da-f:.]{2,45}(?:%\w{1,16})?\]|%5B[\da-fA-F:.%]{2,96}?%5D|<unresolved>|"
    r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.-]*\w))"
    r"(?::\d{1,5}\b)?",
    # A whole IPv6 address without brackets: with a double colon, or all of its eight groups.
    r"(?:\bipv6:)?/?(?<![\w.])(?<![\da-fA-F:]:)(?=[\da-fA-F.]*+:)(?=[\da-fA-F:.]*::|(?:[\da-fA-F]{1,4}:){7})"
    r"[\da-fA-F:.]*(?:[\da-fA-F]|::)(?:%[\w-]++)?",
    # A name with a port as servers have them; 12:30, line:7 and Foo.java:12 are none.
    r"(?:(?<![\w.-])[\w.-]*+/)?(?<![\w.-])(?=[\d.-]*+[A-Za-z_])[\w.-]++:(?:\d{4,5}|443|80)\b(?![.:]?\d)(?!:[\da-fA-F]{1,4}:)",
    r"(?<![\w.-])(?:[\w-]++\.){1,20}(?i:local|localdomain|internal|svc|cluster|lan|intranet|intra|corp|private|arpa)\b",
)
_INNER: Final = "(?P<inside>" + "|".join(_INSIDE) + ")|" + "|".join(_ADDRESSES)
_UNQUOTED: Final = re.compile(f"{_QUOTED}|{_INNER}", re.ASCII)
_ANYWHERE: Final = re.compile(f"(?P<quoted>(?!))|{_INNER}", re.ASCII)


def redact(text: str, *, quotes: bool = True) -> str:
    """The text with `ADDRESS` for each host and address, up to where a stack trace or an exception begins.

    Args:
        text: at most `READ` characters of it are read.
        quotes: what stands in quotes is what a caller wrote, and stays. False where it may be an exception's text.

    Returns:
        What may be told; empty when nothing is left.
    """
    head, kept, at = _head(text), list[str](), 0
    for found in (_UNQUOTED if quotes else _ANYWHERE).finditer(head):
        if found["quoted"] is not None:
            continue
        kept.append(head[at : found.start()])
        if found["inside"] is not None:
            told = "".join(kept).rstrip(" \t\r\n:;,.(-")
            return told and told + _END
        kept.append(ADDRESS)
        at = found.end()
    return "".join((*kept, head[at:]))


def _head(text: str) -> str:
    if len(text) <= READ:
        return text
    return text[: max(text.rfind(" ", 0, READ), READ - _HALF)]


def shorten(text: str) -> tuple[str, bool]:
    """At most `TEXT_LIMIT` bytes of the text, whole characters, and whether that is less than all."""
    raw = text[:READ].encode("utf-8", "replace")
    if len(raw) <= TEXT_LIMIT and len(text) <= READ:
        return raw.decode(), False
    return raw[:TEXT_LIMIT].decode("utf-8", "ignore"), True


class EngineError(CommandError):
    """A command that failed on its way to, in or from an engine.

    `message` is for the caller. `text` is what was really said, for operators alone.
    """

    def __init__(self, code: Code, message: str, *, text: str | None = None, **rest: Any) -> None:
        super().__init__(code, message, **rest)
        self.text = message if text is None else text


def operators_text(error: CommandError) -> str:
    """What an error says to an operator, hosts and addresses included."""
    return error.text if isinstance(error, EngineError) else error.message


def tell_apart(error: EngineError, *, quotes: bool) -> None:
    """Write to the log what was really said, where the caller is told something else.

    `quotes` says whether it may quote the caller's document.
    """
    if error.text.startswith(error.message):
        return
    text = error.text[: LOGGED_OF_CALLERS if quotes else LOGGED]
    fields = {"event": "engine.said", "code": error.code.value, "error": text}
    log.info("the engine's words, which callers are not told: %s %s", error.code.value, text, extra=fields)
