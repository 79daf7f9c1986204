"""What is said of a request that is held, and of one that the ledger knows."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Message
from consumer.inquiry import Fact, list_held, list_known
from consumer.ledger import Ledger, Limits, identify
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger
from tests.unit.consumer.errors import failed
from tests.unit.consumer.ledger.shared_dict import DictStore, Shared
from zeebe_amqp.reply import Reply

DIGEST = b"d" * 32


def held(**properties: Any) -> FakeDelivery:
    return FakeDelivery(Message(b'{"operation": "topology"}', "zeebe.commands", received=0.0, **properties))


def states(facts: list[Fact]) -> list[str]:
    return [fact["state"].partition(":")[0] for fact in facts]


async def test_each_moment_of_a_held_request_has_a_name() -> None:
    waiting, running, ending = (held(message_id="a", reply_to="replies") for _ in range(3))
    waiting.idle = True
    running.slot = ConcurrencyLimiter(AimdLimit(1))
    facts = list_held([waiting, running, ending], None, "a")
    assert states(facts) == ["waiting", "running", "being answered"]
    assert facts[1] == {
        "where": "service",
        "state": "running",
        "time": "1970-01-01T00:00:00Z",
        "operation": "topology",
        "queue": "zeebe.commands",
        "reply_to": "replies",
    }


def test_only_the_request_that_is_meant_is_told() -> None:
    others = [held(message_id="b"), held(), held(headers={"request-id": 7}), held(message_id="a", user_id="bob")]
    assert [len(list_held(others, user, "a")) for user in ("alice", None, "bob")] == [0, 1, 1]


async def test_answers_of_replays_are_told_with_their_number_and_what_was_not_kept_without(monkeypatch: Any) -> None:
    ledger = MemoryLedger()
    monkeypatch.setattr("consumer.ledger.codec.MAX_PLAIN", 3000)
    rejected, large = Reply("complete-job", error=failed()), Reply("activate-jobs", "x" * 5000)
    for replays, reply, queue in ((0, rejected, "replies"), (2, large, "")):
        identity = identify("alice", "a", replays)
        await ledger.claim(identity, DIGEST)
        await ledger.finish(identity, reply, queue)
    first, second = await list_known(ledger, "alice", "a")
    assert (first["state"], first["reply_to"], first["reply"]["error"]["code"]) == ("answered", "replies", "NOT_FOUND")
    assert (second["state"], second["reply_to"], second["reply"]) == ("answered", None, None)
    assert ("replays" in first, second["replays"]) == (False, 2)
    assert await list_known(ledger, None, "a") == []


async def test_who_runs_a_request_is_told() -> None:
    shared = Shared()
    ours, theirs = (Ledger(DictStore(shared), Limits(3600)) for _ in range(2))
    for ledger in (ours, theirs):
        await ledger.start()
    await ours.claim(identify(None, "a"), DIGEST)
    assert states(await list_known(ours, None, "a")) == ["running"]
    assert states(await list_known(theirs, None, "a")) == ["running in another process"]
    shared.alive.clear()
    assert states(await list_known(theirs, None, "a")) == ["cut off"]
    for ledger in (ours, theirs):
        await ledger.close()


async def test_what_could_not_be_written_yet_is_known_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger()
    await ledger.claim(identify(None, "a"), DIGEST)
    monkeypatch.setattr(ledger._store, "finish", AsyncMock(side_effect=OSError("the disk is full")))
    await ledger.finish(identify(None, "a"), Reply("topology", {}))
    assert states(await list_known(ledger, None, "a")) == ["answered"]
