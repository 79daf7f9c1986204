"""Doing it once, from queue to queue: every row of the ledger's table, with the consumer as a program that can die."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage

from scripts import guard
from scripts.consumer import ROOT, Consumer
from scripts.process import Process
from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import TIMEOUT, UNMEASURED, ConsumerSetup, create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

SET = "SetVariables"


@pytest_asyncio.fixture(loop_scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test with the default ledger."""
    async with running_service(tmp_path, own_rabbitmq.url, **UNMEASURED) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module", params=["sqlite", "memory", "redis"])
async def any_service(
    request: pytest.FixtureRequest, own_rabbitmq: RabbitMQ, redis: Redis, tmp_path: Path
) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test with each ledger in turn."""
    ledgers = {"sqlite": {}, "memory": {"LEDGER": "memory://"}, "redis": {"LEDGER": redis.url}}
    async with running_service(tmp_path, own_rabbitmq.url, **ledgers[request.param], **UNMEASURED) as ready:
        yield ready


def identified(name: str) -> dict[str, Any]:
    """The properties of a request with that id."""
    return {"headers": {wire.REQUEST_ID: name}}


def set_variables(**variables: Any) -> bytes:
    """The envelope of a set-variables: the same again does no harm."""
    return orjson.dumps(
        {"operation": "set-variables", "data": {"elementInstanceKey": 2**51 + 7, "variables": variables}}
    )


def outcome(message: AbstractIncomingMessage) -> tuple[Code, Outcome]:
    """Code and outcome of an error."""
    error = Reply.decode(message.body).error
    assert error is not None
    return error.code, error.outcome


async def restarted(consumer: Consumer) -> None:
    """Kill the consumer as a crash would, and start it on the same state."""
    await asyncio.to_thread(consumer.kill)
    await asyncio.to_thread(consumer.start)


# --- the same id again ------------------------------------------------------------------------------------------------


async def test_the_same_request_runs_once_while_it_runs_and_after(any_service: ConsumerSetup) -> None:
    name, gate = uuid.uuid4().hex, Hold(any_service.gateway)
    async with any_service.caller() as caller:
        both = [asyncio.create_task(caller.request(create(id=name), **identified(name))) for _ in range(2)]
        await gate.reached()
        gate.open()
        replies = [*await asyncio.gather(*both), await caller.request(create(id=name), **identified(name))]
    assert len({reply.body for reply in replies}) == 1
    assert sum(bool(reply.headers.get(wire.REPLAYED)) for reply in replies) == 2
    assert any_service.gateway.count(CREATE) == 1
    assert any_service.metric("ledger_size") >= 1
    assert any_service.metric("ledger_duration_seconds_count", operation="claim") == 2  # one waited for the other's run
    assert any_service.metric("ledger_duration_seconds_count", operation="finish") == 1
    assert any_service.metric("tasks") >= 1


async def test_an_id_with_another_body_is_refused_and_not_run(any_service: ConsumerSetup) -> None:
    name = uuid.uuid4().hex
    async with any_service.caller() as caller:
        await caller.request(create(id=name), **identified(name))
        assert outcome(await caller.request(create(id="other"), **identified(name))) == (
            Code.ALREADY_EXISTS,
            Outcome.NOT_EXECUTED,
        )
    assert any_service.gateway.count(CREATE) == 1


async def test_a_refused_request_may_be_sent_again_corrected_with_its_id(any_service: ConsumerSetup) -> None:
    name = uuid.uuid4().hex
    wrong = orjson.dumps({"operation": "create-instance", "data": {}})
    async with any_service.caller() as caller:
        assert outcome(await caller.request(wrong, **identified(name)))[0] is Code.INVALID_ARGUMENT
        assert Reply.decode((await caller.request(create(id=name), **identified(name))).body).ok


async def test_nobody_reads_the_answers_of_another_user(own_rabbitmq: RabbitMQ, service: ConsumerSetup) -> None:
    name = uuid.uuid4().hex
    async with service.caller() as caller:
        await caller.request(create(id=name), **identified(name), user_id="guest")
        other = await caller.request(create(id=name), **identified(name))
    assert wire.REPLAYED not in other.headers
    assert service.gateway.count(CREATE) == 2


async def test_two_consumers_with_one_redis_answer_for_each_other(
    own_rabbitmq: RabbitMQ, redis: Redis, tmp_path: Path
) -> None:
    async with running_service(tmp_path, own_rabbitmq.url, LEDGER=redis.url) as service:
        second = await service.another(LEDGER=redis.url)
        name, gate = uuid.uuid4().hex, Hold(service.gateway)
        async with service.caller() as caller:
            # Queues hand out messages in turn, so both get some.
            calls = [asyncio.create_task(caller.request(create(id=name), **identified(name))) for _ in range(6)]
            await gate.reached()
            gate.open()
            replies = await asyncio.gather(*calls)
            assert len({reply.body for reply in replies}) == 1
            await asyncio.to_thread(service.consumer.stop)
            assert (await caller.request(create(id=name), **identified(name))).headers[wire.REPLAYED] is True
        assert second.process is not None
    assert service.gateway.count(CREATE) == 1


async def test_what_a_killed_consumer_ran_does_not_hold_up_the_other_one(
    own_rabbitmq: RabbitMQ, redis: Redis, tmp_path: Path
) -> None:
    settings = {"LEDGER": redis.url, "CONCURRENCY": "1", **UNMEASURED}
    async with running_service(tmp_path, own_rabbitmq.url, **settings) as service, service.caller() as caller:
        gate = Hold(service.gateway)
        cut = asyncio.create_task(caller.request(create(id="cut"), **identified(uuid.uuid4().hex)))
        await gate.reached()
        await service.another(**settings)
        await asyncio.to_thread(service.consumer.kill)
        gate.open()
        # Behind the first, in the one place that there is; the other's claim lasts until its lease ends.
        later = await caller.request(create(id="later"), **identified(uuid.uuid4().hex))
        assert Reply.decode(later.body).ok
        assert not cut.done()
        cut.cancel()
    assert service.gateway.count(CREATE) == 2


# --- the owner's death ------------------------------------------------------------------------------------------------


async def test_an_answer_survives_the_process(service: ConsumerSetup) -> None:
    name = uuid.uuid4().hex
    async with service.caller() as caller:
        first = await caller.request(create(id=name), **identified(name))
        await restarted(service.consumer)
        second = await caller.request(create(id=name), **identified(name))
    assert (second.body, second.headers[wire.REPLAYED]) == (first.body, True)
    assert service.gateway.count(CREATE) == 1


async def cut_off(
    service: ConsumerSetup, caller: Caller, rpc: str, body: bytes, **environment: str
) -> AbstractIncomingMessage:
    """Kill the consumer while the gateway works on the request; the answer of the consumer after it."""
    name, gate = uuid.uuid4().hex, Hold(service.gateway, rpc)
    call = asyncio.create_task(caller.request(body, **identified(name)))
    await gate.reached()
    await asyncio.to_thread(service.consumer.kill)
    gate.open()
    service.consumer.configure(environment)
    await asyncio.to_thread(service.consumer.start)
    return await call


async def test_what_must_not_be_repeated_is_reported_after_the_owner_s_death(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        reply = await cut_off(service, caller, CREATE, create(id=1))
    assert outcome(reply) == (Code.ABORTED, Outcome.UNKNOWN)
    assert service.gateway.count(CREATE) == 1


async def test_what_may_be_repeated_runs_again_after_the_owner_s_death(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        reply = await cut_off(service, caller, SET, set_variables(id=1))
    assert Reply.decode(reply.body).ok
    assert service.gateway.count(SET) == 2


async def test_with_on_unknown_run_everything_runs_again_after_the_owner_s_death(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        reply = await cut_off(service, caller, CREATE, create(id=1), ON_UNKNOWN="run")
    assert Reply.decode(reply.body).ok
    assert service.gateway.count(CREATE) == 2


# --- a ledger that cannot be used -------------------------------------------------------------------------------------


@contextmanager
def no_file_grows(consumer: Consumer) -> Iterator[None]:
    """As if the disk of the consumer were full."""
    assert consumer.process is not None
    [pid, *_] = guard.children(consumer.process.pid)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_ledger_that_cannot_be_written_stops_consuming_until_it_can(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        await caller.request(create(id=0))
        with no_file_grows(service.consumer):
            call = asyncio.create_task(caller.request(create(id=1), **identified(uuid.uuid4().hex)))
            await eventually(lambda: "ledger" in service.consumer.reasons(), "readiness tells of the ledger")
            assert "cannot be written" in service.consumer.reasons()["ledger"]
            later = await caller.publish(create(id=2), message_id=uuid.uuid4().hex)
            answered = caller.expect(later)
            await left_in(caller, service.consumer.queues[0])
        assert Reply.decode((await call).body).ok
        assert Reply.decode((await asyncio.wait_for(answered, TIMEOUT)).body).ok
    assert service.gateway.count(CREATE) == 3
    await eventually(lambda: service.consumer.get("/readyz")[0] == 200, "ready again")


async def left_in(caller: Caller, queue: str) -> None:
    """Wait until a message stays in the queue; consumers that were cancelled count as long as they hold a message."""
    seen = 0
    async with asyncio.timeout(TIMEOUT):
        while seen < 10:
            found = await caller.channel.declare_queue(queue, passive=True)
            seen = seen + 1 if found.declaration_result.message_count else 0
            await asyncio.sleep(0.05)


def program(directory: Path, *arguments: str) -> str:
    """What a consumer says whose ledger is in `directory`, until it ends or connects; nobody is there for it."""
    environment = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
        "LEDGER": f"sqlite:///{directory / 'ledger.db'}",
        "AMQP_URL": "amqp://127.0.0.1:1",
        "ZEEBE_ADDRESS": "127.0.0.1:1",
        "HTTP_ADDRESS": "127.0.0.1:0",
        "LOG_FORMAT": "text",
    }
    log = directory / "consumer.log"
    process = Process([sys.executable, "-m", "consumer", *arguments], environment, log)
    deadline = time.monotonic() + TIMEOUT
    while process.running and "connecting to RabbitMQ" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.stop()
    return log.read_text()


def newer(path: Path) -> None:
    """A ledger as a later release may write it."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE entries (x); PRAGMA application_id = 0x5A424C47; PRAGMA user_version = 3;"
        )
    connection.close()


SPOILT = {
    "broken": (lambda path: path.write_bytes(b"no database" * 1000), "is broken"),
    "newer": (newer, "has version 3; accepted: 2"),
}


@pytest.mark.parametrize("kind", SPOILT)
async def test_a_ledger_that_cannot_be_read_is_refused_and_moved_aside_only_when_asked(
    tmp_path: Path, kind: str
) -> None:
    spoil, said = SPOILT[kind]
    path = tmp_path / "ledger.db"
    spoil(path)
    content = path.read_bytes()
    refused = await asyncio.to_thread(program, tmp_path, "run")
    assert said in refused
    assert "--reset-ledger" in refused
    assert "connecting to RabbitMQ" not in refused
    assert path.read_bytes() == content
    started = await asyncio.to_thread(program, tmp_path, "run", "--reset-ledger")
    [aside] = sorted(tmp_path.glob("ledger.db.*Z"))  # noqa: ASYNC240
    assert aside.read_bytes() == content
    assert aside.name in started
    assert "connecting to RabbitMQ" in started


async def test_a_redis_that_may_forget_is_warned_about_at_the_start(own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with Redis(tmp_path / "redis", appendonly=False) as forgetful:
        async with running_service(tmp_path, own_rabbitmq.url, LEDGER=forgetful.url) as service:
            assert "set appendonly yes" in service.log()
