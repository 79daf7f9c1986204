"""A broker that refuses what somebody needs: said at once with its words, and mended without a new client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractChannel

from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import FakeGateway
from tests.integration.responder import FINE, Responder
from tests.integration.service import eventually, new_consumer
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import Client, Code, CommandError, Outcome, PermissionDenied, Source, SyncClient, Topology, wire
from zeebe_amqp.amqp.tap import unheard
from zeebe_amqp.cli import exit_codes as exits

ALL, NONE = (".*", ".*", ".*"), "^$"
NO_CONFIGURE, NO_WRITE, NO_READ = (NONE, ".*", ".*"), (".*", NONE, ".*"), (".*", ".*", NONE)


class User:
    """A user of the broker of this file, with the rights to configure, write and read."""

    def __init__(self, broker: RabbitMQ) -> None:
        self.broker = broker
        self.name = f"ann-{uuid.uuid4().hex[:8]}"
        self.url = f"amqp://{self.name}:secret@127.0.0.1:{broker.port}"
        broker.ctl("add_user", self.name, "secret")

    async def allow(self, *rights: str) -> None:
        """Give these rights, and no others."""
        await asyncio.to_thread(self.broker.ctl, "set_permissions", self.name, *rights)

    async def cut(self) -> None:
        """End the user's connections: open channels go by the rights they saw."""
        await asyncio.to_thread(self.broker.ctl, "close_all_user_connections", self.name, "test")


@pytest.fixture
def user(own_rabbitmq: RabbitMQ) -> Iterator[User]:
    """A user of a test's own."""
    made = User(own_rabbitmq)
    yield made
    own_rabbitmq.ctl("delete_user", made.name)


@pytest.fixture
def limited(own_rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """The broker, whose new channels take messages of 100 kB at most."""
    setting = "application:{}_env(rabbit, max_message_size{})."
    before = own_rabbitmq.ctl("eval", f"element(2, {setting.format('get', '').rstrip('.')}).").strip()
    own_rabbitmq.ctl("eval", setting.format("set", ", 100000"))
    yield own_rabbitmq
    own_rabbitmq.ctl("eval", setting.format("set", f", {before}"))


@pytest.fixture
async def channel(own_rabbitmq: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do everything."""
    async with await aio_pika.connect(own_rabbitmq.url) as connection, connection.channel() as opened:
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


def check(case: str, error: CommandError, code: Code, *words: str) -> None:
    """The error is final and has these words."""
    found = (error.code, error.source, error.outcome, error.retryable)
    assert found == (code, Source.CLIENT, Outcome.NOT_EXECUTED, False), f"{case}: {error}"
    for each in words:
        assert each in error.message, f"{case}: {error}"
    assert "secret" not in error.message, case


async def test_what_a_client_needs_and_does_not_get_is_told_with_its_first_attempt(
    user: User, channel: AbstractChannel, attempts: list[str]
) -> None:
    mine, read, transient = (f"test.{uuid.uuid4().hex}" for _ in range(3))
    await channel.declare_queue(mine, exclusive=True)
    await channel.declare_queue(transient, durable=False)
    taken = await channel.declare_queue(read, durable=True)
    await taken.consume(unheard)
    denied, write = Code.PERMISSION_DENIED, "to write to the exchange 'amq.default'"
    cases: list[tuple[tuple[str, ...], str, str | None, Code, str, str]] = [
        (NO_WRITE, "", None, denied, "ACCESS_REFUSED", write),
        (NO_WRITE, "", "", denied, "ACCESS_REFUSED", write),
        (NO_WRITE, "", "mine", denied, "ACCESS_REFUSED", write),
        (NO_CONFIGURE, "", "", denied, "ACCESS_REFUSED", "to configure the queue 'amq.gen-*'"),
        (NO_CONFIGURE, "", "mine", denied, "ACCESS_REFUSED", "to configure the queue 'mine'"),
        (NO_READ, "", "mine", denied, "ACCESS_REFUSED", "to read from the queue 'mine'"),
        (ALL, "", mine, denied, "RESOURCE_LOCKED", "it belongs to another connection"),
        (ALL, "", read, denied, "in exclusive use", "another client reads it"),
        (ALL, "", transient, Code.FAILED_PRECONDITION, "'durable'", "delete the queue, or name another `reply_queue`"),
        (ALL, "/nope", None, Code.NOT_FOUND, "NOT_ALLOWED - vhost nope not found", "rabbitmqctl add_vhost nope"),
        ((), "", None, denied, "NOT_ALLOWED - access to vhost '/' refused", "rabbitmqctl set_permissions --vhost /"),
    ]
    for rights, path, reply_queue, code, words, advice in cases:
        case = f"{rights} {path} {reply_queue}"
        if rights:
            await user.allow(*rights)
        else:
            await asyncio.to_thread(user.broker.ctl, "clear_permissions", user.name)
        attempts.clear()
        with pytest.raises(CommandError) as raised:
            await Client([user.url + path] * 2, reply_queue=reply_queue).__aenter__()
        check(case, raised.value, code, words, advice)
        assert len(attempts) == 1, case
    for name in (read, transient, "mine"):
        await channel.queue_delete(name)


async def test_a_right_that_is_taken_away_fails_what_waits_and_given_back_needs_no_new_client(
    user: User, own_rabbitmq: RabbitMQ, attempts: list[str]
) -> None:
    await user.allow(*ALL)
    async with (
        Responder(own_rabbitmq.url) as responder,
        Client(user.url, commands=responder.queue, timeout=60) as client,
    ):
        waiting = asyncio.create_task(client.call(Topology()))
        await responder.arrived(1)
        await user.allow(*NO_WRITE)
        await user.cut()
        with pytest.raises(PermissionDenied) as raised:
            await waiting
        assert raised.value.outcome is Outcome.UNKNOWN, "it had been sent"
        tried = attempts.count(user.url)
        for number in range(100):
            with pytest.raises(PermissionDenied) as raised:
                await client.call(Topology())
            check(f"call {number}", raised.value, Code.PERMISSION_DENIED, "to write to the exchange 'amq.default'")
        assert attempts.count(user.url) <= tried + 2, "asking does not connect"
        await user.allow(*ALL)
        await answered(client, responder)


async def answered(client: Client, responder: Responder) -> None:
    """Call until the broker lets the client publish again, and answer."""
    async with asyncio.timeout(60):
        while True:
            call, before = asyncio.create_task(client.call(Topology())), len(responder.requests)
            arrival = asyncio.create_task(responder.arrived(before + 1))
            await asyncio.wait({call, arrival}, return_when=asyncio.FIRST_COMPLETED)
            if arrival.done():
                await responder.reply(arrival.result()[-1], FINE)
                await call
                return
            arrival.cancel()
            assert isinstance(call.exception(), PermissionDenied)
            await asyncio.sleep(0.1)


async def test_a_message_that_the_broker_does_not_take_fails_alone(limited: RabbitMQ) -> None:
    """It ends the channel, and with it the way of a reply that somebody else waits for."""
    async with (
        Responder(limited.url) as responder,
        Client(limited.url, commands=responder.queue, timeout=60) as client,
    ):
        other = asyncio.create_task(client.call(Topology()))
        await responder.arrived(1)
        with pytest.raises(CommandError, match=r"message size .* larger than .*send less") as raised:
            await client.call_raw(b"x" * 200_000)
        assert (raised.value.code, raised.value.retryable) == (Code.FAILED_PRECONDITION, False)
        again = (await responder.arrived(2))[1]
        await responder.reply(again, FINE)
        assert (await other).cluster_size == 1


async def test_a_client_for_threads_fails_the_call_and_works_once_it_may(user: User, own_rabbitmq: RabbitMQ) -> None:
    await user.allow(*NO_WRITE)
    async with Responder(own_rabbitmq.url, FINE) as responder:
        client = SyncClient(user.url, commands=responder.queue)
        with pytest.raises(PermissionDenied) as raised:
            await asyncio.to_thread(client.call, Topology())
        check("refused", raised.value, Code.PERMISSION_DENIED, "ACCESS_REFUSED")
        await user.allow(*ALL)
        assert (await asyncio.to_thread(client.call, Topology())).cluster_size == 1
        await asyncio.to_thread(client.close)


async def test_the_command_line_says_so_and_ends(user: User, channel: AbstractChannel) -> None:
    queue = f"test.{uuid.uuid4().hex}"
    await channel.declare_queue(queue, durable=True)
    denied, missing = Code.PERMISSION_DENIED, Code.NOT_FOUND
    for rights, path, words, code, said in (
        (NO_WRITE, "", ("topology",), denied, "to write to the exchange 'amq.default'"),
        (NO_WRITE, "", ("call", "{}"), denied, "to write to the exchange 'amq.default'"),
        (ALL, "/nope", ("topology",), missing, "vhost nope not found"),
        (ALL, "/nope", ("watch", queue), missing, "vhost nope not found"),
        (ALL, "", ("watch", f"{queue}.not"), missing, "declare the queue first"),
        (NO_READ, "", ("watch", queue), denied, f"to read from the queue '{queue}'"),
        (NO_CONFIGURE, "", ("watch", "#", "--exchange", "amq.topic"), denied, "to configure the queue 'amq.gen-*'"),
        (NO_READ, "", ("watch", "#", "--exchange", "amq.topic"), denied, "to read from the exchange 'amq.topic'"),
        (ALL, "", ("watch", "#", "--exchange", "nope"), missing, "declare the exchange first"),
    ):
        await user.allow(*rights)
        found = await asyncio.to_thread(ended, *words, "--url", user.url + path)
        error = orjson.loads(found.err.splitlines()[-1])["error"]  # after a note about the queue's name
        assert (error["code"], error["retryable"], said in error["message"]) == (code, False, True), (words, error)
        assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[code], words
    await channel.queue_delete(queue)


async def test_the_service_and_its_check_say_what_is_missing_and_the_service_goes_on_trying(
    user: User, channel: AbstractChannel, tmp_path: Path
) -> None:
    names = ("right", "read", "write", "dead", "other")
    queues = {name: f"test.{name}.{uuid.uuid4().hex[:8]}" for name in names}
    await channel.declare_queue(queues["other"], durable=True)
    await channel.declare_queue(queues["right"], durable=True, arguments=wire.queue_arguments(queues["right"]))
    passive, delete = "set AMQP_DECLARE=passive", "delete the queue, or take it as it is with AMQP_DECLARE=passive"
    cases = (
        ("right", NO_CONFIGURE, "", f"configure and read from the queue '{queues['right']}'", passive),
        ("right", NO_READ, "", f"to read from the queue '{queues['right']}'", "`rabbitmqctl set_permissions` gives"),
        ("read", NO_READ, "", f"configure and read from the queue '{queues['read']}'", passive),
        ("dead", (".*", "^(amq.default|test.*)$", ".*"), "", "to write to the exchange 'zeebe.dead'", passive),
        ("write", NO_WRITE, "", "to write to the exchange", "`rabbitmqctl set_permissions` gives"),
        ("other", ALL, "", f"inequivalent arg 'x-dead-letter-exchange' for queue '{queues['other']}'", delete),
        ("right", ALL, "/nope", "530 NOT_ALLOWED - vhost nope not found", "rabbitmqctl add_vhost nope"),
    )
    async with FakeGateway() as gateway:
        for number, (name, rights, path, words, advice) in enumerate(cases):
            await user.allow(*rights)
            consumer = new_consumer(
                tmp_path / str(number), user.url + path, gateway.address, {"AMQP_QUEUES": queues[name]}
            )
            consumer.launch()
            try:
                await eventually(lambda each=consumer: "next try in" in each.log.read_text(), f"a try of {number}")
                await eventually(
                    lambda each=consumer, words=words: words in each.log.read_text(), f"{number}: {words} in the log"
                )
                assert advice in consumer.log.read_text(), number
            finally:
                await asyncio.to_thread(consumer.stop)
            if rights != NO_READ and name != "dead":  # `check` takes nothing, and what is not there yet cannot be seen
                told = await looked(consumer.environment)
                assert words in told, told
                assert advice in told, told
    for name in ("other", "right"):
        await channel.queue_delete(queues[name])


async def looked(environment: dict[str, str]) -> str:
    """What `python -m consumer check` says of the broker."""
    command = [sys.executable, "-m", "consumer", "check"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout
