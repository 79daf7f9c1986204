"""`python -m consumer dead`: letters are looked at, sent again and dropped, and none is ever lost on the way."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from yarl import URL

from consumer.dead_letters.queue import MAX_RETURNS, open_dead_letters
from scripts.rabbitmq import RabbitMQ
from tests.integration.caller import Caller
from tests.integration.dead_letter_queue import REASON, DeadLetterQueue
from tests.integration.rawamqp import RawPublisher, content, entry, table, text
from tests.integration.service import create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import BrokerError

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def dead_letters(own_rabbitmq: RabbitMQ, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[DeadLetterQueue]:
    """A fresh dead_letters on the file's own broker: other tests have letters of their own in the shared one."""
    dead_letters = DeadLetterQueue(own_rabbitmq.url, capsys)
    await dead_letters.set_up()
    yield dead_letters
    await dead_letters.on_channel(lambda channel: channel.queue_delete(dead_letters.request_queue))


# --- looking ---


async def test_an_empty_queue_is_no_error(dead_letters: DeadLetterQueue) -> None:
    result = await dead_letters.run("list")
    assert (result.code, result.rows, result.stderr) == (0, [], "no dead letters\n")


async def test_a_list_tells_each_letter_oldest_first_and_leaves_them(dead_letters: DeadLetterQueue) -> None:
    names = [await dead_letters.add(b"x" * size) for size in (1, 2, 3)]
    for _ in range(2):
        rows = (await dead_letters.run("list")).rows
        assert [row["id"] for row in rows] == names
    assert rows[2] == {
        "number": 3,
        "id": names[2],
        "operation": "topology",
        "code": "NOT_FOUND",
        "failed-at": "2026-01-02T03:04:05.678+00:00",
        "size": 3,
        "replays": 0,
        "queue": dead_letters.request_queue,
        "message": "no such thing",
    }


async def test_filters_narrow_what_is_listed(dead_letters: DeadLetterQueue) -> None:
    plain = await dead_letters.add()
    coded = await dead_letters.add(headers={wire.ERROR_CODE: "INTERNAL"})
    other = await dead_letters.add(origin="other", headers={wire.OPERATION: "cancel-instance"})
    young = await dead_letters.add(headers={wire.FAILED_AT: "2999-01-01T00:00:00+00:00"})
    assert await dead_letters.ids("--code", "INTERNAL") == [coded]
    assert await dead_letters.ids("--operation", "cancel-instance") == [other]
    assert await dead_letters.ids("--from", "other") == [other]
    assert await dead_letters.ids("--older-than", "24h") == [plain, coded, other]
    assert young in await dead_letters.ids()
    result = await dead_letters.run("list", "--code", "nothing")
    assert (result.code, result.stderr) == (0, "no dead letters that pass the filters\n")


async def test_a_list_is_bounded_and_says_what_it_did_not_look_at(dead_letters: DeadLetterQueue) -> None:
    names = [await dead_letters.add() for _ in range(3)]
    result = await dead_letters.run("list", "--limit", "2")
    assert [row["id"] for row in result.rows] == names[:2]
    assert result.stderr == "1 newer dead letters were not looked at: --limit is 2\n"


async def test_looking_very_often_loses_nothing(dead_letters: DeadLetterQueue) -> None:
    """Brokers drop what came back to its queue 20 times."""
    name = await dead_letters.add(b'{"a":1}', correlation_id="c", priority=3)
    before = (await dead_letters.run("show", name)).rows[0]
    before["headers"].pop("x-delivery-count", 0)
    for _ in range(2 * MAX_RETURNS + 3):
        assert await dead_letters.ids() == [name]
    after = (await dead_letters.run("show", name)).rows[0]
    assert after["headers"].pop("x-delivery-count", 0) < MAX_RETURNS
    assert after["headers"].pop("original-queue") == dead_letters.request_queue
    assert {**after, "properties": {}} == {**before, "properties": {}}
    assert after["properties"] == {**before["properties"], "delivery_mode": 2}


def without_count(message: AbstractIncomingMessage) -> dict[str, Any]:
    """The headers without the one that this read itself brought."""
    return {name: value for name, value in message.headers.items() if name != "x-delivery-count"}


async def given_up_by_the_broker(dead_letters: DeadLetterQueue, body: bytes, **properties: Any) -> None:
    async def give_up(channel: aio_pika.abc.AbstractChannel) -> None:
        await channel.default_exchange.publish(aio_pika.Message(body, **properties), dead_letters.request_queue)
        queue = await channel.get_queue(dead_letters.request_queue)
        async with asyncio.timeout(30):
            while (message := await queue.get(fail=False)) is not None:
                await message.reject(requeue=True)
            dead = await channel.get_queue(wire.DEAD_LETTER)
            while not (await channel.declare_queue(dead.name, passive=True)).declaration_result.message_count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    await dead_letters.on_channel(give_up)


async def test_what_the_broker_gave_up_is_told_and_goes_back_where_it_came_from(dead_letters: DeadLetterQueue) -> None:
    await given_up_by_the_broker(dead_letters, b"{}", message_id="m", type="topology", headers={"mine": 1})
    [row] = (await dead_letters.run("list")).rows
    assert (row["id"], row["operation"], row["code"], row["queue"]) == (
        "m",
        "topology",
        "delivery_limit",
        dead_letters.request_queue,
    )
    assert await dead_letters.ids("--code", "delivery_limit") == ["m"]
    assert (await dead_letters.run("replay", "m")).code == 0
    [again] = await dead_letters.drain(dead_letters.request_queue)
    assert (again.body, again.message_id, again.type) == (b"{}", "m", "topology")
    assert without_count(again) == {"mine": 1, "replays": 1}


async def test_show_tells_everything_and_raw_gives_the_body(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add(b'{"a": 1.10}', content_type="application/json")
    [shown] = (await dead_letters.run("show", name)).rows
    assert (shown["body"], shown["properties"]["content_type"]) == ('{"a": 1.10}', "application/json")
    assert shown["headers"].items() >= REASON.items()
    assert (await dead_letters.run("show", name, "--raw")).rows == [{"raw": '{"a": 1.10}'}]
    assert await dead_letters.ids() == [name]


async def test_two_letters_of_one_id_are_both_shown_but_not_raw(dead_letters: DeadLetterQueue) -> None:
    for _ in range(2):
        await dead_letters.add(headers={wire.REQUEST_ID: "twice"})
    assert len((await dead_letters.run("show", "twice")).rows) == 2
    result = await dead_letters.run("show", "twice", "--raw")
    assert (result.code, result.stderr) == (1, "2 dead letters have the id 'twice': --raw shows one only\n")


# --- sending again ---


async def test_a_replay_is_the_request_as_it_was_and_a_count(dead_letters: DeadLetterQueue) -> None:
    own = {"mine": [1, {"a": None}], wire.ORIGINAL_USER_ID: "alice"}
    kept = {"content_type": "application/json", "type": "t", "correlation_id": "c", "reply_to": "r", "app_id": "a"}
    name = await dead_letters.add(b"\x00\xff", headers=own, priority=3, user_id="guest", **kept)
    result = await dead_letters.run("replay", name)
    assert (result.code, result.stderr) == (0, "1 replayed\n")
    assert [(row["result"], row["replays"], row["queue"]) for row in result.rows] == [
        ("replayed", 1, dead_letters.request_queue)
    ]
    [again] = await dead_letters.drain(dead_letters.request_queue)
    assert (again.body, again.priority, again.delivery_mode) == (b"\x00\xff", 3, 2)
    assert {property: getattr(again, property) for property in kept} == kept
    assert without_count(again) == {wire.REQUEST_ID: name, **own, "replays": 1}
    assert again.user_id == "guest"  # us: that is what makes "alice" credible
    assert await dead_letters.ids() == []


async def test_who_sent_a_request_nobody_vouched_for_stays_nobody(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add(user_id="guest")
    await dead_letters.run("replay", name)
    [again] = await dead_letters.drain(dead_letters.request_queue)
    assert again.user_id is None
    assert wire.ORIGINAL_USER_ID not in again.headers


async def test_a_dry_run_changes_nothing(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add()
    for command, done in (("replay", "would be replayed"), ("drop", "would be dropped")):
        result = await dead_letters.run(command, "--all", "--dry-run")
        assert (result.code, result.stderr) == (0, f"1 {done}\n")
        assert [(row["id"], row["result"]) for row in result.rows] == [(name, done)]
    assert await dead_letters.ids() == [name]
    assert await dead_letters.drain(dead_letters.request_queue) == []


async def test_only_what_is_meant_is_replayed(dead_letters: DeadLetterQueue) -> None:
    first, second, third = [await dead_letters.add(headers={wire.ERROR_CODE: code}) for code in ("A", "B", "B")]
    assert (await dead_letters.run("replay", "--all", "--code", "A")).code == 0
    assert await dead_letters.ids() == [second, third]
    assert (await dead_letters.run("replay", third, "--code", "B")).code == 0
    assert await dead_letters.ids() == [second]
    assert {message.headers[wire.REQUEST_ID] for message in await dead_letters.drain(dead_letters.request_queue)} == {
        first,
        third,
    }


async def test_a_replay_that_cannot_be_sent_stays(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add()
    result = await dead_letters.run("replay", name, "--queue", "nowhere")
    assert result.code == 1
    assert [(row["result"], row["problem"]) for row in result.rows] == [
        ("refused", "queue 'nowhere' is not there; declare it, or name another with --queue")
    ]
    assert result.stderr == "0 replayed, 1 refused\n"
    assert await dead_letters.ids() == [name]


async def test_a_replay_into_a_full_queue_stays(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add()
    full = f"{dead_letters.request_queue}.full"
    arguments: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
    await dead_letters.on_channel(lambda channel: channel.declare_queue(full, arguments=arguments, auto_delete=True))
    result = await dead_letters.run("replay", name, "--queue", full)
    assert (result.code, "is full" in result.rows[0]["problem"]) == (1, True)
    assert await dead_letters.ids() == [name]


async def add_odd(dead_letters: DeadLetterQueue, odd: bytes) -> None:
    """A letter with an entry in its headers that no AMQP library writes."""
    headers = table(entry(b"request-id", b"S", text(b"odd")), odd)
    async with RawPublisher(dead_letters.url) as publisher:
        await publisher.publish(wire.DEAD_LETTER, b"{}", content(headers=headers))


async def test_what_cannot_be_written_again_stays_and_is_told(dead_letters: DeadLetterQueue) -> None:
    """A header's name of more than 128 bytes, which AMQP does not allow and brokers deliver."""
    await add_odd(dead_letters, entry(b"n" * 129, b"S", text(b"x")))
    result = await dead_letters.run("replay", "odd", "--queue", dead_letters.request_queue)
    problem = f"its header {'n' * 128!r} cannot be written again as it was; drop it"
    assert (result.code, result.rows[0]["problem"]) == (1, problem)
    for _ in range(MAX_RETURNS + 2):
        assert await dead_letters.ids() == ["odd"]


async def test_a_header_of_bytes_that_are_no_text_is_replayed_as_it_was(dead_letters: DeadLetterQueue) -> None:
    await add_odd(dead_letters, entry(b"mine", b"S", text(b"\xff")))
    assert (await dead_letters.run("replay", "odd", "--queue", dead_letters.request_queue)).code == 0
    [message] = await dead_letters.drain(dead_letters.request_queue)
    assert (message.headers["mine"], await dead_letters.ids()) == (b"\xff", [])


async def test_a_truncated_letter_can_be_looked_at_but_not_replayed(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add(b'{"a"', headers={wire.TRUNCATED: True, wire.ORIGINAL_SIZE: 20 << 20})
    for _ in range(MAX_RETURNS + 2):
        result = await dead_letters.run("replay", name, "--force")
        assert (result.code, "first 4 of 20971520 bytes" in result.rows[0]["problem"]) == (1, True)
    assert (await dead_letters.run("list")).rows[0]["truncated"] == "first 4 of 20971520 bytes"
    raw = await dead_letters.run("show", name, "--raw")
    assert (raw.rows, raw.stderr) == ([{"raw": '{"a"'}], "truncated: first 4 of 20971520 bytes\n")
    assert (await dead_letters.run("drop", name, "--yes")).code == 0


async def test_a_letter_is_not_replayed_for_ever(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add(headers={"replays": 5})
    result = await dead_letters.run("replay", "--all")
    assert (result.code, "replayed 5 times" in result.rows[0]["problem"]) == (1, True)
    assert (await dead_letters.run("replay", name, "--force")).code == 0
    [again] = await dead_letters.drain(dead_letters.request_queue)
    assert again.headers["replays"] == 6


async def test_what_is_not_there_is_told(dead_letters: DeadLetterQueue) -> None:
    name = await dead_letters.add()
    result = await dead_letters.run("replay", name, "nope")
    assert (result.code, result.stderr) == (
        1,
        "no dead letter 'nope' among those looked at: see `dead list`\n1 replayed\n",
    )
    result = await dead_letters.run("replay", "--all")
    assert (result.code, result.stderr.splitlines()[0]) == (1, "no dead letter passes the filters: see `dead list`")
    assert (await dead_letters.run("show", "nope")).code == 1


async def test_a_request_that_fails_again_comes_back_with_a_count_once_per_replay(
    own_rabbitmq: RabbitMQ, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, with a consumer that refuses it within the time a replay takes: no loop."""
    dead_letters = DeadLetterQueue(own_rabbitmq.url, capsys)
    await dead_letters.set_up()
    async with running_service(tmp_path, own_rabbitmq.url) as service:
        dead_letters.request_queue = service.consumer.queues[0]
        async with service.caller() as caller:
            body = b'{"operation":"no-such-operation"}'
            await caller.publish(body, reply_to=None, message_id="m", user_id="guest")
        for count in range(4):
            await eventually(lambda count=count: len(service.dead_letters.messages) > count, "it is dead again")
            [shown] = (await dead_letters.run("show", "m")).rows
            assert (shown["replays"], shown["code"], shown["body"]) == (count, "UNIMPLEMENTED", body.decode())
            assert shown["headers"][wire.ORIGINAL_USER_ID] == "guest"
            assert len((await dead_letters.run("replay", "--all")).rows) == 1
        await eventually(lambda: len(service.dead_letters.messages) == 5, "it is dead again")


async def test_a_replay_counts_as_sent_by_who_sent_it_first(
    own_rabbitmq: RabbitMQ, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead_letters = DeadLetterQueue(own_rabbitmq.url, capsys)
    await dead_letters.set_up()
    await asyncio.to_thread(own_rabbitmq.ctl, "add_user", "alice", "secret")
    await asyncio.to_thread(own_rabbitmq.ctl, "set_permissions", "alice", ".*", ".*", ".*")
    alice = str(URL(own_rabbitmq.url).with_user("alice").with_password("secret"))
    async with running_service(tmp_path, own_rabbitmq.url) as service:
        dead_letters.request_queue = service.consumer.queues[0]
        async with Caller(alice, *service.consumer.queues) as caller:
            body = b'{"operation":"no-such-operation"}'
            await caller.publish(body, reply_to=None, user_id="alice", headers={wire.ORIGINAL_USER_ID: "bob"})
        for count in (1, 2, 3):
            await eventually(lambda count=count: len(service.dead_letters.messages) == count, "it is dead")
            assert service.dead_letters.messages[-1].headers[wire.ORIGINAL_USER_ID] == "alice"
            assert len((await dead_letters.run("replay", "--all")).rows) == 1


async def test_a_replay_is_executed(own_rabbitmq: RabbitMQ, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead_letters = DeadLetterQueue(own_rabbitmq.url, capsys)
    await dead_letters.set_up()
    async with running_service(tmp_path, own_rabbitmq.url) as service:
        dead_letters.request_queue = service.consumer.queues[0]
        await dead_letters.add(create(again=uuid.uuid4().hex), content_type="application/json")
        assert (await dead_letters.run("replay", "--all")).code == 0
        await eventually(lambda: sum(service.gateway.executions.values()) == 1, "the command ran")
    assert await dead_letters.ids() == []


# --- dropping ---


async def test_what_is_dropped_is_gone_and_nothing_else(dead_letters: DeadLetterQueue) -> None:
    first, second, third = [await dead_letters.add(headers={wire.ERROR_CODE: code}) for code in ("A", "B", "C")]
    result = await dead_letters.run("drop", second, "--yes")
    assert (result.code, result.stderr, result.rows[0]["result"]) == (0, "1 dropped\n", "dropped")
    assert await dead_letters.ids() == [first, third]
    assert (await dead_letters.run("drop", "--all", "--code", "A", "--yes")).code == 0
    assert await dead_letters.ids() == [third]
    assert (await dead_letters.run("drop", second, "--yes")).code == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 2), ("", 1, 2)])
async def test_at_a_terminal_it_asks_before_it_drops(
    dead_letters: DeadLetterQueue, tmp_path: Path, answer: str, code: int, left: int
) -> None:
    for _ in range(2):
        await dead_letters.add()
    result, shown = await asyncio.to_thread(at_a_terminal, dead_letters, tmp_path, answer, "drop", "--all")
    assert result == code
    assert "Drop 2 for good?" in shown
    assert "│" in shown
    assert len(await dead_letters.ids()) == left


def at_a_terminal(dead_letters: DeadLetterQueue, folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """Run the program as a person does; its exit code and what was on the screen."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE", "COV_", "PATH"))}
    settings = {**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "TERM": "xterm", "COLUMNS": "150"}
    command = [sys.executable, "-m", "consumer", "dead", *arguments, "--amqp-url", dead_letters.url]
    with subprocess.Popen(command, cwd=folder, env=settings, stdin=theirs, stdout=theirs, stderr=theirs) as started:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        shown = b"".join(terminal(ours)).decode()
    os.close(ours)
    return started.returncode, shown


def terminal(descriptor: int) -> Iterator[bytes]:
    """What a program wrote to its terminal; the system says that it result with an error."""
    try:
        while part := os.read(descriptor, 65536):
            yield part
    except OSError:
        return


# --- what goes wrong at the broker ---


async def test_a_lost_connection_is_told_and_loses_nothing(
    own_rabbitmq: RabbitMQ, dead_letters: DeadLetterQueue
) -> None:
    names = [await dead_letters.add() for _ in range(3)]

    async def cut() -> None:
        async with open_dead_letters(dead_letters.settings.amqp) as dead:
            async for _ in dead.letters(10):
                await asyncio.to_thread(own_rabbitmq.ctl, "close_all_connections", "test")

    with pytest.raises(BrokerError, match=r"is still in 'zeebe\.dead': try again"):
        await cut()
    assert sorted(await dead_letters.ids()) == sorted(names)


async def test_what_another_run_holds_comes_back_when_it_ends(dead_letters: DeadLetterQueue) -> None:
    names = [await dead_letters.add() for _ in range(2)]
    async with open_dead_letters(dead_letters.settings.amqp) as dead:
        assert [letter.id async for letter in dead.letters(1)] == names[:1]
        assert await dead_letters.ids() == names[1:]
    assert sorted(await dead_letters.ids()) == sorted(names)


async def test_a_missing_queue_is_told(dead_letters: DeadLetterQueue) -> None:
    await dead_letters.on_channel(lambda channel: channel.queue_delete(wire.DEAD_LETTER))
    for command in (["list"], ["replay", "--all"], ["show", "x"], ["drop", "x", "--yes"]):
        result = await dead_letters.run(*command)
        assert (result.code, result.rows) == (1, [])
        assert result.stderr.startswith("broker: queue 'zeebe.dead' is missing; ")


async def test_a_user_who_may_not_read_is_told(own_rabbitmq: RabbitMQ, dead_letters: DeadLetterQueue) -> None:
    await asyncio.to_thread(own_rabbitmq.ctl, "add_user", dead_letters.request_queue, "secret")
    await asyncio.to_thread(own_rabbitmq.ctl, "set_permissions", dead_letters.request_queue, "", "", "")
    dead_letters.url = str(URL(dead_letters.url).with_user(dead_letters.request_queue).with_password("secret"))
    result = await dead_letters.run("list")
    dead_letters.url = own_rabbitmq.url
    assert result.code == 1
    assert "needs the right to read from the queue 'zeebe.dead'" in result.stderr
    assert "secret" not in result.stderr


async def test_a_broker_that_is_away_is_told(dead_letters: DeadLetterQueue) -> None:
    there = dead_letters.url
    dead_letters.url = "amqp://guest:secret@127.0.0.1:1/"
    result = await dead_letters.run("list")
    dead_letters.url = there
    assert (result.code, result.rows) == (1, [])
    assert "127.0.0.1:1" in result.stderr
    assert "AMQP_URL" in result.stderr
    assert "secret" not in result.stderr


# --- what the command line refuses ---


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["replay"], "either ids"),
        (["replay", "x", "--all"], "either ids"),
        (["replay", "x", "--queue", "zeebe.dead"], "a request queue"),
        (["replay", "x", "--max-replays", "0"], "x>=1"),
        (["list", "--older-than", "soon"], "accepted: a duration"),
        (["list", "--limit", "0"], "x>=1"),
        (["drop", "--yes"], "either ids"),
        (["show"], "Missing argument"),
    ],
)
async def test_a_wrong_command_is_refused_with_what_is_accepted(
    dead_letters: DeadLetterQueue, command: list[str], said: str
) -> None:
    result = await dead_letters.run(*command)
    assert (result.code, result.rows) == (2, [])
    assert said in result.stderr


async def test_nothing_is_dropped_where_nobody_can_be_asked(
    dead_letters: DeadLetterQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    name = await dead_letters.add()
    result = await dead_letters.run("drop", "--all")
    assert (result.code, "give --yes" in result.stderr) == (2, True)
    assert await dead_letters.ids() == [name]
