"""Every test of this folder runs on any engine: in memory, or somebody's own by its address, which it leaves clean."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scripts.consumer import Consumer
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
