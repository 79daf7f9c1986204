"""The service in memory is as strict as the real one, also with what nobody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cases import check_each
from tests.unit.contracts.samples import KEY
from zeebe_amqp import (
    CancelInstance,
    Client,
    CompleteJob,
    CreateInstance,
    DeployProcess,
    DeployResource,
    PublishMessage,
    Resource,
    Topology,
    wire,
)
from zeebe_amqp.client import Outgoing
from zeebe_amqp.errors import NotFound, ResourceExhausted, Unavailable
from zeebe_amqp.testing import FakeConsumer, Step, answer, fail, unknown

ORDER = CreateInstance(bpmn_process_id="order", variables={"id": 7})
PAID = PublishMessage(message_name="paid", time_to_live="1h")


def request(body: bytes, request_id: str = "a", **options: Any) -> Outgoing:
    """What a transport is given."""
    return Outgoing(body=body, queue=wire.COMMANDS_QUEUE, correlation_id="a", request_id=request_id, **options)


async def test_what_is_no_request_is_refused_and_recorded(consumer: FakeConsumer, zeebe: Client) -> None:
    reply = await zeebe.call_raw(b'{"operation": "create-instance", "data": {"bpmnProcesId": "a"}}')
    assert b'"suggestion":"bpmnProcessId"' in reply
    [call] = consumer.calls
    assert (call.command, call.reply and call.reply.operation) == (None, "create-instance")


async def test_other_queues_do_not_exist(consumer: FakeConsumer) -> None:
    consumer = FakeConsumer(commands="mine", polls="mine.polls")
    consumer.always(Topology, answer())
    async with consumer.client() as zeebe, Client(consumer.transport()) as lost:
        await zeebe.call(Topology())
        with pytest.raises(Unavailable, match=r"queue 'zeebe.commands' does not exist"):
            await lost.call(Topology())


async def test_a_request_that_is_late_or_has_a_bad_header_is_not_run(consumer: FakeConsumer) -> None:
    """A real client sends none; whoever writes a transport of their own might."""
    answers: list[bytes] = []

    class Receiver:
        def on_connected(self) -> None: ...

        def on_received(self, _: str | None, body: bytes) -> None:
            answers.append(body)

    consumer.always(Topology, answer())
    transport = consumer.transport()
    await transport.open(Receiver())
    await transport.publish(request(b'{"operation": "topology"}', deadline=1.0))
    await transport.publish(request(b'{"operation": "topology"}', request_id="a" * 256))
    await transport.close()
    await transport.close()
    assert b"DEADLINE_EXCEEDED" in answers[0]
    assert b"header request-id: expected text of at most 255 bytes" in answers[1]
    assert consumer.executed(Topology) == []


async def test_what_a_gateway_would_not_take_is_refused(consumer: FakeConsumer, zeebe: Client) -> None:
    async def is_refused(command: Any) -> None:
        consumer.always(type(command), answer())
        with pytest.raises(ResourceExhausted, match="accepted are at most 4194304"):
            await zeebe.call(command)

    cases = [
        PublishMessage(message_name="a", variables={"a": "x" * wire.MAX_MESSAGE}),
        DeployResource(resources=(Resource(name="a.bpmn", content="x" * wire.MAX_MESSAGE),)),
        DeployProcess(name="a.bpmn", content=b"x" * wire.MAX_MESSAGE),
    ]
    await check_each(cases, is_refused)
    consumer.always(CompleteJob, answer())
    with pytest.raises(NotFound, match=r"data\.jobKey: 7 is not a key of any cluster"):
        await zeebe.call(CompleteJob(job_key=7))


async def test_what_is_sent_has_run_when_it_is_confirmed(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(PublishMessage, answer())
    identity = await zeebe.send(PAID)
    await zeebe.send(PAID, request_id=identity)
    assert len(consumer.executed(PAID)) == 1
    assert [(call.replied, call.deadline, call.dead) for call in consumer.calls] == [(False, None, False)] * 2


async def test_what_fails_for_good_while_nobody_waits_is_a_dead_letter(consumer: FakeConsumer, zeebe: Client) -> None:
    for step in (fail("NOT_FOUND"), unknown()):
        consumer.script(CreateInstance, step)
        await zeebe.send(ORDER)
        dead = consumer.dead_letters[-1]
        assert dead.command == ORDER
        assert dead.reply is not None
        assert dead.reply.error is not None
    assert len(consumer.dead_letters) == 2
    await consumer.transport().publish(request(b'{"operation": "toplogy"}', replied=False))
    assert len(consumer.dead_letters) == 3, "also what is no request"


async def test_what_may_pass_is_tried_again_while_nobody_waits(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, fail("UNAVAILABLE", outcome="not-executed"), fail("RESOURCE_EXHAUSTED"), answer())
    consumer.script(CancelInstance, unknown(), answer())
    await zeebe.send(ORDER)
    await zeebe.send(CancelInstance(process_instance_key=KEY))
    await zeebe.close()
    assert consumer.dead_letters == []
    assert len(consumer.executed(ORDER)) == 1
    assert len(consumer.executed(CancelInstance)) == 2


async def test_what_waits_for_the_engine_is_no_dead_letter(consumer: FakeConsumer, zeebe: Client) -> None:
    proxy = fail("UNAVAILABLE", source="consumer", outcome="not-executed", retryable=True)
    for step in (fail("RESOURCE_EXHAUSTED"), proxy):
        consumer.always(CreateInstance, step)
        await zeebe.send(ORDER)
    await zeebe.close()
    assert (consumer.dead_letters, consumer.executed(ORDER)) == ([], [])


async def test_closing_waits_for_what_was_sent(consumer: FakeConsumer) -> None:
    goes_on = asyncio.Event()

    async def slow(_: CreateInstance) -> Step:
        await goes_on.wait()
        return answer()

    consumer.script(CreateInstance, slow)
    async with consumer.client() as zeebe:
        await zeebe.send(ORDER)
        assert consumer.executed(ORDER) == []
        asyncio.get_running_loop().call_later(0.01, goes_on.set)
    assert len(consumer.executed(ORDER)) == 1
