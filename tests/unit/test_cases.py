"""A test of many cases runs all of them and names each that fails."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.cases import check_all, check_each, for_each


def fails(case: object) -> None:
    raise ValueError("\ud800")


async def test_every_case_that_fails_is_named_with_its_reason() -> None:
    ran: list[int] = []

    @for_each([(1, "a"), (2, "b"), (3, "c")])
    def check(number: int, text: str, fixture: list[int]) -> None:
        fixture.append(number)
        if number == 3:
            with pytest.raises(ValueError, match="nothing raises it"):
                pass
        assert number > 1, f"{text} is small"

    @for_each([1, 2, 3])
    async def awaited(number: int) -> None:
        await asyncio.sleep(0)
        assert number != 2

    with pytest.raises(AssertionError) as raised:
        check(fixture=ran)
    assert ran == [1, 2, 3]
    told = str(raised.value)
    assert told.startswith("2 of 3 cases failed:")
    assert re.search(r"number=1, text='a'\nline \d+, AssertionError: a is small", told)
    assert re.search(r"number=3, text='c'\nline \d+, Failed: DID NOT RAISE", told)
    assert "text='b'" not in told
    with pytest.raises(AssertionError, match="1 of 3 cases failed:\n\nnumber=2\nline"):
        await awaited()
    with pytest.raises(AssertionError, match="3 of 3 cases failed") as raised:
        for_each(["\ud800", 10**5000, object()])(fails)()
    assert str(raised.value).encode(), "a case of any kind can be named"


async def test_a_check_of_many_cases_names_them_like_a_test_of_many() -> None:
    def is_small(number: int) -> None:
        assert number < 2, "too large"

    async def is_small_soon(number: int) -> None:
        is_small(number)

    expected = r"2 of 3 cases failed:\n\n2: \(2,\)\nline \d+, AssertionError: too large[\s\S]*\n\n3: \(3,\)\nline \d+"
    with pytest.raises(AssertionError, match=expected):
        check_all([1, 2, 3], is_small)
    with pytest.raises(AssertionError, match=expected.replace("2: ", "two: ").replace("3: ", "three: ")):
        await check_each({"one": (1,), "two": (2,), "three": (3,)}, is_small_soon)


def test_without_cases_there_is_no_test_and_at_the_end_of_its_time_there_are_no_more() -> None:
    def ends(_: int) -> None:
        pytest.fail("Timeout (>1.0s) from pytest-timeout.")

    with pytest.raises(AssertionError, match="cannot fail"):
        for_each([])
    with pytest.raises(AssertionError, match="there is no case"):
        check_all([], ends)
    with pytest.raises(pytest.fail.Exception, match="Timeout"):
        check_all([1, 2], ends)
