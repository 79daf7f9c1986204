"""Every test of this folder runs on every engine."""

from __future__ import annotations

import pytest

from tests.integration.kinds import ENGINES, Kind


@pytest.fixture(params=ENGINES, ids=lambda kind: kind.version)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every engine in turn."""
    kind: Kind = request.param
    return kind
