"""The places of a source where a fault may be: not in what only people, type checkers or logs read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
CONVENTIONS = frozenset({"__all__", "__slots__"})
FOR_CHECKERS = frozenset({"TypeVar", "ParamSpec", "NewType", "Literal", "cast"})
"""Functions whose arguments a type checker reads, and nothing that runs."""
DECLARED = frozenset({"overload", "abstractmethod"})
"""Decorators of functions that are never called."""
WITHOUT_FAULTS = frozenset({"Protocol", "Enum", "StrEnum", "IntEnum"})
"""Bases of classes that only declare: an interface, or values with texts."""
NO_DIFFERENCE = frozenset({"strict", "slots", "frozen", "kw_only", "name", "return_exceptions"})
"""Arguments by keyword that guard against mistakes or are shown: another value changes nothing in a right program."""


class Place(NamedTuple):
    """A node, and those that it is part of, the outermost first."""

    node: ast.AST
    above: tuple[ast.AST, ...]

    @property
    def parent(self) -> ast.AST:
        """What the node is part of."""
        return self.above[-1]

    @property
    def line(self) -> int:
        """The line where its statement begins."""
        return next(each.lineno for each in (self.node, *reversed(self.above)) if isinstance(each, ast.stmt))

    @property
    def function(self) -> str | None:
        """The name of the function that it is in."""
        return next((each.name for each in reversed(self.above) if isinstance(each, FUNCTIONS)), None)


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def places(tree: ast.Module) -> Iterator[Place]:
    """All of them, in the order of the source."""
    for statement in tree.body:
        yield from _walk(statement, (tree,))


def _walk(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[Place]:
    if _is_silent(node):
        return
    yield Place(node, above)
    for child in _children(node):
        yield from _walk(child, (*above, node))


def _is_silent(node: ast.AST) -> bool:
    """Whether it is a docstring, a text with values in it, a line of the log, or for type checkers."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=level))):
            return level in LEVELS and "log" in ast.unparse(owner)
        case ast.If(test=test):
            return "TYPE_CHECKING" in _names([test])
    return False


def _children(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node that may have faults."""
    match node:
        case ast.Raise() | ast.Assert() | ast.pattern():
            return ()
        case ast.FunctionDef(args=args, body=body) | ast.AsyncFunctionDef(args=args, body=body):
            return () if DECLARED & _names(node.decorator_list) else (*_defaults(args), *body)
        case ast.Lambda(args=args, body=result):
            return (*_defaults(args), result)
        case ast.ClassDef(bases=bases, body=body):
            return () if WITHOUT_FAULTS & _names(bases) else body
        case ast.Assign(targets=targets, value=value):
            return () if CONVENTIONS & _names(targets) else (value,)
        case ast.AnnAssign(annotation=annotation, value=assigned):
            return () if assigned is None or "TypeAlias" in _names([annotation]) else (assigned,)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            given = (*arguments, *(each for each in keywords if each.arg not in NO_DIFFERENCE))
            return () if FOR_CHECKERS & _names([function]) else (function, *given)
        case ast.ExceptHandler(body=body):
            return body
    return ast.iter_child_nodes(node)


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None]


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that expressions are, or end in; a generic class is named by what it is made of."""
    return {name(each.value if isinstance(each, ast.Subscript) else each) for each in nodes}


def name(node: ast.AST) -> str:
    """The name that an expression is, or ends in; empty when it is none."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
