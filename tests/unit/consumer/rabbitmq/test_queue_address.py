"""Addresses of queues in AMQP 1.0: every queue has one, and the reply policy judges the queue that it means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rabbitmq_amqp_python_client import exchange_address, queue_address

from consumer.rabbitmq.properties import message
from consumer.rabbitmq.queue_address import is_exchange, queue_of
from consumer.rabbitmq.reply_policy import refusal
from tests.cases import for_each
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import Properties

NAMES = st.text(min_size=1, max_size=10)


def arrived(reply_to: str | None) -> str | None:
    """The queue of a reply, as the service knows it."""
    incoming = Incoming(b"", 1, redelivered=False)
    incoming.header = bytes(frames.PROPERTIES) + Properties(reply_to=reply_to).write()
    return message(incoming, "zeebe.commands").reply_to


@given(NAMES)
def test_the_address_of_a_queue_means_its_name(name: str) -> None:
    assert queue_of(queue_address(name)) == name
    assert arrived(queue_address(name)) == name


@given(NAMES.filter(lambda name: not name.startswith("/queues/")))
def test_a_name_means_itself(name: str) -> None:
    assert queue_of(name) == name
    assert arrived(name) == name


@for_each(
    [
        ("/queues/", ""),
        ("/queues/a/b", "a/b"),
        ("/queues/100%", "100%"),
        ("/queues/%zz", "%zz"),
        ("/queues/a+b", "a+b"),
        ("/queues/%ff", "/queues/%ff"),
        ("/queue/a", "/queue/a"),
        ("/queues", "/queues"),
    ]
)
def test_what_is_no_good_address_is_read_all_the_same(address: str, name: str) -> None:
    assert queue_of(address) == name


def test_without_an_address_nobody_waits() -> None:
    for none in (None, "", "/queues/"):
        assert arrived(none) is None, none


@given(NAMES, st.sampled_from([("*reply*",), ("*",), ()]))
def test_no_form_of_an_address_goes_around_the_policy(name: str, allow: tuple[str, ...]) -> None:
    def judged(address: str) -> str | None:
        return refusal(arrived(address), own_queues={"zeebe.commands"}, allow=allow)

    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    assert (
        judged(queue_address(name))
        == judged(f"/queues/{encoded}")
        == refusal(name, own_queues={"zeebe.commands"}, allow=allow)
    )


@given(NAMES, st.none() | NAMES)
def test_the_address_of_an_exchange_is_refused_whatever_is_allowed(name: str, key: str | None) -> None:
    address = exchange_address(name, key)
    assert is_exchange(address)
    assert "the address of an exchange" in str(refusal(arrived(address), own_queues=(), allow=("*",)))
