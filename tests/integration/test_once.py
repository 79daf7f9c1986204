"""Doing it once, from queue to queue: every row of the ledger's table, with the consumer as a program that can die."""

from __future__ import annotations

import asyncio
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage
from redis.asyncio import Redis as Client

from scripts.consumer import Consumer
from scripts.postgres import Postgres
from scripts.process import Process
from scripts.redis import Redis
from tests.integration.broker_control import VirtualHost
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold, no_file_grows
from tests.integration.service import TIMEOUT, ConsumerSetup, create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

SET = "SetVariables"
CONNECTING = "connecting to RabbitMQ"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(vhost: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """A consumer with the default ledger, a file."""
    async with running_service(tmp_path_factory.mktemp("once"), vhost.url) as ready:
        yield ready


@pytest.fixture(autouse=True)
def empty(service: ConsumerSetup) -> None:
    """Each test begins with a gateway that has counted nothing."""
    service.gateway.reset()


def identified(name: str) -> dict[str, Any]:
    """The properties of a request with that id."""
    return {"headers": {wire.REQUEST_ID: name}}


def outcome(message: AbstractIncomingMessage) -> tuple[Code, Outcome]:
    """Code and outcome of an error."""
    error = Reply.decode(message.body).error
    assert error is not None
    return error.code, error.outcome


# --- the same id again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ledger", ["file", "memory", "redis", "postgres"])
async def test_with_every_ledger_an_id_stands_for_one_request_that_runs_once(
    ledger: str, service: ConsumerSetup, redis: Redis, postgres: Postgres, tmp_path: Path
) -> None:
    if ledger == "file":
        await assert_one_run(service)
        return
    servers = {"redis": redis, "postgres": postgres}
    settings = {"LEDGER": servers[ledger].url if ledger in servers else "memory://"}
    async with running_service(tmp_path, service.url, **settings) as other:
        await assert_one_run(other)
        if ledger in servers:
            await assert_two_answer_for_each_other(other, settings)


@pytest.mark.parametrize("ledger", ["file", "memory", "redis"])
async def test_strangers_large_answers_make_no_answered_request_run_again(
    ledger: str, service: ConsumerSetup, redis: Redis, tmp_path: Path
) -> None:
    """100 of 30 kB each, with room for 17; whose answer had to go is told that the command ran."""
    settings = {"LEDGER": redis.url if ledger == "redis" else "memory://"} if ledger != "file" else {}
    name, theirs = uuid.uuid4().hex, [uuid.uuid4().hex for _ in range(100)]
    async with running_service(tmp_path, service.url, LEDGER_MAX_BYTES=str(2**19), **settings) as full:
        if ledger == "redis":
            async with Client.from_url(redis.url) as client:
                await client.flushdb()
        async with full.caller() as caller:

            async def ask(each: str, **properties: Any) -> AbstractIncomingMessage:
                return await caller.request(create(id=each), **identified(each), **properties)

            first = await ask(name, user_id="guest")
            for begin in range(0, 100, 10):  # fewer at a time than one user may have waiting
                asked = (caller.request(with_result(each), **identified(each)) for each in theirs[begin : begin + 10])
                assert all(Reply.decode(each.body).ok for each in await asyncio.gather(*asked))
            again = await ask(name, user_id="guest")
            assert (again.body, bool(again.headers.get(wire.REPLAYED))) == (first.body, True)
            assert full.gateway.count(CREATE) == 1
            assert full.metric("ledger_evicted_total", kind="body") >= 100 - 18
            assert full.metric("ledger_evicted_total", kind="entry") == 0
            repeated = [await caller.request(with_result(each), **identified(each)) for each in theirs]
            told = [outcome(each) for each in repeated if not Reply.decode(each.body).ok]
            assert (len(told) >= 100 - 18, set(told)) == (True, {(Code.ABORTED, Outcome.UNKNOWN)})
            assert full.gateway.count(f"{CREATE}WithResult") == 100


def with_result(name: str) -> bytes:
    """A create-instance whose answer has 30 kB that cannot be compressed."""
    text = random.Random(name).randbytes(30_000).hex()
    data = {"bpmnProcessId": "order", "withResult": True, "variables": {"id": name, "text": text}}
    return orjson.dumps({"operation": "create-instance", "data": data})


async def assert_one_run(service: ConsumerSetup) -> None:
    """The same again runs once, while it runs and after; with another body not at all, unless it was refused."""
    name, other, gate = uuid.uuid4().hex, uuid.uuid4().hex, Hold(service.gateway)
    async with service.caller() as caller:
        both = [asyncio.create_task(caller.request(create(id=name), **identified(name))) for _ in range(2)]
        await gate.reached()
        gate.open()
        replies = [*await asyncio.gather(*both), await caller.request(create(id=name), **identified(name))]
        assert len({reply.body for reply in replies}) == 1
        assert sum(bool(reply.headers.get(wire.REPLAYED)) for reply in replies) == 2
        assert service.metric("ledger_size") >= 1
        assert service.metric("ledger_duration_seconds_count", operation="claim") == 2  # one waited for the other's run
        assert service.metric("ledger_duration_seconds_count", operation="finish") == 1
        assert service.metric("tasks") >= 1
        conflict = await caller.request(create(id="other"), **identified(name))
        assert outcome(conflict) == (Code.ALREADY_EXISTS, Outcome.NOT_EXECUTED)
        assert service.gateway.count(CREATE) == 1
        wrong = orjson.dumps({"operation": "create-instance", "data": {}})
        assert outcome(await caller.request(wrong, **identified(other)))[0] is Code.INVALID_ARGUMENT
        assert Reply.decode((await caller.request(create(id=other), **identified(other))).body).ok


async def assert_two_answer_for_each_other(service: ConsumerSetup, settings: dict[str, str]) -> None:
    """With one server, two consumers run a request once; what one ran when it was killed does not hold up the other."""
    second = await service.another(**settings)
    service.gateway.reset()
    name, gate = uuid.uuid4().hex, Hold(service.gateway)
    async with service.caller() as caller:
        # Queues hand out messages in turn, so both get some.
        calls = [asyncio.create_task(caller.request(create(id=name), **identified(name))) for _ in range(6)]
        await gate.reached()
        gate.open()
        assert len({reply.body for reply in await asyncio.gather(*calls)}) == 1
        await asyncio.to_thread(service.consumer.stop)
        assert (await caller.request(create(id=name), **identified(name))).headers[wire.REPLAYED] is True
        gate = Hold(service.gateway)
        cut = asyncio.create_task(caller.request(create(id="cut"), **identified(uuid.uuid4().hex)))
        await gate.reached(2)
        service.consumer.configure({"CONCURRENCY": "1"})
        await asyncio.to_thread(service.consumer.start)
        await asyncio.to_thread(second.kill)
        gate.open()
        # Behind the first, in the one place that there is; the other's claim lasts until its lease ends.
        later = await caller.request(create(id="later"), **identified(uuid.uuid4().hex))
        assert Reply.decode(later.body).ok
        assert not cut.done()
        cut.cancel()
    assert service.gateway.count(CREATE) == 3


# --- the owner's death ------------------------------------------------------------------------------------------------


async def test_after_its_owner_s_death_a_request_is_answered_reported_or_run_again(service: ConsumerSetup) -> None:
    answered, cut, harmless, asked = (uuid.uuid4().hex for _ in range(4))
    variables = {"elementInstanceKey": 2**51 + 7, "variables": {"id": harmless}}
    bodies = {name: create(id=name) for name in (answered, cut, asked)}
    bodies[harmless] = orjson.dumps({"operation": "set-variables", "data": variables})

    async def killed_and_started(rpcs: dict[str, str], **environment: str) -> list[AbstractIncomingMessage]:
        """What callers get whose requests the gateway works on when their consumer is killed."""
        service.gateway.reset()
        gates = [Hold(service.gateway, rpc) for rpc in rpcs.values()]
        calls = [asyncio.create_task(caller.request(bodies[name], **identified(name))) for name in rpcs]
        for gate in gates:
            await gate.reached()
        await asyncio.to_thread(service.consumer.kill)
        for gate in gates:
            gate.open()
        service.consumer.configure(environment)
        await asyncio.to_thread(service.consumer.start)
        return list(await asyncio.gather(*calls))

    async with service.caller() as caller:
        first = await caller.request(bodies[answered], **identified(answered))
        reported, again = await killed_and_started({cut: CREATE, harmless: SET})
        second = await caller.request(bodies[answered], **identified(answered))
        assert (second.body, second.headers[wire.REPLAYED]) == (first.body, True)
        assert outcome(reported) == (Code.ABORTED, Outcome.UNKNOWN)
        assert Reply.decode(again.body).ok, "the same again does no harm"
        assert (service.gateway.count(CREATE), service.gateway.count(SET)) == (1, 2)
        [again] = await killed_and_started({asked: CREATE}, ON_UNKNOWN="run")
        assert Reply.decode(again.body).ok, "it was asked for"
        assert service.gateway.count(CREATE) == 2


# --- a ledger that cannot be used -------------------------------------------------------------------------------------


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


async def test_a_ledger_that_cannot_be_read_is_refused_and_moved_aside_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    content = b"no database" * 1000
    path.write_bytes(content)

    def program(*arguments: str) -> str:
        """What a consumer says until it ends or connects; nobody is there for it."""
        address = {"AMQP_URL": "amqp://127.0.0.1:1", "LEDGER": f"sqlite:///{path}"}
        consumer = Consumer(tmp_path, environment=address, amqp_url="", zeebe_address="127.0.0.1:1")
        process = Process([sys.executable, "-m", "consumer", *arguments], consumer.environment, consumer.log)
        deadline = time.monotonic() + TIMEOUT
        while process.running and CONNECTING not in consumer.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.stop()
        return consumer.log.read_text()

    refused = await asyncio.to_thread(program, "run")
    assert "is broken" in refused
    assert "--reset-ledger" in refused
    assert CONNECTING not in refused
    assert path.read_bytes() == content
    started = await asyncio.to_thread(program, "run", "--reset-ledger")
    [aside] = sorted(tmp_path.glob("ledger.db.*Z"))  # noqa: ASYNC240
    assert aside.read_bytes() == content
    assert aside.name in started
    assert CONNECTING in started
