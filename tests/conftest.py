"""The servers of the tests: private ones, or those that the environment names.

`AMQP_URL` and `ZEEBE_ADDRESS` name servers that run already; otherwise each is started when the first test asks for
it, on free ports of 127.0.0.1, and ends with the run. A server that cannot be started fails the tests that need it
and says how to get it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from scripts import engine
from scripts.postgres import Postgres
from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_release import NEWEST, WITHOUT_NEWER
from scripts.redis import Redis
from scripts.zeebe_in_memory import ZeebeInMemory
from tests import asserts  # noqa: F401 - before the next ones
from tests.integration.broker_control import User, VirtualHost
from tests.modules import our_modules
from tests.releases import Nodes, Schedule, named, newer, releases_of
from tests.untraced import is_untraced, untraced

# No test asserts a time, and tests hold on a machine that is busy.
UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("unhurried", **UNHURRIED)
# In CI the examples are the same every time, so many more of them would find nothing more.
settings.register_profile("ci", settings.get_profile("ci"), max_examples=25, **UNHURRIED)
settings.load_profile("ci" if os.environ.get("CI") else "unhurried")


UNIT = Path(__file__).parent / "unit"
LONG = {"test_linear.py", "test_mutants.py", "test_document.py", "test_words.py", "test_wheels.py"}
"""Files of tests that take longest."""
SECONDS = 3.0
"""How long a server that the environment names may take to accept a connection."""


def restore_signals() -> None:
    """Take SIGINT and SIGHUP again, which a shell's background job or nohup ignores: the programs that tests start and
    then interrupt would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


restore_signals()
# No test needs the machine's certificates, which each program that a test starts would read: a tenth of its start.
os.environ["SSL_CERT_FILE"] = os.devnull


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """A program that runs inside a test sets up the log; what the next test finds in the log must not depend on it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def pytest_sessionstart(session: pytest.Session) -> None:
    """End at once when a server that the environment names is not there: it may be a leftover of another day."""
    if hasattr(session.config, "workerinput"):
        return
    for name, port in (("AMQP_URL", 5672), ("ZEEBE_ADDRESS", 26500)):
        given = os.environ.get(name, "")
        server = urlsplit(given if "://" in given else f"//{given}")
        try:
            if given:
                socket.create_connection((server.hostname or "127.0.0.1", server.port or port), SECONDS).close()
        except OSError as error:
            where = f"{server.hostname}:{server.port or port}"
            pytest.exit(f"{name}: nothing answers at {where} ({error}); start it, or unset {name}", returncode=2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the measure of coverage: it would take four times as long, in each process that runs tests."""
    if sys.gettrace() is not None:
        list(our_modules())  # what is imported later is not measured: its definitions would not count as run
    with untraced():
        return (yield)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that uses a broker the releases that it is for."""
    if "release" in metafunc.fixturenames:
        releases = releases_of(metafunc)
        if len(releases) > 1:
            metafunc.parametrize("release", releases, indirect=True, scope="session", ids=["packaged", *releases[1:]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest without servers begins first of its kind: nobody waits for it at the end."""
    unit = next((place for place, item in enumerate(items) if item.path.is_relative_to(UNIT)), len(items))
    items[unit:] = sorted(items[unit:], key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test without the measure of coverage where it measures nothing new: everything in Python takes twice as
    long under it."""
    with untraced() if is_untraced(item.path) else nullcontext():
        return (yield)


def pytest_collection_finish() -> None:
    """Measure coverage in no program that a test starts, unless it says so (`MEASURED`): others run the same lines, and
    measuring them doubles the time of a short program."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """Who runs what, where several processes run tests."""
    return Schedule(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    if not newer():
        terminalreporter.write_line(f"{WITHOUT_NEWER}=no: nothing ran on RabbitMQ {NEWEST}")


class Broker(Protocol):
    """A RabbitMQ to use, whoever started it."""

    url: str
    """amqp://user:password@host:port"""


class Engine(Protocol):
    """An engine to use, whoever started it."""

    address: str
    """host:port of its gateway, plaintext."""


@dataclass
class GivenBroker:
    """The RabbitMQ that `AMQP_URL` names."""

    url: str


@dataclass
class GivenEngine:
    """The engine that `ZEEBE_ADDRESS` names."""

    address: str


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """The private nodes of RabbitMQ."""
    started = Nodes(tmp_path_factory.mktemp("rabbitmq"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> str:
    """The release of RabbitMQ that a test runs on."""
    return str(getattr(request, "param", named()))


@pytest.fixture(scope="session")
def rabbitmq(nodes: Nodes, release: str) -> Broker:
    """A RabbitMQ shared by all tests: name queues uniquely, never stop it."""
    url = os.environ.get("AMQP_URL")
    return GivenBroker(url) if url else nodes.get("shared", release)


@pytest.fixture(scope="session")
def shared_node(rabbitmq: Broker, nodes: Nodes, release: str) -> RabbitMQ:
    """The shared RabbitMQ, or one of our own beside a given one: users, virtual hosts and settings may change for a
    test, but never stop it."""
    return rabbitmq if isinstance(rabbitmq, RabbitMQ) else nodes.get("shared", release)


@pytest.fixture(scope="module")
def vhost(shared_node: RabbitMQ) -> Iterator[VirtualHost]:
    """A virtual host of one test file alone."""
    made = VirtualHost(shared_node)
    yield made
    made.delete()


@pytest.fixture
def user(shared_node: RabbitMQ) -> Iterator[User]:
    """A user of the broker, of a test's own."""
    made = User(shared_node)
    yield made
    made.delete()


@pytest.fixture(scope="session")
def zeebe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine shared by all tests: name processes, jobs and messages uniquely, never stop it, and leave its clock:
    with another time than ours, messages expire and locks end when nobody expects it."""
    if address := os.environ.get("ZEEBE_ADDRESS"):
        yield GivenEngine(address)
        return
    with engine.private(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def own_rabbitmq(nodes: Nodes, release: str) -> Iterator[RabbitMQ]:
    """A RabbitMQ of one test file at a time: stop, kill, pause and restart it; leave it running and answering.

    The next file gets the same one: starting one for each file would take a minute of processor.
    """
    node = nodes.get("own", release)
    yield node
    assert node.usable(), "the next file finds no broker"


@pytest.fixture(scope="session")
def second_zeebe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZeebeInMemory]:
    """The engine behind `own_zeebe`."""
    with ZeebeInMemory(tmp_path_factory.mktemp("own-zeebe")) as running:
        yield running


@pytest.fixture(scope="module")
def own_zeebe(second_zeebe: ZeebeInMemory) -> Iterator[ZeebeInMemory]:
    """An engine in memory of one test file at a time: stop, kill, pause and restart it; leave it running and ready."""
    yield second_zeebe
    assert second_zeebe.usable(), "the next file finds no engine"


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for one test at a time: empty, stop, kill and restart it; leave it running."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for one test at a time: empty, stop, kill and restart it; leave it running."""
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server
