"""Batches and watches of the command line on a real broker: nothing twice, nothing lost, whatever ends the program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
import pytest_asyncio

from tests.integration.service import UNMEASURED, ConsumerSetup, eventually
from tests.integration.test_cli_service import PROGRAM, environment, told
from tests.unit.contracts.cli.program import Ended, ended
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.errors import Code

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = UNMEASURED
MANY = 300


def requests(path: Path, count: int, mark: str) -> Path:
    """A file of requests that the gateway can tell apart."""
    lines = [
        json.dumps({"operation": "create-instance", "data": {"bpmnProcessId": "order", "variables": {mark: number}}})
        for number in range(count)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def executions(service: ConsumerSetup, mark: str) -> Counter[str]:
    """How often each request with that mark was executed."""
    return Counter({str(what): count for (_, what), count in service.gateway.executions.items() if mark in str(what)})


def results(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results, without the first."""
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


async def test_a_batch_that_is_killed_and_resumed_runs_everything_once(service: ConsumerSetup, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    file = requests(tmp_path / "requests.jsonl", MANY, mark)
    kept = tmp_path / "requests.jsonl.results.jsonl"
    words = ["batch", str(file), "--concurrency", "20"]
    for kill, enough in ((signal.SIGKILL, MANY // 4), (signal.SIGINT, MANY // 2)):
        process = await asyncio.to_thread(
            subprocess.Popen, [*PROGRAM, *words, "--rate", "100"], env=environment(service), stdout=-1, stderr=-1
        )
        await eventually(lambda enough=enough: executions(service, mark).total() >= enough, "some are executed")
        process.send_signal(kill)
        _, err = await asyncio.to_thread(process.communicate, timeout=60)
        assert b"Traceback" not in err
        assert len(results(kept)) < MANY
    assert process.returncode == exits.INTERRUPTED
    kept.write_bytes(kept.read_bytes() + b'{"id":"half a li')
    found = await told(service, *words)
    summary = json.loads(found.out)
    assert (found.code, found.err) == (0, "")
    assert (summary["requests"], summary["succeeded"], summary["again"]) == (MANY, MANY, 0)
    assert 0 < summary["sent"] < MANY
    assert set(executions(service, mark).values()) == {1}
    assert len(executions(service, mark)) == MANY
    assert sorted(each["line"] for each in results(kept)) == list(range(1, MANY + 1))
    again = await told(service, *words)
    assert json.loads(again.out)["sent"] == 0


async def test_without_a_broker_a_batch_stops_and_goes_on_later(service: ConsumerSetup, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    file = requests(tmp_path / "requests.jsonl", 5, mark)
    away = await asyncio.to_thread(ended, "batch", str(file), "--url", "amqp://127.0.0.1:1/")
    assert away.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
    assert json.loads(away.out)["again"] == 5
    back = await told(service, "batch", str(file))
    assert json.loads(back.out)["succeeded"] == 5
    assert executions(service, mark).total() == 5


async def test_a_missing_queue_stops_a_batch_early(service: ConsumerSetup, tmp_path: Path) -> None:
    file = requests(tmp_path / "requests.jsonl", 500, uuid.uuid4().hex)
    found: Ended = await asyncio.to_thread(
        ended, "batch", str(file), "--url", service.url, "--queues", f"test.{uuid.uuid4().hex}"
    )
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
    assert json.loads(found.out)["sent"] <= 40


# --- watch ------------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def channel(service: ConsumerSetup) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of the test's own."""
    async with await aio_pika.connect(service.url) as connection:
        yield await connection.channel()


async def filled(channel: aio_pika.abc.AbstractChannel, service: ConsumerSetup, *bodies: bytes) -> str:
    """A queue with these messages."""
    name = f"test.replies.{uuid.uuid4().hex}"
    await channel.declare_queue(name, auto_delete=False, arguments={"x-expires": 600_000})
    for number, body in enumerate(bodies):
        message = aio_pika.Message(
            body, correlation_id=f"c-{number}", type="topology.result", headers={"request-id": "r"}
        )
        await channel.default_exchange.publish(message, name)
    return name


async def left_in(channel: aio_pika.abc.AbstractChannel, name: str) -> int:
    """How many messages are in a queue."""
    return (await channel.declare_queue(name, passive=True)).declaration_result.message_count or 0


async def emptied(channel: aio_pika.abc.AbstractChannel, name: str) -> None:
    """Wait until somebody has taken everything out of a queue."""
    async with asyncio.timeout(60):
        while await left_in(channel, name):  # noqa: ASYNC110 - what is waited for happens in another program
            await asyncio.sleep(0.05)


def watching(service: ConsumerSetup, *words: str, terminal: bool = False) -> Ended:
    """A run of watch."""
    return ended("watch", *words, "--url", service.url, terminal=terminal)


async def test_replies_are_shown_and_taken_one_by_one(
    service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel
) -> None:
    name = await filled(channel, service, b'{"operation":"topology","data":{"a":9007199254740993}}', b"\xff", b"{}")
    found = await asyncio.to_thread(watching, service, name, "--count", "2")
    assert found.code == 0
    first, second = (json.loads(line) for line in found.out.splitlines())
    assert first["body"] == {"operation": "topology", "data": {"a": 9007199254740993}}
    assert (first["correlationId"], first["requestId"], first["type"]) == ("c-0", "r", "topology.result")
    assert second["body"] == "\\xff"
    assert await left_in(channel, name) == 1


async def test_replies_may_be_kept(service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel) -> None:
    name = await filled(channel, service, *[b'{"operation":"topology","data":null}'] * 30)
    found = await asyncio.to_thread(watching, service, name, "--keep", "--timeout", "3s", terminal=True)
    assert found.code == 0
    assert found.out.count("correlationId=c-") == 30
    assert await left_in(channel, name) == 30


async def test_copies_come_from_an_exchange(service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel) -> None:
    exchange = await channel.declare_exchange(f"test.{uuid.uuid4().hex}", aio_pika.ExchangeType.TOPIC, auto_delete=True)
    watch = asyncio.create_task(
        asyncio.to_thread(watching, service, "orders.#", "--exchange", exchange.name, "--count", "1")
    )
    while not watch.done():
        await exchange.publish(aio_pika.Message(b'{"operation":"topology","data":null}'), "orders.7", mandatory=False)
        await asyncio.sleep(0.1)
    assert json.loads((await watch).out)["body"]["operation"] == "topology"


async def test_a_queue_that_is_not_there_is_named(service: ConsumerSetup) -> None:
    found = await asyncio.to_thread(watching, service, "test.nowhere")
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.NOT_FOUND]
    assert "test.nowhere" in found.err
    assert "Traceback" not in found.err


async def test_a_broker_that_is_not_there_is_named(service: ConsumerSetup) -> None:
    found = await asyncio.to_thread(ended, "watch", "q", "--url", "amqp://127.0.0.1:1/")
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]


async def test_an_interrupted_watch_ends_well(service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel) -> None:
    name = await filled(channel, service, b"{}")
    process = await asyncio.to_thread(
        subprocess.Popen, [*PROGRAM, "watch", name], env=environment(service), stdout=-1, stderr=-1
    )
    stdout = process.stdout
    assert stdout is not None
    assert json.loads(await asyncio.to_thread(stdout.readline))["body"] == {}
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_watch_that_nobody_reads_any_more_ends_as_other_programs_do(
    service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel
) -> None:
    name = await filled(channel, service, b"{}")
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.to_thread(
        subprocess.Popen, [*PROGRAM, "watch", name], env=environment(service), stdout=write, stderr=-1
    )
    os.close(write)
    _, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, err) == (exits.PIPE, b"")
    assert await left_in(channel, name) == 1


async def _proxied(url: str, connections: list[asyncio.StreamWriter]) -> asyncio.Server:
    """A way to the broker that a test can cut."""
    parts = urlsplit(url)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(parts.hostname, parts.port)
        connections.extend([writer, upstream[1]])
        with suppress(OSError):
            await asyncio.gather(carry(reader, upstream[1]), carry(upstream[0], writer))

    return await asyncio.start_server(accept, "127.0.0.1", 0)


async def test_a_watch_that_loses_its_connection_says_so(
    service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel
) -> None:
    name = await filled(channel, service, b"{}")
    connections: list[asyncio.StreamWriter] = []
    server = await _proxied(service.url, connections)
    port = server.sockets[0].getsockname()[1]
    url = service.url.replace(str(urlsplit(service.url).port), str(port))
    watch = asyncio.create_task(asyncio.to_thread(ended, "watch", name, "--url", url, "--timeout", "60s"))
    try:
        await eventually(lambda: len(connections) == 2, "it is connected")
        await emptied(channel, name)
        for each in connections:
            each.transport.abort()
        found = await watch
    finally:
        server.close()
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
    assert "Traceback" not in found.err


async def test_a_watch_of_a_queue_that_is_deleted_says_so(
    service: ConsumerSetup, channel: aio_pika.abc.AbstractChannel
) -> None:
    name = await filled(channel, service, b"{}")
    watch = asyncio.create_task(asyncio.to_thread(watching, service, name, "--timeout", "60s"))
    await emptied(channel, name)
    await channel.queue_delete(name)
    found = await watch
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
    assert "Traceback" not in found.err
