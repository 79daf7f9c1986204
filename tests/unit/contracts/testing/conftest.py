from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from zeebe_amqp import Client
from zeebe_amqp.testing import FakeConsumer


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
async def zeebe(consumer: FakeConsumer) -> AsyncIterator[Client]:
    """A client of it, for tests that do not care when it is closed."""
    async with consumer.client() as client:
        yield client
