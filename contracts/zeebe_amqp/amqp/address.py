"""The address of a broker: which parameters it may have, so that none silently does nothing or weakens TLS."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final
from urllib.parse import parse_qsl, urlsplit

__all__ = ["FILES", "PARAMETERS", "accepted_parameters", "file_parameters", "shows_password"]

FILES: Final = ("cafile", "certfile", "keyfile")
"""The parameters that name PEM files: the authorities that are trusted, the client certificate, its private key."""
PARAMETERS: Final = ("auth", *FILES, "heartbeat", "name")
"""The parameters that an address may have."""
MECHANISMS: Final = frozenset({"plain", "external"})
"""Ways to log in."""
MAX_HEARTBEAT: Final = 65534
"""Seconds; the AMQP library takes what is more, or no number, for none at all."""

NO_SECRET: Final = "guest:guest"
"""The login of a fresh broker, which only its own machine may use."""
_SECRETS: Final = re.compile(r"[?&]\w*(?:password|secret)=[^&]")


def accepted_parameters(url: str) -> str | None:
    """What would be accepted in the place of the parameters of an address; None when they are."""
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    times = Counter(name for name, _ in given)
    if not times.keys() <= set(PARAMETERS) or max(times.values(), default=1) > 1:
        return f"the parameters {', '.join(PARAMETERS)}, each once"
    found = dict(given)
    if found.get("auth", "plain").lower() not in MECHANISMS:
        return "auth=plain or auth=external"
    seconds = found.get("heartbeat", "0")
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 6 and int(seconds) <= MAX_HEARTBEAT):
        return f"heartbeat=SECONDS, a whole number up to {MAX_HEARTBEAT}"
    files = [name for name in FILES if name in found]
    if files and parts.scheme != "amqps":
        return f"{' and '.join(files)} only with amqps://"
    # An empty name would mean the system's authorities, and no certificate.
    if not all(found[name] for name in files) or ("certfile" in files) != ("keyfile" in files):
        return "the path of a PEM file for each of cafile, certfile and keyfile; the latter two only together"
    return None


def shows_password(text: str) -> bool:
    """Whether there is a password in one of the addresses, separated by commas, or among their parameters.

    That which everybody knows is none.
    """
    return any(_shows_password(url) for url in re.split(r",(?=\s*\w+://)", text))


def _shows_password(url: str) -> bool:
    # Not parsed: it may be none that could be, and a password may have any characters in it.
    login, at, _ = url.partition("://")[2].rpartition("@")
    password = login.partition(":")[2]
    has_login = bool(at and password) and not login.startswith("/")
    return (has_login and login != NO_SECRET) or _SECRETS.search(url) is not None


def file_parameters(url: str) -> dict[str, str]:
    """The PEM files that an address names, by parameter."""
    return {name: path for name, path in parse_qsl(urlsplit(url).query) if name in FILES}
