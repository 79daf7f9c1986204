"""Time in which a request waits."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from consumer.core import delivery
from tests.unit.consumer.deliveries import QuickClock


@pytest.fixture
def waiting_clock(monkeypatch: pytest.MonkeyPatch) -> QuickClock:
    """Measures waits. Time passes only where a test adds to it, or sleeps by it: a busy machine makes nobody wait."""
    clock = QuickClock()
    monkeypatch.setattr(delivery, "time", SimpleNamespace(time=time.time, monotonic=clock.monotonic))
    return clock
