"""Nothing of ours leans on what a library keeps to itself: such names change without notice."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType

import consumer
import zeebe_amqp.client  # before the modules it is made of, some of which need each other

PACKAGES: tuple[ModuleType, ...] = (consumer, zeebe_amqp)
PUBLIC = {("os", "_exit"), ("parts", "_replace")}
"""Documented in spite of the underscore: of `os`, and of a named tuple."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def sources() -> dict[Path, ast.Module]:
    """Our code, without what is generated."""
    folders = [Path(folder) for package in PACKAGES for folder in package.__path__]
    files = [file for folder in folders for file in folder.rglob("*.py") if not file.stem.endswith("_pb2")]
    return {file: ast.parse(file.read_text()) for file in files}


def defined(node: ast.AST) -> str | None:
    """The name that `node` defines, if it defines one."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()):
            return name
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
            return name
    return None


def definitions() -> set[str]:
    """Every name that our code defines."""
    nodes = (node for tree in sources().values() for node in ast.walk(tree))
    return {name for node in nodes if (name := defined(node))}


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
    ours = definitions()
    foreign = [
        f"{file}:{node.lineno}: {owner}.{name}"
        for file, tree in sources().items()
        for node in ast.walk(tree)
        for owner, name in used(node)
        if name not in ours and (owner, name) not in PUBLIC and isinstance(node, ast.stmt | ast.expr)
    ]
    assert foreign == []


def classes() -> Iterator[type]:
    """Every class of ours but enumerations, whose private names are Python's."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith(("_pb2", "__main__")):
                yield from of(import_module(found.name))


def of(module: ModuleType) -> Iterator[type]:
    for each in vars(module).values():
        if inspect.isclass(each) and each.__module__ == module.__name__ and not issubclass(each, Enum):
            yield each


def is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in {package.__name__ for package in PACKAGES}


def test_no_private_name_of_a_library_s_class_is_overridden() -> None:
    ours = definitions()
    overridden = [
        f"{kind.__module__}.{kind.__name__}.{name} of {base.__module__}.{base.__name__}"
        for kind in classes()
        for base in kind.__mro__
        if not is_ours(base)
        for name in ours & vars(kind).keys() & vars(base).keys()
        if private(name)
    ]
    assert overridden == []
