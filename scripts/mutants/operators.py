"""What code can be changed into, so that it still runs and does something else: one small fault each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from scripts.mutants.places import Place, name

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
IN_ANY_ORDER = frozenset({"min", "max", "zip", "gather", "isinstance", "issubclass", "getattr", "hasattr", "setattr"})
"""Functions that take their arguments in any order, or at once fail with the wrong one, as everybody sees."""
CONSTRUCTORS = frozenset({"__init__", "__post_init__"})
"""Without one of their assignments the first use of the object fails, as everybody sees."""

COUNTED = 16
"""Whole numbers up to this one are counts, one more or less of which shows; larger ones are limits."""


class Change(NamedTuple):
    """A node and what stands there instead."""

    old: ast.expr | ast.stmt
    new: ast.expr | ast.stmt


def changes(place: Place) -> Iterator[Change]:
    """The faults that may be at a place."""
    return chain.from_iterable(operator(place) for operator in OPERATORS)


def _compare(place: Place) -> Iterator[Change]:
    """Another operator between two values."""
    match place.node:
        case ast.Compare(left=left, ops=operators, comparators=values) as node:
            for index, operator in enumerate(operators):
                for other in COMPARED[type(operator)]:
                    changed = [*operators[:index], other(), *operators[index + 1 :]]
                    yield Change(node, ast.Compare(left, changed, values))


def _connect(place: Place) -> Iterator[Change]:
    """`or` for `and`, and the reverse; or one of the conditions is missing."""
    match place.node:
        case ast.BoolOp(op=operator, values=values) as node if not _names_something(node):
            yield Change(node, ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values))
            # Without a fallback that is a constant there is nothing instead, which often is the same.
            for index in range(len(values) - isinstance(values[-1], ast.Constant)):
                rest = [*values[:index], *values[index + 1 :]]
                yield Change(node, ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0])


def _negate(place: Place) -> Iterator[Change]:
    """A missing `not`."""
    match place.node:
        case ast.UnaryOp(op=ast.Not(), operand=operand) as node:
            yield Change(node, operand)


def _decide(place: Place) -> Iterator[Change]:
    """A condition that is always true, or never; a loop that nothing ends is no small fault."""
    match place.node:
        case ast.If(test=test) | ast.IfExp(test=test) if not _names_something(test):
            yield from (Change(test, ast.Constant(value)) for value in (True, False))
        case ast.While(test=test) if not _names_something(test):
            yield Change(test, ast.Constant(False))
        case ast.comprehension(ifs=tests):
            yield from (Change(test, ast.Constant(True)) for test in tests if not _names_something(test))


def _names_something(node: ast.AST) -> bool:
    """Whether it binds a name: without it everything after fails, as everybody sees."""
    return any(isinstance(each, ast.NamedExpr) for each in ast.walk(node))


def _calculate(place: Place) -> Iterator[Change]:
    """Minus for plus, and so on, between numbers."""
    match place.node:
        case ast.BinOp(left=left, op=operator, right=right) as node if type(operator) in CALCULATED:
            if not (_is_sequence(left) or _is_sequence(right)):
                yield Change(node, ast.BinOp(left, CALCULATED[type(operator)](), right))


def _is_sequence(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr() | ast.List() | ast.Tuple() | ast.ListComp():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_sequence(left) or _is_sequence(right)
    return False


def _count(place: Place) -> Iterator[Change]:
    """Another constant."""
    match place.node:
        case ast.Constant(value=value) as node if not _is_part_of_prose(place):
            yield from (Change(node, ast.Constant(other)) for other in _others(value))


def _others(value: object) -> tuple[str | bytes | bool | int | float, ...]:
    match value:
        case bool():
            return (not value,)
        case int() if value <= COUNTED:
            return (value + 1, value - 1) if value else (1,)
        case int() | float():
            return (value * 2, 0) if value else (1,)
        case str() if not _is_prose(value):
            return ("" if value else "x",)
        case bytes() if not _is_prose(value):
            return (b"" if value else b"x",)
    return ()


def _is_part_of_prose(place: Place) -> bool:
    """Whether it is added to a text for people, or stands for one that is left out."""
    match place.parent:
        case ast.BinOp(left=one, right=other) | ast.IfExp(body=one, orelse=other):
            return _is_text(one) or _is_text(other)
    return False


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str() as value):
            return _is_prose(value)
    return isinstance(node, ast.JoinedStr)


def _is_prose(value: str | bytes) -> bool:
    """Whether it is for people: words with spaces between them."""
    return len(value.split()) > 1


def _choose(place: Place) -> Iterator[Change]:
    """The largest for the smallest, `any` for `all`."""
    match place.node:
        case ast.Call(func=ast.Name(id=called) as node) if called in OPPOSITES:
            yield Change(node, ast.Name(OPPOSITES[called]))


def _swap(place: Place) -> Iterator[Change]:
    """The first two arguments of a call, the wrong way round."""
    match place.node:
        case ast.Call(func=function, args=[first, second, *rest], keywords=keywords) as node:
            starred = isinstance(first, ast.Starred) or isinstance(second, ast.Starred)
            same = ast.unparse(first) == ast.unparse(second)
            if place.function and not starred and not same and name(function) not in IN_ANY_ORDER:
                yield Change(node, ast.Call(function, [second, first, *rest], keywords))


def _drop(place: Place) -> Iterator[Change]:
    """A statement that is missing."""
    match place.node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Delete() | ast.Raise() | ast.Break() | ast.Continue():
            yield Change(place.node, ast.Pass())
        case ast.AugAssign() as node:
            yield Change(node, ast.Pass())
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) as node if place.function not in CONSTRUCTORS:
            yield Change(node, ast.Pass())
        case ast.Return(value=ast.expr() as value) as node if not isinstance(value, ast.Constant):
            yield Change(node, ast.Return(ast.Constant(None)))


OPERATORS: tuple[Callable[[Place], Iterator[Change]], ...] = (
    _compare,
    _connect,
    _negate,
    _decide,
    _calculate,
    _count,
    _choose,
    _swap,
    _drop,
)
