"""Every test of this folder runs on every engine."""

from __future__ import annotations

import asyncio

import pytest

from scripts.zeebe_in_memory import ZeebeInMemory
from tests.integration.kinds import ENGINES, IN_MEMORY, Kind, Passing


@pytest.fixture(params=ENGINES, ids=lambda kind: kind.version)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every engine in turn."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def an_hour_passes(kind: Kind, request: pytest.FixtureRequest) -> Passing:
    """Let an hour pass for the engine in memory; a real one is given a moment, so let it wait for moments only."""
    if kind is not IN_MEMORY:
        return lambda: asyncio.sleep(0.1)
    engine: ZeebeInMemory = request.getfixturevalue("zeebe_in_memory")
    return lambda: asyncio.to_thread(engine.advance, 3600)
