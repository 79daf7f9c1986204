"""Who sends a request: request ids belong to a user, whom the broker checks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import User
from tests.integration.load import CREATE
from tests.integration.responder import FINE, Responder
from tests.integration.service import ConsumerSetup, running_service
from zeebe_amqp import Client, CreateInstance, PermissionDenied, Topology

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = (".*", ".*", ".*")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(shared_node: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """A consumer on the node whose users may change."""
    async with running_service(tmp_path_factory.mktemp("identity"), shared_node.url) as ready:
        yield ready


@pytest.fixture
def other(shared_node: RabbitMQ) -> Iterator[User]:
    """Another user than `user`."""
    made = User(shared_node)
    yield made
    made.delete()


async def test_each_user_s_request_ids_are_his_own(service: ConsumerSetup, user: User, other: User) -> None:
    """Nobody gets another's answer, and nobody keeps another from using an id, with the same content or not."""
    commands, polls = service.consumer.queues
    keys = []
    command = CreateInstance(bpmn_process_id="order", variables={"n": 1})
    for who in (user, other, user, other):
        await who.allow(*ALL)
        async with Client(who.url(), commands=commands, polls=polls) as client:
            result = await client.call(command, request_id="mine")
            keys.append(result.process_instance_key)
    assert len(set(keys[:2])) == 2, "the second user's is another request"
    assert keys[2:] == keys[:2], "each gets the own answer again"
    assert service.gateway.count(CREATE) == 2
    async with service.client(user_id="") as nobody:
        different = CreateInstance(bpmn_process_id="order", variables={"n": 2})
        await nobody.call(different, request_id="mine")  # nor is it taken for those without a name
    assert service.gateway.count(CREATE) == 3


@pytest.mark.parametrize("name", ["guest", "somebody"])
async def test_a_name_that_is_not_the_login_s_is_refused_with_both_names(user: User, name: str) -> None:
    await user.allow(*ALL)
    said = f"user_id property set to '{name}' but authenticated user was '{user.name}'; leave `user_id` out, or give"
    with pytest.raises(PermissionDenied, match=said) as raised:
        await Client(user.url(), user_id=name).__aenter__()
    assert not raised.value.retryable
    user.tag("impersonator")
    async with (
        Responder(user.node.url, FINE) as responder,
        Client(user.url(), commands=responder.queue, user_id=name) as client,
    ):
        await client.call(Topology())
        assert responder.requests[0].user_id == name
        user.tag()
        await user.cut()
        with pytest.raises(PermissionDenied, match=said):
            await asyncio.gather(*(client.call(Topology(), timeout=60) for _ in range(2)))


async def test_where_the_broker_knows_the_login_by_another_name_requests_go_without(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    """As with a token that does not look like one."""
    await user.allow(*ALL)
    async with Responder(user.node.url, FINE) as responder:
        client = Client(user.url(), commands=responder.queue)
        client._transport._sender.name = "another"  # type: ignore[attr-defined]
        with caplog.at_level(logging.WARNING, "zeebe_amqp.client"):
            async with client:
                for _ in range(3):
                    await client.call(Topology(), timeout=60)
                await user.cut()
                await client.call(Topology(), timeout=60)
        assert [each.user_id for each in responder.requests] == [None] * 4
    [told] = [each.getMessage() for each in caplog.records if each.name == "zeebe_amqp.client.sender"]
    assert "requests go without user_id" in told
    assert f"authenticated user was '{user.name}'" in told


async def test_requests_name_the_login_unless_told_otherwise(user: User) -> None:
    await user.allow(*ALL)
    async with Responder(user.node.url, FINE) as responder:
        for given in (None, user.name, ""):
            async with Client(user.url(), commands=responder.queue, user_id=given) as client:
                await client.call(Topology())
        assert [each.user_id for each in responder.requests] == [user.name, user.name, None]
