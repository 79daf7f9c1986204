"""One user never delays another: mallory floods the service, and whatever alice asks for is answered.

The gateway is the fake one: what mallory sends takes as long as a test wants, and what alice sends no time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import Request
from tests.integration.broker_control import User
from tests.integration.caller import Caller
from tests.integration.load import CREATE
from tests.integration.service import ConsumerSetup, create, running_service
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONCURRENCY = 16
POLLS = 16
MIB = 2**20
RPCS = ("ActivateJobs", CREATE, f"{CREATE}WithResult")


@pytest.fixture(scope="module")
def addresses(shared_node: RabbitMQ) -> Iterator[tuple[str, str]]:
    """The addresses of two users, who may do everything."""
    made = [User(shared_node) for _ in range(2)]
    for user in made:
        asyncio.run(user.allow(".*", ".*", ".*"))
    mallory, alice = (user.url() for user in made)
    yield mallory, alice
    for user in made:
        user.delete()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(shared_node: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """The consumer of all tests."""
    settings = {
        "CONCURRENCY": str(CONCURRENCY),
        "POLLS_CONCURRENCY": str(POLLS),
        "AMQP_MAX_HELD_BYTES": str(16 * MIB),
        "REPLY_RETRY": "10m",
    }
    async with running_service(tmp_path_factory.mktemp("shares"), shared_node.url, **settings) as ready:
        yield ready


class Sender(Caller):
    """A user who says so in each message."""

    def __init__(self, url: str, service: ConsumerSetup) -> None:
        super().__init__(url, *service.consumer.queues)
        self.user = url.partition("//")[2].partition(":")[0]

    async def publish(self, body: bytes, *, queue: str | None = None, **properties: Any) -> str:
        """See `Caller.publish`."""
        return await super().publish(body, queue=queue, **{"user_id": self.user, **properties})


class TwoUsers:
    """Two users, and a gateway that holds what mallory asks for until it is opened."""

    def __init__(self, service: ConsumerSetup, mallory: Sender, alice: Sender) -> None:
        self.service, self.mallory, self.alice = service, mallory, alice
        self.held: asyncio.Event = asyncio.Event()
        self.flood: list[asyncio.Task[Any]] = []
        for rpc in RPCS:
            service.gateway.always(rpc, self._react)

    async def _react(self, request: Request) -> Step:
        if "mallory" in str(request.message):
            await self.held.wait()
        return answer()

    def attack(self, body: bytes, number: int, **properties: Any) -> None:
        """Mallory sends a request so many times; nobody waits until all are sent."""
        for _ in range(number):
            self.flood.append(asyncio.ensure_future(self.mallory.request(body, seconds=300, **properties)))

    def at_gateway(self) -> int:
        """Mallory's requests there."""
        return sum("mallory" in str(each.message) for each in self.service.gateway.requests)

    async def settled(self) -> None:
        """Wait until nothing more happens to what mallory sent."""
        before = None
        while (now := (self.at_gateway(), sum(each.done() for each in self.flood))) != before or not now[0]:
            before = now
            await asyncio.sleep(1)

    async def alice_is_served(self) -> None:
        """Whatever alice asks for is answered, and nothing refused."""
        short = [self.alice.request(create("alice", id=uuid.uuid4().hex)) for _ in range(50)]
        large = self.alice.request(create("alice", text="x" * MIB))
        polls = [self.alice.request(poll("alice"), queue=self.alice.polls) for _ in range(POLLS // 2)]
        await all_ok(*short, large, *polls, self.alice.request(poll("alice")))

    async def end(self) -> list[Reply]:
        """What mallory is answered."""
        self.held.set()
        replies = [Reply.decode(message.body) for message in await asyncio.gather(*self.flood)]
        for reply in replies:
            if reply.error is not None:
                found = (reply.error.code, reply.error.outcome, reply.error.retryable)
                assert found == (Code.RESOURCE_EXHAUSTED, Outcome.NOT_EXECUTED, True), reply.error
        return replies


async def all_ok(*requests: Awaitable[Any]) -> None:
    """All are answered well."""
    for message in await asyncio.gather(*requests):
        reply = Reply.decode(message.body)
        assert reply.ok, reply.error


@pytest_asyncio.fixture(loop_scope="module")
async def users(shared: ConsumerSetup, addresses: tuple[str, str]) -> AsyncIterator[TwoUsers]:
    """Two users of that consumer."""
    shared.gateway.reset()
    async with Sender(addresses[0], shared) as mallory, Sender(addresses[1], shared) as alice:
        users = TwoUsers(shared, mallory, alice)
        yield users
        users.held.set()
        await asyncio.gather(*users.flood, return_exceptions=True)


def poll(whose: str) -> bytes:
    """A long poll."""
    data = {"jobType": whose, "maxJobsToActivate": 1, "requestTimeout": "10m"}
    return orjson.dumps({"operation": "activate-jobs", "data": data})


def awaited(text: str = "") -> bytes:
    """A request of mallory's that waits for its result."""
    data = {"bpmnProcessId": "mallory", "withResult": True, "requestTimeout": "10m", "variables": {"text": text}}
    return orjson.dumps({"operation": "create-instance", "data": data})


async def test_long_running_requests_of_one_user_leave_room_in_both_queues(users: TwoUsers) -> None:
    for queue in (users.mallory.commands, users.mallory.polls):
        users.attack(poll("mallory"), 100, queue=queue)
    await users.settled()
    await users.alice_is_served()
    assert users.at_gateway() == CONCURRENCY // 4 + POLLS
    refused = [reply.error for reply in await users.end() if reply.error is not None]
    assert len(refused) == 200 - users.at_gateway()
    assert users.service.metric("refused_total", reason="share") >= len(refused)


async def test_large_bodies_of_one_user_leave_room_also_those_that_wait(users: TwoUsers) -> None:
    body = awaited("x" * (4 * MIB - 100_000))
    for queue in (users.mallory.commands, users.mallory.polls):
        users.attack(body, 20, queue=queue)
        users.attack(poll("mallory"), 20, queue=queue)
    await users.settled()
    await users.alice_is_served()
    await users.end()


@pytest.mark.parametrize("ids", [1, CONCURRENCY // 2])
async def test_one_id_many_times_and_many_ids_several_times_leave_room(users: TwoUsers, ids: int) -> None:
    """What runs is short, and waits at the gateway for a slot each; what waits for it does so without one."""
    name = uuid.uuid4().hex
    for queue, body in ((users.mallory.commands, create("mallory", id=name)), (users.mallory.polls, awaited(name))):
        for number in range(ids):
            users.attack(body, 80 // ids, queue=queue, message_id=f"{queue} {name} {number}")
    await users.settled()
    assert users.at_gateway() > ids
    await users.alice_is_served()
    await users.end()
