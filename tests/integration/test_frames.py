"""However the frames of AMQP come, small, in pieces or between each other's, what they carry is the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
import pytest_asyncio
from yarl import URL

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import FIRST_PARTITION, Request
from tests.faults.proxy import Proxy
from tests.faults.streams import in_turn, mixed
from tests.integration.broker_control import evaluate, version
from tests.integration.caller import Caller
from tests.integration.load import CREATE
from tests.integration.service import CONNECTIONS, ConsumerSetup, create, running_service
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAST, LEAST_FROM_4 = 4_096, 8_192
"""Bytes of the largest frame: the least that AMQP allows, and that brokers from 4.0 on take."""
LARGE = 100 * LEAST_FROM_4
TEXT = "".join(f"{number:x}," for number in range(LARGE // 4))[:LARGE]


@pytest.fixture(scope="module")
def small_frames(shared_node: RabbitMQ) -> Iterator[RabbitMQ]:
    """The broker, whose new connections have frames as small as they can be."""
    before = evaluate(shared_node, "element(2, application:get_env(rabbit, frame_max))")
    least = LEAST if version(shared_node) < "4" else LEAST_FROM_4
    evaluate(shared_node, f"application:set_env(rabbit, frame_max, {least})")
    yield shared_node
    evaluate(shared_node, f"application:set_env(rabbit, frame_max, {before})")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(small_frames: RabbitMQ) -> AsyncIterator[Proxy]:
    """On the way to it."""
    async with Proxy(small_frames.port) as between:
        yield between


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def tamed(proxy: Proxy) -> AsyncIterator[None]:
    """What a test lets the proxy do ends with the test."""
    yield
    proxy.delay, proxy.cutting = 0.0, None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    proxy: Proxy, small_frames: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ConsumerSetup]:
    """A consumer behind the proxy that gets the frames of its two queues mixed, and answers with what it was asked."""
    proxy.filtering = mixed
    async with running_service(tmp_path_factory.mktemp("frames"), address(small_frames.url, proxy)) as ready:
        ready.gateway.always(CREATE, echo)
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup, small_frames: RabbitMQ) -> AsyncIterator[Caller]:
    """A caller that nothing is between."""
    async with Caller(small_frames.url, *service.consumer.queues) as connected:
        yield connected


def address(url: str, proxy: Proxy) -> str:
    """The broker's address, through the proxy."""
    return str(URL(url).with_port(proxy.port))


def echo(request: Request) -> Step:
    """An answer as long as the request."""
    created = pb.CreateProcessInstanceResponse(
        bpmnProcessId=request.message.bpmnProcessId,
        processInstanceKey=FIRST_PARTITION,
        tenantId=request.message.variables,
    )
    return answer(created)


async def echoed(caller: Caller, queue: str, name: str, length: int) -> bool:
    """Whether the answer to a request of that length is its own."""
    text = f"{name}-{TEXT[:length]}"
    reply = Reply.decode((await caller.request(create(name, text=text), queue=queue)).body)
    assert reply.error is None, reply.error
    return orjson.loads(reply.data["tenantId"]) == {"text": text} and reply.data["bpmnProcessId"] == name


async def assert_answered(service: ConsumerSetup, caller: Caller, *lengths: int) -> None:
    """Requests of these lengths, four of each in each queue and all at a time, get each its answer, and run once."""
    service.gateway.executions.clear()
    calls = [
        echoed(caller, queue, f"{queue}-{number}-{length}", length)
        for number in range(4)
        for queue in service.consumer.queues
        for length in lengths
    ]
    assert all(await asyncio.gather(*calls))
    assert set(service.gateway.executions.values()) == {1}
    assert len(service.gateway.executions) == len(calls)
    assert service.connections() == CONNECTIONS


async def test_bodies_in_a_hundred_frames_between_other_channels_frames_are_answered_right(
    service: ConsumerSetup, caller: Caller, proxy: Proxy
) -> None:
    proxy.delay = 0.02  # so that bodies of both queues come together
    await assert_answered(
        service, caller, LARGE, 0, 1, *(size - less for size in (LEAST, LEAST_FROM_4) for less in (8, 0)), LARGE - 1
    )


async def test_requests_that_come_in_pieces_of_1_to_64_bytes_are_answered_right(
    service: ConsumerSetup, caller: Caller, proxy: Proxy
) -> None:
    proxy.cutting = in_turn(64)
    await assert_answered(service, caller, *range(0, 64, 8), LEAST_FROM_4)
