"""What is said of a request that is held or that the ledger knows, and the socket to ask for it."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer.config import Settings
from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Message
from consumer.dead_letters.outcome import Outcome as Result
from consumer.inquiry import Fact, InquirySocket, Senders, ask, find_answer, list_held, list_known, list_known_of
from consumer.ledger import Ledger, LedgerError, Limits, MemoryStore, identify
from consumer.lookup import open_inquiries
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger
from tests.unit.consumer.errors import failed
from tests.unit.consumer.ledger.shared_dict import DictStore, Shared
from zeebe_amqp.errors import Outcome
from zeebe_amqp.reply import Reply

DIGEST = b"d" * 32
NOT_EXECUTED, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN
REJECTED = "answered with an error, not executed, answer not kept"
PERHAPS = "answered, may have been executed, answer not kept"


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
        "user": None,
        "time": "1970-01-01T00:00:00Z",
        "operation": "topology",
        "queue": "zeebe.commands",
        "reply_to": "replies",
    }


def test_only_the_request_that_is_meant_is_told() -> None:
    others = [held(message_id="b"), held(), held(headers={"request-id": 7}), held(message_id="a", user_id="bob")]
    assert [len(list_held(others, user, "a")) for user in ("alice", None, "bob", "")] == [0, 1, 1, 0]
    assert [fact["user"] for fact in list_held([*others, held(message_id="a")], None, "a")] == ["bob", None]
    assert [fact["user"] for fact in list_held([*others, held(message_id="a")], "", "a")] == [None]


async def test_the_ledger_is_asked_for_every_user_that_is_named_and_says_whose_answer_it_is() -> None:
    ledger = MemoryLedger()
    for user in ("alice", None, "bob"):
        await ledger.claim(identify(user, "a"), DIGEST)
    for users, found in (
        (("", "alice", "carl", "alice"), [None, "alice"]),
        (("bob",), ["bob"]),
        (("",), [None]),
        ((), []),
    ):
        assert [fact["user"] for fact in await list_known_of(ledger, users, "a")] == found


def test_users_are_remembered_once_each_and_not_without_end() -> None:
    senders = Senders()
    for name in ("alice", None, "bob", "alice"):
        senders.note(name)
    assert senders.names == ("alice", "bob")
    for number in range(255):
        senders.note(str(number))
    assert (len(senders.names), senders.names[:2], senders.names[-1]) == (256, ("bob", "0"), "254")


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
    assert (second["state"], second["reply_to"], second["reply"]) == ("executed, answer not kept", None, None)
    assert ("replays" in first, second["replays"]) == (False, 2)
    assert await list_known(ledger, None, "a") == []
    assert [find_answer([first, second], replays) for replays in range(3)] == [first, None, second]
    assert find_answer([{**second, "state": "running"}], 2) is None


@for_each([
    (None, "executed, answer not kept", Result("succeeded")),
    (NOT_EXECUTED, REJECTED, Result(problem=f"ledger: {REJECTED}")),
    (UNKNOWN, PERHAPS, Result(problem=f"ledger: {PERHAPS}")),
])  # fmt: skip
async def test_a_replay_whose_answer_was_not_kept_succeeded_only_if_it_was_executed(
    outcome: Outcome | None, state: str, result: Result
) -> None:
    error = None if outcome is None else failed(outcome=outcome)
    ledger = Ledger(MemoryStore(), Limits(3600, max_bytes=1))
    await ledger.claim(identify(None, "a", 1), DIGEST)
    await ledger.finish(identify(None, "a", 1), Reply("create-instance", error=error), "replies")
    facts = await list_known(ledger, None, "a")
    assert [(fact["state"], fact["reply_to"]) for fact in facts] == [(state, "replies")]

    async def ask(*_: object) -> list[Fact]:
        return facts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.lookup.ask", ask)
        async with open_inquiries(Settings(ledger="memory://")) as inquire:
            assert await inquire(None, "a", 1) == result


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


# --- the socket ---


ANSWER: list[Fact] = [{"user": None, "id": "a"}]


async def echo(user: str | None, request_id: str) -> list[Fact]:
    if request_id == "away":
        raise LedgerError("the ledger cannot be read: gone")
    return [{"user": user, "id": request_id}]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[InquirySocket]:
    """A service that answers what it was asked."""
    serving = InquirySocket(folder, echo)
    await serving.start()
    yield serving
    await serving.stop()


async def test_it_answers_what_is_asked_and_only_its_own_user(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    path = folder / "requests.sock"
    async with serving(folder) as service:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for user, request_id in ((None, "a"), ("", "a"), ("älice & bob", "ü/?#&=\n" * 30)):
            assert await ask(folder, user, request_id) == [{"user": user, "id": request_id}]
        state = "not known: the ledger cannot be read: gone"
        assert await ask(folder, None, "away") == [{"where": "ledger", "state": state}]
        await service.stop()
        assert not path.exists()


async def test_without_a_service_there_is_no_answer_and_a_socket_that_was_left_is_taken_over(tmp_path: Path) -> None:
    assert await ask(tmp_path, None, "a") is None
    with socket.socket(socket.AF_UNIX) as left:  # by a process that was killed
        left.bind(str(tmp_path / "requests.sock"))
    assert await ask(tmp_path, None, "a") is None
    async with serving(tmp_path):
        assert await ask(tmp_path, None, "a") == ANSWER


async def test_a_process_that_ends_leaves_the_socket_of_its_successor_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as ending:
        async with serving(tmp_path):
            await ending.stop()
            assert await ask(tmp_path, None, "a") == ANSWER
        assert not (tmp_path / "requests.sock").exists()


async def test_where_no_socket_can_be_made_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    far = tmp_path / ("x" * 120)
    async with serving(far):
        assert f"`consumer request` cannot ask this process: no socket at {far}" in caplog.text
