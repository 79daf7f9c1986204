"""The servers of the tests: private ones, or those that the environment names.

`AMQP_URL` and `ZEEBE_ADDRESS` name servers that run already; otherwise each is started when the first test asks for
it, on free ports of 127.0.0.1, and ends with the run. A server that cannot be started fails the tests that need it
and says how to get it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
from hypothesis import settings

from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from scripts.zeebe import Zeebe
from scripts.zeebe_in_memory import ZeebeInMemory

if os.environ.get("CI"):
    # There the examples are the same every time, so many more of them would find nothing more.
    settings.register_profile("ci", settings.get_profile("ci"), max_examples=25)
    settings.load_profile("ci")


class Broker(Protocol):
    """A RabbitMQ to use, whoever started it."""

    url: str
    """amqp://user:password@host:port"""


class Engine(Protocol):
    """A Zeebe to use, whoever started it."""

    address: str
    """host:port of its gateway, plaintext."""


@dataclass
class GivenBroker:
    """The RabbitMQ that `AMQP_URL` names."""

    url: str


@dataclass
class GivenEngine:
    """The Zeebe that `ZEEBE_ADDRESS` names."""

    address: str


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A RabbitMQ shared by all tests: name queues uniquely, never stop it."""
    if url := os.environ.get("AMQP_URL"):
        yield GivenBroker(url)
        return
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture(scope="session")
def zeebe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Zeebe shared by all tests: name processes, jobs and messages uniquely, never stop it."""
    if address := os.environ.get("ZEEBE_ADDRESS"):
        yield GivenEngine(address)
        return
    with Zeebe(tmp_path_factory.mktemp("zeebe")) as engine:
        yield engine


@pytest.fixture(scope="session")
def shared_in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZeebeInMemory]:
    """The newer engine in memory; `zeebe_in_memory` is what tests use."""
    with ZeebeInMemory(tmp_path_factory.mktemp("zeebe-in-memory")) as engine:
        yield engine


@pytest.fixture(scope="module")
def zeebe_in_memory(shared_in_memory: ZeebeInMemory) -> ZeebeInMemory:
    """The newer engine in memory, empty when a test file begins: let time pass, look at records, never stop it."""
    shared_in_memory.reset()
    return shared_in_memory


@pytest.fixture(scope="module")
def own_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ of one test file alone: stop, kill, pause and restart it; leave it running and answering."""
    with RabbitMQ(tmp_path_factory.mktemp("own-rabbitmq")) as node:
        yield node


@pytest.fixture(scope="module")
def own_zeebe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zeebe]:
    """A Zeebe of one test file alone: stop, kill, pause and restart it; leave it running and ready."""
    with Zeebe(tmp_path_factory.mktemp("own-zeebe")) as engine:
        yield engine


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for one test at a time: empty, stop, kill and restart it; leave it running."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
