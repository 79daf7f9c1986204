"""The servers of ledgers that a fault may happen to: of a name in braces, in the environment of its row, the URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from scripts.postgres import Postgres
from scripts.redis import Redis
from tests.integration.postgres_ledgers import postgres_says, wait_for

REDIS = "{redis}"
POSTGRES = "{postgres}"
PAIR = "{pair}"
"""A PostgreSQL and its standby, which may lag behind."""
SYNCHRONOUS = "{synchronous}"
"""The same, and what is answered is in both."""


class Pair:
    """A PostgreSQL and its standby. Use as a context manager."""

    def __init__(self, directory: Path, *, synchronous: bool = False) -> None:
        self._primary = Postgres(directory / "primary")
        self._standby = Postgres(directory / "standby", of=self._primary)
        self._synchronous = synchronous
        # One that takes writes is looked for among both.
        self.url = self._primary.url.replace("127.0.0.1:", f"127.0.0.1:{self._standby.port},127.0.0.1:")

    def __enter__(self) -> Self:
        with ExitStack() as servers:
            servers.enter_context(self._primary)
            servers.enter_context(self._standby)
            if self._synchronous:
                self._primary.reload("synchronous_standby_names = '*'")
                followers = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
                wait_for(lambda: postgres_says(self._primary, followers) == 1)
            self._servers = servers.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def fail_over(self) -> None:
        """SIGKILL for the one; the other takes over."""
        self._primary.kill()
        self._standby.promote()


SERVERS: dict[str, Any] = {
    REDIS: lambda directory: Redis(directory / "redis"),
    POSTGRES: lambda directory: Postgres(directory / "postgres"),
    PAIR: lambda directory: Pair(directory / "pair"),
    SYNCHRONOUS: lambda directory: Pair(directory / "pair", synchronous=True),
}


@contextmanager
def with_ledger(environment: Mapping[str, str], directory: Path) -> Iterator[tuple[dict[str, str], Any]]:
    """The environment with the URL of the server that it names, and that server; None when it names none."""
    make = next((SERVERS[value] for value in environment.values() if value in SERVERS), None)
    if make is None:
        yield dict(environment), None
        return
    with make(directory) as server:
        yield {name: server.url if value in SERVERS else value for name, value in environment.items()}, server
