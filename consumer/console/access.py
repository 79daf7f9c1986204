"""Who may ask for a page: this machine alone, and for changes only its own forms."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

__all__ = ["HEADERS", "foreign", "is_loopback", "port", "strange_form"]

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers send no Origin with a form, which we compare.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Of every answer of the console."""

_OURSELVES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that nobody else's name server can give to a page of theirs."""


def foreign(request: web.Request) -> str | None:
    """Why a request is not this machine's own; None when it is."""
    peer = request.remote or ""
    if not is_loopback(peer):
        return f"it came from {peer or 'nowhere'}, not from this machine"
    if _host(request.headers.get("Host", "")) not in _OURSELVES:
        return "its Host is not localhost, 127.0.0.1 or [::1]"
    return None


def is_loopback(address: str) -> bool:
    """Whether only this machine has this address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def strange_form(request: web.Request) -> str | None:
    """Why a form may come from another page than ours; None when the browser says that it is ours."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is None and site is None:
        return "it says neither Origin nor Sec-Fetch-Site"
    if site not in (None, "same-origin"):
        return "its Sec-Fetch-Site is not same-origin"
    if origin is not None and not _is_ours(origin, request.headers.get("Host", "")):
        return "its Origin is another one"
    return None


def _is_ours(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # Behind a proxy for TLS the scheme differs.
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _host(netloc: str) -> str | None:
    """The name in a `Host` header; None when it is none."""
    try:
        parts = urlsplit(f"//{netloc}")
        # A port that is none is an error when it is asked for.
        known = parts.netloc == netloc and parts.username is None and parts.port != 0
        return parts.hostname if known else None
    except ValueError:
        return None


def port(request: web.Request) -> int:
    """The port that the browser sees, of a request that is not `foreign`."""
    return urlsplit(f"//{request.headers['Host']}").port or 80
