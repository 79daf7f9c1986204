"""Whom requests name: one name per client, never a guess, and never another one in the middle."""

from __future__ import annotations

import pytest

from tests.cases import check_all, for_each
from zeebe_amqp import Client
from zeebe_amqp.client.sender import Sender

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
ANN, BEN, GUEST = "amqp://ann:secret@a/", "amqp://ben:secret@b/", "amqp://c/"
EXTERNAL, OAUTH = "amqps://ann@a/?auth=EXTERNAL", f"amqps://ann:{TOKEN}@a/"
LONG = "n" * 255

CASES: list[tuple[list[str], str | None, str | None]] = [
    ([ANN], None, "ann"),
    ([ANN, ANN.replace("@a", "@b")], None, "ann"),
    ([GUEST], None, "guest"),
    (["amqp://%C3%A9%40x:secret@a/"], None, "é@x"),
    (["amqp://ann:eyJ.secret@a/"], None, "ann"),
    ([EXTERNAL], None, None),
    ([OAUTH], None, None),
    ([ANN, BEN], None, None),  # the ids of one would not be those of the other
    ([ANN, OAUTH], None, None),
    ([f"amqp://{LONG}:secret@a/"], None, LONG),
    ([f"amqp://{LONG}x:secret@a/"], None, None),
    ([ANN, BEN], "ann", "ann"),
    ([EXTERNAL], "CN=ann", "CN=ann"),
    ([OAUTH], "ann", "ann"),
    ([ANN], "", None),
]


def test_the_name_is_the_given_one_or_the_login_s_where_that_is_known() -> None:
    check_all(CASES, _assert_name)


def _assert_name(urls: list[str], given: str | None, name: str | None) -> None:
    assert Sender(urls, given).name == name


@for_each([
    (None, False, True, None),
    (None, True, False, "ann"),
    ("ann", False, False, "ann"),
])  # fmt: skip
def test_a_refused_name_is_left_out_where_it_was_a_guess_and_nothing_can_have_been_taken_under_it(
    given: str | None, accepted: bool, dropped: bool, name: str | None
) -> None:
    sender = Sender([ANN], given)
    if accepted:
        sender.accept()
    assert [sender.drop("refused"), sender.drop("refused")] == [dropped, dropped]
    sender.accept()
    assert (sender.drop("late"), sender.name) == (dropped, name)


def test_a_name_that_no_message_can_have_is_refused_at_once() -> None:
    for name in ("n" * 256, "é" * 128):
        with pytest.raises(ValueError, match=r"user_id: expected .* at most 255 bytes, .* found \d+ characters"):
            Client(ANN, user_id=name)
