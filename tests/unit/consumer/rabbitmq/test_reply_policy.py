"""The reply policy: where our service writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.rabbitmq.direct import is_sound
from consumer.rabbitmq.reply_policy import refusal
from tests.cases import for_each

OWN = {"zeebe.commands", "zeebe.polls", "zeebe.dead", "my.replies.requests"}
DEFAULT = ("*reply*", "*replies*", "*response*")


@for_each([
    None, "", "amq.rabbitmq.reply-to.g1h3DnJlcGx5QDQ1MTY5NTcyAAADCgAAAAAAAAAA.p8Wqb+x0VlR2==",
    "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "orders.replies", "reply", "order-responses", "REPLY", "Orders.Replies",
    "orderResponse",
])  # fmt: skip
def test_replies_may_go(reply_to: str | None) -> None:
    assert refusal(reply_to, own_queues=OWN, allow=DEFAULT) is None


@for_each([*OWN, "payments", "ZEEBE.COMMANDS", "AMQ.GEN-x", "amq.topic", "amq.rabbitmq.reply-to.x.y"])
def test_replies_may_not_go(reply_to: str) -> None:
    reason = refusal(reply_to, own_queues=OWN, allow=DEFAULT)
    assert reason is not None
    assert reply_to in reason


def test_the_refusal_names_the_setting_and_what_it_allows() -> None:
    assert "REPLY_ALLOW (*reply*, *replies*, *response*)" in str(refusal("payments", own_queues=OWN, allow=DEFAULT))


@for_each(["Orders.*", "ORDERS.[A-Z]*", "*.Done"])
def test_the_case_of_a_pattern_does_not_matter_either(pattern: str) -> None:
    assert refusal("orders.done", own_queues=OWN, allow=(pattern,)) is None


@given(st.text(max_size=300))
def test_nothing_is_allowed_by_an_empty_list_but_what_the_broker_named(name: str) -> None:
    allowed = refusal(name, own_queues=OWN, allow=()) is None
    assert allowed == (not name or name.startswith("amq.gen-") or is_sound(name))
