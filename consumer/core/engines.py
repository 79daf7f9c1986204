"""All engines behind one funnel: the type of a request says which one it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from consumer.core.limiter import AimdLimit
from consumer.core.message import RestRequest

__all__ = ["Engines", "Grpc", "Rest"]


class Grpc(Protocol):
    """The funnel to Zeebe; `consumer.zeebe.Gateway` is one."""

    async def call(
        self,
        message: Message,
        *,
        deadline: float | None,
        attempt_timeout: float | None,
        idempotent: bool,
        pressure: AimdLimit | None = None,
    ) -> object:
        """Send `message`, and tell `pressure` of every attempt that was done or refused for load."""


class Rest(Protocol):
    """The funnel to a Camunda 7 engine; `consumer.camunda7.Camunda7` is one."""

    async def call(self, request: RestRequest, *, deadline: float | None) -> None:
        """Send `request`, and again where nothing was sent."""


@dataclass(frozen=True)
class Engines:
    """A `consumer.pipeline.limited.Engine` for Zeebe and, where one is connected, Camunda 7."""

    zeebe: Grpc
    camunda7: Rest | None = None

    async def call(
        self,
        message: Message | RestRequest,
        *,
        deadline: float | None,
        attempt_timeout: float | None,
        idempotent: bool,
        pressure: AimdLimit | None = None,
    ) -> object:
        """Send `message` to its engine; the answer, None from Camunda 7.

        The limit of commands in flight is about Zeebe: what Camunda 7 bears says nothing about that.
        """
        if isinstance(message, RestRequest):
            assert self.camunda7 is not None  # the rows make such requests only where it is configured
            await self.camunda7.call(message, deadline=deadline)
            return None
        return await self.zeebe.call(
            message, deadline=deadline, attempt_timeout=attempt_timeout, idempotent=idempotent, pressure=pressure
        )
