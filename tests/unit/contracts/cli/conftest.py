from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.transport import MemoryTransport
from zeebe_amqp import Client
from zeebe_amqp.cli.connection import Connection


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    """What every run of the program in a test talks to."""
    memory = MemoryTransport()
    client: Callable[..., Client] = lambda self, timeout=30.0: Client(memory, timeout=timeout)  # noqa: E731
    monkeypatch.setattr(Connection, "client", client)
    return memory
