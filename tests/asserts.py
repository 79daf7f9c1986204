"""What helps tests asserts too, and then says what it found; imported before any of it."""

from __future__ import annotations

import pytest

FOLDERS = "fakes", "faults", "integration", "simulation", "unit"

pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in FOLDERS))
