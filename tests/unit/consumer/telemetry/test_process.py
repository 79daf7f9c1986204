"""What the process costs is read from the system, and is no number where the system does not say."""

from __future__ import annotations

import os
from math import isnan
from pathlib import Path

import pytest

from consumer.telemetry import process


def test_the_processor_s_time_grows_with_work() -> None:
    before = process.processor_time()
    sum(range(2_000_000))
    assert process.processor_time() > before


def test_memory_and_descriptors_are_those_of_this_process() -> None:
    """Where there is /proc: on Linux."""
    before = process.descriptors()
    read, write = os.pipe()
    after = process.descriptors()
    os.close(read)
    os.close(write)
    assert isnan(after) if isnan(before) else after == before + 2
    assert isnan(before) is not Path("/proc/self/fd").exists()
    assert isnan(process.resident()) if isnan(before) else 2**22 < process.resident() < 2**40


def test_without_proc_they_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_SELF", tmp_path / "no such folder")
    assert isnan(process.resident())
    assert isnan(process.descriptors())
