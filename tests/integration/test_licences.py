"""The licences of the Java libraries, whose POMs are there once they were fetched."""

from __future__ import annotations

import re

from scripts.licences import maven
from scripts.licences.artefact import EXCEPTIONS


def test_java_libraries_are_open_source_except_what_is_named() -> None:
    found = maven.artefacts()
    assert len(found) > 200
    assert not any(each.ships for each in found)
    closed = [each for each in found if not each.open]
    assert [each for each in closed if not any(re.fullmatch(it, each.name) for it in EXCEPTIONS)] == []


def test_every_exception_of_java_libraries_is_needed() -> None:
    closed = [each.name for each in maven.artefacts() if not each.open]
    named = [pattern for pattern in EXCEPTIONS if ":" in pattern]
    assert len(named) == 2
    for pattern in named:
        assert any(re.fullmatch(pattern, name) for name in closed), pattern
