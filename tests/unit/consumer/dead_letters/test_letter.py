"""Dead letters: whose they are, why they are dead, what a replay sends, and when it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from consumer.dead_letters.letter import DeadLetter, Filter, ReplayPolicy
from tests.cases import for_each
from zeebe_amqp import wire

DIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OURS = {
    wire.REQUEST_ID: "r",
    wire.FAILED_AT: DIED.isoformat(),
    wire.OPERATION: "topology",
    wire.ERROR_CODE: "NOT_FOUND",
    wire.ERROR_MESSAGE: "no",
    wire.ERROR_SOURCE: "gateway",
    wire.ERROR_OUTCOME: "not-executed",
}
DEATH = {"queue": "orders", "reason": "delivery_limit", "time": DIED, "count": 1, "exchange": ""}
BROKERS = {"x-death": [DEATH], "x-first-death-queue": "first", "x-delivery-count": 3, "x-last-death-reason": "rejected"}


def ours(routing_key: str = "commands", **headers: Any) -> DeadLetter:
    return DeadLetter(b"{}", headers={**OURS, **headers}, routing_key=routing_key)


def brokers(body: bytes = b"\xff", **headers: Any) -> DeadLetter:
    return DeadLetter(body, headers={**BROKERS, **headers}, routing_key="key", properties={"type": "topology"})


def test_what_was_given_up_tells_why_and_whence() -> None:
    letter = ours()
    assert (letter.operation, letter.code, letter.message) == ("topology", "NOT_FOUND", "no")
    assert (letter.failed_at, letter.origin, letter.replays) == (DIED, "commands", 0)
    letter = brokers()
    assert (letter.operation, letter.code, letter.message) == ("topology", "delivery_limit", None)
    assert (letter.failed_at, letter.origin, letter.returns) == (DIED, "orders", 3)
    assert DeadLetter(b"", routing_key="commands").origin == "commands", "without any account"
    assert DeadLetter(b"").origin is None


@for_each(
    [
        *((wire.FAILED_AT, "failed_at", when, None) for when in ("yesterday", 5, None, b"x")),
        (wire.FAILED_AT, "failed_at", "2026-01-02T03:04:05", DIED),
        *((wire.REPLAYS, "replays", count, 0) for count in (None, "5", True, -1, 1.5)),
    ]
)
def test_a_time_without_zone_is_utc_and_what_is_no_time_or_count_is_none(
    header: str, name: str, value: Any, found: Any
) -> None:
    assert getattr(ours(**{header: value}), name) == found


@for_each([None, [], [1], "x", [{}], [{"queue": 1, "reason": 2, "time": 3}]])
def test_an_account_of_deaths_that_makes_no_sense_is_as_if_absent(deaths: Any) -> None:
    letter = brokers(**{"x-death": deaths})
    assert (letter.code, letter.failed_at, letter.origin) == (None, None, "first")


def test_what_was_put_anew_still_comes_from_its_first_queue() -> None:
    for letter in (ours(), brokers()):
        again = DeadLetter(letter.body, headers=letter.renewed(), routing_key=wire.DEAD_LETTER)
        assert (again.origin, again.code, again.returns) == (letter.origin, letter.code, 0)
        assert wire.ORIGINAL_QUEUE not in again.replayed()


def test_the_name_of_a_queue_is_believed_only_where_we_wrote_it() -> None:
    assert ours(**{wire.ORIGINAL_QUEUE: "elsewhere"}).origin == "commands"
    assert DeadLetter(b"", routing_key=wire.DEAD_LETTER).renewed() == {}


def test_a_letter_is_called_by_its_request_id_else_its_message_id_else_its_body() -> None:
    assert ours().id == "r"
    assert DeadLetter(b"", properties={"message_id": "m"}, headers={wire.REQUEST_ID: 5}).id == "m"
    assert DeadLetter(b"a").id == DeadLetter(b"a").id != DeadLetter(b"b").id
    assert DeadLetter(b"{}").operation is None
    assert DeadLetter(b'{"operation":"topology"}').operation == "topology"


def test_a_replay_keeps_the_requests_headers_and_counts() -> None:
    own = {wire.REQUEST_ID: "r", "mine": [1], wire.DEADLINE: 1}
    counted = {"x-delivery-count": 3, wire.REPLAYS: 2, wire.ORIGINAL_USER_ID: "who sends it says so anew"}
    letter = DeadLetter(b"", headers={**OURS, **own, **counted})
    assert letter.replayed() == {**own, wire.REPLAYS: 3}
    del own[wire.DEADLINE]
    assert letter.replayed(keep_deadline=False) == {**own, wire.REPLAYS: 3}
    like_ours: dict[str, Any] = {"operation": "mine", "error-code": "x"}
    assert DeadLetter(b"", headers={**BROKERS, **like_ours}).replayed() == {**like_ours, wire.REPLAYS: 1}


TRUNCATED = {wire.TRUNCATED: True, wire.ORIGINAL_SIZE: 20 << 20}


def test_a_truncated_letter_is_never_replayed_and_says_why_and_what_to_do() -> None:
    letter = ours(**TRUNCATED)
    said = (
        "truncated: only the first 2 of 20971520 bytes are here, and a request has at most 8388608; "
        "have its sender send a smaller one, and drop this"
    )
    for policy in (TERMS, ReplayPolicy(("commands",), force=True), ReplayPolicy((), "elsewhere", force=True)):
        assert policy.refusal(letter) == said, policy


def test_a_truncated_letter_that_is_put_anew_stays_truncated() -> None:
    again = DeadLetter(b"{}", headers=ours(**TRUNCATED).renewed(), routing_key=wire.DEAD_LETTER)
    assert again.truncation == "first 2 of 20971520 bytes"


def test_only_our_own_word_makes_a_letter_truncated() -> None:
    assert brokers(**{**OURS, **TRUNCATED}).truncation is None
    assert DeadLetter(b"", headers=TRUNCATED).truncation is None
    for odd in (None, False, 1, "true"):
        assert ours(**{**TRUNCATED, wire.TRUNCATED: odd}).truncation is None, odd
    assert ours(**{wire.TRUNCATED: True, wire.ORIGINAL_SIZE: "many"}).truncation == "first 2 of 0 bytes"


@for_each(
    [
        (Filter(), True),
        (Filter(ids=frozenset({"r", "x"})), True),
        (Filter(ids=frozenset({"x"})), False),
        (Filter(operation="topology", code="NOT_FOUND", origin="commands"), True),
        (Filter(operation="cancel-instance"), False),
        (Filter(code="INTERNAL"), False),
        (Filter(origin="polls"), False),
        (Filter(older_than=10), True),
        (Filter(older_than=11), False),
        (Filter(ids=frozenset({"r"}), code="INTERNAL"), False),
    ]
)
def test_every_condition_must_hold(filter: Filter, meant: bool) -> None:
    assert filter.matches(ours(), now=DIED.timestamp() + 10) is meant


def test_a_letter_of_unknown_age_is_older_than_nothing() -> None:
    assert not Filter(older_than=0).matches(DeadLetter(b""))


def test_a_deadline_is_past_from_its_millisecond_on() -> None:
    assert [ours(deadline=5000).expired(now) for now in (4.999, 5.0)] == [False, True]
    assert not ours().expired()
    assert not ours(deadline="soon").expired()


TERMS = ReplayPolicy(("commands", "polls"))


@for_each([
    (ours(), TERMS, None),
    (ours(replays=4), TERMS, None),
    (ours(replays=5), TERMS, "--force"),
    (ours(replays=9), ReplayPolicy(("commands",), force=True), None),
    (ours(replays=1), ReplayPolicy(("commands",), max_replays=1), "--max-replays is 1"),
    (ours(deadline=1), TERMS, "--without-deadline"),
    (ours(deadline=1), ReplayPolicy(("commands",), keep_deadline=False), None),
    (ours("elsewhere"), TERMS, "not one of AMQP_QUEUES (commands, polls)"),
    (ours("elsewhere"), ReplayPolicy(("commands",), "elsewhere"), None),
    (ours(""), TERMS, "name one with --queue"),
    (ours(wire.DEAD_LETTER), TERMS, "name one with --queue"),
    (ours(), ReplayPolicy((), wire.DEAD_LETTER), "the dead-letter queue itself"),
    (DeadLetter(b"", routing_key="commands", malformed_properties=("type is not UTF-8 text",)), TERMS,
     "type is not UTF-8 text"),
])  # fmt: skip
def test_a_replay_is_refused_with_what_to_do(letter: DeadLetter, policy: ReplayPolicy, said: str | None) -> None:
    refusal = policy.refusal(letter)
    assert (refusal is None) if said is None else (refusal is not None and said in refusal)


def test_a_replay_goes_where_it_came_from_unless_told_otherwise() -> None:
    assert TERMS.destination(ours("polls")) == "polls"
    assert ReplayPolicy(("commands",), "other").destination(ours()) == "other"


@for_each(
    [
        (ours(), None),
        (ours(**{"original-user-id": "alice"}), "alice"),
        (ours(**{"original-user-id": "alice", "x-death": [{"queue": "commands"}]}), None),
        (DeadLetter(b"", {"original-user-id": "alice"}, {"user_id": "bob"}), "bob"),
        (DeadLetter(b"", {"original-user-id": "alice", "replays": 1}, {"user_id": "bob"}), "bob"),
        (DeadLetter(b"", {"original-user-id": "alice", "replays": 1}, {"user_id": "service"}), "alice"),
        (DeadLetter(b"", {"original-user-id": "alice", "original-queue": "q"}, {"user_id": "service"}), "alice"),
        (DeadLetter(b"", {"replays": 1}, {"user_id": "service"}), None),
        (DeadLetter(b"", {"original-user-id": "alice"}, {"user_id": "service"}), "service"),
        (DeadLetter(b"", {"original-user-id": "alice", "replays": 1}, {}), None),
    ]
)
def test_only_what_we_sent_again_may_name_another_sender(letter: DeadLetter, sender: str | None) -> None:
    assert letter.sender({"service"}) == sender
