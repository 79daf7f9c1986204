from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from tests.unit.contracts.amqp.broker import MemoryChannel, MemoryTap


@pytest.fixture
def channel() -> MemoryChannel:
    return MemoryChannel()


@pytest.fixture
async def tap() -> AsyncIterator[MemoryTap]:
    """What it published first has gone out."""
    with closing(MemoryTap()) as made:
        made.flush()
        made.written.clear()
        yield made
