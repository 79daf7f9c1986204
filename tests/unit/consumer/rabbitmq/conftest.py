"""A connection that no broker is behind."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest


@pytest.fixture
def channel() -> AsyncMock:
    """Every channel of the connection; it writes down what is declared on it."""
    channel = AsyncMock()
    channel.__aenter__.return_value, channel.__aexit__.return_value = channel, None
    return channel


@pytest.fixture
def connection(channel: AsyncMock) -> Any:
    return Mock(channel=Mock(return_value=channel))
