"""The consumer as a program on the shared servers, and a caller of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from scripts.consumer import Consumer
from tests.conftest import Broker, Engine
from tests.integration.caller import Caller
from tests.integration.consumers import consumer_on
from tests.integration.kinds import Kind, kind_of
from tests.integration.scene import Scene


@pytest.fixture(scope="session")
def kind(zeebe: Engine) -> Kind:
    """What the shared engine is."""
    return kind_of(zeebe.address)


@pytest.fixture(scope="session")
def consumer(rabbitmq: Broker, zeebe: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """The consumer of all tests that only talk to it: never stop it."""
    with consumer_on(tmp_path_factory.mktemp("consumer"), rabbitmq.url, zeebe.address) as running:
        yield running


@pytest.fixture
async def caller(rabbitmq: Broker, consumer: Consumer) -> AsyncIterator[Caller]:
    """A caller of that consumer, with a reply queue of its own."""
    async with Caller(rabbitmq.url, *consumer.queues) as connected:
        yield connected


@pytest.fixture
def scene(caller: Caller, kind: Kind) -> Scene:
    """A process of the test's own."""
    return Scene(caller, kind)
