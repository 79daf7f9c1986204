"""A broker that does not let somebody in: said at once and by name, by the client, the programs and the service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest

from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import FakeGateway
from tests.integration.service import eventually, new_consumer
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import Client, CommandError, Outcome, SyncClient, Topology, Unauthenticated
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.errors import Code

RIGHT, WRONG = "the-right-secret", "the-wrong-secret"


class User:
    """A user of the broker of this file."""

    def __init__(self, broker: RabbitMQ) -> None:
        self.name = f"ann-{uuid.uuid4().hex[:8]}"
        self.broker = broker
        self.host = f"127.0.0.1:{broker.port}"
        broker.ctl("add_user", self.name, RIGHT)
        broker.ctl("set_permissions", self.name, ".*", ".*", ".*")

    def url(self, password: str) -> str:
        """The address with a password."""
        return f"amqp://{self.name}:{password}@{self.host}"

    async def change_password(self, password: str) -> None:
        """Give the user another password."""
        await asyncio.to_thread(self.broker.ctl, "change_password", self.name, password)


@pytest.fixture
def user(own_rabbitmq: RabbitMQ) -> Iterator[User]:
    """A user of a test's own."""
    made = User(own_rabbitmq)
    yield made
    own_rabbitmq.ctl("delete_user", made.name)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The host of every attempt to connect in this process."""
    made, connect = list[str](), aio_pika.connect

    async def counted(url: Any, **options: Any) -> Any:
        made.append(str(url.host))
        return await connect(url, **options)

    monkeypatch.setattr(aio_pika, "connect", counted)
    return made


def check(user: User, error: CommandError, outcome: Outcome = Outcome.NOT_EXECUTED) -> None:
    """The error says who was refused where, and that trying again is of no use."""
    assert isinstance(error, Unauthenticated)
    assert (error.code, error.outcome, error.retryable) == (Code.UNAUTHENTICATED, outcome, False)
    assert user.name in error.message
    assert user.host in error.message
    assert WRONG not in str(error)


async def test_a_client_with_a_wrong_password_fails_with_its_first_attempt(user: User, attempts: list[str]) -> None:
    with pytest.raises(Unauthenticated) as raised:
        async with Client([user.url(WRONG), user.url(WRONG)]):
            raise AssertionError("it connected")
    check(user, raised.value)
    assert len(attempts) == 1


async def test_a_client_for_threads_fails_the_call(user: User, attempts: list[str]) -> None:
    client = SyncClient(user.url(WRONG))
    with pytest.raises(Unauthenticated) as raised:
        await asyncio.to_thread(client.call, Topology())
    check(user, raised.value)
    assert len(attempts) == 1


@pytest.mark.parametrize("words", [("topology",), ("call", "{}"), ("watch", "q.replies")], ids=" ".join)
async def test_the_command_line_says_so_and_ends(user: User, attempts: list[str], words: tuple[str, ...]) -> None:
    found = await asyncio.to_thread(ended, *words, "--url", f"{user.url(WRONG)},{user.url(WRONG)}")
    assert found.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAUTHENTICATED]
    error = orjson.loads(found.err)["error"]
    assert (error["code"], error["retryable"]) == ("UNAUTHENTICATED", False)
    assert user.name in error["message"]
    assert WRONG not in found.err
    assert len(attempts) == 1


async def test_a_password_that_became_wrong_ends_what_waits_and_a_right_one_is_found_again(user: User) -> None:
    queue = f"test.{uuid.uuid4().hex}"
    async with (
        await aio_pika.connect(user.broker.url) as connection,
        connection.channel() as channel,
        Client(user.url(RIGHT), timeout=600, commands=queue) as client,
    ):
        declared = await channel.declare_queue(queue)
        call = asyncio.create_task(client.call(Topology()))
        await eventually_filled(declared)
        await user.change_password(WRONG)
        await asyncio.to_thread(user.broker.ctl, "close_all_user_connections", user.name, "test")
        with pytest.raises(Unauthenticated) as raised:
            await call
        check(user, raised.value, Outcome.UNKNOWN)
        with pytest.raises(Unauthenticated) as raised:
            await client.call(Topology())
        check(user, raised.value)
        await user.change_password(RIGHT)
        await eventually_sent(client)
        await declared.delete(if_unused=False, if_empty=False)


async def eventually_filled(queue: Any) -> None:
    """Wait until the request is there."""
    async with asyncio.timeout(60):
        while await queue.get(no_ack=True, fail=False) is None:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0.05)


async def eventually_sent(client: Client) -> None:
    """Send until the client is let in again."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.send(Topology())
                return
            except Unauthenticated:
                await asyncio.sleep(0.1)


async def test_the_service_says_so_goes_on_trying_and_is_ready_when_the_password_is_right(
    user: User, tmp_path: Path
) -> None:
    async with FakeGateway() as gateway:
        consumer = new_consumer(tmp_path, user.url(WRONG), gateway.address, {})
        consumer.launch()
        try:
            await eventually(lambda: consumer.log.read_text().count("next try in") >= 4, "two tries of each connection")
            told = [line for line in consumer.log.read_text().splitlines() if "next try in" in line]
            for line in told:
                assert f"UNAUTHENTICATED: the broker at {user.host} does not let user '{user.name}'" in line
            assert "UNAUTHENTICATED" in str(consumer.reasons())
            done = await looked(consumer.environment)
            assert done.returncode == 1
            [broker] = [each for each in map(orjson.loads, done.stdout.splitlines()) if each["part"] == "broker"]
            assert broker["found"].startswith(f"UNAUTHENTICATED: the broker at {user.host} does not let user")
            assert WRONG not in consumer.log.read_text() + done.stdout + done.stderr
            await user.change_password(WRONG)
            await asyncio.to_thread(consumer.wait_until_ready)
        finally:
            await asyncio.to_thread(consumer.stop)


async def looked(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m consumer check`, to its end."""
    command = [sys.executable, "-m", "consumer", "check"]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
