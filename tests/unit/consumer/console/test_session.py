"""A session ends when nobody uses it, and at the latest after hours; there are only so many."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from consumer.console.session import IDLE, MAX_AGE, MAX_SESSIONS, PAUSE, TRIES, Sessions, TooManyTries

TOKEN = "t" * 32


@dataclass
class Hand:
    """A clock that is set by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_who_knows_the_token_gets_a_session_of_its_own() -> None:
    sessions = Sessions(TOKEN)
    one, other = sessions.begin(TOKEN), sessions.begin(TOKEN)
    assert one is not None
    assert other is not None
    assert len({one.key, other.key, one.csrf, other.csrf, one.name, other.name}) == 6
    assert sessions.find(one.key) is one
    assert sessions.find(None) is sessions.find("") is sessions.find(one.csrf) is None
    assert (one.owns(one.csrf), one.owns(other.csrf), one.owns("")) == (True, False, False)
    sessions.end(one)
    sessions.end(one)
    assert (sessions.find(one.key), sessions.find(other.key)) == (None, other)
    assert all(secret not in repr(one) for secret in (one.key, one.csrf))


def test_a_session_ends_when_nobody_uses_it_and_at_last_in_any_case() -> None:
    clock = Hand()
    sessions = Sessions(TOKEN, clock)
    session = sessions.begin(TOKEN)
    assert session is not None
    began = clock.now
    while clock.now + IDLE / 2 < began + MAX_AGE:
        clock.now += IDLE / 2
        assert sessions.find(session.key) is session
    clock.now = began + MAX_AGE
    assert sessions.find(session.key) is None
    again = sessions.begin(TOKEN)
    assert again is not None
    clock.now += IDLE / 2
    assert sessions.find(again.key, used=False) is again
    clock.now += IDLE / 2
    assert sessions.find(again.key) is None


def test_the_oldest_session_ends_for_one_too_many() -> None:
    sessions = Sessions(TOKEN)
    made = [session for _ in range(MAX_SESSIONS + 1) if (session := sessions.begin(TOKEN))]
    assert [sessions.find(each.key) for each in made] == [None, *made[1:]]


def test_after_wrong_tokens_none_is_compared_for_a_while() -> None:
    clock = Hand()
    sessions = Sessions(TOKEN, clock)
    for _ in range(TRIES):
        assert sessions.begin("wrong") is None
        clock.now += 1
    for token in (TOKEN, "wrong"):
        with pytest.raises(TooManyTries):
            sessions.begin(token)
    clock.now += PAUSE
    assert sessions.begin("wrong") is None
    assert sessions.begin(TOKEN) is not None
