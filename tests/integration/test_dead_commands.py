"""`python -m consumer dead`: letters are looked at, sent again and dropped, and none is ever lost on the way."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from consumer.core.sender import DELIVERY_COUNTS
from consumer.dead_letters.queue import MAX_RETURNS, open_dead_letters
from scripts.consumer import ROOT
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each, for_each
from tests.integration.broker_control import User, close_connections, version
from tests.integration.caller import Caller
from tests.integration.cli import on_a_terminal
from tests.integration.dead_letter_queue import REASON, DeadLetterQueue
from tests.integration.rawamqp import RawPublisher, content, entry, table, text
from tests.integration.service import create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import BrokerError

# --- looking ---


async def test_a_list_tells_each_letter_oldest_first_and_leaves_them(dead: DeadLetterQueue) -> None:
    assert await dead.run("list") == (0, [], "no dead letters\n")
    names = [await dead.add(b"x" * size) for size in (1, 2, 3)]
    for _ in range(2):
        rows = (await dead.run("list", "--each")).rows
        assert [row["id"] for row in rows] == names
    assert rows[2] == {
        "id": names[2],
        "operation": "topology",
        "user": None,
        "signature": "valid",
        "code": "NOT_FOUND",
        "failed-at": "2026-01-02T03:04:05.678+00:00",
        "size": 3,
        "replays": 0,
        "queue": dead.request_queue,
        "message": "no such thing",
    }
    _, rows, said = await dead.run("list", "--each", "--limit", "2")
    assert ([row["id"] for row in rows], said) == (names[:2], "1 newer dead letters were not looked at: --limit is 2\n")


async def test_filters_narrow_what_is_listed(dead: DeadLetterQueue) -> None:
    plain = await dead.add()
    coded = await dead.add(headers={wire.ERROR_CODE: "INTERNAL"})
    other = await dead.add(origin="other", headers={wire.OPERATION: "cancel-instance"})
    young = await dead.add(headers={wire.FAILED_AT: "2999-01-01T00:00:00+00:00"})
    assert await dead.ids("--code", "INTERNAL") == [coded]
    assert await dead.ids("--operation", "cancel-instance") == await dead.ids("--from", "other") == [other]
    assert await dead.ids("--older-than", "24h") == [plain, coded, other]
    assert young in await dead.ids()
    assert await dead.run("list", "--code", "nothing") == (0, [], "no dead letters that pass the filters\n")


async def test_looking_very_often_loses_nothing(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue) -> None:
    """Brokers from 4.0 to 4.2 drop what came back to its queue 20 times; those before 4.3 count it."""
    is_counted = version(own_rabbitmq) < "4.3"
    name = await dead.add(b'{"a":1}', correlation_id="c", priority=3)
    before = (await dead.run("show", name)).rows[0]
    before["headers"] = without_counts(before["headers"])
    for _ in range(2 * MAX_RETURNS + 3):
        assert await dead.ids() == [name]
    after = (await dead.run("show", name)).rows[0]
    assert after["headers"].pop("x-delivery-count", 0) < MAX_RETURNS
    assert after["headers"].pop("original-queue", None) == (dead.request_queue if is_counted else None)
    after["headers"] = without_counts(after["headers"])
    if is_counted:  # it was published to its queue again
        before["properties"]["delivery_mode"] = 2
    assert after == before


def without_counts(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers without those that a read itself brings."""
    return {name: value for name, value in headers.items() if name not in DELIVERY_COUNTS}


async def test_what_the_broker_gave_up_is_told_and_goes_back_where_it_came_from(dead: DeadLetterQueue) -> None:
    message = aio_pika.Message(b"{}", message_id="m", type="topology", headers={"mine": 1})
    await dead.channel.default_exchange.publish(message, dead.request_queue)
    await dead.exhaust()
    [row] = (await dead.run("list", "--each", "--code", "delivery_limit")).rows
    assert (row["id"], row["operation"], row["queue"]) == ("m", "topology", dead.request_queue)
    assert (await dead.resend("m")).code == 0
    [again] = await dead.sent()
    assert (again.body, again.message_id, again.type) == (b"{}", "m", "topology")
    assert without_counts(again.headers) == {"mine": 1, "replays": 1}


async def test_show_tells_everything_and_raw_gives_the_body_of_one_letter(dead: DeadLetterQueue) -> None:
    name = await dead.add(b'{"a": 1.10}', content_type="application/json")
    [shown] = (await dead.run("show", name)).rows
    assert (shown["body"], shown["properties"]["content_type"]) == ('{"a": 1.10}', "application/json")
    assert shown["headers"].items() >= REASON.items()
    assert (await dead.run("show", name, "--raw")).rows == [{"raw": '{"a": 1.10}'}]
    await dead.add(headers={wire.REQUEST_ID: name})
    assert len((await dead.run("show", name)).rows) == 2
    code, _, said = await dead.run("show", name, "--raw")
    assert (code, said) == (1, f"2 dead letters have the id '{name}': --raw shows one only\n")
    assert await dead.ids() == [name, name]


# --- sending again ---


async def test_a_replay_is_the_request_as_it_was_and_a_count(dead: DeadLetterQueue) -> None:
    own = {"mine": [1, {"a": None}], wire.ORIGINAL_USER_ID: "alice"}
    kept = {"content_type": "application/json", "type": "t", "correlation_id": "c", "reply_to": "r", "app_id": "a"}
    name = await dead.add(b"\x00\xff", headers=own, priority=3, user_id="guest", **kept)
    code, [row], said = await dead.resend(name)
    assert (code, said) == (0, "1 replayed\n")
    assert (row["result"], row["replays"], row["queue"]) == ("replayed", 1, dead.request_queue)
    [again] = await dead.sent()
    assert (again.body, again.priority, again.delivery_mode) == (b"\x00\xff", 3, 2)
    assert {property: getattr(again, property) for property in kept} == kept
    assert without_counts(again.headers) == {
        wire.REQUEST_ID: name,
        **own,
        "replays": 1,
        wire.SIGNATURE: again.headers[wire.SIGNATURE],
    }
    assert again.user_id == "guest"  # us: that is what makes "alice" credible
    assert await dead.ids() == []
    await dead.resend(await dead.add(user_id="guest"))
    [again] = await dead.sent()
    assert (again.user_id, wire.ORIGINAL_USER_ID in again.headers) == (None, False)


async def test_a_dry_run_changes_nothing(dead: DeadLetterQueue) -> None:
    name = await dead.add()
    for command, done in (("replay", "would be replayed"), ("drop", "would be dropped")):
        code, [row], said = await dead.run(command, "--all", "--dry-run")
        assert (code, said, row["id"], row["result"]) == (0, f"1 {done}\n", name, done)
    assert (await dead.ids(), await dead.sent()) == ([name], [])


async def test_only_what_is_meant_is_replayed_or_dropped(dead: DeadLetterQueue) -> None:
    names = [await dead.add(headers={wire.ERROR_CODE: code}) for code in ("A", "B", "B", "C", "D")]
    assert (await dead.resend("--all", "--code", "A")).code == 0
    assert (await dead.resend(names[2], "--code", "B")).code == 0
    assert await dead.ids() == [names[1], *names[3:]]
    assert {message.headers[wire.REQUEST_ID] for message in await dead.sent()} == {names[0], names[2]}
    code, [row], said = await dead.run("drop", names[1], "--yes")
    assert (code, said, row["result"]) == (0, "1 dropped\n", "dropped")
    assert (await dead.run("drop", "--all", "--code", "C", "--yes")).code == 0
    assert await dead.ids() == names[4:]
    assert (await dead.run("drop", names[1], "--yes")).code == 1


async def test_a_replay_that_cannot_be_sent_stays(dead: DeadLetterQueue) -> None:
    name, full = await dead.add(), f"{dead.request_queue}.full"
    arguments: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
    await dead.channel.declare_queue(full, arguments=arguments, exclusive=True)
    missing = "queue 'nowhere' is not there; declare it, or name another with --queue"
    for queue, problem in (("nowhere", missing), (full, "is full")):
        code, [row], said = await dead.resend(name, "--queue", queue)
        assert (code, row["result"], said) == (1, "refused", "0 replayed, 1 refused\n")
        assert problem in row["problem"]
        assert await dead.ids() == [name]


async def test_what_cannot_be_written_again_stays_and_is_told(dead: DeadLetterQueue) -> None:
    """A header's name of more than 128 bytes, which AMQP does not allow and brokers deliver."""
    headers = table(entry(b"request-id", b"S", text(b"odd")), entry(b"n" * 129, b"S", text(b"x")))
    async with RawPublisher(dead.url) as publisher:
        await publisher.publish(wire.DEAD_LETTER, b"{}", content(headers=headers))
    code, [row], _ = await dead.resend("odd", "--queue", dead.request_queue)
    assert (code, row["problem"]) == (1, f"its header {'n' * 128!r} cannot be written again as it was; drop it")
    for _ in range(MAX_RETURNS + 2):
        assert await dead.ids() == ["odd"]


async def test_a_truncated_letter_can_be_looked_at_but_not_replayed(dead: DeadLetterQueue) -> None:
    name = await dead.add(b'{"a"', headers={wire.TRUNCATED: True, wire.ORIGINAL_SIZE: 20 << 20})
    code, [row], _ = await dead.resend(name, "--force")
    assert (code, "first 4 of 20971520 bytes" in row["problem"]) == (1, True)
    raw = await dead.run("show", name, "--raw")
    assert raw == (0, [{"raw": '{"a"'}], "truncated: first 4 of 20971520 bytes\n")


async def test_a_letter_is_not_replayed_for_ever(dead: DeadLetterQueue) -> None:
    name = await dead.add(headers={"replays": 5})
    code, [row], _ = await dead.resend("--all")
    assert (code, "replayed 5 times" in row["problem"]) == (1, True)
    assert (await dead.resend(name, "--force")).code == 0
    assert [message.headers["replays"] for message in await dead.sent()] == [6]


async def test_what_is_not_there_is_told(dead: DeadLetterQueue) -> None:
    code, _, said = await dead.resend(await dead.add(), "nope")
    assert (code, said) == (1, "no dead letter 'nope' among those looked at: see `dead list --each`\n1 replayed\n")
    code, _, said = await dead.resend("--all")
    assert (code, said.splitlines()[0]) == (1, "no dead letter passes the filters: see `dead list`")
    assert (await dead.run("show", "nope")).code == 1


async def test_what_is_replayed_runs_and_comes_back_counted_as_its_first_sender_s_when_it_fails(
    own_rabbitmq: RabbitMQ, tmp_path: Path, dead: DeadLetterQueue
) -> None:
    """The whole way, with a consumer that refuses it within the time a replay takes: no loop."""
    alina = User(own_rabbitmq)
    await alina.allow(".*", ".*", ".*")
    async with running_service(tmp_path, own_rabbitmq.url) as service:
        dead.request_queue = service.consumer.queues[0]
        async with Caller(alina.url(), *service.consumer.queues) as caller:
            body, claimed = b'{"operation":"no-such-operation"}', {wire.ORIGINAL_USER_ID: "bob"}
            await caller.publish(body, reply_to=None, message_id="m", user_id=alina.name, headers=claimed)
        for count in range(4):
            await eventually(lambda count=count: len(service.dead_letters.messages) > count, "it is dead again")
            [shown] = (await dead.run("show", "m")).rows
            assert (shown["replays"], shown["code"], shown["body"]) == (count, "UNIMPLEMENTED", body.decode())
            assert shown["headers"][wire.ORIGINAL_USER_ID] == alina.name
            assert len((await dead.resend("--all")).rows) == 1
        await eventually(lambda: len(service.dead_letters.messages) == 5, "it is dead again")
        assert (await dead.run("drop", "m", "--yes")).code == 0
        await dead.add(create(again=uuid.uuid4().hex), content_type="application/json")
        assert (await dead.resend("--all")).code == 0
        await eventually(lambda: sum(service.gateway.executions.values()) == 1, "the command ran")
    assert await dead.ids() == []


# --- dropping ---


@for_each([("y", 0, 0), ("n", 1, 2), ("", 1, 2)])
async def test_at_a_terminal_it_asks_before_it_drops(
    answer: str, code: int, left: int, dead: DeadLetterQueue, tmp_path: Path
) -> None:
    for _ in range(2 - len(await dead.ids())):
        await dead.add()
    command = [sys.executable, "-m", "consumer", "dead", "drop", "--all", "--amqp-url", dead.url]
    python = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    settings = {**python, "TERM": "xterm", "COLUMNS": "150"}
    ended, shown = await asyncio.to_thread(on_a_terminal, command, settings, f"{answer}\n", cwd=tmp_path)
    assert ended == code
    assert "Drop 2 for good?" in shown
    assert "would be dropped" in shown
    assert len(await dead.ids()) == left


# --- what goes wrong ---


async def test_a_lost_connection_is_told_and_loses_nothing(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue) -> None:
    names = [await dead.add() for _ in range(3)]

    async def cut() -> None:
        async with open_dead_letters(dead.settings) as opened:
            async for _ in opened.letters(10):
                await asyncio.to_thread(close_connections, own_rabbitmq)

    with pytest.raises(BrokerError, match=r"is still in 'zeebe\.dead': try again"):
        await cut()
    assert sorted(await dead.ids()) == sorted(names)


async def test_what_another_run_holds_comes_back_when_it_ends(dead: DeadLetterQueue) -> None:
    names = [await dead.add() for _ in range(2)]
    async with open_dead_letters(dead.settings) as opened:
        assert [letter.id async for letter in opened.letters(1)] == names[:1]
        assert await dead.ids() == names[1:]
    assert sorted(await dead.ids()) == sorted(names)


async def test_a_queue_that_is_gone_forbidden_or_away_is_told(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue) -> None:
    user = User(own_rabbitmq)
    await user.allow("^$", "^$", "^$")
    dead.url = user.url()
    code, rows, said = await dead.run("list")
    assert (code, rows, "secret" in said) == (1, [], False)
    assert "needs the right to read from the queue 'zeebe.dead'" in said
    dead.url = "amqp://guest:secret@127.0.0.1:1/"
    code, rows, said = await dead.run("list")
    assert (code, rows, "secret" in said) == (1, [], False)
    assert "127.0.0.1:1" in said
    assert "AMQP_URL" in said
    dead.url = own_rabbitmq.url
    await dead.channel.queue_delete(wire.DEAD_LETTER)
    for command in (["list"], ["replay", "--all"], ["show", "x"], ["drop", "x", "--yes"]):
        code, rows, said = await dead.run(*command)
        assert (code, rows) == (1, [])
        assert said.startswith("broker: queue 'zeebe.dead' is missing; ")


async def test_a_wrong_command_is_refused_with_what_is_accepted(
    dead: DeadLetterQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    name = await dead.add()

    async def is_refused(words: str, accepted: str) -> None:
        code, rows, said = await dead.run(*words.split())
        assert (code, rows) == (2, [])
        assert accepted in said

    cases = [
        ("replay", "either ids"),
        ("replay x --all", "either ids"),
        ("replay x --queue zeebe.dead", "a request queue"),
        ("replay x --max-replays 0", "x>=1"),
        ("list --older-than soon", "accepted: a duration"),
        ("list --newer-than soon", "accepted: a duration"),
        ("replay x --wait forever", "accepted: a duration"),
        ("list --limit 0", "x>=1"),
        ("drop --yes", "either ids"),
        ("drop --all", "give --yes"),  # nobody can be asked
        ("show", "Missing argument"),
    ]
    await check_each(cases, is_refused)
    assert await dead.ids() == [name]
