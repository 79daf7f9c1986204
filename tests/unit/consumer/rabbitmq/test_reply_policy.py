"""The reply policy: where our service writes, and which addresses of direct reply-to it takes for sound."""

from __future__ import annotations

import base64
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from consumer.config import Amqp, Settings
from consumer.core.message import Message
from consumer.rabbitmq.direct import is_direct, is_sound
from consumer.rabbitmq.reply_policy import refusal, strict_refusal
from consumer.rabbitmq.reply_route import reply_route
from tests.cases import check_all, for_each

OWN = {"zeebe.commands", "zeebe.polls", "zeebe.dead", "my.replies.requests"}
DEFAULT = ("*reply*", "*replies*", "*response*")


ALLOWED = [
    None, "", "amq.rabbitmq.reply-to.g1h3DnJlcGx5QDQ1MTY5NTcyAAADCgAAAAAAAAAA.p8Wqb+x0VlR2==",
    "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "orders.replies", "reply", "order-responses", "REPLY", "Orders.Replies",
    "orderResponse",
]  # fmt: skip
PREFIX = "amq.rabbitmq.reply-to."
NUMBERS = {"g": b"\0\0\x03\x0a" + b"\0" * 5, "X": b"\0\0\x03\x0a" + b"\0" * 8}
NODE = b"reply@45169572"
GOOD = b"\x83Xw\x0e" + NODE + NUMBERS["X"]


@for_each([*((each, DEFAULT) for each in ALLOWED),
           *(("orders.done", (each,)) for each in ("Orders.*", "ORDERS.[A-Z]*", "*.Done"))])  # fmt: skip
def test_replies_may_go_whatever_the_case_of_name_and_pattern(reply_to: str | None, allow: tuple[str, ...]) -> None:
    assert refusal(reply_to, own_queues=OWN, allow=allow) is None


@for_each([*OWN, "payments", "ZEEBE.COMMANDS", "AMQ.GEN-x", "amq.topic", "amq.rabbitmq.reply-to.x.y"])
def test_replies_may_not_go(reply_to: str) -> None:
    reason = str(refusal(reply_to, own_queues=OWN, allow=DEFAULT))
    assert reply_to in reason
    if reply_to == "payments":
        assert "REPLY_ALLOW (*reply*, *replies*, *response*)" in reason


@given(st.text(max_size=300))
def test_nothing_is_allowed_by_an_empty_list_but_what_the_broker_named(name: str) -> None:
    allowed = refusal(name, own_queues=OWN, allow=()) is None
    assert allowed == (not name or name.startswith("amq.gen-") or is_sound(name))


def address(process: bytes, key: str = "p8Wqb+x0VlR2==") -> str:
    return f"{PREFIX}{base64.b64encode(process).decode()}.{key}"


@for_each(product(NUMBERS, [b"d\0\x0e", b"v\0\x0e", b"s\x0e", b"w\x0e"]))
def test_every_form_of_a_process_is_sound(kind: str, atom: bytes) -> None:
    assert is_sound(address(b"\x83" + kind.encode() + atom + NODE + NUMBERS[kind]))


@for_each([
    PREFIX, f"{PREFIX}.", f"{PREFIX}garbage", f"{PREFIX}garbage.key", f"{PREFIX}ä.key", f"{PREFIX}====.key",
    f"{PREFIX}abcde.key", address(b""), address(b"\x83"), address(b"\x83Xv\0"), address(GOOD[:-1]),
    address(GOOD + b"\0"), address(b"\x82" + GOOD[1:]), address(b"\x83m" + GOOD[2:]), address(b"\x83Xm" + GOOD[3:]),
    address(b"\x83Xw\xff" + GOOD[4:]), address(GOOD, ""), address(GOOD, "ä"), address(GOOD, "two words"),
    address(GOOD) + "\n",
])  # fmt: skip
def test_what_a_broker_cannot_read_is_not_sound(wrong: str) -> None:
    assert is_direct(wrong)
    assert not is_sound(wrong)
    assert not is_direct(wrong[: len(PREFIX) - 1]), "a caller writes this, and a broker replaces it"


@given(st.binary(max_size=60))
def test_any_bytes_are_judged(process: bytes) -> None:
    assert is_direct(address(process))
    assert isinstance(is_sound(address(process)), bool)


STRICT = [
    (None, None, ""),
    ("", None, ""),
    ("anything", "ann", ""),
    ("zeebe.commands", "ann", ""),
    ("#", "*", ""),
    ("anything", None, "'anything' is answered under a routing key of the sender, but the request has no user_id"),
    ("anything", "", "has no user_id; set it"),
    (address(GOOD), "ann", "is direct reply-to, which REPLY_EXCHANGE rules out; bind a queue to that exchange"),
    ("/exchanges/a/b", "ann", "is the address of an exchange"),
    ("q" * 252, "ann", f"'{'q' * 80}': with the user's name it is a routing key of 256 bytes; accepted: 255"),
]


def test_a_strict_reply_needs_a_sender_and_a_key_that_fits() -> None:
    def is_judged(reply_to: str | None, user: str | None, words: str) -> None:
        found = strict_refusal(reply_to, user)
        assert (found is None) is (words == "")
        assert words in (found or "")

    check_all(STRICT, is_judged)


def test_the_route_of_replies_is_what_the_settings_ask_for() -> None:
    message = Message(b"", reply_to="my.replies", user_id="b.b")
    lax = reply_route(Settings())
    assert (lax.refusal(message), tuple(lax.address(message))) == (None, ("", "my.replies", True))
    assert tuple(lax.address(Message(b"", reply_to=address(GOOD)))) == ("", address(GOOD), False)
    strict = reply_route(Settings(amqp=Amqp(reply_exchange="zeebe.replies")))
    assert (strict.refusal(message), tuple(strict.address(message))) == (
        None,
        ("zeebe.replies", "b:2Eb.my.replies", True),
    )
    assert strict.refusal(Message(b"", reply_to="my.replies")) is not None
