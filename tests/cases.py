"""One test for many cases: it tries all of them, and names every one that fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeAlias

import pytest

Cases: TypeAlias = Mapping[str, tuple[Any, ...]] | Iterable[Any]
"""The arguments of each case by its name, or without names: tuples of arguments, or anything else as the only one."""
FAILURES = (Exception, pytest.fail.Exception)


def check_all(cases: Cases, check: Callable[..., object]) -> None:
    """Call `check` with the arguments of each case."""
    failures: list[str] = []
    for name, arguments in _named(cases):
        try:
            check(*arguments)
        except FAILURES as failure:
            failures.append(_told(name, arguments, failure))
    _raise(failures)


async def check_each(cases: Cases, check: Callable[..., Awaitable[object]]) -> None:
    """Call and await `check` with the arguments of each case, one after the other."""
    failures: list[str] = []
    for name, arguments in _named(cases):
        try:
            await check(*arguments)
        except FAILURES as failure:
            failures.append(_told(name, arguments, failure))
    _raise(failures)


def _named(cases: Cases) -> Iterator[tuple[str, tuple[Any, ...]]]:
    named = list(cases.items() if isinstance(cases, Mapping) else enumerate(cases, 1))
    assert named, "there is no case"
    for name, case in named:
        yield str(name), case if isinstance(case, tuple) else (case,)


def _told(name: str, arguments: tuple[Any, ...], failure: BaseException) -> str:
    """A case that failed: its name, its arguments, and which line of the check says what."""
    try:
        shown = ascii(arguments)
    except ValueError:  # a number of thousands of digits
        shown = "(...)"
    line = extract_tb(failure.__traceback__)[:2][-1]
    where = f"{Path(line.filename).name}:{line.lineno}"
    told = f"{name}: {shown[:200]}\n  {where}: {type(failure).__name__}: {str(failure)[:2000]}"
    return told.encode(errors="backslashreplace").decode()


def _raise(failures: list[str]) -> None:
    __tracebackhide__ = True
    if failures:
        raise AssertionError("\n\n".join([f"cases that failed: {len(failures)}", *failures]))
