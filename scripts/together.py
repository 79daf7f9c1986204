"""Servers that start and stop side by side: each waits for itself most of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from scripts.process import Server


def wait(servers: Mapping[str, Server], tell: Callable[[str, float], object]) -> None:
    """Return when all launched servers can be used; tells of each by name, and after how many seconds.

    Raises:
        ServerError: one ended, or did not get ready in time; the others still run.
    """
    begun = time.monotonic()
    for name, server in servers.items():
        server.wait_until_usable()
        tell(name, time.monotonic() - begun)


def stop(servers: Iterable[Server]) -> None:
    """Stop all servers and return when the last one has ended."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda server: server.stop(), servers))
