"""Strict replies, by users of a real broker with the permissions that `permissions` prints, and no others.

The gateway is the fake one: what counts is who gets an answer.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from benchmarks.strict.attacks import Attack, play, possible
from benchmarks.strict.ground import (
    ALICE,
    MALLORY,
    SERVICE,
    Ground,
    add_users,
    delete_users,
    give,
    permitted,
)
from consumer.config import Settings
from consumer.config.settings import Amqp
from consumer.console.sending import Sender
from consumer.dead_letters.queue import open_dead_letters
from consumer.doctor.strict import breaches
from consumer.rabbitmq.permissions import NOTHING, of_user
from scripts.consumer import SIGNING_KEY, Consumer
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each
from tests.fakes.background import background
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import VirtualHost
from tests.integration.dead_letter_queue import REASON, sign
from tests.integration.service import TIMEOUT, create, eventually, new_consumer
from zeebe_amqp import Client, CreateInstance, Job, Topology, Worker, envelope, wire
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs.names import job_queue

JOB_TYPE = "charge-card"


@pytest.fixture(scope="module")
def ground(shared_node: RabbitMQ, vhost: VirtualHost) -> Ground:
    name = f"test.{uuid.uuid4().hex}"
    return Ground(f"127.0.0.1:{shared_node.port}/{vhost.name}", (f"{name}.commands", f"{name}.polls"), "zeebe.replies")


@pytest.fixture(scope="module")
def gateway() -> Iterator[FakeGateway]:
    """It has one job after the other."""
    with background(FakeGateway()) as started:
        yield started.gateway


@pytest.fixture(scope="module", autouse=True)
def consumer(
    ground: Ground,
    gateway: FakeGateway,
    shared_node: RabbitMQ,
    vhost: VirtualHost,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Consumer]:
    """A service with strict replies, and a user of its own."""
    add_users(shared_node)
    settings = {
        "REPLY_EXCHANGE": str(ground.exchange),
        "AMQP_QUEUES": ",".join(ground.queues),
        "JOBS": JOB_TYPE,
    }
    made = new_consumer(tmp_path_factory.mktemp("strict"), ground.url(SERVICE), gateway.address, settings)
    service, *users = permitted(ground.amqp, [JOB_TYPE])
    give(shared_node, service, vhost.name)
    with made:
        # Afterwards: RabbitMQ 4.3 takes permissions on topics only of an exchange that is there.
        for each in users:
            give(shared_node, each, vhost.name)
        yield made
    delete_users(shared_node)


def client(ground: Ground, user: str, **options: object) -> Client:
    commands, polls = ground.queues
    given = {"commands": commands, "polls": polls, "reply_exchange": ground.exchange, **options}
    return Client(ground.url(user), **given)  # type: ignore[arg-type]


async def test_nobody_reads_forges_or_steals_the_replies_of_another(ground: Ground) -> None:
    async def comes_to_nothing(attack: Attack) -> None:
        outcome = await play(attack, ground)
        assert outcome.effects == (), outcome

    await check_each([(each,) for each in possible(ground)], comes_to_nothing)


LOOSE = [
    (r"^(mallory|[[:alpha:]]+)\.", "alice.#"),
    (r"\.reply\.alice", "*.reply.alice.#"),
    ("^{username}", "mallory2.#"),
]


async def test_whatever_pattern_lets_a_user_bind_replies_of_others_is_found(
    ground: Ground, shared_node: RabbitMQ, vhost: VirtualHost
) -> None:
    async def is_found(pattern: str, key: str) -> None:
        loose = replace(of_user(MALLORY, ground.amqp), topics={str(ground.exchange): (NOTHING, pattern)})
        give(shared_node, loose, vhost.name)
        async with ground.channel(MALLORY) as channel:
            queue = await channel.declare_queue("reply.mallory.loose", exclusive=True)
            await queue.bind(str(ground.exchange), key)
        assert list(breaches(loose, [ALICE, MALLORY], Settings(amqp=ground.amqp)))

    try:
        await check_each(LOOSE, is_found)
    finally:
        give(shared_node, of_user(MALLORY, ground.amqp), vhost.name)


async def test_the_client_gets_its_answers_also_on_a_new_connection(ground: Ground, vhost: VirtualHost) -> None:
    async with client(ground, ALICE) as alice, client(ground, MALLORY, reply_queue="reply.mallory.kept") as mallory:
        for each in (alice, mallory):
            assert (await each.call(Topology())).brokers
            assert (await each.call(CreateInstance(bpmn_process_id="order", with_result=True))).bpmn_process_id
        await asyncio.to_thread(vhost.cut_off, "zeebe-amqp-client")
        for each in (alice, mallory):
            assert (await each.call(Topology())).brokers


async def test_a_request_that_could_have_no_strict_reply_is_a_dead_letter_that_says_why(ground: Ground) -> None:
    cases = [
        ({"user_id": None}, "has no user_id; set it"),
        ({"reply_to": "/exchanges/x/y"}, "is the address of an exchange"),
        ({"reply_to": "q" * 250}, "a routing key of 256 bytes; accepted: 255"),
    ]
    async with ground.channel(SERVICE) as channel, ground.caller(ALICE) as alice:
        dead = await channel.get_queue(wire.DEAD_LETTER, ensure=False)
        await dead.purge()
        for properties, reason in cases:
            await alice.request("order", **properties)
            async with asyncio.timeout(TIMEOUT):
                while (letter := await dead.get(no_ack=True, fail=False)) is None:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
            assert letter.headers[wire.ERROR_CODE] == "PERMISSION_DENIED"
            assert reason in str(letter.headers[wire.ERROR_MESSAGE])
        assert alice.arrived == []


async def test_a_letter_that_is_sent_again_is_answered_under_the_key_of_its_first_sender(ground: Ground) -> None:
    message = aio_pika.Message(create(again=uuid.uuid4().hex), content_type=wire.CONTENT_TYPE, message_id="a letter")
    message.headers = {**REASON, wire.ORIGINAL_USER_ID: ALICE, wire.REQUEST_ID: uuid.uuid4().hex}
    settings = Settings(
        amqp=Amqp(urls=(ground.url(SERVICE),), queues=ground.queues, reply_exchange=ground.exchange),
        signing_keys=(SIGNING_KEY.encode(),),
    )
    async with ground.caller(ALICE) as alice, ground.channel(SERVICE) as channel:
        message.reply_to = alice.queue
        message.headers[wire.SIGNATURE] = sign(message, ground.commands)
        await (await channel.get_queue(wire.DEAD_LETTER, ensure=False)).purge()
        exchange = await channel.get_exchange(wire.DEAD_LETTER, ensure=False)
        await exchange.publish(message, ground.commands)
        async with open_dead_letters(settings) as letters:
            [letter] = [each async for each in letters.letters(1)]
            assert letter.sender == ALICE
            await letters.replay(letter, ground.commands)
        async with asyncio.timeout(TIMEOUT):
            await alice.reply('"processInstanceKey"')


async def test_the_console_sends_as_any_caller_does(ground: Ground) -> None:
    amqp = Amqp(urls=(ground.url(SERVICE),), queues=ground.queues, reply_exchange=ground.exchange)
    sent = await Sender(Settings(amqp=amqp)).send(envelope.encode(Topology()), "a request", TIMEOUT)
    assert (sent.code, sent.problem) == ("OK", "")


async def test_a_worker_takes_jobs_and_answers_and_may_do_nothing_else(
    ground: Ground, gateway: FakeGateway, shared_node: RabbitMQ, vhost: VirtualHost
) -> None:
    worked = asyncio.Event()

    async def charge(job: Job) -> None:
        worked.set()

    give(shared_node, of_user(MALLORY, ground.amqp, [job_queue(JOB_TYPE)]), vhost.name)
    try:
        before = gateway.count("CompleteJob")
        async with client(ground, MALLORY) as mallory:
            working = asyncio.create_task(Worker(mallory, JOB_TYPE, charge, source="queue").run())
            await eventually(lambda: gateway.count("CompleteJob") > before, "the answer is executed")
            working.cancel()
        assert worked.is_set()
        async with ground.channel(MALLORY) as channel:
            with pytest.raises(ChannelAccessRefused, match="refused for user 'mallory'"):
                await channel.default_exchange.publish(aio_pika.Message(b""), job_queue(JOB_TYPE))
    finally:
        give(shared_node, of_user(MALLORY, ground.amqp), vhost.name)


async def test_a_client_without_the_permissions_says_which_is_missing(ground: Ground) -> None:
    with pytest.raises(CommandError, match=r"set_topic_permissions"):
        async with client(ground, MALLORY, user_id=ALICE, reply_queue="reply.mallory.kept"):
            pass
    with pytest.raises(ValueError, match="which strict replies need, found none"):
        client(ground, ALICE, user_id="")


async def test_the_service_finds_what_was_declared_for_it(consumer: Consumer, ground: Ground) -> None:
    consumer.stop()
    consumer.configure({"AMQP_DECLARE": "passive"})
    await asyncio.to_thread(consumer.start)
    async with ground.caller(ALICE) as alice, asyncio.timeout(TIMEOUT):
        await alice.request("order")
        await alice.reply("order")
