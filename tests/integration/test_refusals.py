"""A broker that refuses what somebody needs, a login or a right: said at once by name, and mended without a restart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractChannel

from consumer.check import check
from consumer.config import Amqp, Settings
from consumer.rabbitmq import Broker
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import SECRET, User, version
from tests.integration.responder import FINE, Responder
from tests.integration.service import delete, eventually, new_consumer
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import (
    Client,
    Code,
    CommandError,
    Outcome,
    PermissionDenied,
    SyncClient,
    Topology,
    Unauthenticated,
    wire,
)
from zeebe_amqp.amqp.tap import unheard
from zeebe_amqp.cli import exit_codes as exits

ALL, NONE = (".*", ".*", ".*"), "^$"
NO_CONFIGURE, NO_WRITE, NO_READ = (NONE, ".*", ".*"), (".*", NONE, ".*"), (".*", ".*", NONE)
WRONG = "the-wrong-secret"
DENIED, MISSING, UNKNOWN_USER = Code.PERMISSION_DENIED, Code.NOT_FOUND, Code.UNAUTHENTICATED
WRITE = "to write to the exchange 'amq.default'"


@pytest.fixture
async def channel(shared_node: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do everything."""
    async with await aio_pika.connect(shared_node.url) as connection, connection.channel() as opened:
        yield opened


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The address of every attempt to connect in this process."""
    made, connect = list[str](), aio_pika.connect

    async def counted(url: Any, **options: Any) -> Any:
        made.append(str(url))
        return await connect(url, **options)

    monkeypatch.setattr(aio_pika, "connect", counted)
    return made


def assert_final(error: CommandError, code: Code, *words: str, outcome: Outcome = Outcome.NOT_EXECUTED) -> None:
    """The error is final, has these words, and no password."""
    assert (error.code, error.outcome, error.retryable) == (code, outcome, False), error
    assert [word for word in words if word not in error.message] == [], error
    assert not any(password in str(error) for password in (WRONG, SECRET))


async def test_what_a_client_needs_and_does_not_get_is_told_with_its_first_attempt(
    user: User, channel: AbstractChannel, attempts: list[str]
) -> None:
    mine, read, other = (f"test.{uuid.uuid4().hex}" for _ in range(3))
    await channel.declare_queue(mine, exclusive=True)
    await channel.declare_queue(other, durable=True, auto_delete=True)
    taken = await channel.declare_queue(read, durable=True)
    await taken.consume(unheard)

    async def told(rights: tuple[str, ...], path: str, reply_queue: str | None, code: Code, *words: str) -> None:
        await user.allow(*rights)
        attempts.clear()
        url = user.url(WRONG if code is UNKNOWN_USER else SECRET) + path
        with pytest.raises(CommandError) as raised:
            await Client([url] * 2, reply_queue=reply_queue).__aenter__()
        assert_final(raised.value, code, *words)
        assert raised.value.source == "client"
        assert len(attempts) == 1

    cases: list[tuple[Any, ...]] = [
        (NO_WRITE, "", None, DENIED, "ACCESS_REFUSED", WRITE),
        (NO_WRITE, "", "", DENIED, "ACCESS_REFUSED", WRITE),
        (NO_WRITE, "", "mine", DENIED, "ACCESS_REFUSED", WRITE),
        (NO_CONFIGURE, "", "", DENIED, "ACCESS_REFUSED", "to configure the queue 'amq.gen-*'"),
        (NO_CONFIGURE, "", "mine", DENIED, "ACCESS_REFUSED", "to configure the queue 'mine'"),
        (NO_READ, "", "mine", DENIED, "ACCESS_REFUSED", "to read from the queue 'mine'"),
        (ALL, "", mine, DENIED, "RESOURCE_LOCKED", "it belongs to another connection"),
        (ALL, "", read, DENIED, "in exclusive use", "another client reads it"),
        (ALL, "", other, Code.FAILED_PRECONDITION, "'auto_delete'", "delete the queue, or name another `reply_queue`"),
        (ALL, "/nope", None, MISSING, "NOT_ALLOWED - vhost nope not found", "rabbitmqctl add_vhost nope"),
        ((), "", None, DENIED, "NOT_ALLOWED - access to vhost '/' refused", "rabbitmqctl set_permissions --vhost /"),
        (ALL, "", None, UNKNOWN_USER, user.name, user.host),
    ]
    await check_each(cases, told)
    for name in (read, other, "mine"):
        await channel.queue_delete(name)


Change = Callable[[User], Awaitable[None]]
TROUBLES: dict[str, tuple[Change, Change, type[CommandError], tuple[str, ...]]] = {
    "a right": (
        lambda user: user.allow(*NO_WRITE),
        lambda user: user.allow(*ALL),
        PermissionDenied,
        ("ACCESS_REFUSED", WRITE),
    ),
    "a password": (
        lambda user: user.change_password(WRONG),
        lambda user: user.change_password(SECRET),
        Unauthenticated,
        (),
    ),
}
"""How somebody is shut out and let in again, and how that is told."""


async def test_what_is_taken_away_fails_what_waits_and_given_back_needs_no_new_client(
    user: User, attempts: list[str]
) -> None:
    async def taken(take: Change, give: Change, kind: type[CommandError], words: tuple[str, ...]) -> None:
        async with (
            Responder(user.node.url) as responder,
            Client(user.url(), commands=responder.queue, timeout=60) as client,
        ):
            waiting = asyncio.create_task(client.call(Topology()))
            await responder.arrived(1)
            await take(user)
            await user.cut()
            with pytest.raises(kind) as raised:
                await waiting
            assert_final(raised.value, raised.value.code, outcome=Outcome.UNKNOWN)  # it had been sent
            tried = attempts.count(user.url())
            for _ in range(100):
                with pytest.raises(kind) as raised:
                    await client.call(Topology())
                assert_final(raised.value, raised.value.code, *words)
            assert attempts.count(user.url()) <= tried + 2, "asking does not connect"
            await give(user)
            await answered(client, responder, kind)

    await user.allow(*ALL)
    await check_each(TROUBLES, taken)


async def answered(client: Client, responder: Responder, kind: type[CommandError]) -> None:
    """Call until the broker lets the client publish again, and answer."""
    responder.answers = (FINE,)
    async with asyncio.timeout(60):
        while True:
            with suppress(kind):
                await client.call(Topology())
                return
            await asyncio.sleep(0.1)


async def test_a_client_for_threads_fails_the_call_and_works_once_it_may(user: User, attempts: list[str]) -> None:
    async def fails(take: Change, give: Change, kind: type[CommandError], words: tuple[str, ...]) -> None:
        await take(user)
        attempts.clear()
        client = SyncClient(user.url(), commands=responder.queue)
        with pytest.raises(kind) as raised:
            await asyncio.to_thread(client.call, Topology())
        assert_final(raised.value, raised.value.code, *words)
        assert len(attempts) == 1
        await give(user)
        assert (await asyncio.to_thread(client.call, Topology())).cluster_size == 1
        await asyncio.to_thread(client.close)

    await user.allow(*ALL)
    async with Responder(user.node.url, FINE) as responder:
        await check_each(TROUBLES, fails)


async def test_the_command_line_says_so_and_ends(user: User, channel: AbstractChannel, attempts: list[str]) -> None:
    queue = f"test.{uuid.uuid4().hex}"
    await channel.declare_queue(queue, durable=True)

    async def says(rights: tuple[str, ...], path: str, words: tuple[str, ...], code: Code, said: str) -> None:
        await user.allow(*rights)
        attempts.clear()
        url = user.url(WRONG if code is UNKNOWN_USER else SECRET) + path
        found = await asyncio.to_thread(ended, *words, url=f"{url},{url}" if code is UNKNOWN_USER else url)
        error = orjson.loads(found.err.splitlines()[-1])["error"]  # after a note about the queue's name
        assert (error["code"], error["retryable"], said in error["message"]) == (code, False, True), error
        assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[code]
        assert WRONG not in found.err
        assert len(attempts) == 1

    by_topic = ("watch", "#", "--exchange", "amq.topic")
    cases = [
        (NO_WRITE, "", ("topology",), DENIED, WRITE),
        (NO_WRITE, "", ("call", "{}"), DENIED, WRITE),
        (ALL, "/nope", ("topology",), MISSING, "vhost nope not found"),
        (ALL, "/nope", ("watch", queue), MISSING, "vhost nope not found"),
        (ALL, "", ("watch", f"{queue}.not"), MISSING, "declare the queue first"),
        (NO_READ, "", ("watch", queue), DENIED, f"to read from the queue '{queue}'"),
        (NO_CONFIGURE, "", by_topic, DENIED, "to configure the queue 'reply.#."),
        (NO_READ, "", by_topic, DENIED, "to read from the exchange 'amq.topic'"),
        (ALL, "", ("watch", "#", "--exchange", "nope"), MISSING, "declare the exchange first"),
        *((ALL, "", words, UNKNOWN_USER, user.name) for words in (("topology",), ("call", "{}"), ("watch", queue))),
    ]
    await check_each(cases, says)
    await channel.queue_delete(queue)


async def test_the_service_and_its_check_say_what_is_missing(
    user: User, shared_node: RabbitMQ, channel: AbstractChannel, caplog: pytest.LogCaptureFixture
) -> None:
    says_which = not version(shared_node).startswith("3.10")
    configure, read = ("configure", "read from") if says_which else ("configure and read from",) * 2
    names = ("right", "read", "write", "dead", "other")
    queues = {name: f"test.{name}.{uuid.uuid4().hex[:8]}" for name in names}
    await channel.declare_queue(queues["other"], durable=True)
    await channel.declare_queue(queues["right"], durable=True, arguments=wire.queue_arguments(queues["right"]))

    async def says(name: str, rights: tuple[str, ...], path: str, words: str, advice: str) -> None:
        await user.allow(*rights)
        caplog.clear()
        amqp = Amqp(urls=(user.url() + path,), queues=(queues[name],))
        broker = Broker(amqp, max_depth=10, accept=lambda _: None)
        await broker.start()
        try:
            await eventually(lambda: words in caplog.text, f"{words} in the log")
            assert advice in caplog.text
            assert "next try in" in caplog.text
        finally:
            await broker.close()
        if rights != NO_READ and name != "dead":  # `check` takes nothing, and what is not there yet cannot be seen
            told = (await check(Settings(amqp=amqp)))[0].found
            assert words in told
            assert advice in told

    passive, remedy = "set AMQP_DECLARE=passive", "delete the queue, or take it as it is with AMQP_DECLARE=passive"
    permit = "`rabbitmqctl set_permissions` gives"
    cases = (
        ("right", NO_CONFIGURE, "", f"{configure} the queue '{queues['right']}'", passive),
        ("right", NO_READ, "", f"to read from the queue '{queues['right']}'", permit),
        ("read", NO_READ, "", f"{read} the queue '{queues['read']}'", passive),
        ("dead", (".*", "^(amq.default|test.*)$", ".*"), "", "to write to the exchange 'zeebe.dead'", passive),
        ("write", NO_WRITE, "", "to write to the exchange", permit),
        ("other", ALL, "", f"inequivalent arg 'x-dead-letter-exchange' for queue '{queues['other']}'", remedy),
        ("right", ALL, "/nope", "530 NOT_ALLOWED - vhost nope not found", "rabbitmqctl add_vhost nope"),
    )
    await check_each(cases, says)
    for name in queues.values():
        await channel.queue_delete(name)


async def test_a_service_with_a_wrong_password_goes_on_trying_and_is_ready_when_it_is_right(
    user: User, tmp_path: Path
) -> None:
    await user.allow(*ALL)
    refusal = f"UNAUTHENTICATED: the broker at {user.host} does not let user '{user.name}'"
    async with FakeGateway() as gateway:
        consumer = new_consumer(tmp_path, user.url(WRONG), gateway.address, {}).launch()
        try:
            await eventually(lambda: consumer.log.read_text().count("next try in") >= 4, "two tries of a connection")
            told = [line for line in consumer.log.read_text().splitlines() if "next try in" in line]
            assert all(refusal in line for line in told)
            assert "UNAUTHENTICATED" in str(consumer.reasons())
            found = await check(Settings(amqp=Amqp(urls=(user.url(WRONG),))))
            assert (found[0].part, found[0].ok, found[0].found.startswith(refusal)) == ("broker", False, True)
            assert WRONG not in consumer.log.read_text() + str(found)
            await user.change_password(WRONG)
            await asyncio.to_thread(consumer.wait_until_ready)
        finally:
            await asyncio.to_thread(consumer.stop)
    await delete(user.node.url, consumer.queues)
