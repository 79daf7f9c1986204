"""What observers see, and what travels beside a request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from consumer.config import Basic, Zeebe
from consumer.core.call import CallSpan
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import BUSY, FakeGateway
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, DENIED, connected, refusal
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.testing import fail


class FakeObserver:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.metadata: tuple[tuple[str, str], ...] = (("traceparent", "00-1-2-01"),)
        self.seen: list[tuple[Any, ...]] = []

    @contextmanager
    def __call__(self, rpc: str, target: str) -> Iterator[CallSpan]:
        self.seen.append((rpc, target))
        yield self

    def attempt(self, number: int, code: str, delay: float) -> None:
        self.seen.append((number, code, delay))

    def finish(self, code: str) -> None:
        self.seen.append((code,))


async def test_an_observer_sees_every_attempt_and_the_end_and_how_a_call_failed(fake: FakeGateway, sleeps: Any) -> None:
    observer = FakeObserver()
    gateway = connected(fake, observer=observer, sleep=sleeps)
    fake.script("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
    await send(gateway, CREATE)
    assert observer.seen == [("CreateProcessInstance", fake.address), (1, "RESOURCE_EXHAUSTED", 0.1), ("OK",)]
    observer.seen.clear()
    fake.script("CompleteJob", fail("NOT_FOUND", DENIED))
    await refusal(gateway, COMPLETE)
    await gateway.close()
    assert observer.seen == [("CompleteJob", fake.address), ("NOT_FOUND",)]


async def test_the_target_of_an_observer_is_host_and_port(fake: FakeGateway) -> None:
    observer = FakeObserver()
    gateway = ZeebeEngine(Zeebe(f"dns:///localhost:{fake.port}", plaintext=True), observer)
    await send(gateway, CREATE)
    await gateway.close()
    assert observer.seen[0] == ("CreateProcessInstance", f"localhost:{fake.port}")


async def test_trace_context_and_credentials_travel_as_metadata_and_no_others(fake: FakeGateway) -> None:
    for credentials, sent in ((Basic("demo", "secret"), "Basic ZGVtbzpzZWNyZXQ="), (None, None)):
        gateway = ZeebeEngine(Zeebe(fake.address, plaintext=True, credentials=credentials), FakeObserver())
        await send(gateway, CREATE)
        await gateway.close()
        metadata = fake.requests[-1].metadata
        assert (metadata["traceparent"], metadata.get("authorization")) == ("00-1-2-01", sent)


async def test_fixed_credentials_that_are_refused_are_refused_for_good(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CreateProcessInstance", fail("UNAUTHENTICATED", "Expected bearer token"))
    error = await refusal(gateway, CREATE)
    assert fake.count("CreateProcessInstance") == 1
    assert verdict(error) == (Code.UNAUTHENTICATED, Source.GATEWAY, Outcome.NOT_EXECUTED, False)


async def test_a_hundred_calls_at_once_share_one_connection(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    requests = [pb.PublishMessageRequest(name="paid", messageId=str(number)) for number in range(100)]
    responses: list[Any] = await asyncio.gather(*(send(gateway, request) for request in requests))
    assert len({response.key for response in responses}) == 100
    assert set(fake.executions.values()) == {1}
