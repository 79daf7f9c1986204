"""What callers can name is explained where it stands."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import zeebe_amqp
from tests.cases import check_all
from zeebe_amqp import testing

PACKAGE = Path(zeebe_amqp.__file__).parent
NEEDS_NONE = ("log", "__all__", "__version__")
"""Names that say it all."""


def is_public(name: str) -> bool:
    return not name.startswith("_") and name not in NEEDS_NONE


def unexplained(body: list[ast.stmt], place: str) -> Iterator[str]:
    """The public classes, functions, methods and constants in a body without a docstring."""
    for index, statement in enumerate(body):
        match statement:
            case ast.ClassDef(name=name) if is_public(name):
                yield from () if ast.get_docstring(statement) else (f"{place}{name}",)
                yield from unexplained(functions(statement), f"{place}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if is_public(name):
                if not ast.get_docstring(statement) and not is_overload(statement):
                    yield f"{place}{name}"
            case ast.AnnAssign(target=ast.Name(id=name)) if is_public(name) and not is_text(body, index + 1):
                yield f"{place}{name}"


def is_exported(tree: ast.Module, name: str) -> bool:
    """Whether a module's `__all__`, where it has one, has the name."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)):
                return name.partition(".")[0] in [each.value for each in names if isinstance(each, ast.Constant)]
    return True


def functions(statement: ast.ClassDef) -> list[ast.stmt]:
    """Its methods; fields are explained by the class."""
    return [each for each in statement.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in function.decorator_list)


def is_text(body: list[ast.stmt], index: int) -> bool:
    match body[index : index + 1]:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return True
    return False


def test_everything_public_of_a_module_is_explained() -> None:
    def is_explained(name: str) -> None:
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        assert ast.get_docstring(tree)
        assert [name for name in unexplained(tree.body, "") if is_exported(tree, name)] == []

    check_all([str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))], is_explained)


def test_every_public_name_is_explained_at_run_time() -> None:
    """What an editor shows; not what was inherited."""

    def is_explained(module: object, name: str) -> None:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
            assert value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__

    check_all([(module, name) for module in (zeebe_amqp, testing) for name in module.__all__], is_explained)
