"""A worker's surroundings, for the tests of the pipeline."""

from __future__ import annotations

import pytest

from tests.unit.consumer.workers import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
