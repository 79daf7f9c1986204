"""Which tests are asked about a file: those of its room, then the others of its package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

UNIT = "tests/unit"
ACROSS = ("tests/unit/test_completeness.py", "tests/unit/test_extension.py")
"""Tests of all rooms together that need no server and take no time."""


def steps(root: Path, file: str) -> list[list[str]]:
    """The test files about a source file, as paths in a checkout: those of its room, then the others of its package.

    Within a step, those that import the file come first.
    """
    package, room, *_ = PurePath(file).parts
    mirrored = f"{room}/**/test_*.py" if package == "consumer" else "test_*.py"
    near = _found(root, [f"{UNIT}/{package}/{mirrored}"])
    far = _found(root, [f"{UNIT}/{package}/**/test_*.py", *ACROSS])
    return [_ordered(root, file, step) for step in (near, far - near) if step]


def _found(root: Path, patterns: Iterable[str]) -> set[str]:
    return {str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern)}


def _ordered(root: Path, file: str, step: set[str]) -> list[str]:
    imports = _importing(file)
    return sorted(step, key=lambda each: (imports.search((root / each).read_text()) is None, each))


def _importing(file: str) -> re.Pattern[str]:
    """What is in the text of a file that imports another."""
    *folders, stem = PurePath(file).with_suffix("").parts
    package = r"\.".join(folders[1:] if folders[0] == "contracts" else folders)
    return re.compile(rf"{package}\.{stem}\b|^from {package} import .*\b{stem}\b", re.MULTILINE)
