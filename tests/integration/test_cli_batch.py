"""Batches and watches of the command line on a real broker: nothing twice, nothing lost, whatever ends the program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
from yarl import URL

from tests.faults.proxy import Proxy
from tests.integration.cli import UNAVAILABLE, finished, run, started
from tests.integration.service import ConsumerSetup, eventually
from tests.unit.contracts.cli.program import ended
from zeebe_amqp.cli import exit_codes as exits

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 300


class Batch:
    """A file of requests that the gateway can tell apart."""

    def __init__(self, directory: Path, count: int) -> None:
        self.mark = uuid.uuid4().hex
        self.file = directory / "requests.jsonl"
        self.results = directory / "requests.jsonl.results.jsonl"
        data = [{"bpmnProcessId": "order", "variables": {self.mark: number}} for number in range(count)]
        self.file.write_text("\n".join(json.dumps({"operation": "create-instance", "data": each}) for each in data))

    def executions(self, service: ConsumerSetup) -> Counter[str]:
        """How often each was executed."""
        counts = service.gateway.executions.items()
        return Counter({str(what): count for (_, what), count in counts if self.mark in str(what)})

    def written(self) -> list[dict[str, Any]]:
        """The lines of the file of results, without the first."""
        return [json.loads(line) for line in self.results.read_text().splitlines()[1:]]


async def test_a_batch_that_is_killed_and_resumed_runs_everything_once(service: ConsumerSetup, tmp_path: Path) -> None:
    batch = Batch(tmp_path, MANY)
    words = ("batch", str(batch.file), "--concurrency", "20")
    for kill, enough in ((signal.SIGKILL, MANY // 4), (signal.SIGINT, MANY // 2)):
        process = await started(service, *words, "--rate", "100")
        await eventually(lambda enough=enough: batch.executions(service).total() >= enough, "some are executed")
        process.send_signal(kill)
        code, _, err = await finished(process)
        assert b"Traceback" not in err
        assert len(batch.written()) < MANY
    assert code == exits.INTERRUPTED
    batch.results.write_bytes(batch.results.read_bytes() + b'{"id":"half a li')
    found = await run(service, *words)
    summary = json.loads(found.out)
    assert (found.code, found.err) == (0, "")
    assert (summary["requests"], summary["succeeded"], summary["again"]) == (MANY, MANY, 0)
    assert 0 < summary["sent"] < MANY
    assert (len(batch.executions(service)), set(batch.executions(service).values())) == (MANY, {1})
    assert sorted(each["line"] for each in batch.written()) == list(range(1, MANY + 1))
    assert json.loads((await run(service, *words)).out)["sent"] == 0


async def test_without_a_broker_or_a_queue_a_batch_goes_on_later(service: ConsumerSetup, tmp_path: Path) -> None:
    batch = Batch(tmp_path, MANY)
    for url, *where in (("amqp://127.0.0.1:1/",), (service.url, "--queues", f"test.{uuid.uuid4().hex}")):
        away = await asyncio.to_thread(ended, "batch", str(batch.file), *where, url=url)
        assert (away.code, json.loads(away.out)["again"]) == (UNAVAILABLE, MANY)
        assert json.loads(away.out)["sent"] <= 40
    assert json.loads((await run(service, "batch", str(batch.file))).out)["succeeded"] == MANY
    assert batch.executions(service).total() == MANY


# --- watch ------------------------------------------------------------------------------------------------------------


class Watched:
    """A queue on a real broker that a run of watch reads."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self.channel = channel
        self.name = f"test.replies.{uuid.uuid4().hex}"

    async def fill(self, *bodies: bytes) -> str:
        """Put these messages into it; its name."""
        await self.channel.declare_queue(self.name, durable=True, arguments={"x-expires": 600_000})
        for number, body in enumerate(bodies):
            properties: dict[str, Any] = {"type": "topology.result", "headers": {"request-id": "r"}}
            message = aio_pika.Message(body, correlation_id=f"c-{number}", **properties)
            await self.channel.default_exchange.publish(message, self.name)
        return self.name

    async def left(self) -> int:
        """How many messages are in it."""
        return (await self.channel.declare_queue(self.name, passive=True)).declaration_result.message_count or 0

    async def emptied(self) -> None:
        """Wait until somebody has taken everything."""
        async with asyncio.timeout(60):
            while await self.left():  # noqa: ASYNC110 - what is waited for happens in another program
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(loop_scope="module")
async def queue(service: ConsumerSetup) -> AsyncIterator[Watched]:
    """A queue of the test's own."""
    async with await aio_pika.connect(service.url) as connection:
        yield Watched(await connection.channel())


async def test_replies_are_shown_and_taken_one_by_one(service: ConsumerSetup, queue: Watched) -> None:
    name = await queue.fill(b'{"operation":"topology","data":{"a":9007199254740993}}', b"\xff", b"{}")
    found = await run(service, "watch", name, "--count", "2")
    first, second = (json.loads(line) for line in found.out.splitlines())
    assert (found.code, first["body"]) == (0, {"operation": "topology", "data": {"a": 9007199254740993}})
    assert (first["correlationId"], first["requestId"], first["type"]) == ("c-0", "r", "topology.result")
    assert second["body"] == "\\xff"
    assert await queue.left() == 1


async def test_replies_may_be_kept(service: ConsumerSetup, queue: Watched) -> None:
    name = await queue.fill(*[b'{"operation":"topology","data":null}'] * 30)
    found = await run(service, "watch", name, "--keep", "--timeout", "3s", terminal=True)
    assert (found.code, found.out.count("correlationId=c-")) == (0, 30)
    assert await queue.left() == 30


async def test_copies_come_from_an_exchange(service: ConsumerSetup, queue: Watched) -> None:
    exchange = await queue.channel.declare_exchange(queue.name, aio_pika.ExchangeType.TOPIC)
    watch = asyncio.create_task(run(service, "watch", "orders.#", "--exchange", exchange.name, "--count", "1"))
    while not watch.done():
        await exchange.publish(aio_pika.Message(b'{"operation":"topology","data":null}'), "orders.7", mandatory=False)
        await asyncio.sleep(0.1)
    assert json.loads((await watch).out)["body"]["operation"] == "topology"
    await exchange.delete()


async def test_an_interrupted_watch_ends_well(service: ConsumerSetup, queue: Watched) -> None:
    process = await started(service, "watch", await queue.fill(b"{}"))
    assert process.stdout is not None
    assert json.loads(await asyncio.to_thread(process.stdout.readline))["body"] == {}
    process.send_signal(signal.SIGINT)
    assert await finished(process) == (0, b"", b"")


async def test_a_watch_that_nobody_reads_ends_as_other_programs_do(service: ConsumerSetup, queue: Watched) -> None:
    read, write = os.pipe()
    os.close(read)
    process = await started(service, "watch", await queue.fill(b"{}"), stdout=write)
    os.close(write)
    assert await finished(process) == (exits.PIPE, None, b"")
    assert await queue.left() == 1


@pytest.mark.parametrize("lost", ["connection", "queue"])
async def test_a_watch_that_loses_its_connection_or_queue_says_so(
    service: ConsumerSetup, queue: Watched, lost: str
) -> None:
    async with Proxy(URL(service.url).port or 5672) as between:
        url = str(URL(service.url).with_host("127.0.0.1").with_port(between.port))
        words = ("watch", await queue.fill(b"{}"), "--timeout", "60s")
        watch = asyncio.create_task(asyncio.to_thread(ended, *words, url=url))
        await queue.emptied()
        if lost == "connection":
            between.reset()
        else:
            await queue.channel.queue_delete(queue.name)
        found = await watch
    assert (found.code, "Traceback" in found.err) == (UNAVAILABLE, False)
