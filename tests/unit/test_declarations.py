"""Modules say what is theirs to give: `__all__` lists it, and a constant is `Final`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.unit.code import parsed

CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*")
ALIAS = re.compile(r"_*[A-Z]\w*")


def assigned(module: ast.Module) -> Iterator[tuple[str, str, ast.Assign | ast.AnnAssign]]:
    """What is assigned in a module, with its annotation; type variables have a form of their own."""
    for statement in module.body:
        match statement:
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                continue
            case ast.Assign(targets=targets):
                for each in (each for target in targets for each in ast.walk(target)):
                    if isinstance(each, ast.Name):
                        yield each.id, "", statement
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                yield name, ast.unparse(annotation), statement


def defined(module: ast.Module) -> set[str]:
    """The public functions, classes and types of a module."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {each.name for each in module.body if isinstance(each, definitions)}
    names |= {name for name, annotation, _ in assigned(module) if annotation == "TypeAlias"}
    return {name for name in names if not name.startswith("_")}


def listed(module: ast.Module) -> set[str]:
    """What `__all__` has."""
    lists = [statement.value for name, _, statement in assigned(module) if name == "__all__" and statement.value]
    return {each.value for value in lists for each in ast.walk(value) if isinstance(each, ast.Constant)}


def test_a_module_lists_its_public_functions_classes_and_types() -> None:
    missing = {path: defined(module) - listed(module) for path, module in parsed("consumer", "contracts").items()}
    assert {path: names for path, names in missing.items() if names} == {}


def test_a_module_lists_what_others_of_ours_take_from_it() -> None:
    ours = {
        path.removeprefix("contracts/").removesuffix(".py").removesuffix("/__init__").replace("/", "."): module
        for path, module in parsed("consumer", "contracts").items()
    }
    missing = [
        f"{statement.module}: {each.name} (for {name})"
        for name, module in ours.items()
        for statement in ast.walk(module)
        if isinstance(statement, ast.ImportFrom) and statement.module in ours
        for each in statement.names
        if each.name not in listed(ours[statement.module])
        and f"{statement.module}.{each.name}" not in ours
        and not each.name.startswith("__")
        and not each.name.endswith("_pb2")
    ]
    assert missing == []


def test_a_constant_is_final_and_a_type_is_said_to_be_one() -> None:
    open_ended = [
        f"{path}:{statement.lineno}: {name}"
        for path, module in parsed("consumer", "contracts").items()
        for name, annotation, statement in assigned(module)
        if not (annotation.startswith("Final") if CONSTANT.fullmatch(name) else annotation == "TypeAlias")
        and ALIAS.fullmatch(name)
    ]
    assert open_ended == []
