"""One test for many cases: it tries all of them, and names every one that fails."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from traceback import extract_tb
from types import TracebackType
from typing import Any, Self, TypeAlias

import pytest

Cases: TypeAlias = Mapping[str, tuple[Any, ...]] | Iterable[Any]
"""The arguments of each case by its name, or without names: tuples of arguments, or anything else as the only one."""
Test: TypeAlias = Callable[..., Any]

FAILURES = (Exception, pytest.fail.Exception)


def check_all(cases: Cases, check: Callable[..., object]) -> None:
    """Call `check` with the arguments of each case."""
    failures = _Failures()
    for name, arguments in _named(cases):
        with failures.of(lambda name=name, arguments=arguments: f"{name}: {_shown(arguments)}"):
            check(*arguments)
    failures.end()


async def check_each(cases: Cases, check: Callable[..., Awaitable[object]]) -> None:
    """Call and await `check` with the arguments of each case, one after the other."""
    failures = _Failures()
    for name, arguments in _named(cases):
        with failures.of(lambda name=name, arguments=arguments: f"{name}: {_shown(arguments)}"):
            await check(*arguments)
    failures.end()


def _named(cases: Cases) -> Iterator[tuple[str, tuple[Any, ...]]]:
    named = list(cases.items() if isinstance(cases, Mapping) else enumerate(cases, 1))
    assert named, "there is no case"
    for name, case in named:
        yield str(name), case if isinstance(case, tuple) else (case,)


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
                with failures.of(lambda case=case: _assigned(case)):
                    test(*bound, **case, **fixtures)
            failures.end()

        async def run_async(*bound: Any, **fixtures: Any) -> None:
            failures = _Failures()
            for case in named:
                with failures.of(lambda case=case: _assigned(case)):
                    await test(*bound, **case, **fixtures)
            failures.end()

        one: Any = run_async if inspect.iscoroutinefunction(test) else run
        one.__name__, one.__qualname__, one.__doc__ = test.__name__, test.__qualname__, test.__doc__
        one.__module__, one.__signature__ = test.__module__, inspect.Signature(parameters[:first] + parameters[end:])
        return one  # type: ignore[no-any-return]

    return decorate


class _Failures:
    """The cases that failed; a context manager around each case."""

    def __init__(self) -> None:
        self._number = 0
        self._told: list[str] = []
        self._first: BaseException | None = None

    def of(self, describe: Callable[[], str]) -> Self:
        """Go on with another case; `describe` is asked only when it fails."""
        self._number += 1
        self._describe = describe
        return self

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        # A timeout's end is for the whole test, not for one case.
        if not isinstance(error, FAILURES) or "pytest-timeout" in str(error):
            return False
        self._first = self._first or error
        line = extract_tb(error.__traceback__)[:2][-1].lineno
        told = f"{self._describe()}\nline {line}, {type(error).__name__}: {str(error)[:2000]}"
        self._told.append(told.encode(errors="backslashreplace").decode())
        return True

    def end(self) -> None:
        """Fail when a case has."""
        __tracebackhide__ = True
        if self._told:
            told = "\n\n".join([f"{len(self._told)} of {self._number} cases failed:", *self._told])
            raise AssertionError(told) from self._first


def _assigned(case: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in case.items())


def _shown(value: object) -> str:
    try:
        return ascii(value)[:300]
    except ValueError:  # a number of thousands of digits
        return f"({type(value).__name__})"
