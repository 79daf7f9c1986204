"""Letters that somebody else wrote or changed: none is ours, and none is replayed in the name that it has."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, Mock

from consumer.core.seal import Seal
from consumer.dead_letters.letter import DeadLetter, Signature
from consumer.dead_letters.queue import DeadLetters
from consumer.dead_letters.replay_policy import ReplayPolicy
from tests.cases import check_all, for_each
from tests.unit.consumer.dead_letters.signed import OTHER_SEAL, SEAL, signed
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import NAMES, Properties

TRUE: dict[str, Any] = {
    wire.FAILED_AT: "2026-01-02T03:04:05+00:00", wire.ERROR_CODE: "NOT_FOUND", wire.ERROR_MESSAGE: "no",
    wire.REQUEST_ID: "r", wire.ORIGINAL_USER_ID: "alice", wire.FILE_NAME: "a.bpmn",
}  # fmt: skip
LETTER = signed(DeadLetter(b"{}", TRUE, {"type": "topology", "message_id": "m", "app_id": "a"}, "commands"))
POLICY = ReplayPolicy(("commands", "polls"))
DEATH = {"queue": "commands", "reason": "delivery_limit"}


def changed(**headers: Any) -> DeadLetter:
    return replace(LETTER, headers={**LETTER.headers, **headers})


def without(name: str) -> DeadLetter:
    return replace(LETTER, headers={each: value for each, value in LETTER.headers.items() if each != name})


def with_property(name: str, value: Any) -> DeadLetter:
    return replace(LETTER, properties={**LETTER.properties, name: value})


OTHER_LETTER = signed(DeadLetter(b"[]", TRUE, routing_key="commands"))
WRONG = "its signature is wrong, or of an unknown key"
MORE: dict[str, Any] = {"more": 1, "CC": ["q"], wire.DEADLINE: 2**42}
FORGED = {
    "another body": replace(LETTER, body=b"[]"),
    "another queue": replace(LETTER, routing_key="polls"),
    "put into the queue by name": replace(LETTER, routing_key=wire.DEAD_LETTER),
    "put anew from another queue": replace(changed(**{wire.ORIGINAL_QUEUE: "polls"}), routing_key=wire.DEAD_LETTER),
    "the signature of another letter": changed(**{wire.SIGNATURE: OTHER_LETTER.headers[wire.SIGNATURE]}),
    "no signature": without(wire.SIGNATURE),
    "no text as a signature": changed(**{wire.SIGNATURE: 5}),
    "no sender": without(wire.ORIGINAL_USER_ID),
    "a key of somebody else": replace(LETTER, seal=OTHER_SEAL),
    "an attestation of a sender": changed(
        **{wire.SIGNATURE: "x", wire.RENEWED_USER_ID: "alice", wire.RENEWAL: LETTER.headers[wire.SIGNATURE]}
    ),
    **{f"another {name}": changed(**{name: "other"}) for name in TRUE},
    **{f"without {name}": without(name) for name in TRUE},
    **{f"with {name}": changed(**{name: value}) for name, value in MORE.items()},
    **{f"property {name}": with_property(name, 7 if name == "priority" else "other")
       for name in NAMES if name not in ("headers", "user_id", "delivery_mode", "timestamp")},
}  # fmt: skip


def test_nothing_that_was_changed_is_ours_or_has_a_sender() -> None:
    assert (LETTER.ours, LETTER.sender, LETTER.signature) == (True, "alice", Signature.VALID)
    assert POLICY.refusal(LETTER) is None

    def is_a_strangers(letter: DeadLetter) -> None:
        assert (letter.ours, letter.sender, letter.is_doubtful) == (False, None, True)
        assert letter.signature in (Signature.UNSIGNED, Signature.WRONG)
        assert "--unsigned" in (POLICY.refusal(letter) or "")
        told = replace(letter, properties={**letter.properties, "user_id": "bob"})
        assert told.sender == "bob"

    check_all({name: (letter,) for name, letter in FORGED.items()}, is_a_strangers)


@for_each([
    (LETTER, "alice"),
    (FORGED["no signature"], None),
    (FORGED["another body"], None),
    (replace(FORGED["another body"], properties={"user_id": "bob"}), None),
    (replace(LETTER, seal=Seal()), None),
    (DeadLetter(b"", {"x-death": [DEATH]}, {"user_id": "bob"}, seal=SEAL), "bob"),
    (DeadLetter(b"", {"x-death": [DEATH], **TRUE}, {"user_id": "bob"}, seal=SEAL), "bob"),
])  # fmt: skip
def test_a_replay_names_a_sender_only_where_that_is_proven(letter: DeadLetter, sender: str | None) -> None:
    """Whatever was asked for: `--unsigned` sends what is not proven, and as nobody's."""
    channel = Mock(publish=AsyncMock())
    dead = DeadLetters(channel, "us", ("us",), letter.seal)
    asyncio.run(dead.replay(letter, "commands"))
    sent = channel.publish.call_args.args[2]
    assert dead.resent_as(letter) == sender
    assert (sent.user_id, sent.headers.get(wire.ORIGINAL_USER_ID)) == (
        (None, None) if sender is None else ("us", sender)
    )
    assert (wire.SIGNATURE in sent.headers) is (sender is not None)


@for_each([
    (FORGED["no signature"], "unsigned: nothing proves that 'alice' sent it; --unsigned replays it as nobody's"),
    (FORGED["another body"], f"{WRONG}: nothing proves that 'alice' sent it; --unsigned"),
    (FORGED["no sender"], f"{WRONG}; --unsigned"),
    (changed(**{wire.ORIGINAL_USER_ID: "x" * 9000}), "nothing proves that 'xxxxx"),
    (replace(LETTER, seal=Seal()), "no signing key is here: run this where the service runs, or give it its SIGNING_"),
    (DeadLetter(b"", {"x-death": [DEATH]}, {"user_id": "bob"}), "nothing proves that 'bob' sent it"),
    (DeadLetter(b"", {"x-death": [DEATH]}), None),
    (DeadLetter(b"", {"x-death": [DEATH], **TRUE}, {"user_id": "bob"}, seal=SEAL), None),
    (DeadLetter(b"", {wire.FAILED_AT: "2026"}, routing_key="commands", seal=SEAL), None),  # it names nobody
])  # fmt: skip
def test_a_doubtful_letter_is_refused_with_the_reason(letter: DeadLetter, said: str | None) -> None:
    refusal = POLICY.refusal(letter)
    assert (refusal is None) if said is None else (refusal is not None and said in refusal and len(refusal) < 300)
    assert replace(POLICY, unsigned=True).refusal(letter) is None


def test_what_routes_and_what_expires_stays_behind() -> None:
    routing = {"CC": ["q"], "BCC": ["q"], "cc": ["kept: the broker does not look at it"]}
    for letter in (
        changed(**routing),
        DeadLetter(b"", {"x-death": [DEATH], **routing}, {"expiration": "5"}, seal=SEAL),
    ):
        for headers in (letter.renewed(), letter.replayed("q", None), letter.replayed("q", "alice")):
            assert routing.keys() & headers.keys() == {"cc"}
        assert letter.replayed_properties.expiration is None


def test_a_replay_is_signed_as_it_is_sent() -> None:
    channel = Mock(publish=AsyncMock())
    letter = replace(LETTER, properties={**LETTER.properties, "expiration": "5", "priority": 3})
    for each in (LETTER, signed(replace(letter, headers=TRUE))):
        asyncio.run(DeadLetters(channel, "us", ("us",), SEAL).replay(each, "polls"))
        sent = Properties.read(channel.publish.call_args.args[2].write())
        died = {**(sent.headers or {}), "x-death": [{"queue": "polls"}]}
        kept = {name: getattr(sent, name) for name in NAMES if name != "headers" and getattr(sent, name) is not None}
        again = DeadLetter(b"{}", died, kept, logins=("us",), seal=SEAL)
        assert (again.signature, again.sender, again.replays) == (Signature.VALID, "alice", 1)
