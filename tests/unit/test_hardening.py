"""Every protection that the page lists is held by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.cases import check_all

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hardening.md").read_text()
NAME = re.compile(r"`((?:unit|integration|simulation|faults)/[\w/]+\.py)::(\w+)`")
"""A test: its file in tests/, and its name."""


def protections() -> dict[str, str]:
    """Each line of the tables: what it promises, and the cell with its tests."""
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    return {promise: tests for promise, tests in rows if promise not in ("protection", "---")}


@cache
def defined(path: str) -> set[str]:
    """The names of the tests in a file, and of its classes."""
    tree = ast.parse((ROOT / "tests" / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_protection_names_tests_that_exist_and_nothing_else() -> None:
    def is_held(promise: str, cell: str) -> None:
        named = NAME.findall(cell)
        assert named, "no test"
        assert ", ".join(f"`{path}::{test}`" for path, test in named) == cell
        for path, test in named:
            assert test.lower().startswith("test"), test
            assert test in defined(path), f"{path} has no {test}"

    check_all({promise: (promise, cell) for promise, cell in protections().items()}, is_held)


def test_no_protection_is_listed_twice_and_none_is_hidden_from_this_test() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    tables = lines.count("| --- | --- |")
    assert lines.count("| protection | held by |") == tables == PAGE.count("\n## ")
    assert len(protections()) == len(lines) - 2 * tables > 90
