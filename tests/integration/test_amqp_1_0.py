"""Callers and workers in AMQP 1.0, on the releases of RabbitMQ that speak it natively."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
import pytest_asyncio
from rabbitmq_amqp_python_client import (
    AMQPError,
    AmqpSequence,
    AmqpValue,
    Context,
    Data,
    Message,
    OutcomeState,
    Timestamp,
    queue_address,
)

from scripts import callers
from scripts.consumer import Consumer
from scripts.process import Process
from scripts.rabbitmq_release import NEWEST
from tests.integration.amqp_1_0 import TOPOLOGY, Amqp10, content, message
from tests.integration.broker_control import VirtualHost
from tests.integration.job_setup import JobSetup, job_setup
from tests.integration.service import MEASURED, TIMEOUT, DeadLetterCollector, eventually, metric
from tests.releases import Nodes, newer
from zeebe_amqp import Client, CreateInstance, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "charge-card"
"""The type of the example's jobs."""
COMMANDS = wire.COMMANDS_QUEUE
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DIRECT_SINCE = "4.3"
"""The release here with direct reply-to in AMQP 1.0."""


@dataclass
class Setup:
    """A service on a virtual host of its own, with the queues that the examples name."""

    release: str
    url: str
    jobs: JobSetup
    consumer: Consumer
    dead: DeadLetterCollector

    async def create(self, amount: int) -> None:
        """Start an instance, whose job has this amount."""
        async with Client(self.url) as client:
            await client.call(CreateInstance(bpmn_process_id=CARD, variables={"amount": amount}))

    def counted(self, name: str, **labels: str) -> float:
        """What a metric of the jobs says."""
        return sum(metric(self.consumer, name, type=CARD, **labels))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=newer())
async def setup(
    request: pytest.FixtureRequest, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Setup]:
    """The service on one of the releases."""
    host = VirtualHost(await asyncio.to_thread(nodes.get, "shared", request.param))
    async with job_setup(tmp_path_factory.mktemp("jobs"), host.url, CARD, JOBS=CARD) as jobs:
        measured = MEASURED if request.param == NEWEST else {}
        consumer = await jobs.start(AMQP_QUEUES=f"{COMMANDS},{wire.POLLS_QUEUE}", **measured)
        async with DeadLetterCollector(host.url, (COMMANDS,)) as dead:
            yield Setup(request.param, host.url, jobs, consumer, dead)
    host.delete()


async def ask(setup: Setup, *requests: Message) -> list[Message]:
    """The replies to requests, one after the other."""

    def run() -> list[Message]:
        with Amqp10(setup.url) as caller:
            return [caller.ask(COMMANDS, each) for each in requests]

    return await asyncio.to_thread(run)


async def test_the_example_of_a_caller_prints_the_answer(setup: Setup) -> None:
    command = [sys.executable, str(callers.EXAMPLES / "amqp_1_0_call.py")]
    [printed] = await asyncio.to_thread(callers.run, command, setup.url)
    assert '"clusterSize":1' in printed


async def test_a_reply_has_its_parts_where_amqp_1_0_has_them(setup: Setup) -> None:
    id = uuid.uuid4()
    headers = {"traceparent": TRACE, "deadline": round((time.time() + 60) * 1000)}
    request = message(properties={"message_id": id, "user_id": b"guest"}, headers=headers)
    request.header.priority = 7
    first, second = await ask(setup, request, request)
    assert isinstance(first.body, Data)
    assert content(first)["data"]["clusterSize"] == 1
    assert (first.properties.correlation_id, first.properties.content_type) == (id, "application/json")
    assert first.message_annotations.value["x-basic-type"] == "topology.result"
    assert (first.header.durable, first.header.priority) == (True, 7)
    assert 1000 <= first.header.ttl <= 60_000
    told = first.application_properties.value
    assert (told["status"], told["request-id"], told["traceparent"][3:35]) == ("ok", f"urn:uuid:{id}", TRACE[3:35])
    assert isinstance(told["duration-ms"], int)
    assert second.properties.correlation_id == id


async def test_an_id_makes_a_request_run_once(setup: Setup) -> None:
    body = b'{"operation": "publish-message", "data": {"messageName": "m"}}'
    for id in ("text", uuid.uuid4(), 2**63):
        before = setup.jobs.gateway.count("PublishMessage")
        first, again = await ask(setup, *(message(body, properties={"message_id": id}) for _ in range(2)))
        assert "replayed" not in first.application_properties.value, id
        assert again.application_properties.value["replayed"] is True, id
        assert content(first) == content(again), id
        assert setup.jobs.gateway.count("PublishMessage") == before + 1, id


async def test_an_id_comes_back_as_it_was_but_a_number_as_text(setup: Setup) -> None:
    ids = ("text", uuid.uuid4(), 2**64 - 1)
    replies = await ask(setup, *(message(properties={"correlation_id": id}) for id in ids))
    assert [reply.properties.correlation_id for reply in replies] == [*ids[:2], str(ids[2])]


async def test_a_reply_goes_to_the_queue_of_an_address_and_to_that_of_a_name(setup: Setup) -> None:
    def run() -> None:
        with Amqp10(setup.url) as caller:
            for reply_to in (caller.address, caller.name, caller.address.replace("replies", "%72eplies")):
                assert content(caller.ask(COMMANDS, message(properties={"reply_to": reply_to})))["data"], reply_to

    await asyncio.to_thread(run)


async def test_the_address_of_what_is_no_reply_queue_is_refused_by_its_true_name(setup: Setup) -> None:
    refused = {
        queue_address(COMMANDS): repr(COMMANDS),
        "/queues/zeebe%2Ecommands": repr(COMMANDS),
        queue_address("zeebe.jobs.replies"): "'zeebe.jobs.replies'",
        "/queues/payments": "'payments'",
        "/exchanges/replies/key": "the address of an exchange",
    }

    def run() -> None:
        with Amqp10(setup.url) as caller:
            for number, reply_to in enumerate(refused):
                request = message(TOPOLOGY + b" " * number, properties={"reply_to": reply_to})
                assert caller.publish(COMMANDS, request) is OutcomeState.ACCEPTED

    await asyncio.to_thread(run)
    for number, (reply_to, why) in enumerate(refused.items()):
        letter = await setup.dead.with_body(TOPOLOGY + b" " * number)
        assert letter.headers["error-code"] == "PERMISSION_DENIED", reply_to
        assert why in str(letter.headers["error-message"]), reply_to


async def test_a_body_in_several_data_sections_is_one_and_any_other_section_is_named(setup: Setup) -> None:
    refused = {
        "an amqp-value section with text": AmqpValue(TOPOLOGY.decode()),
        "an amqp-value section with binary data": AmqpValue(TOPOLOGY),
        "an amqp-value section with a map": AmqpValue({"operation": "topology"}),
        "an amqp-value section with a list": AmqpValue(["topology"]),
        "an amqp-value section with nothing": AmqpValue(None),
        "an amqp-value section with something else": AmqpValue(7),
        "an amqp-sequence section": AmqpSequence(["topology"]),
    }
    whole, *replies = await ask(
        setup, message([Data(TOPOLOGY[:9]), Data(TOPOLOGY[9:])]), *map(message, refused.values())
    )
    assert content(whole)["data"]["clusterSize"] == 1
    for found, reply in zip(refused, replies, strict=True):
        error = content(reply)["error"]
        expected = f"body: expected a data section of AMQP 1.0 with JSON, found {found}"
        assert (error["code"], error["message"], error["outcome"]) == ("INVALID_ARGUMENT", expected, "not-executed")


async def test_the_type_of_a_bare_request_is_an_annotation(setup: Setup) -> None:
    bare = partial(message, b"{}")
    named, subject = await ask(
        setup, bare(annotations={"x-basic-type": "topology"}), bare(properties={"subject": "topology"})
    )
    assert content(named)["operation"] == "topology"
    assert content(subject)["error"]["message"].startswith("operation missing")


async def test_a_deadline_that_is_past_or_no_number_is_refused(setup: Setup) -> None:
    """A timestamp is none either: the broker has cut it to seconds."""
    given = (1, "soon", Timestamp(round((time.time() + 60) * 1000)))
    replies = await ask(setup, *(message(headers={"deadline": each}) for each in given))
    codes = [content(reply)["error"]["code"] for reply in replies]
    assert codes == ["DEADLINE_EXCEEDED", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]


async def test_direct_reply_to_works_where_the_broker_has_it(setup: Setup) -> None:
    def run() -> None:
        with Amqp10(setup.url) as caller:
            if setup.release < DIRECT_SINCE:
                with pytest.raises(AMQPError, match="Dynamic sources not supported"):
                    caller.direct()
            else:
                reply = caller.ask(COMMANDS, message(properties={"reply_to": caller.direct()}))
                assert content(reply)["data"]["clusterSize"] == 1

    await asyncio.to_thread(run)


async def test_a_caller_learns_that_there_is_no_queue_and_that_a_queue_is_full(setup: Setup) -> None:
    def run() -> None:
        with Amqp10(setup.url) as caller:
            assert caller.publish("nowhere", message()) is OutcomeState.RELEASED
            bounds = {"x-max-length": 1, "x-overflow": "reject-publish", "x-queue-type": "classic"}
            full = caller.connection.management().queue("full").arguments(bounds)
            full.declare()
            taken = {caller.publish("full", message()) for _ in range(3)}
            assert taken == {OutcomeState.ACCEPTED, OutcomeState.REJECTED}
            full.delete()
            with pytest.raises(AMQPError, match="no queue 'nowhere'"):
                caller.connection.publisher_builder().queue("nowhere").build()

    await asyncio.to_thread(run)


async def test_the_example_of_a_worker_completes_a_job_and_fails_another(setup: Setup, tmp_path: Path) -> None:
    completed, failed = (partial(setup.counted, "jobs_answered_total", outcome=each) for each in ("complete", "fail"))
    worker = Process([sys.executable, str(callers.EXAMPLES / "amqp_1_0_worker.py"), setup.url], {}, tmp_path / "log")
    try:
        await setup.create(10)
        await eventually(lambda: completed() == 1, "the job is completed")
        await setup.create(2000)
        await eventually(lambda: failed() == 3, "the job fails until it has no retries")
    finally:
        await asyncio.to_thread(worker.stop)


async def test_a_worker_gives_a_job_back_and_rejects_it(setup: Setup) -> None:
    """Released, it comes again; so it does when it failed, and that counts; rejected, its job fails."""
    taken: SimpleQueue[Message] = SimpleQueue()
    ways = iter(
        [
            lambda context: context.requeue(),
            lambda context: context.requeue(delivery_failed=True),
            lambda context: context.discard(),
        ]
    )
    undone = partial(setup.counted, "jobs_undone_total", reason="rejected")
    before = undone()

    def settle(context: Context, _: Message) -> None:
        next(ways, Context.accept)(context)

    def run() -> list[Message]:
        with Amqp10(setup.url) as caller:
            caller.receive(f"zeebe.jobs.{CARD}", settle, taken, credits=1)
            return [taken.get(timeout=TIMEOUT) for _ in range(3)]

    await setup.create(3)
    jobs = await asyncio.to_thread(run)
    assert len({job.properties.message_id for job in jobs}) == 1
    assert jobs[2].header.delivery_count >= 1
    await eventually(lambda: undone() == before + 1, "the rejected job fails")


async def test_a_request_that_the_broker_cannot_translate_harms_no_other(setup: Setup) -> None:
    """With a uuid in an application property: RabbitMQ ends each AMQP 0-9-1 connection that it should deliver it to."""
    await setup.dead.stop()  # it would end as well
    odd, ids = uuid.uuid4(), {f"{uuid.uuid4()}" for _ in range(40)}

    def run() -> list[Message]:
        with Amqp10(setup.url) as caller:
            publisher = caller.connection.publisher_builder().queue(COMMANDS).build()
            for number, id in enumerate(ids):
                if number == len(ids) // 2:
                    publisher.publish(message(headers={"odd": odd}))
                publisher.publish(message(properties={"message_id": id, "reply_to": caller.address}))
            missing = set(ids)
            while missing:
                missing.discard(caller.replies.get(timeout=TIMEOUT).properties.correlation_id)
            letters: SimpleQueue[Message] = SimpleQueue()
            caller.receive(wire.DEAD_LETTER, lambda context, _: context.accept(), letters)
            found = [letters.get(timeout=TIMEOUT)]
            while found[-1].application_properties.value.get("odd") != odd:
                found.append(letters.get(timeout=TIMEOUT))
            return found

    letters = await asyncio.to_thread(run)
    assert not ids & {str(letter.properties.message_id) for letter in letters}
    assert "event=consuming.careful" in setup.consumer.log.read_text()
    if setup.release == NEWEST:
        await eventually(lambda: "prefetch=128 before=1" in setup.consumer.log.read_text(), "as many as ever are taken")
