"""Every test of this folder runs on any engine: in memory, or somebody's own by its address, which it leaves clean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker, Engine, GivenEngine
from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures
from tests.integration.engines.tidying import TidyCaller


@pytest.fixture
async def caller(
    rabbitmq: Broker, consumer: Consumer, zeebe: Engine, features: EngineFeatures
) -> AsyncIterator[Caller]:
    """A caller that ends what its test has started, unless the engine ends with the tests anyway."""
    async with TidyCaller(rabbitmq.url, *consumer.queues) as connected:
        yield connected
        if isinstance(zeebe, GivenEngine):
            await connected.tidy(features)


@pytest.fixture
def passes(zeebe: Engine) -> Callable[[], Awaitable[None]]:
    """Lets time pass, if it is awaited often enough: hours where the engine's clock is ours, elsewhere moments."""
    if isinstance(zeebe, ZeebeInMemory):
        return lambda: asyncio.to_thread(zeebe.advance, 3600)
    return lambda: asyncio.sleep(0.1)
