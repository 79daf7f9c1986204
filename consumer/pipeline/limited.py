"""Commands tell the limit of their queue how the engine bears them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from consumer.core.limiter import AimdLimit
from consumer.core.message import Handler, Incoming, Reply, RestRequest
from consumer.pipeline.handler import dispatched
from consumer.zeebe.operations import OPERATIONS, Operation

__all__ = ["Engine", "limited"]


class Engine(Protocol):
    """The funnel to the engines, as it is needed here; `consumer.core.engines.Engines` is one."""

    async def call(
        self,
        message: Message | RestRequest,
        *,
        deadline: float | None,
        attempt_timeout: float | None,
        idempotent: bool,
        pressure: AimdLimit | None = None,
    ) -> object:
        """Send `message`, and tell `pressure` of every attempt that was done or refused for load."""


@dataclass(frozen=True)
class _Telling:
    """A `consumer.pipeline.handler.Caller` whose calls tell one limit."""

    engine: Engine
    limit: AimdLimit

    async def call(
        self, message: Message | RestRequest, *, deadline: float | None, attempt_timeout: float | None, idempotent: bool
    ) -> object:
        return await self.engine.call(
            message,
            deadline=deadline,
            attempt_timeout=attempt_timeout,
            idempotent=idempotent,
            pressure=self.limit,
        )


def limited(
    engine: Engine,
    limits: Mapping[str, AimdLimit],
    operations: Mapping[str, Operation] = OPERATIONS,
    version: Callable[[], str | None] = lambda: None,
) -> Handler:
    """The innermost handler, telling the limit of the request's queue; `version` is the gateway's where it is known.

    Operations that relieve the engine tell nothing: it takes most of them however busy it is, so that their success
    says nothing about the others.
    """
    relief = dispatched(engine, operations=operations, version=version)
    telling = {
        queue: dispatched(_Telling(engine, limit), operations=operations, version=version)
        for queue, limit in limits.items()
    }

    async def dispatch(incoming: Incoming) -> Reply:
        exempt_from_limit = operations[incoming.request.operation].exempt_from_limit
        return await (relief if exempt_from_limit else telling[incoming.queue])(incoming)

    return dispatch
