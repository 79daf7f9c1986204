"""A worker's surroundings, for the tests of the pipeline."""

from __future__ import annotations

import pytest

from tests.unit.consumer.workers import FakePublisher, Handling


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def replies(events: list[str]) -> FakePublisher:
    return FakePublisher(events)


@pytest.fixture
def handling() -> Handling:
    return Handling()
