"""The URL of a ledger."""

from __future__ import annotations

import re

from consumer.config.urls import split

__all__ = ["ledger_url"]


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
    if not url.startswith(("postgresql://", "postgres://")):
        return False
    # Only who uses it pays for its import.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return True
