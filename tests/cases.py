"""One test for many cases: it tries all of them, and names every one that fails."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeAlias

import pytest

Cases: TypeAlias = Mapping[str, tuple[Any, ...]] | Iterable[Any]
"""The arguments of each case by its name, or without names: tuples of arguments, or anything else as the only one."""
Test: TypeAlias = Callable[..., Any]

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
    line = extract_tb(failure.__traceback__)[:2][-1]
    where = f"{Path(line.filename).name}:{line.lineno}"
    told = f"{name}: {_shown(arguments)}\n  {where}: {type(failure).__name__}: {str(failure)[:2000]}"
    return told.encode(errors="backslashreplace").decode()


def _raise(failures: list[str]) -> None:
    __tracebackhide__ = True
    if failures:
        raise AssertionError("\n\n".join([f"cases that failed: {len(failures)}", *failures]))


def for_each(cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Make one test of many cases: all of them run, and it fails with every case that failed, and why.

    A case is the first parameter, or a tuple of the first ones. The others are fixtures, which all cases share.
    """
    parts = [case if isinstance(case, tuple) else (case,) for case in cases]
    assert parts, "a test without cases cannot fail"

    def decorate(test: Test) -> Test:
        parameters = list(inspect.signature(test).parameters.values())
        first = parameters[0].name == "self"
        end = first + len(parts[0])
        names = [each.name for each in parameters[first:end]]
        named = [dict(zip(names, case, strict=True)) for case in parts]

        def run(*bound: Any, **fixtures: Any) -> None:
            failures = _Failures()
            for case in named:
                try:
                    test(*bound, **case, **fixtures)
                except FAILURES as error:
                    failures.add(case, error)
            failures.end(len(named))

        async def run_async(*bound: Any, **fixtures: Any) -> None:
            failures = _Failures()
            for case in named:
                try:
                    await test(*bound, **case, **fixtures)
                except FAILURES as error:
                    failures.add(case, error)
            failures.end(len(named))

        one: Any = run_async if inspect.iscoroutinefunction(test) else run
        one.__name__, one.__qualname__, one.__doc__ = test.__name__, test.__qualname__, test.__doc__
        one.__module__, one.__signature__ = test.__module__, inspect.Signature(parameters[:first] + parameters[end:])
        return one  # type: ignore[no-any-return]

    return decorate


class _Failures:
    """The cases that failed."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._first: BaseException | None = None

    def add(self, case: Mapping[str, Any], error: BaseException) -> None:
        if "pytest-timeout" in str(error):  # it ends one case only
            raise error
        self._first = self._first or error
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in case.items())
        told = f"{shown}\nline {extract_tb(error.__traceback__)[:2][-1].lineno}, {type(error).__name__}: {error}"
        self._told.append(told.encode(errors="backslashreplace").decode())

    def end(self, number: int) -> None:
        if self._told:
            told = "\n\n".join([f"{len(self._told)} of {number} cases failed:", *self._told])
            raise AssertionError(told) from self._first


def _shown(value: object) -> str:
    try:
        return ascii(value)[:300]
    except ValueError:  # a number of thousands of digits
        return f"({type(value).__name__})"
