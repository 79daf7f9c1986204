"""The tests that exist, by name: for tables of what is tested where."""

from __future__ import annotations

import ast
from pathlib import Path


def functions(place: Path) -> set[str]:
    """The names of all functions in a file, or in the test files of a folder."""
    files = place.rglob("test_*.py") if place.is_dir() else [place]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
