"""The consumer as a program on the shared servers, and a caller of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker, Engine
from tests.fakes.cluster import Cluster
from tests.integration.caller import Caller
from tests.integration.clusters import Played, played
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


@pytest.fixture(scope="module")
def cluster(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Brokers behind a gateway, as the fake gateway plays them, of one test file alone."""
    with played(tmp_path_factory.mktemp("cluster"), rabbitmq.url, Cluster()) as running:
        yield running


@pytest.fixture
async def broker_scene(cluster: Played) -> AsyncIterator[Scene]:
    """A process on that cluster."""
    async with cluster.scene() as scene:
        yield scene


@pytest.fixture(scope="module")
def own_consumer(
    rabbitmq: Broker, own_zeebe: ZeebeInMemory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Consumer]:
    """A consumer of the engine of one test file alone."""
    with consumer_on(tmp_path_factory.mktemp("own-consumer"), rabbitmq.url, own_zeebe.address) as running:
        yield running


@pytest.fixture
async def own_scene(rabbitmq: Broker, own_zeebe: ZeebeInMemory, own_consumer: Consumer) -> AsyncIterator[Scene]:
    """A process on that engine."""
    async with Caller(rabbitmq.url, *own_consumer.queues) as connected:
        yield Scene(connected, kind_of(own_zeebe.address))
