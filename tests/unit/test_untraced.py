"""What the measure of coverage leaves out."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from tests.untraced import OTHERWISE, TESTS, is_untraced, untraced


def test_every_place_that_is_left_out_exists() -> None:
    assert [each for each in sorted(OTHERWISE) if not (TESTS / each).exists()] == []
    assert is_untraced(TESTS / "simulation" / "test_bugs.py")
    assert not is_untraced(TESTS / "unit" / "consumer" / "test_cli.py")


def test_nothing_is_traced_meanwhile_also_in_a_new_thread_and_afterwards_everything_is() -> None:
    seen: list[object] = []

    def trace(*_: object) -> Any:
        return trace

    def look() -> None:
        seen.append(sys.gettrace())

    def look_twice() -> None:
        look()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        raise KeyError

    before = sys.gettrace(), threading.gettrace()
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        with pytest.raises(KeyError), untraced():
            look_twice()
        after = sys.gettrace(), threading.gettrace()
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])
    assert (seen, after) == ([None, None], (trace, trace))
