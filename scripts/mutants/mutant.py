"""One small fault in one file."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from scripts.mutants.operators import Change, changes
from scripts.mutants.places import Place, places

WIDTH = 100
"""Characters of each piece of code in a name, at most."""
AROUND = 20
"""Characters before the first that differs, in a name that is cut."""


@dataclass(frozen=True)
class Mutant:
    """A file in which one piece of code stands instead of another."""

    file: str
    """Its path in the repository."""
    line: int
    column: int
    change: str
    """What stood there, and what stands there instead."""
    statement: int
    """The line where its statement begins."""
    start: int
    end: int
    """Where the old code is, in bytes."""
    new: bytes

    @property
    def name(self) -> str:
        """Where it is and what it is: on the same source always the same."""
        return f"{self.file}:{self.line}:{self.column} {self.change}"

    def apply(self, source: bytes) -> bytes:
        """The file with the fault."""
        return source[: self.start] + self.new + source[self.end :]


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All that a file can have, in the order of the source; none has the name of another."""
    starts = _line_starts(source)
    found = (
        _mutant(file, source, starts, place, change) for place in places(ast.parse(source)) for change in changes(place)
    )
    return list({each.name: each for each in found}.values())


def _line_starts(source: bytes) -> list[int]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _mutant(file: str, source: bytes, starts: list[int], place: Place, change: Change) -> Mutant:
    old, new = change
    assert old.end_lineno is not None
    assert old.end_col_offset is not None
    line = starts[old.lineno - 1]
    start, end = line + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset
    # What is part of something larger must stay one part of it.
    text = ast.unparse(new) if isinstance(new, ast.stmt) else f"({ast.unparse(new)})"
    column = len(source[line:start].decode()) + 1
    return Mutant(file, old.lineno, column, _told(place, change), place.line, start, end, text.encode())


def _told(place: Place, change: Change) -> str:
    """A change as a name has it; a constant says little without what is around it."""
    has_body = isinstance(place.parent, ast.stmt) and hasattr(place.parent, "body")
    if isinstance(change.old, ast.Constant) and not has_body:
        around = _texts((place.parent, _replaced(place.parent, *change)))
        if max(map(len, around)) <= WIDTH:
            return " -> ".join(around)
    return " -> ".join(_truncate(_texts(change)))


def _texts(nodes: Sequence[ast.AST]) -> list[str]:
    """Code of nodes, each in one line."""
    return [" ".join(ast.unparse(each).split()) for each in nodes]


def _replaced(parent: ast.AST, old: ast.AST, new: ast.AST) -> ast.AST:
    """A copy of a node in which one of its parts is another."""
    changed = copy.copy(parent)
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(changed, field, new)
        elif isinstance(value, list):
            setattr(changed, field, [new if each is old else each for each in value])
    return changed


def _truncate(texts: list[str]) -> list[str]:
    """What is around the difference, when texts are long."""
    if max(map(len, texts)) <= WIDTH:
        return texts
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))))
    begin = max(0, same - AROUND)
    return [f"{'...' if begin else ''}{each[begin:][:WIDTH]}{'...' if each[begin:][WIDTH:] else ''}" for each in texts]
