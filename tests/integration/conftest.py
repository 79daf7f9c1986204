"""The consumer as a program on the shared servers, and a caller of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest
import pytest_asyncio

from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker, Engine
from tests.fakes.cluster import Cluster
from tests.integration.caller import Caller
from tests.integration.cluster_setup import ClusterSetup, running_cluster
from tests.integration.dead_letter_queue import DeadLetterQueue
from tests.integration.engine_features import EngineFeatures, detect_features
from tests.integration.process_helper import ProcessHelper
from tests.integration.service import MEASURED, ConsumerSetup, running_consumer, running_service
from tests.releases import newer

collect_ignore = [] if newer() else ["test_amqp_1_0.py", "test_newest_broker.py"]
"""What needs a newer release of RabbitMQ."""
if not find_spec("playwright"):
    # `make browser-test` brings it, and the browser.
    collect_ignore.extend(["test_console_browser.py", "test_site_browser.py"])


@pytest.fixture(scope="session")
def features(zeebe: Engine) -> EngineFeatures:
    """What the shared engine can do."""
    return detect_features(zeebe.address)


@pytest.fixture(scope="session")
def consumer(rabbitmq: Broker, zeebe: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """The consumer of all tests that only talk to it: never stop it."""
    with running_consumer(tmp_path_factory.mktemp("consumer"), rabbitmq.url, zeebe.address, MEASURED) as running:
        yield running


@pytest.fixture
async def caller(rabbitmq: Broker, consumer: Consumer) -> AsyncIterator[Caller]:
    """A caller of that consumer, with a reply queue of its own."""
    async with Caller(rabbitmq.url, *consumer.queues) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    request: pytest.FixtureRequest, rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test file alone and a gateway that counts; `SETTINGS` of the file say what is special."""
    settings = getattr(request.module, "SETTINGS", {})
    async with running_service(tmp_path_factory.mktemp("service"), rabbitmq.url, **settings) as running:
        yield running


@pytest.fixture
def process(caller: Caller, features: EngineFeatures) -> ProcessHelper:
    """A process of the test's own."""
    return ProcessHelper(caller, features)


@pytest.fixture(scope="module")
def cluster(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSetup]:
    """Brokers behind a gateway, as the fake gateway plays them, of one test file alone."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), rabbitmq.url, Cluster()) as running:
        yield running


@pytest.fixture
async def cluster_process(cluster: ClusterSetup) -> AsyncIterator[ProcessHelper]:
    """A process on that cluster."""
    async with cluster.process() as process:
        yield process


@pytest.fixture(scope="module")
def own_consumer(
    rabbitmq: Broker, own_zeebe: ZeebeInMemory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Consumer]:
    """A consumer of the engine of one test file alone."""
    with running_consumer(tmp_path_factory.mktemp("own-consumer"), rabbitmq.url, own_zeebe.address) as running:
        yield running


@pytest.fixture
async def own_process(
    rabbitmq: Broker, own_zeebe: ZeebeInMemory, own_consumer: Consumer
) -> AsyncIterator[ProcessHelper]:
    """A process on that engine."""
    async with Caller(rabbitmq.url, *own_consumer.queues) as connected:
        yield ProcessHelper(connected, detect_features(own_zeebe.address))


@pytest.fixture
async def dead(own_rabbitmq: RabbitMQ, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[DeadLetterQueue]:
    """The queue of the file's own broker, emptied: other tests have letters of their own in the shared one."""
    async with DeadLetterQueue(own_rabbitmq.url, capsys) as queue:
        yield queue
