"""Dead letters: whose they are, why they are dead, what a replay sends, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from consumer.core.seal import Purpose
from consumer.dead_letters.letter import DeadLetter, Filter
from consumer.dead_letters.replay_policy import ReplayPolicy
from tests.cases import for_each
from tests.unit.consumer.dead_letters.signed import SEAL, signed
from zeebe_amqp import wire

DIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEN_LATER = DIED.timestamp() + 10
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
TRUNCATED: dict[str, Any] = {wire.TRUNCATED: True, wire.ORIGINAL_SIZE: 20 << 20}


def ours(routing_key: str = "commands", /, **headers: Any) -> DeadLetter:
    return signed(DeadLetter(b"{}", headers={**OURS, **headers}, routing_key=routing_key))


def brokers(body: bytes = b"\xff", /, **headers: Any) -> DeadLetter:
    return DeadLetter(body, {**BROKERS, **headers}, {"type": "topology"}, "key", seal=SEAL)


NO_ACCOUNTS: list[Any] = [None, [], [1], "x", [{}], [{"queue": 1, "reason": 2, "time": 3}]]


@for_each([
    (ours(), {"operation": "topology", "code": "NOT_FOUND", "message": "no", "failed_at": DIED}),
    (ours(), {"id": "r", "origin": "commands", "replays": 0, "truncation": None}),
    (brokers(), {"operation": "topology", "code": "delivery_limit", "message": None, "failed_at": DIED}),
    (brokers(), {"origin": "orders", "returns": 3}),
    (DeadLetter(b"", routing_key="commands"), {"origin": "commands"}),
    (DeadLetter(b""), {"origin": None}),
    (DeadLetter(b'{"operation":"topology"}'), {"operation": "topology"}),
    (DeadLetter(b"{}"), {"operation": None}),
    (DeadLetter(b"", properties={"message_id": "m"}, headers={wire.REQUEST_ID: 5}), {"id": "m"}),
    (DeadLetter(b"a"), {"id": "ca978112ca1bbdca"}),  # the beginning of its body's SHA-256
    # What is no time, no count or no account of deaths is as if absent; a time without a zone is UTC.
    *((ours(**{wire.FAILED_AT: when}), {"failed_at": None}) for when in ("yesterday", 5, None, b"x")),
    (ours(**{wire.FAILED_AT: "2026-01-02T03:04:05"}), {"failed_at": DIED}),
    *((ours(**{wire.REPLAYS: count}), {"replays": 0}) for count in (None, "5", True, -1, 1.5, 2**63 - 1)),
    *((brokers(**{"x-death": deaths}), {"code": None, "failed_at": None, "origin": "first"})
      for deaths in NO_ACCOUNTS),
    # The name of a queue, and what is left of a body, are believed only where we wrote them.
    (ours(**{wire.ORIGINAL_QUEUE: "elsewhere"}), {"origin": "commands"}),
    (brokers(**{**OURS, **TRUNCATED}), {"truncation": None}),
    (DeadLetter(b"", headers=TRUNCATED), {"truncation": None}),
    *((ours(**{**TRUNCATED, wire.TRUNCATED: odd}), {"truncation": None}) for odd in (None, False, 1, "true")),
    (ours(**{wire.TRUNCATED: True, wire.ORIGINAL_SIZE: "many"}), {"truncation": "first 2 of 0 bytes"}),
])  # fmt: skip
def test_a_letter_tells_what_its_headers_make_certain(letter: DeadLetter, told: dict[str, Any]) -> None:
    assert {name: getattr(letter, name) for name in told} == told


@for_each([ours(), ours(**TRUNCATED), brokers()])
def test_what_was_put_anew_tells_the_same_and_counts_as_never_delivered(letter: DeadLetter) -> None:
    again = replace(letter, headers=letter.renewed(), routing_key=wire.DEAD_LETTER)
    told = (again.origin, again.code, again.truncation, again.signature, again.returns)
    assert told == (letter.origin, letter.code, letter.truncation, letter.signature, 0)
    assert wire.ORIGINAL_QUEUE not in again.replayed("commands", None)
    assert DeadLetter(b"", routing_key=wire.DEAD_LETTER).renewed() == {}


def unsealed(headers: dict[str, Any]) -> dict[str, Any]:
    assert headers.pop(wire.SIGNATURE, None)
    return headers


def test_a_replay_keeps_the_requests_headers_and_counts() -> None:
    own = {wire.REQUEST_ID: "r", "mine": [1], wire.DEADLINE: 1}
    counted = {"x-delivery-count": 3, wire.REPLAYS: 2, wire.ORIGINAL_USER_ID: "who sends it says so anew"}
    letter = ours(**own, **counted)
    assert letter.replayed("commands", None) == {**own, wire.REPLAYS: 3}
    alice = unsealed(letter.replayed("commands", "alice"))
    assert alice == {**own, wire.REPLAYS: 3, wire.ORIGINAL_USER_ID: "alice"}
    del own[wire.DEADLINE]
    assert letter.replayed("commands", None, keep_deadline=False) == {**own, wire.REPLAYS: 3}
    like_ours: dict[str, Any] = {"operation": "mine", "error-code": "x"}
    assert brokers(**like_ours).replayed("q", None) == {**like_ours, wire.REPLAYS: 1}


@for_each([
    (Filter(), True),
    (Filter(ids=frozenset({"r", "x"})), True),
    (Filter(ids=frozenset({"x"})), False),
    (Filter(operation="topology", code="NOT_FOUND", origin="commands"), True),
    (Filter(operation="cancel-instance"), False),
    (Filter(code="INTERNAL"), False),
    (Filter(origin="polls"), False),
    (Filter(older_than=10, now=TEN_LATER), True),
    (Filter(older_than=11, now=TEN_LATER), False),
    (Filter(newer_than=10, now=TEN_LATER), True),
    (Filter(newer_than=9, now=TEN_LATER), False),
    (Filter(older_than=10, newer_than=10, now=TEN_LATER), True),
    (Filter(newer_than=0, now=TEN_LATER - 20), True),  # clocks differ
    (Filter(user="alice"), True),
    (Filter(user="bob"), False),
    (Filter(ids=frozenset({"r"}), code="INTERNAL"), False),
])  # fmt: skip
def test_every_condition_must_hold_and_a_letter_of_unknown_age_is_neither_older_nor_newer(
    filter: Filter, meant: bool
) -> None:
    assert filter.matches(ours(**{wire.ORIGINAL_USER_ID: "alice"})) is meant
    for each in (Filter(older_than=0), Filter(newer_than=10**9), Filter(user="alice")):
        assert not each.matches(DeadLetter(b""))


def test_a_deadline_is_past_from_its_millisecond_on() -> None:
    assert [ours(deadline=5000).expired(now) for now in (4.999, 5.0)] == [False, True]
    assert not ours().expired()
    assert not ours(deadline="soon").expired()


@for_each([("zeebe.jobs.results",), ("zeebe.jobs.undone",)])
def test_the_deadline_of_a_job_keeps_no_message_about_it_from_being_replayed(queue: str) -> None:
    letter = ours(queue, deadline=5000)
    assert not letter.expired()
    assert ReplayPolicy((queue,)).refusal(letter) is None
    by_the_broker = brokers(**{"deadline": 5000, "x-death": [{"queue": queue, "reason": "delivery_limit"}]})
    assert not by_the_broker.expired()


TERMS = ReplayPolicy(("commands", "polls"))
CUT = (
    "truncated: only the first 2 of 20971520 bytes are here, and a request has at most 8388608; "
    "have its sender send a smaller one, and drop this"
)


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
    (ours(**TRUNCATED), TERMS, CUT),
    (ours(**TRUNCATED), ReplayPolicy(("commands",), force=True), CUT),
    (ours(**TRUNCATED), ReplayPolicy((), "elsewhere", force=True), CUT),
])  # fmt: skip
def test_a_replay_is_refused_with_what_to_do(letter: DeadLetter, policy: ReplayPolicy, said: str | None) -> None:
    refusal = policy.refusal(letter)
    assert (refusal is None) if said is None else (refusal is not None and said in refusal)


def test_a_replay_goes_where_it_came_from_unless_told_otherwise() -> None:
    assert TERMS.destination(ours("polls")) == "polls"
    assert ReplayPolicy(("commands",), "other").destination(ours()) == "other"


ALICE: dict[str, Any] = {"original-user-id": "alice"}
AGAIN: dict[str, Any] = {**ALICE, "replays": 1, "x-death": [DEATH]}
US = {"user_id": "service"}


def replay(headers: dict[str, Any], user_id: str | None = "service", queue: str = "orders") -> DeadLetter:
    """A replay that the broker gave up."""
    properties = {} if user_id is None else {"user_id": user_id}
    return signed(DeadLetter(b"", headers, properties), Purpose.REPLAY, queue)


@for_each([
    (ours(), None),
    (ours(**ALICE), "alice"),
    (ours(**ALICE, **{"x-death": [{"queue": "commands"}]}), None),
    (DeadLetter(b"", {**OURS, **ALICE}), None),
    (DeadLetter(b"", ALICE, {"user_id": "bob"}), "bob"),
    (DeadLetter(b"", AGAIN, {"user_id": "bob"}), "bob"),
    (DeadLetter(b"", AGAIN, US), "service"),
    (DeadLetter(b"", {**ALICE, "original-queue": "q"}, US), "service"),
    (DeadLetter(b"", {**ALICE, "replays": 1}, {}), None),
    (replay(AGAIN), "alice"),
    (replay({**AGAIN, "original-user-id": ""}), None),
    (replay(AGAIN, "bob"), "bob"),
    (replay(AGAIN, None), None),
    (replay(AGAIN, queue="elsewhere"), "service"),
    (signed(DeadLetter(b"", AGAIN, US), Purpose.LETTER), "service"),
])  # fmt: skip
def test_only_a_signature_of_ours_may_name_another_sender(letter: DeadLetter, sender: str | None) -> None:
    told = replace(letter, logins={"service"}, seal=SEAL)
    assert told.sender == sender
    again = replace(told, headers=told.renewed(), properties={}, routing_key=wire.DEAD_LETTER)
    assert (again.sender, again.signature, again.is_doubtful) == (sender, told.signature, told.is_doubtful)


@for_each([
    (ours(), "r"),
    (DeadLetter(b"", {}, {"message_id": "m"}), "m"),
    (DeadLetter(b"", {wire.REQUEST_ID: 5}, {"message_id": "m"}), None),  # the service refuses such a header
    (DeadLetter(b""), None),
])  # fmt: skip
def test_a_replay_runs_under_the_id_that_the_service_takes(letter: DeadLetter, request_id: str | None) -> None:
    assert letter.request_id == request_id
