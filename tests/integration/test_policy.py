"""A policy in force, on a real broker: two users with rights of their own, and a file that is read again on SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.rabbitmq import RabbitMQ
from tests.conftest import Broker
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import CALLER, User
from tests.integration.caller import Caller
from tests.integration.service import ConsumerSetup, create, eventually, new_consumer, running_service
from zeebe_amqp.errors import Error
from zeebe_amqp.reply import Reply

POLICY = """version = 1
[roles.orders]
operations = ["create-instance", "topology"]
processes = ["order"]
[roles.operator]
operations = ["*"]
processes = ["*"]
messages = ["*"]
signals = ["*"]
decisions = ["*"]
job_types = ["*"]
resources = ["*"]
allow_keys = true
[users]
{alice} = ["orders"]
{ops} = ["operator"]
"""


class PolicySetup:
    """A service with a policy, and two users of its broker."""

    def __init__(self, service: ConsumerSetup, policy: Path, alice: User, ops: User) -> None:
        self.service, self.policy, self.alice, self.ops = service, policy, alice, ops

    def caller(self, user: User) -> Caller:
        return Caller(user.url(), *self.service.consumer.queues)

    def write(self, text: str) -> None:
        """Another policy; `{alice}` and `{ops}` are the users' names."""
        self.policy.write_text(text.format(alice=self.alice.name, ops=self.ops.name))

    async def reload(self, event: str) -> None:
        """Let the service read the policy again; what it logs of that has `event` once more."""
        before = self.events(event)
        self.service.consumer.signal(signal.SIGHUP)
        await eventually(lambda: len(self.events(event)) > len(before), event)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [orjson.loads(line) for line in self.service.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]


@pytest.fixture
async def policed(shared_node: RabbitMQ, tmp_path: Path) -> AsyncIterator[PolicySetup]:
    policy = tmp_path / "policy.toml"
    async with AsyncExitStack() as stack:
        users = [User(shared_node), User(shared_node)]
        for user in users:
            stack.callback(user.delete)
            await user.allow(*CALLER)
        policy.write_text(POLICY.format(alice=users[0].name, ops=users[1].name))
        settings = {"POLICY_FILE": str(policy), "LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        service = await stack.enter_async_context(running_service(tmp_path, shared_node.url, **settings))
        yield PolicySetup(service, policy, *users)


async def refused(caller: Caller, body: bytes, **properties: Any) -> Error:
    error = Reply.decode((await caller.request(body, **properties)).body).error
    assert error is not None
    assert (error.code, error.source, error.outcome, error.retryable) == (
        "PERMISSION_DENIED", "consumer", "not-executed", False,
    )  # fmt: skip
    return error


async def done(caller: Caller, body: bytes, **properties: Any) -> bool:
    """Whether the answer is that of an earlier run."""
    message = await caller.request(body, **properties)
    assert Reply.decode(message.body).error is None
    return bool(message.headers.get("replayed", False))


def runs(gateway: FakeGateway, id: str) -> int:
    """How often the gateway executed a create-instance with this variable `id`."""
    return gateway.executions["CreateProcessInstance", f'{{"id":"{id}"}}']


async def test_each_user_runs_what_a_role_of_theirs_allows_and_nobody_else_anything(policed: PolicySetup) -> None:
    alice, ops, gateway = policed.alice.name, policed.ops.name, policed.service.gateway
    async with policed.caller(policed.alice) as first, policed.caller(policed.ops) as second:
        await done(first, create("order", id="a"), user_id=alice)
        await done(second, create("invoice", id="b"), user_id=ops)
        error = await refused(first, create("invoice", id="c"), user_id=alice)
        assert error.details == {"field": "data.bpmnProcessId"}
        for word in (alice, "create-instance", '"invoice"', "allowed: order"):
            assert word in error.message
        await refused(first, create("order", id="c"))
        cancel = orjson.dumps({"operation": "cancel-instance", "data": {"processInstanceKey": 2**52}})
        assert (await refused(first, cancel, user_id=alice)).details == {"field": "operation"}
        broken = Reply.decode((await first.request(b'{"operation": "create-instance"}', user_id=alice)).body).error
        assert broken is not None
        assert broken.code == "INVALID_ARGUMENT"
    assert runs(gateway, "a") == runs(gateway, "b") == 1
    assert runs(gateway, "c") == 0
    assert policed.service.metric("refused_total", reason="denied") == 3


async def test_a_denied_request_is_not_remembered_so_that_it_runs_when_it_is_allowed(policed: PolicySetup) -> None:
    alice, gateway = policed.alice.name, policed.service.gateway
    body, identity = create("invoice", id="later"), {"message_id": "r-1", "user_id": alice}
    async with policed.caller(policed.alice) as caller:
        await refused(caller, body, **identity)
        policed.write(POLICY.replace('processes = ["order"]', 'processes = ["order", "invo*"]'))
        await policed.reload("policy.loaded")
        assert not await done(caller, body, **identity)
        assert await done(caller, body, **identity)
        policed.write("version = 1\n[rolls]\n[users]\n{alice} = ['orders']")
        await policed.reload("policy.refused")
        [problems] = [line["problems"] for line in policed.events("policy.refused")]
        assert len(problems) == 2
        assert await done(caller, body, **identity)
        policed.write(POLICY)
        await policed.reload("policy.loaded")
        await refused(caller, body, **identity)
    assert runs(gateway, "later") == 1
    digests = [line["digest"] for line in policed.events("policy.loaded")]
    assert len(digests) == 3
    assert digests[0] == digests[2] != digests[1]


async def test_a_broken_policy_ends_the_start_with_every_problem(rabbitmq: Broker, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 2\n[users]\nalice = ['orders']")
    consumer = new_consumer(tmp_path, rabbitmq.url, "127.0.0.1:1", {"POLICY_FILE": str(policy)}).launch()
    assert consumer.process is not None
    await asyncio.to_thread(consumer.process.wait, 60)
    log = consumer.log.read_text()
    assert consumer.process.status == 2
    for word in (f"{policy}: version: found 2; expected 1", f'{policy}: users.alice[0]: unknown role "orders"'):
        assert word in log
    assert "Traceback" not in log


async def test_without_a_policy_the_signal_harms_nobody(rabbitmq: Broker, tmp_path: Path) -> None:
    async with running_service(tmp_path, rabbitmq.url) as service, service.caller() as caller:
        service.consumer.signal(signal.SIGHUP)
        await eventually(lambda: "no policy to read again" in service.log(), "it says so")
        await done(caller, create("order", id="a"))


async def test_requests_without_a_sender_can_be_refused(rabbitmq: Broker, tmp_path: Path) -> None:
    async with running_service(tmp_path, rabbitmq.url, REQUIRE_USER_ID="true") as service, service.caller() as caller:
        assert (await refused(caller, create("order", id="a"))).details == {"field": "user_id"}
        assert service.metric("refused_total", reason="anonymous") == 1
        await done(caller, create("order", id="b"), user_id="guest")
    assert runs(service.gateway, "a") == 0
