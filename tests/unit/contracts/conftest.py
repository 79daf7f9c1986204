from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.fakes.transport import MemoryTransport
from zeebe_amqp import Client
from zeebe_amqp.cli.connection import Connection
from zeebe_amqp.testing import FakeConsumer


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    """What every run of the program in a test talks to."""
    memory = MemoryTransport()
    client: Callable[..., Client] = lambda self, timeout=30.0: Client(memory, timeout=timeout)  # noqa: E731
    monkeypatch.setattr(Connection, "client", client)
    return memory


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
async def zeebe(consumer: FakeConsumer) -> AsyncIterator[Client]:
    """A client of it, for tests that do not care when it is closed."""
    async with consumer.client() as client:
        yield client
