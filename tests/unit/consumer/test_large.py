"""Large messages are worked on beside the event loop: everybody else's go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from consumer.config import Zeebe
from consumer.core.call import Call
from consumer.core.delivery import Reply
from consumer.core.large import LARGE
from consumer.core.message import Message
from consumer.pipeline.handler import executing
from consumer.pipeline.middleware import recovered
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.workers import FakeEngine, FakePublisher, settled, worker_of
from zeebe_amqp import PublishMessage
from zeebe_amqp.testing import answer

SMALL = orjson.dumps({"operation": "publish-message", "data": {"messageName": "m"}})
MEMBERS = {f"v{number}": {"value": number} for number in range(40_000)}
MANY_MEMBERS = orjson.dumps({"operation": "signal", "data": {"name": "s", "variables": MEMBERS}}).ljust(4 << 20)
BODIES = [SMALL, b"no JSON", b'{"operation":"none"}', b'{"operation":"create-instance","data":{"x":1}}']


async def served(engine: Any, body: bytes) -> tuple[Reply, FakeDelivery]:
    """How a worker answers."""
    told, delivery = FakePublisher([]), FakeDelivery(Message(body, reply_to="replies"))
    await settled(worker_of(recovered()(executing(engine)), told), delivery)
    return told.sent[0], delivery


def noting(threads: list[str], work: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **options: Any) -> Any:
        threads.append(threading.current_thread().name.split("-")[0])
        return work(*arguments, **options)

    return noted


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which messages were decoded."""
    names: list[str] = []
    monkeypatch.setattr(Message, "decode", noting(names, Message.decode))
    return names


async def test_the_event_loop_goes_on_while_a_body_with_many_members_is_decoded(monkeypatch: Any) -> None:
    ticks, at, decode = 0, [], Message.decode

    def between(*arguments: Any) -> Any:
        at.append(ticks)
        decoded = decode(*arguments)
        at.append(ticks)
        return decoded

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    monkeypatch.setattr(Message, "decode", between)
    ticker = asyncio.create_task(tick())
    engine = FakeEngine()
    reply, _ = await served(engine, MANY_MEMBERS)
    ticker.cancel()
    assert at[1] - at[0] >= 10  # decoding on the event loop would leave it none
    assert (reply.error, engine.calls[0].large) == (None, True)


@for_each(BODIES)
async def test_only_a_large_body_is_decoded_beside_the_loop(body: bytes, threads: Any) -> None:
    answers = []
    for size, name in ((0, "MainThread"), (LARGE, "MainThread"), (LARGE + 1, "large")):
        threads.clear()
        reply, delivery = await served(FakeEngine(), body.ljust(size))
        assert (threads, delivery.large, delivery.idle) == ([name], name == "large", False)
        assert (reply.error is None) == (body == SMALL)
        answers.append(reply)
    assert answers == answers[:1] * 3


async def test_a_large_request_and_a_large_answer_are_mapped_beside_the_loop() -> None:
    publish, there, back = OPERATIONS["publish-message"], [], []
    row = Operation(PublishMessage, noting(there, publish.to_request), noting(back, publish.to_result))
    async with FakeGateway() as fake:
        engine = ZeebeEngine(Zeebe(fake.address, plaintext=True), operations={"publish-message": row})
        for large, size in ((False, 10), (True, 10), (False, LARGE + 1)):
            fake.script("PublishMessage", answer(pb.PublishMessageResponse(key=1, tenantId="t" * size)))
            result = await engine.execute(Call(PublishMessage(message_name="m"), large=large))
            assert result["tenantId"] == "t" * size
        await engine.close()
    assert there == ["MainThread", "large", "MainThread"]
    assert back == ["MainThread", "MainThread", "large"]
