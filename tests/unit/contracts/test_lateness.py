"""A deadline that has passed: the unit that was probably meant, and clocks that differ."""

from __future__ import annotations

import pytest

from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.lateness import refuse_past

NOW = 1_795_766_400.0
TAKES = (
    "It takes the moment at which the caller stops waiting, in milliseconds since 1970; the command was not executed"
)
CLOCKS = "; unless it waited so long, the clocks of the caller and of the service differ"


def refusal(milliseconds: int) -> CommandError:
    with pytest.raises(CommandError) as raised:
        refuse_past(milliseconds / 1000, NOW)
    return raised.value


WORDS: dict[str, tuple[int, str]] = {
    "seconds": (int(NOW), f"is 1795766400, a moment in January 1970: seconds? {TAKES}"),
    "seconds of a while ago": (int(NOW) - 86_400, f"is 1795680000, a moment in January 1970: seconds? {TAKES}"),
    "seconds to come": (int(NOW) + 86_400, f"is 1795852800, a moment in January 1970: seconds? {TAKES}"),
    "a duration": (30_000, f"is 30000, a moment in January 1970: a duration? {TAKES}"),
    "zero": (0, f"is 0, a moment in January 1970: a duration? {TAKES}"),
    "just now": (int(NOW * 1000), f"passed 0 ms before the command could start; it was not executed{CLOCKS}"),
    "a second ago": (
        int(NOW * 1000) - 1000,
        f"passed 1000 ms before the command could start; it was not executed{CLOCKS}",
    ),
    "an hour ago": (
        int(NOW * 1000) - 3_600_000,
        "passed 3600000 ms before the command could start; it was not executed",
    ),
    "before 1970": (-1, f"passed {int(NOW * 1000) + 1} ms before the command could start; it was not executed"),
}


def test_every_past_deadline_is_refused_in_words_of_its_own() -> None:
    for name, (milliseconds, words) in WORDS.items():
        error = refusal(milliseconds)
        assert error.message == f"the header deadline {words}", name
        told = (error.code, error.outcome, error.retryable, error.details)
        assert told == (Code.DEADLINE_EXCEEDED, Outcome.NOT_EXECUTED, False, {"field": "deadline"}), name


def test_what_is_to_come_is_not_refused_in_whatever_unit() -> None:
    for deadline in (None, NOW + 0.001, NOW * 1000, NOW * 1_000_000):
        refuse_past(deadline, NOW)
