"""`python -m consumer dead replay` waits, and says what became of each letter that it sent again."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.integration.broker_control import User, close_connections
from tests.integration.dead_letter_queue import CommandResult, DeadLetterQueue
from tests.integration.load import CREATE
from tests.integration.service import ConsumerSetup, create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.testing import after, fail

GONE = "Command 'CREATE' rejected with code 'NOT_FOUND': no process 'order'"


@pytest.fixture
async def service(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of the queue that the letters came from."""
    async with running_service(tmp_path, own_rabbitmq.url, SHUTDOWN_GRACE="1s") as running:
        follow(dead, running)
        yield running


def follow(dead: DeadLetterQueue, service: ConsumerSetup) -> None:
    """Letters come from the queue of this service, and it is asked."""
    dead.request_queue, dead.state_dir = service.consumer.queues[0], service.directory / "state"


def results(ended: CommandResult) -> dict[str, str]:
    return {row["id"]: row["result"] for row in ended.rows}


async def add(dead: DeadLetterQueue, count: int = 1, **more: Any) -> list[str]:
    """Letters of requests that can be executed, each another one."""
    headers = {wire.OPERATION: "create-instance", **more.pop("headers", {})}
    return [await dead.add(create(again=uuid.uuid4().hex), headers=headers, **more) for _ in range(count)]


async def test_it_says_of_each_letter_whether_it_succeeded_or_failed_again(
    service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    names = await add(dead, 4)
    service.gateway.script(CREATE, fail("NOT_FOUND", GONE))
    ended = await dead.run("replay", "--all")
    assert (ended.code, ended.stderr) == (1, f"3 succeeded, 1 failed again: NOT_FOUND {GONE}\n")
    [failed] = [row for row in ended.rows if row["result"] == "failed again"]
    assert (failed["code"], failed["message"], failed["replays"]) == ("NOT_FOUND", GONE, 1)
    assert failed["problem"] == "it is in the dead-letter queue again"
    assert sorted(results(ended)) == sorted(names)
    for row in ended.rows:
        if row is not failed:
            assert (row["result"], row["code"], row["message"], "problem" in row) == ("succeeded", None, None, False)
    assert sum(service.gateway.executions.values()) == 3
    # It was seen by a copy: the letter itself was never taken, and what is asked for is not in the request.
    [copy] = [each for each in service.dead_letters.messages if wire.REPLAYS in each.headers]
    assert (copy.headers[wire.REPLAYS], copy.reply_to) == (1, None)
    assert await dead.returns() == 0
    ended = await dead.run("replay", failed["id"])
    assert (ended.code, results(ended), ended.stderr) == (0, {failed["id"]: "succeeded"}, "1 succeeded\n")
    assert await dead.ids() == []


async def test_what_is_refused_and_what_is_not_there_count_too(service: ConsumerSetup, dead: DeadLetterQueue) -> None:
    [fine], [spent] = await add(dead), await add(dead, headers={"replays": 5})
    ended = await dead.run("replay", fine, spent, "nope")
    assert (ended.code, results(ended)) == (1, {fine: "succeeded", spent: "refused"})
    assert ended.stderr.splitlines()[1:] == ["1 succeeded, 1 refused"]


async def test_an_answer_that_went_to_the_caller_is_told(service: ConsumerSetup, dead: DeadLetterQueue) -> None:
    service.gateway.script(CREATE, fail("NOT_FOUND", GONE))
    async with service.caller() as caller:
        await add(dead, reply_to=caller.reply_to)
        ended = await dead.run("replay", "--all")
        await eventually(lambda: len(caller.arrived) == 1, "the caller has its answer")
    [row] = ended.rows
    assert (row["result"], row["code"], row["problem"]) == (
        "failed again",
        "NOT_FOUND",
        f"the answer went to {caller.reply_to}",
    )
    assert await dead.ids() == []


async def test_letters_of_a_validated_user_are_found_under_that_user(
    service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    names = await add(dead, 2, headers={wire.ORIGINAL_USER_ID: "alice", wire.REQUEST_ID: "same"})
    assert len(names) == 2
    [one] = (await dead.run("replay", "same", "--limit", "1")).rows
    assert (one["result"], one["user"]) == ("succeeded", "alice")


async def test_after_the_wait_it_says_what_is_still_unknown_and_why(
    service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    service.gateway.always(CREATE, after(30))
    [running], reads = await add(dead), await dead.add(b'{"operation":"topology"}')
    ended = await dead.run("replay", "--all", "--wait", "2s")
    assert (ended.code, ended.stderr, set(results(ended).values())) == (1, "0 succeeded, 2 unknown\n", {"unknown"})
    problems = {row["id"]: row["problem"] for row in ended.rows}
    assert problems[running] == "not known after 2 s: service: running; ledger: running"
    assert problems[reads].startswith("not known after 2 s: it has no request id, or only reads")


async def test_without_a_service_what_fails_is_seen_and_what_succeeds_is_not(
    service: ConsumerSetup, dead: DeadLetterQueue, tmp_path: Path
) -> None:
    dead.state_dir = tmp_path / "elsewhere"
    [fine], bad = await add(dead), await dead.add(b'{"operation":"nope"}')
    ended = await dead.run("replay", "--all", "--wait", "3s")
    assert (ended.code, results(ended)) == (1, {fine: "unknown", bad: "failed again"})
    assert "no service answers in STATE_DIR" in next(row["problem"] for row in ended.rows if row["id"] == fine)
    assert "1 unknown, 1 failed again: UNIMPLEMENTED" in ended.stderr


async def test_what_waits_in_its_queue_or_is_given_up_by_the_broker_is_told(dead: DeadLetterQueue) -> None:
    [name] = await add(dead)
    replay = asyncio.create_task(dead.run("replay", name, "--wait", "30s"))
    queue = await dead.channel.get_queue(dead.request_queue)
    async with asyncio.timeout(30):
        while not replay.done():
            if (given := await queue.get(fail=False)) is not None:
                await given.reject(requeue=True)
            await asyncio.sleep(0.05)
    [row] = (await replay).rows
    assert (row["result"], row["code"]) == ("failed again", "delivery_limit")


async def test_a_user_who_may_have_no_copies_is_told_and_learns_what_the_service_knows(
    own_rabbitmq: RabbitMQ, service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    user = User(own_rabbitmq)
    await user.allow("^$", ".*", ".*")
    [name] = await add(dead)
    await dead.add(b'{"operation":"topology"}')
    dead.url = user.url()
    ended = await dead.run("replay", "--all", "--wait", "600s")  # what cannot be known any more is not waited for
    assert results(ended)[name] == "succeeded"
    said = ended.stderr.splitlines()
    assert said[0].startswith("what fails again is not seen: ")
    assert "needs the right to configure the queue 'zeebe.dead.copies." in said[0]
    assert (ended.code, said[1:]) == (1, ["1 succeeded, 1 unknown"])


async def test_a_connection_that_is_lost_while_it_waits_is_told(
    own_rabbitmq: RabbitMQ, service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    service.gateway.always(CREATE, after(5))
    [name] = await add(dead)
    replay = asyncio.create_task(dead.run("replay", name))
    await eventually(lambda: service.gateway.count(CREATE), "it runs")
    await asyncio.to_thread(close_connections, own_rabbitmq)
    ended = await replay
    assert (ended.code, results(ended)) == (0, {name: "succeeded"})
    assert ended.stderr.startswith("what fails again is not seen any more: ")


async def test_a_ledger_that_replicas_share_is_read_where_none_of_them_answers(
    own_rabbitmq: RabbitMQ, redis: Redis, dead: DeadLetterQueue, tmp_path: Path
) -> None:
    async with running_service(tmp_path, own_rabbitmq.url, LEDGER=redis.url) as service:
        follow(dead, service)
        dead.state_dir, dead.ledger = tmp_path / "elsewhere", redis.url
        [name] = await add(dead)
        ended = await dead.run("replay", name)
    assert (ended.code, results(ended)) == (0, {name: "succeeded"})


async def test_an_interrupt_ends_the_waiting_and_says_what_is_known(
    service: ConsumerSetup, dead: DeadLetterQueue
) -> None:
    service.gateway.script(CREATE, after(0))
    service.gateway.always(CREATE, after(30))
    names = await add(dead, 3)
    command = [sys.executable, "-P", "-m", "consumer", "dead", "replay", "--all", "--wait", "600s"]
    settings = {**service.consumer.environment, "AMQP_QUEUES": ",".join(service.consumer.queues), "LOG_LEVEL": "error"}
    process = await asyncio.create_subprocess_exec(*command, env=settings, stdout=-1, stderr=-1)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        first = orjson.loads(await process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, said = await process.communicate()
    rows = [first, *map(orjson.loads, out.splitlines())]
    assert sorted(row["id"] for row in rows) == sorted(names)
    assert [row["result"] for row in rows] == ["succeeded", "unknown", "unknown"]
    assert all(row["problem"].startswith("interrupted: ") for row in rows[1:])
    assert (process.returncode, said.decode()) == (1, "1 succeeded, 2 unknown\n")
