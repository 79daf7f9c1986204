"""Pages from templates: everything that is put into them is escaped, cut and without what a browser would obey."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from consumer.dead_letters.view import age, pretty
from zeebe_amqp.schema.formatting import printable, truncate

__all__ = ["MAX_PRETTY", "STATIC", "bounded", "render", "shown"]

MAX_SHOWN: Final = 200
"""Characters of a foreign text, unless told otherwise."""
MAX_PRETTY: Final = 16_384
"""Bytes of a JSON body that gets line breaks: of one that is nested deep each line is long."""
STATIC: Final[Mapping[str, tuple[str, bytes]]] = {
    name: (kind, resources.files(__package__).joinpath("static", name).read_bytes())
    for name, kind in {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}.items()
}
"""The files beside the pages: type and content."""


def render(name: str, values: Mapping[str, Any]) -> bytes:
    """The page of a template, UTF-8."""
    # A lone surrogate in a foreign text is no character that could be sent.
    return _PAGES.get_template(f"{name}.html").render(values).encode("utf-8", "replace")


def shown(text: object, length: int = MAX_SHOWN, kept: str = "") -> str:
    """Foreign text, cut, and without characters that hide or turn around what stands beside them."""
    return printable(truncate("" if text is None else str(text), length), kept=kept)


def bounded(body: bytes, bound: int) -> tuple[str, str | None]:
    """A body for the eye, and in words how much of it that is; None for all."""
    if len(body) <= min(bound, MAX_PRETTY):
        return pretty(body), None
    if len(body) <= bound:
        return body.decode(errors="replace"), None
    return body[:bound].decode(errors="replace"), f"the first {bound:,} of {len(body):,} bytes"


def _number(value: float | None) -> str:
    """A number with as many digits as mean something."""
    if value is None:
        return "unknown"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _moment(value: float) -> str:
    """A moment as `<time datetime>` has it."""
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _since(value: float | str | None) -> str:
    """How long ago a moment was, given in seconds since 1970 or as ISO 8601."""
    if value is None:
        return "unknown"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    return f"{age(moment)} ago"


def _query(code: str | None, operation: str | None, number: int = 1) -> str:
    """The query of a page of letters; names that are too long, or no text, find nothing."""
    asked = {"code": (code or "")[:MAX_SHOWN], "operation": (operation or "")[:MAX_SHOWN], "page": number}
    return urlencode(asked, errors="replace")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "shown": shown,
        "number": _number,
        "seconds": _seconds,
        "moment": _moment,
        "since": _since,
        "query": _query,
    }
    return made


_PAGES: Final = _environment()
