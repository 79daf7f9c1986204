"""A connection that no broker is behind; random examples may take their time: the machine does."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def channel() -> AsyncMock:
    """Every channel of the connection; it writes down what is declared on it."""
    channel = AsyncMock()
    channel.__aenter__.return_value, channel.__aexit__.return_value = channel, None
    return channel


@pytest.fixture
def connection(channel: AsyncMock) -> Any:
    return Mock(channel=Mock(return_value=channel))
