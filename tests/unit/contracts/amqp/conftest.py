from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from tests.unit.contracts.amqp.memory import MemoryChannel, MemoryTap


@pytest.fixture
def channel() -> MemoryChannel:
    return MemoryChannel()


@pytest.fixture
async def tap() -> AsyncIterator[MemoryTap]:
    with closing(MemoryTap()) as made:
        yield made
