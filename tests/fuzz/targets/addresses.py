"""Where replies go: whatever a sender asks for, it is a place of the sender's own, or is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from consumer.config import Amqp
from consumer.rabbitmq import permissions, reply_policy
from consumer.rabbitmq.queue_address import queue_of
from tests.fuzz.inputs import joined, parts
from tests.fuzz.target import Target
from zeebe_amqp import strict, wire

__all__ = ["ADDRESS"]

REPLIES = "zeebe.replies"
AMQP = Amqp(reply_exchange=REPLIES)
OURS = frozenset({"zeebe.commands", wire.DEAD_LETTER})
ALLOWED = ("*reply*", "*replies*")


def read(data: bytes) -> None:
    """A user, the reply address that this user sends, and another user."""
    user, address, other = (each[: wire.MAX_TEXT].decode(errors="replace") for each in parts(data, 3))
    reply_to = queue_of(address)
    if reply_policy.refusal(reply_to, own_queues=OURS, allow=ALLOWED) is None and reply_to:
        assert reply_to not in OURS
        assert not reply_to.startswith("/exchanges/")
        known = ("amq.gen-", wire.DIRECT_REPLY_TO + ".")
        assert reply_to.startswith(known) or "repl" in reply_to.lower()
    if not reply_to or reply_policy.strict_refusal(reply_to, user) is not None:
        return
    key = strict.routing_key(user, reply_to)
    assert len(key.encode()) <= wire.MAX_TEXT
    assert binds(user, key) or "\n" in reply_to, key
    if other and other != user:
        assert not binds(other, key), (other, key)
        assert not reads(other, f"{strict.private_queues(user)}1")


def binds(user: str, key: str) -> bool:
    """Whether the broker lets a user bind a queue with a key; it searches as Python does."""
    _, pattern = permissions.of_user(user, AMQP).topics[REPLIES]
    return re.search(pattern, key) is not None


def reads(user: str, queue: str) -> bool:
    """Whether the broker lets a user read from a queue."""
    return re.search(permissions.of_user(user, AMQP).read, queue) is not None


def seeds() -> Iterator[bytes]:
    """Users whose names look alike, and addresses of every kind."""
    for user, other in (("bob", "bob.x"), ("a.b", "a:2Eb"), ("*", "#"), ("alice", "Alice"), ("ä", "a"), ("b.b", "bob")):
        for address in ("reply", "q1.replies", "#", "amq.gen-1", "/queues/a%2Ereply", "/exchanges/a", "a.b.c"):
            yield joined(user, address, other)


WORDS = (
    b".", b":2E", b"*", b"#", b"\\", b".*", b"^", b"$", b"|", b"\n", b"\0", b"{username}", b"reply.", b"/queues/",
    b"%2F", b"amq.rabbitmq.reply-to.", b"\xc3\xa4", b"\n=\n", b"x" * 64,
)  # fmt: skip

ADDRESS = Target("reply-address", read, seeds, WORDS, share=0.5)
