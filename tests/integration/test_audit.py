"""The audit with real servers: no acknowledged message without a record, wherever records go, whatever fails."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import pytest_asyncio

from consumer.check import Finding, check
from consumer.config import Amqp, Settings
from consumer.config.values import AuditSink
from scripts.process import Process
from tests.integration.broker_control import VirtualHost
from tests.integration.load import CREATE, no_file_grows
from tests.integration.service import TIMEOUT, ConsumerSetup, create, eventually, new_consumer, running_service
from zeebe_amqp import wire
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMORY = {"LEDGER": "memory://"}


def records(path: Path) -> list[dict[str, Any]]:
    """The records in a file; broken lines are left out, as every reader must."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def told(record: dict[str, Any]) -> tuple[Any, ...]:
    return record["operation"], record["code"], record["ending"], record["replayed"]


def digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(vhost: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """A consumer whose records go to `audit/log` in its directory."""
    directory = tmp_path_factory.mktemp("audit")
    async with running_service(directory, vhost.url, AUDIT=str(directory / "audit" / "log"), **MEMORY) as ready:
        yield ready


@pytest.fixture
def path(service: ConsumerSetup) -> Path:
    """The file of the records, which is empty."""
    service.gateway.reset()
    file = service.directory / "audit" / "log"
    file.unlink(missing_ok=True)  # it is made anew
    return file


async def test_each_way_a_request_ends_has_its_record_when_its_message_is_gone(
    service: ConsumerSetup, path: Path
) -> None:
    name = uuid.uuid4().hex
    async with service.caller() as caller:
        for _ in range(2):
            await caller.request(create("order-ü", secret="hush"), headers={wire.REQUEST_ID: name}, app_id="shop")
        service.gateway.script(CREATE, fail("NOT_FOUND", "no process hush"))
        await caller.request(create())
        await caller.publish(b"not json", reply_to=None)
        await service.dead_letters.with_body(b"not json")
        await caller.request(b"not json either")
        await caller.publish(create(), reply_to="test.replies.gone")
        await caller.publish(create(), reply_to=None)
        await eventually(lambda: len(records(path)) == 7, "seven records")
        await eventually(lambda: service.metric("in_flight") == 0, "all are settled")
    found = records(path)
    assert sorted(map(told, found), key=str) == sorted(
        [
            ("create-instance", "OK", "settled", False),
            ("create-instance", "OK", "settled", True),
            ("create-instance", "NOT_FOUND", "settled", False),
            (None, "INVALID_ARGUMENT", "dead-lettered", False),
            (None, "INVALID_ARGUMENT", "settled", False),
            ("create-instance", "OK", "dropped", False),
            ("create-instance", "OK", "settled", False),
        ],
        key=str,
    )
    first = next(each for each in found if each["request_id_sha256"] == digest(name))
    assert (first["target"]["processes"], first["app_id"], first["user_source"]) == (["order-ü"], "shop", "anonymous")
    assert "hush" not in str(found)
    assert service.metric("audit_records_total") >= 7


async def test_after_sudden_death_no_executed_command_is_without_a_record(vhost: VirtualHost, tmp_path: Path) -> None:
    names: list[str] = []
    path = tmp_path / "audit" / "log"
    async with running_service(tmp_path, vhost.url, AUDIT=str(path)) as service, service.caller() as caller:

        async def send(number: int) -> None:
            for _ in range(number):
                names.append(uuid.uuid4().hex)
                await caller.publish(create(id=names[-1]), headers={wire.REQUEST_ID: names[-1]}, reply_to=None)

        for _ in range(3):
            before, sending = len(records(path)), asyncio.create_task(send(200))
            await eventually(lambda before=before: len(records(path)) > before + 20, "some are recorded", pause=0)
            await asyncio.to_thread(service.consumer.kill)
            await asyncio.to_thread(service.consumer.start)
            await sending

        def missing() -> set[str]:
            return {*map(digest, names)} - {record["request_id_sha256"] for record in records(path)}

        await eventually(lambda: not missing(), "a record of each")
        assert service.gateway.count(CREATE) <= len(records(path))


async def test_a_full_disk_stops_consuming_and_what_ran_stays_unacknowledged(
    service: ConsumerSetup, path: Path
) -> None:
    async with service.caller() as caller:
        await caller.request(create())
        await eventually(lambda: len(records(path)) == 1, "its record is there before the disk is full")
        with no_file_grows(service.consumer):
            assert Reply.decode((await caller.request(create(id="ran"), message_id="ran")).body).ok
            await eventually(lambda: "audit" in service.consumer.reasons(), "readiness tells of the audit")
            assert "File too large" in service.consumer.reasons()["audit"]
            assert service.metric("in_flight") >= 1
            await eventually(lambda: service.metric("paused_seconds", part="audit") > 0, "consuming pauses")
            waits = await caller.publish(create(id="waits"))
            answered = caller.expect(waits)
        assert Reply.decode((await asyncio.wait_for(answered, TIMEOUT)).body).ok
        await eventually(lambda: service.metric("in_flight") == 0, "all are settled")
    assert service.gateway.count(CREATE) == 3
    assert digest("ran") in {record["request_id_sha256"] for record in records(path)}
    assert service.metric("audit_failures_total") >= 1
    await eventually(lambda: service.consumer.get("/readyz")[0] == 200, "ready again")


async def test_a_stop_gives_back_what_could_not_be_recorded(service: ConsumerSetup, path: Path) -> None:
    name = uuid.uuid4().hex
    service.consumer.configure({"SHUTDOWN_GRACE": "1s"})
    await asyncio.to_thread(service.consumer.stop)
    await asyncio.to_thread(service.consumer.start)
    async with service.caller() as caller:
        await caller.request(create())
        await eventually(lambda: len(records(path)) == 1, "its record is there before the disk is full")
        with no_file_grows(service.consumer):
            await caller.request(create(id=name), headers={wire.REQUEST_ID: name})
            await eventually(lambda: "audit" in service.consumer.reasons(), "readiness tells of the audit")
            code = await asyncio.to_thread(service.consumer.stop)
        assert code == 1, "it was not drained"
        assert digest(name) not in {record["request_id_sha256"] for record in records(path)}
        await asyncio.to_thread(service.consumer.start)
        await eventually(
            lambda: digest(name) in {record["request_id_sha256"] for record in records(path)}, "it came again"
        )


async def test_no_start_without_a_file_that_can_be_written(vhost: VirtualHost, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o644)
    consumer = new_consumer(tmp_path, vhost.url, "127.0.0.1:1", {"AUDIT": str(path)})
    process = Process([sys.executable, "-m", "consumer"], consumer.environment, consumer.log)
    await eventually(lambda: not process.running, "it ends")
    assert process.status == 1
    told = consumer.log.read_text()
    assert f"AUDIT: {path} may be read or written by others (mode 0644); accepted: " in told
    assert "connecting" not in told


async def test_standard_output_has_records_and_nothing_else(vhost: VirtualHost, tmp_path: Path) -> None:
    """Nobody reads the pipe for a while: nothing more is consumed, but health is answered."""
    async with running_service(tmp_path, vhost.url, AUDIT="off", **MEMORY) as service:
        consumer = new_consumer(
            tmp_path / "piped", vhost.url, service.gateway.address, {"AUDIT": "stdout", "LEDGER": "memory://"}
        )
        environment = {**consumer.environment, "AMQP_QUEUES": ",".join(service.consumer.queues)}
        await asyncio.to_thread(service.consumer.stop)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "consumer"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=2**16,
        )
        assert program.stdout is not None
        try:
            async with service.caller() as caller:
                names = [uuid.uuid4().hex for _ in range(600)]  # more than pipe and reader hold
                for name in names:
                    await caller.publish(create(id=name), message_id=name, reply_to=None)
                await eventually(lambda: "audit" in consumer.reasons(), "readiness tells of the audit")
                assert service.gateway.count(CREATE) < len(names)
                missing = {*map(digest, names)}
                async with asyncio.timeout(TIMEOUT):
                    while missing:
                        missing.discard(json.loads(await program.stdout.readline())["request_id_sha256"])
                await eventually(lambda: consumer.get("/readyz")[0] == 200, "ready again")
        finally:
            program.terminate()
            rest, _ = await program.communicate()
    assert [*map(json.loads, rest.splitlines())] == []


# --- at the broker ----------------------------------------------------------------------------------------------------


async def read_stream(url: str, name: str, number: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """The first records of a stream."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        queue = await channel.get_queue(name, ensure=False)
        found: list[aio_pika.abc.AbstractIncomingMessage] = []
        async with asyncio.timeout(TIMEOUT), queue.iterator(arguments={"x-stream-offset": "first"}) as messages:
            async for message in messages:
                await message.ack()
                found.append(message)
                if len(found) >= number:
                    return found
    return found


async def test_a_stream_takes_records_also_after_it_was_deleted(vhost: VirtualHost, tmp_path: Path) -> None:
    name = f"test.audit.{uuid.uuid4().hex}"
    settings = {"AUDIT": f"stream:{name}", **MEMORY}
    async with running_service(tmp_path, vhost.url, **settings) as service, service.caller() as caller:
        await caller.request(create(id="a"), message_id="a")
        [message] = await read_stream(vhost.url, name, 1)
        record = json.loads(message.body)
        assert told(record) == ("create-instance", "OK", "settled", False)
        assert (message.type, message.content_type) == ("audit", "application/json")
        assert message.user_id, "the broker vouches that it is the service's"
        await caller.channel.queue_delete(name)
        await caller.request(create(id="b"), message_id="b")
        await eventually(lambda: service.metric("in_flight") == 0, "it is acknowledged")
        found = [json.loads(each.body)["request_id_sha256"] for each in await read_stream(vhost.url, name, 1)]
        assert found == [digest("b")]
        await caller.channel.queue_delete(name)


async def test_nothing_is_consumed_before_the_exchange_is_there_and_a_queue_takes_its_records(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    name = f"test.audit.{uuid.uuid4().hex}"
    async with running_service(tmp_path, vhost.url, AUDIT="off", **MEMORY) as service:
        await asyncio.to_thread(service.consumer.stop)
        service.consumer.configure({"AUDIT": f"exchange:{name}"})
        service.consumer.launch()
        async with service.caller() as caller:
            missing = "AUDIT names it: declare it"
            await eventually(lambda: missing in service.consumer.reasons().get("audit", ""), "readiness tells of it")
            answer = asyncio.ensure_future(caller.request(create()))
            await asyncio.sleep(0.5)
            assert service.gateway.count(CREATE) == 0
            exchange = await caller.channel.declare_exchange(name, "topic", durable=True)
            await answer
            await eventually(lambda: "no queue takes" in service.consumer.reasons().get("audit", ""), "nobody takes it")
            assert service.metric("in_flight") == 1
            queue = await caller.channel.declare_queue(exclusive=True)
            await queue.bind(exchange, "create-instance")
            await eventually(lambda: service.metric("in_flight") == 0, "it is recorded")
            message = await queue.get()
            assert (message.routing_key, told(json.loads(message.body))[0]) == ("create-instance", "create-instance")
            await caller.channel.exchange_delete(name)


async def test_check_says_where_records_would_go_and_makes_nothing(vhost: VirtualHost, tmp_path: Path) -> None:
    async def finding(sink: AuditSink, **amqp: Any) -> Finding:
        settings = Settings(amqp=Amqp(urls=(vhost.url,), **amqp), audit=sink)
        return next(each for each in await check(settings) if each.part == "audit")

    path, name = tmp_path / "log", f"test.audit.{uuid.uuid4().hex}"
    assert await finding(AuditSink("stdout")) == Finding("audit", True, "standard output")
    missing = Finding("audit", True, f"{path}: not there yet; the service makes it")
    assert await finding(AuditSink("file", str(path))) == missing
    assert not path.exists()
    path.touch(0o600)
    path.chmod(0o666)
    found = await finding(AuditSink("file", str(path)))
    assert not found.ok
    assert "mode 0666" in found.found
    stream = AuditSink("stream", name)
    assert (await finding(stream)).found == f"stream:{name}: not there yet; the service declares it"
    assert not (await finding(stream, declare="passive")).ok
    assert not (await finding(AuditSink("exchange", name))).ok
    assert (await finding(AuditSink("exchange", "amq.topic"))).ok
