"""What callers can name is explained where it stands."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import zeebe_amqp
from tests.cases import for_each
from zeebe_amqp import testing

PACKAGE = Path(zeebe_amqp.__file__).parent
NEEDS_NONE = ("log", "__all__", "__version__")
"""Names that say it all."""


def is_public(name: str) -> bool:
    return not name.startswith("_") and name not in NEEDS_NONE


def unexplained(body: list[ast.stmt], place: str) -> Iterator[str]:
    """The public classes, functions, methods and constants in a body without a docstring."""
    for statement, following in zip(body, [*body[1:], None], strict=False):
        match statement:
            case ast.ClassDef(name=name) if is_public(name):
                yield from () if ast.get_docstring(statement) else (f"{place}{name}",)
                # Fields are explained by the class.
                methods = [each for each in statement.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
                yield from unexplained(list(methods), f"{place}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if is_public(name):
                overload = any(getattr(each, "id", "") == "overload" for each in statement.decorator_list)
                yield from () if ast.get_docstring(statement) or overload else (f"{place}{name}",)
            case ast.AnnAssign(target=ast.Name(id=name)) if is_public(name):
                match following:
                    case ast.Expr(value=ast.Constant(value=str())):
                        pass
                    case _:
                        yield f"{place}{name}"


def exported(tree: ast.Module) -> list[object] | None:
    """The names in a module's `__all__`, where it has one."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)):
                return [each.value for each in names if isinstance(each, ast.Constant)]
    return None


@for_each([path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))])
def test_everything_public_of_a_module_is_explained(path: Path) -> None:
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    names = exported(tree)
    assert [each for each in unexplained(tree.body, "") if names is None or each.partition(".")[0] in names] == []


@for_each([(module, name) for module in (zeebe_amqp, testing) for name in module.__all__])
def test_every_public_name_exists_and_is_explained_at_run_time(module: object, name: str) -> None:
    """What an editor shows; not what was inherited."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
        assert value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
