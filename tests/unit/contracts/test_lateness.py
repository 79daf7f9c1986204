"""A deadline that has passed: the unit that was probably meant, and clocks that differ."""

from __future__ import annotations

import pytest

from tests.cases import for_each
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.lateness import refuse_past

NOW = 1_795_766_400.0
NOW_IN_MILLISECONDS = int(NOW * 1000)
TAKES = (
    "It takes the moment at which the caller stops waiting, in milliseconds since 1970; the command was not executed"
)
PASSED = "ms before the command could start; it was not executed"
CLOCKS = "; unless it waited so long, the clocks of the caller and of the service differ"
WORDS: list[tuple[int, str]] = [
    *((seconds, f"is {seconds}, a moment in January 1970: seconds? {TAKES}")
      for seconds in (int(NOW), int(NOW) - 86_400, int(NOW) + 86_400)),
    *((duration, f"is {duration}, a moment in January 1970: a duration? {TAKES}") for duration in (0, 30_000)),
    *((NOW_IN_MILLISECONDS - late, f"passed {late} {PASSED}{CLOCKS}") for late in (0, 1000)),
    (NOW_IN_MILLISECONDS - 3_600_000, f"passed 3600000 {PASSED}"),
    (-1, f"passed {NOW_IN_MILLISECONDS + 1} {PASSED}"),
]  # fmt: skip


@for_each(WORDS)
def test_every_past_deadline_is_refused_in_words_of_its_own(milliseconds: int, words: str) -> None:
    with pytest.raises(CommandError) as raised:
        refuse_past(milliseconds / 1000, NOW)
    error = raised.value
    assert error.message == f"the header deadline {words}"
    told = (error.code, error.outcome, error.retryable, error.details)
    assert told == (Code.DEADLINE_EXCEEDED, Outcome.NOT_EXECUTED, False, {"field": "deadline"})


def test_what_is_to_come_is_not_refused_in_whatever_unit() -> None:
    for deadline in (None, NOW + 0.001, NOW * 1000, NOW * 1_000_000):
        refuse_past(deadline, NOW)
