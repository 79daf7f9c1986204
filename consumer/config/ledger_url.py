"""The URL of a ledger."""

from __future__ import annotations

import re
from typing import Final

from consumer.config.urls import is_local, split

__all__ = ["ledger_url", "unverified"]

_OF_POSTGRES: Final = ("postgresql://", "postgres://")
_VERIFYING: Final = "verify-full"


def ledger_url(text: str) -> str:
    """The URL of the place where answers are remembered."""
    if text != "memory://" and not any(is_such(text) for is_such in (_is_file_url, _is_redis_url, _is_postgres_url)):
        raise ValueError(
            "sqlite:///path (four slashes for an absolute one), redis://user:password@host:port/database "
            "(rediss:// for TLS), postgresql://user:password@host:port/database (with libpq's parameters, such as "
            "?sslmode=verify-full for TLS) or memory://"
        )
    return text


def _is_file_url(url: str) -> bool:
    name = url.removeprefix("sqlite:///").rpartition("/")[2]
    return url.startswith("sqlite:///") and name not in {"", ".", ".."} and "\0" not in url


def _is_redis_url(url: str) -> bool:
    parts = split(url, "redis", "rediss")
    if parts is None or parts.query or parts.fragment:
        return False
    return re.fullmatch(r"(/[0-9]{0,4})?", parts.path) is not None


def _is_postgres_url(url: str) -> bool:
    if not url.startswith(_OF_POSTGRES):
        return False
    # Only who uses it pays for its import.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return True


def unverified(url: str) -> str | None:
    """The sslmode with which PostgreSQL's library does not verify the server, by the URL or else the environment.

    None where it does, where the connection stays on this machine, and for other ledgers.
    """
    if not url.startswith(_OF_POSTGRES):
        return None
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import Conninfo

    usual = {each.keyword.decode(): (each.val or each.compiled or b"").decode() for each in Conninfo.get_defaults()}
    found = usual | {name: str(value) for name, value in conninfo_to_dict(url).items()}
    hosts = (found["hostaddr"] or found["host"]).split(",")
    is_verified = found["sslmode"] == _VERIFYING or all(map(_stays_here, hosts))
    return None if is_verified else found["sslmode"]


def _stays_here(host: str) -> bool:
    """Whether a connection stays on this machine; an empty host or a path is a socket's."""
    return not host or host.startswith("/") or is_local(host)
