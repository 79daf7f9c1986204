"""What the gateway told about itself and its cluster: asked when needed, forgotten when the connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.errors import CommandError

__all__ = ["TopologyCache"]


PAUSE: Final = 1.0
"""Seconds after a failed question before it is asked again."""


class TopologyCache:
    """The gateway's version and the number of partitions, once known."""

    def __init__(self, ask: Callable[[], Awaitable[pb.TopologyResponse]], clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self.version: str | None = None
        self.last_version: str | None = None
        """The version that was last known, also when another gateway may answer by now."""
        self.partitions: int | None = None

    def note(self, topology: pb.TopologyResponse) -> None:
        """Remember an answer."""
        self.version = topology.gatewayVersion or None
        self.last_version = self.version or self.last_version
        self.partitions = topology.partitionsCount or None

    def forget(self) -> None:
        """The connection was lost: another gateway may answer next."""
        self.version = None
        self.partitions = None

    async def learn(self, within: float) -> None:
        """Ask, one question for all who want to know, and wait `within` seconds for the answer.

        Afterwards things may still be unknown. Never raises.
        """
        if self._asking is None:
            if self._clock() < self._not_before:
                return
            self._asking = asyncio.create_task(self._question())
        # Only waited for: one caller who gives up must not take the answer from the others.
        await asyncio.wait({self._asking}, timeout=within)

    async def _question(self) -> None:
        try:
            self.note(await self._ask())
        except CommandError:
            self._not_before = self._clock() + PAUSE
        finally:
            self._asking = None

    async def close(self) -> None:
        """End a question that is still out."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
