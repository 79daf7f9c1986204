"""The consumer as a program on the shared servers, and a caller of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker, Engine
from tests.integration.caller import Caller
from tests.integration.consumers import consumer_on
from tests.integration.kinds import IN_MEMORY, REAL, Kind
from tests.integration.scene import Scene


@pytest.fixture(scope="session")
def consumer(rabbitmq: Broker, zeebe: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """The consumer of all tests that only talk to it: never stop it."""
    with consumer_on(tmp_path_factory.mktemp("consumer"), rabbitmq.url, zeebe.address) as running:
        yield running


@pytest.fixture(scope="session")
def shared_consumer_in_memory(
    rabbitmq: Broker, shared_in_memory: ZeebeInMemory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Consumer]:
    """The same for the engine in memory, whatever the test file; `consumer_in_memory` is what tests use."""
    with consumer_on(tmp_path_factory.mktemp("consumer"), rabbitmq.url, shared_in_memory.address) as running:
        yield running


@pytest.fixture(scope="module")
def consumer_in_memory(shared_consumer_in_memory: Consumer, zeebe_in_memory: ZeebeInMemory) -> Consumer:
    """The consumer of the engine in memory, which is empty when a test file begins: never stop it."""
    shared_consumer_in_memory.wait_until_ready()
    return shared_consumer_in_memory


@pytest.fixture
def kind() -> Kind:
    """The engine of a test; a test file for several engines has a fixture of this name with `ENGINES` for params."""
    return REAL


@pytest.fixture
def serving(kind: Kind, request: pytest.FixtureRequest) -> Consumer:
    """The consumer of that engine."""
    return request.getfixturevalue("consumer_in_memory" if kind is IN_MEMORY else "consumer")  # type: ignore[no-any-return]


@pytest.fixture
async def caller(rabbitmq: Broker, serving: Consumer) -> AsyncIterator[Caller]:
    """A caller of that consumer, with a reply queue of its own."""
    async with Caller(rabbitmq.url, *serving.queues) as connected:
        yield connected


@pytest.fixture
def scene(caller: Caller, kind: Kind) -> Scene:
    """A process of the test's own."""
    return Scene(caller, kind)
