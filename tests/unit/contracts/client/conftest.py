from __future__ import annotations

import pytest

from zeebe_amqp.client import job, queued_jobs


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries again, at a queue or with an answer, does so at once."""
    for module in (queued_jobs, job):
        monkeypatch.setattr(module, "MAX_PAUSE", 0.01)
