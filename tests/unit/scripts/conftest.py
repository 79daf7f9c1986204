"""What tests of the scripts share: a cache and a stack of their own, and a program's output."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is not there yet; nor is a `make up`."""
    monkeypatch.setenv("ZEEBE_AMQP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STACK_DIR", str(tmp_path / "run"))
    return tmp_path / "cache"
