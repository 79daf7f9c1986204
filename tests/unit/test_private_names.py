"""Nothing of ours leans on what a library keeps to itself: such names change without notice."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from functools import cache

from tests.modules import our_modules
from tests.unit.code import parsed

FOLDERS = ("consumer", "contracts/zeebe_amqp")
PUBLIC = {("os", "_exit"), *((owner, "_replace") for owner in ("parts", "row", "newest"))}
"""Documented in spite of the underscore: of `os`, and of named tuples."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@cache
def definitions() -> set[str]:
    """Every name that our code defines."""
    found = set()
    for node in (node for tree in parsed(*FOLDERS).values() for node in ast.walk(tree)):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store())
            ):
                found.add(name)
    return found


def used(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The private names that `node` takes from elsewhere, each with its owner."""
    match node:
        case ast.Attribute(value=owner, attr=name) if private(name):
            yield ast.unparse(owner), name
        case ast.Import(names=names):
            yield from ((each.name, part) for each in names for part in each.name.split(".") if private(part))
        case ast.ImportFrom(module=module, names=names):
            parts = [*(module or "").split("."), *(each.name for each in names)]
            yield from ((module or ".", part) for part in parts if private(part))


def test_no_private_name_is_used_that_our_own_code_does_not_define() -> None:
    foreign = [
        f"{path}:{node.lineno}: {owner}.{name}"
        for path, tree in parsed(*FOLDERS).items()
        for node in ast.walk(tree)
        for owner, name in used(node)
        if name not in definitions() and (owner, name) not in PUBLIC and isinstance(node, ast.stmt | ast.expr)
    ]
    assert foreign == []


def classes() -> Iterator[type]:
    """Every class of ours but enumerations, whose private names are Python's."""
    for module in our_modules():
        name = module.__name__
        if not name.endswith("_pb2"):
            members = inspect.getmembers(module, inspect.isclass)
            yield from (each for _, each in members if each.__module__ == name and not issubclass(each, Enum))


def test_no_private_name_of_a_library_s_class_is_overridden() -> None:
    overridden = [
        f"{kind.__module__}.{kind.__name__}.{name} of {base.__module__}.{base.__name__}"
        for kind in classes()
        for base in kind.__mro__
        if base.__module__.partition(".")[0] not in {"consumer", "zeebe_amqp"}
        for name in definitions() & vars(kind).keys() & vars(base).keys()
        if private(name)
    ]
    assert overridden == []
