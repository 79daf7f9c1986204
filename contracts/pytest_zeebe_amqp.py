"""The fixture `zeebe_consumer` for pytest; pytest loads this module by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zeebe_amqp.testing import FakeConsumer

__all__ = ["zeebe_consumer"]


@pytest.fixture
def zeebe_consumer() -> Iterator[FakeConsumer]:
    """A `zeebe_amqp.testing.FakeConsumer`; the test fails when it was asked for what was not scripted, or not asked."""
    # Not at the top: every run of pytest loads this module, and few of them need the client.
    from zeebe_amqp.testing import FakeConsumer

    consumer = FakeConsumer()
    yield consumer
    consumer.verify()
