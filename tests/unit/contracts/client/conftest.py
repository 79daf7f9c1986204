from __future__ import annotations

import pytest

from zeebe_amqp.client import jobs


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between polls after trouble."""
    monkeypatch.setattr(jobs, "MAX_PAUSE", 0.001)
