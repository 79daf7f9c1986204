"""A console that listens, without a service behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumer import telemetry
from consumer.config import Amqp, Settings
from consumer.console import Watched
from consumer.console.console import Console
from consumer.health import Health
from consumer.pipeline.ending import ignore
from tests.browser import Browser, opened

TOKEN = "a-token-of-at-least-thirty-two-characters"
NOBODY = "amqp://guest:guest@127.0.0.1:1"
"""A broker that is not there."""
QUEUES = ("zeebe.commands", "zeebe.polls")


@asynccontextmanager
async def browsing(folder: Path, watch: Any = None, **settings: Any) -> AsyncIterator[tuple[Browser, Console]]:
    """A browser before a console."""
    watch = watch or telemetry.setup({}, version="1")
    made = {"amqp": Amqp(urls=(NOBODY,), queues=QUEUES), "console": True, "console_token": TOKEN, "ledger": "memory://"}
    console = Console(
        Settings(**{"state_dir": folder, **made, **settings}),
        Watched(watch, dict, ignore, watch.trace_id, QUEUES),
    )
    health = Health(("127.0.0.1", 0), dict, watch.prometheus, console.mount)
    await health.start()
    console.start(health.port)
    try:
        async with opened(health.port) as browser:
            yield browser, console
    finally:
        console.stop()
        await health.stop()
