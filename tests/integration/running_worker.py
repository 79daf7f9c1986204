"""A worker of our client at a queue, as long as a test needs it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.service import TIMEOUT
from zeebe_amqp import Client, Worker


class Running:
    """A worker under way; an async context manager that stops it."""

    def __init__(self, client: Client, handler: Any, job_type: str, **options: Any) -> None:
        self.worker = Worker(client, job_type, handler, source="queue", **options)

    async def __aenter__(self) -> Running:
        self.task = asyncio.create_task(self.worker.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.worker.stop()
        async with asyncio.timeout(TIMEOUT):
            await self.task
