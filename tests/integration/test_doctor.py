"""`python -m consumer doctor` at real servers: a healthy set-up is well, and each fault is named with its remedy."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from consumer.config import Amqp
from consumer.doctor.management import ask_logins, ask_management
from consumer.rabbitmq import BrokerFacts, examine_broker
from scripts.consumer import SIGNING_KEY
from scripts.process import free_port
from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import User, largest_message, memory_alarm, version
from tests.integration.diagnosis import Diagnosis, diagnose, run_program
from tests.integration.service import MEASURED, TIMEOUT, ConsumerSetup, create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.amqp.depth import measure
from zeebe_amqp.amqp.tap import unheard

BOUNDS = {"max-length": 10_000, "max-length-bytes": 2**30, "overflow": "reject-publish"}


@pytest.fixture(scope="module")
def pages() -> int:
    """The port of the management API."""
    return free_port()


@pytest.fixture(scope="module")
def broker(pages: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A broker with its management API, whose queues have a bound by policy."""
    with RabbitMQ(tmp_path_factory.mktemp("managed"), management=pages) as node:
        node.ctl("set_policy", "bounds", r"^(zeebe\.dead|test\..*)$", orjson.dumps(BOUNDS).decode())
        yield node


@pytest.fixture(scope="module")
def management(pages: int) -> tuple[str, str]:
    """The option that names it."""
    return "--management", f"http://127.0.0.1:{pages}"


@pytest.fixture
async def channel(broker: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do everything."""
    async with await aio_pika.connect(broker.url) as connection, connection.channel() as opened:
        yield opened


@pytest.fixture
async def healthy(broker: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A service of its own at that broker."""
    async with running_service(tmp_path, broker.url) as running:
        yield running


async def test_a_healthy_set_up_is_well_and_stays_as_it_is(
    healthy: ConsumerSetup, broker: RabbitMQ, channel: AbstractChannel, management: tuple[str, str]
) -> None:
    replies = await channel.declare_queue(f"test.replies.{uuid.uuid4().hex}", durable=True)
    await replies.consume(unheard)
    await channel.default_exchange.publish(aio_pika.Message(b"{}"), wire.DEAD_LETTER)
    before = await states(healthy.url, *healthy.consumer.queues, wire.DEAD_LETTER)
    environment, names = healthy.consumer.environment, (*healthy.consumer.queues, wire.DEAD_LETTER)
    async with asyncio.timeout(TIMEOUT):
        while not await bounded(healthy.url, management[1], *names):  # noqa: ASYNC110 - it happens in the broker
            await asyncio.sleep(0.5)
    found = await run_program(environment, "--reply-queue", replies.name, *management, code=0)
    assert found.levels() == {"broker: identity: connections": "warning"}, "everybody here logs in as one user"
    for section, subject, *words in (
        ("broker", "connection", f"RabbitMQ {version(broker)}"),
        ("queues", f"{healthy.consumer.queues[0]}: bound", "max-length 10000", "'bounds'"),
        ("dead letters", "binding", "is bound"),
        ("dead letters", "letters", "1 wait"),
        ("ledger", "place", "in use by a process"),
        ("ledger", "entries", "0, 0 % of LEDGER_MAX_ENTRIES"),
        ("replies", replies.name, "1 consumers"),
        ("service", "ready", "/readyz says so"),
        ("service", "questions", "it answers"),
        ("clients", "clock of the broker", "agrees"),
    ):
        found.expect(section, subject, "ok", *words)
    assert await states(healthy.url, *healthy.consumer.queues, wire.DEAD_LETTER) == before
    assert healthy.log().count("connected to") == 3, "a connection of the service was cut"
    without = await diagnose(environment, "--strict", code=0)
    without.expect("dead letters", "binding", "not seen", "rabbitmqctl list_bindings")
    without.expect("queues", f"{healthy.consumer.queues[0]}: bound", "not seen", "--management")
    await channel.queue_delete(replies.name)
    await (await channel.get_queue(wire.DEAD_LETTER)).purge()


async def bounded(url: str, management: str, *names: str) -> bool:
    """Whether the management API knows the policies yet; it looks every five seconds."""
    found = await ask_management(management, Amqp(urls=(url,)), names)
    return all(name in found.policies and found.policies[name].definition for name in names)


async def listed(url: str, management: str, name: str) -> None:
    """Wait until the management API lists a connection by its name; it looks every five seconds."""
    async with asyncio.timeout(30):
        while name not in {each.name for each in (await ask_logins(management, Amqp(urls=(url,)))).connections}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def states(url: str, *names: str) -> list[Any]:
    """How many messages and consumers queues have."""
    async with await aio_pika.connect(url) as connection:
        return [await measure(connection, name) for name in names]


async def test_two_consumers_on_a_file_and_an_unreachable_gateway_are_problems(healthy: ConsumerSetup) -> None:
    other = await healthy.another()
    gone = {**healthy.consumer.environment, "ZEEBE_ADDRESS": "127.0.0.1:1"}
    found = await run_program(gone, code=1)
    assert found.levels() == {"ledger: sharing": "problem", "gateway: connection": "problem"}
    found.expect("ledger", "sharing", "problem", "2 consumers", "sqlite://", "set LEDGER=redis://", "may run twice")
    found.expect("gateway", "connection", "problem", "nothing listens at ZEEBE_ADDRESS", "requests wait")
    await asyncio.to_thread(other.stop)


async def test_a_service_that_waits_for_its_gateway_tells_why_requests_wait(
    healthy: ConsumerSetup, channel: AbstractChannel
) -> None:
    commands, _ = healthy.consumer.queues
    await healthy.gateway.stop()
    await eventually(lambda: healthy.consumer.get("/readyz")[0] == 503, "it notices")
    await eventually(lambda: "consuming pauses" in healthy.log(), "it pauses")
    await channel.default_exchange.publish(aio_pika.Message(create()), commands)
    found = await diagnose(healthy.consumer.environment, code=1)
    found.expect("service", "ready", "problem", "gateway")
    found.expect("queues", f"{commands}: consumers", "warning", "none; 1 messages wait", "/readyz")


@pytest.fixture
async def alone(broker: RabbitMQ, tmp_path: Path, channel: AbstractChannel) -> AsyncIterator[dict[str, str]]:
    """Settings without a service: one queue that is as it should be, and a gateway."""
    name = f"test.{uuid.uuid4().hex}"
    await declare(channel)
    await channel.declare_queue(name, durable=True, arguments=wire.REQUEST_QUEUE)
    async with FakeGateway() as gateway:
        yield {
            **MEASURED, "PATH": "", "PYTHONPATH": ":".join(sys.path), "AMQP_URL": broker.url, "AMQP_QUEUES": name,
            "ZEEBE_ADDRESS": gateway.address, "ZEEBE_INSECURE_CONNECTION": "true", "HTTP_ADDRESS": "off",
            "STATE_DIR": str(tmp_path),
        }  # fmt: skip
    await channel.queue_delete(name)


async def declare(channel: AbstractChannel) -> None:
    """The dead letters, as the service declares them."""
    exchange = await channel.declare_exchange(wire.DEAD_LETTER, ExchangeType.FANOUT, durable=True)
    dead = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
    await dead.bind(exchange)


async def test_every_argument_of_a_queue_that_differs_is_named(alone: dict[str, str], channel: AbstractChannel) -> None:
    name = f"test.{uuid.uuid4().hex}"
    other = {**wire.REQUEST_QUEUE, "x-delivery-limit": 5, "x-max-length": 70, "x-overflow": "drop-head"}
    await channel.declare_queue(name, durable=True, arguments=other)
    environment = {**alone, "AMQP_QUEUES": name}
    active = await diagnose(environment, code=1)
    passive = await diagnose({**environment, "AMQP_DECLARE": "passive"}, code=0)
    for argument, theirs, ours, level in (
        ("x-delivery-limit", "5", "20", "warning"),
        ("x-overflow", "drop-head", "reject-publish", "warning"),
        ("x-max-length", "70", "not set", "ok"),
    ):
        words = f"{argument} is {theirs}; the service declares {ours}"
        active.expect("queues", f"{name}: {argument}", "problem", words, f"delete_queue {name} --if-empty", "passive")
        passive.expect("queues", f"{name}: {argument}", level, words)
    passive.expect("queues", f"{name}: delivery limit", "ok", "5,")
    passive.expect("queues", f"{name}: bound", "ok", "x-max-length 70")
    await channel.queue_delete(name)


async def test_a_queue_of_another_kind_is_told(
    alone: dict[str, str], broker: RabbitMQ, channel: AbstractChannel
) -> None:
    name, may_be_transient = f"test.{uuid.uuid4().hex}", version(broker) < "4.3"
    await channel.declare_queue(name, durable=not may_be_transient)
    found = await diagnose({**alone, "AMQP_QUEUES": name}, code=1)
    found.expect("queues", f"{name}: x-queue-type", "problem", "the service declares quorum", "when a node is lost")
    if may_be_transient:
        found.expect("queues", f"{name}: durable", "problem", "durable is false", "when the broker restarts")
    found.expect("queues", f"{name}: delivery limit", "warning", "none")
    await channel.queue_delete(name)


async def test_a_missing_binding_of_the_dead_letters_is_a_problem(
    alone: dict[str, str], channel: AbstractChannel, management: tuple[str, str]
) -> None:
    dead = await channel.get_queue(wire.DEAD_LETTER)
    await dead.unbind(wire.DEAD_LETTER)
    found = await diagnose(alone, *management, code=1)
    found.expect("dead letters", "binding", "problem", "is not bound", "rabbitmqadmin declare binding", "drops them")
    await declare(channel)


async def test_what_is_not_there_is_named_by_whose_task_it_is(alone: dict[str, str], channel: AbstractChannel) -> None:
    await channel.exchange_delete(wire.DEAD_LETTER)
    await channel.queue_delete(wire.DEAD_LETTER)
    missing = f"test.{uuid.uuid4().hex}"
    for mode, level in (("active", "warning"), ("passive", "problem")):
        found = await diagnose({**alone, "AMQP_QUEUES": missing, "AMQP_DECLARE": mode})
        found.expect("queues", missing, level, "it is not there")
        found.expect("dead letters", "exchange 'zeebe.dead'", level, "it is not there")
        found.expect("dead letters", "queue 'zeebe.dead'", level, "it is not there")
    assert await states(alone["AMQP_URL"], missing, wire.DEAD_LETTER) == [None, None], "it declared something"
    await declare(channel)


ALL, NONE = ".*", "^$"


@pytest.fixture
def login(broker: RabbitMQ) -> Iterator[User]:
    """A user with no rights yet."""
    made = User(broker)
    yield made
    made.delete()


async def test_each_missing_right_is_named_with_what_it_is_for(
    broker: RabbitMQ, login: User, alone: dict[str, str], channel: AbstractChannel, management: tuple[str, str]
) -> None:
    queue = alone["AMQP_QUEUES"]
    environment = {**alone, "AMQP_URL": login.url()}
    await channel.default_exchange.publish(aio_pika.Message(b"{}"), queue)

    async def given(*rights: str, mode: str = "active") -> Diagnosis:
        await login.allow(*rights)
        return await diagnose({**environment, "AMQP_DECLARE": mode})

    found = await given(NONE, ALL, ALL)
    found.expect("queues", f"{queue}: rights", "problem", "to configure", queue, "AMQP_DECLARE=passive")
    found.expect("dead letters", "exchange 'zeebe.dead'", "problem", f"{login.name!r} needs the right to configure")
    found.expect("broker", "right to reply", "ok")
    found = await given(NONE, ALL, ALL, mode="passive")
    assert (found.code, set(found.levels())) == (0, {f"queues: {queue}: consumers", "service: questions"})
    found.expect("queues", f"{queue}: arguments", "not seen", "right to configure")
    found = await given(NONE, ALL, NONE, mode="passive")
    found.expect(
        "queues", f"{queue}: rights", "problem", f"{login.name!r} needs the right to read from the queue {queue!r}"
    )
    found = await given(ALL, "^zeebe", ALL)
    found.expect("broker", "right to reply", "problem", "to write to the exchange 'amq.default'", "set_permissions")
    found = await given(ALL, r"^amq\.default", ALL)
    found.expect("dead letters", "exchange 'zeebe.dead'", "problem", "to write to the exchange 'zeebe.dead'")
    found = await diagnose({**environment, "AMQP_URL": environment["AMQP_URL"].replace("secret", "geheim")}, code=1)
    found.expect("broker", "connection", "problem", "UNAUTHENTICATED", f"user {login.name!r}", "AMQP_URL")
    found = await diagnose(environment, *management, code=1)
    found.expect("broker", "management", "warning", f"let user {login.name!r} look (401)", "set_user_tags")
    state, letters = await states(broker.url, queue, wire.DEAD_LETTER)
    assert (state.waiting, letters.waiting) == (1, 0), "it took a message, or left one"


async def test_who_else_logs_in_as_the_service_is_told_as_far_as_its_login_may_look(
    broker: RabbitMQ, login: User, alone: dict[str, str], management: tuple[str, str]
) -> None:
    environment = {**alone, "AMQP_URL": login.url()}
    await login.allow(ALL, ALL, ALL)

    async def told(*tags: str) -> Diagnosis:
        await asyncio.to_thread(login.tag, *tags)
        return await diagnose(environment, *management)

    without = await diagnose(environment)
    without.expect("broker", "identity", "not seen", f"who else logs in as {login.name!r}", "--management")
    (await told()).expect(
        "broker", "identity", "warning", f"does not let user {login.name!r} look (401)", "set_user_tags"
    )
    stranger = await aio_pika.connect(f"{environment['AMQP_URL']}/?name=somebody")
    await asyncio.to_thread(login.tag, "management")
    await listed(environment["AMQP_URL"], management[1], "somebody")
    subject, words = "identity: connections", ("1 other connections", "'somebody from 127.0.0.1'")
    found = await told("management")
    found.expect("broker", subject, "warning", *words)
    found.expect("broker", "identity: users", "not seen", "the tag `administrator`")
    found = await told("administrator", "impersonator")
    found.expect("broker", subject, "warning", *words)
    found.expect("broker", "identity: users", "warning", f"1 users have the tag `impersonator`: {login.name!r}")
    code, checked = await check(environment, *management)
    assert (code, checked[subject]["ok"], checked[subject]["warning"]) == (0, True, True)
    assert words[1] in checked[subject]["found"]
    await stranger.close()
    async with await aio_pika.connect(f"{environment['AMQP_URL']}/?name=zeebe-amqp%20consume"):
        await listed(environment["AMQP_URL"], management[1], "zeebe-amqp consume")
        found = await told("administrator")
        found.expect("broker", subject, "ok", "from '127.0.0.1'", "compare the hosts")
        found.expect("broker", "identity: users", "ok", "nobody")
    code, checked = await check(environment)
    assert (code, "warning" in checked["identity"]) == (0, False)
    assert "not looked at" in checked["identity"]["found"]


async def check(environment: Mapping[str, str], *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code of `check`, and its lines by part."""
    command = [sys.executable, "-m", "consumer", "check", *options]
    run: Any = {"env": dict(environment), "capture_output": True, "check": False, "timeout": 90}
    done = await asyncio.to_thread(subprocess.run, command, **run)
    return done.returncode, {each["part"]: each for each in map(orjson.loads, done.stdout.splitlines())}


async def test_a_redis_that_forgets_is_warned_of_and_one_that_is_away_is_a_problem(
    alone: dict[str, str], tmp_path: Path
) -> None:
    with Redis(tmp_path / "redis", appendonly=False) as redis:
        shared = {**alone, "SIGNING_KEYS": SIGNING_KEY}
        found = await diagnose({**shared, "LEDGER": redis.url})
        found.expect("ledger", "persistence", "warning", "appendonly is no", "config set appendonly yes", "run again")
        found.expect("ledger", "eviction", "ok", "noeviction")
        found.expect("ledger", "entries", "ok", "0, 0 %")
        found.expect("ledger", "sharing", "ok", "one Redis for all replicas")
        found.expect("clients", "clock of Redis", "ok", "agrees")
        found = await diagnose({**shared, "LEDGER": redis.url.replace("//", "//ann:secret@")}, code=1)
        found.expect("ledger", "connection", "problem", "redis://***@127.0.0.1", "correct LEDGER")
    found = await diagnose({**shared, "LEDGER": redis.url}, code=1)
    found.expect("ledger", "connection", "problem", "was not reached", "nothing runs")


async def test_reply_queues_are_tried_against_the_policy_and_looked_at(
    alone: dict[str, str], channel: AbstractChannel
) -> None:
    mine = f"test.replies.{uuid.uuid4().hex}"
    await channel.declare_queue(mine, exclusive=True)
    found = await diagnose(alone, *(f"--reply-queue={each}" for each in (mine, "no.replies", "orders")), code=1)
    found.expect("replies", mine, "ok", "belongs exclusively to a caller")
    found.expect("replies", "no.replies", "warning", "it is not there")
    found.expect("replies", "orders", "problem", "REPLY_ALLOW", "add a pattern")


async def facts(broker: RabbitMQ, name: str) -> BrokerFacts:
    """What is found of one queue."""
    return await examine_broker(Amqp(urls=(broker.url,), queues=(name,)))


async def test_during_an_alarm_nothing_waits_for_an_answer_that_does_not_come(
    broker: RabbitMQ, alone: dict[str, str]
) -> None:
    async with memory_alarm(broker):
        found = await facts(broker, alone["AMQP_QUEUES"])
    assert (found.alarm, found.writing, found.largest) == (True, "", "")
    assert found.queues[0].differences == ()


async def test_a_smaller_limit_of_messages_is_seen(broker: RabbitMQ, alone: dict[str, str]) -> None:
    async with largest_message(broker, 100_000):
        found = await diagnose(alone, code=1)
    found.expect("broker", "message size", "problem", "8 MiB is refused", "larger than", "max_message_size to 9437184")


@for_each([0, 2])
async def test_messages_that_wait_are_counted_by_the_smaller_of_two_looks(
    waiting: int, broker: RabbitMQ, alone: dict[str, str], channel: AbstractChannel
) -> None:
    """A consumer that takes nothing more, and one that takes everything between the two looks."""
    name = alone["AMQP_QUEUES"]
    await channel.set_qos(prefetch_count=1)
    queue = await channel.get_queue(name)
    tag = await queue.consume(unheard)
    for _ in range(3):
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), name)
    looking = asyncio.create_task(facts(broker, name))
    if not waiting:
        await asyncio.sleep(0.5)
        await queue.purge()
    [found] = (await looking).queues
    assert (found.messages, found.consumers > 0) == (waiting, True)
    await queue.cancel(tag)
