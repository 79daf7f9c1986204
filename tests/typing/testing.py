"""What type checkers see of the service in memory. The lines marked with `ignore` must be errors."""

from __future__ import annotations

from typing import assert_type

from zeebe_amqp import Client, CreateInstance, SyncClient, Topology, Worker
from zeebe_amqp.client import Transport
from zeebe_amqp.testing import (
    Call,
    FakeConsumer,
    FakeJob,
    JobState,
    Step,
    after,
    answer,
    disconnect,
    drop_reply,
    fail,
    unknown,
)

ORDER = CreateInstance(bpmn_process_id="order")


def scripts(consumer: FakeConsumer) -> None:
    """Steps are steps, and functions get the command that is meant."""
    assert_type(answer(version=2), Step)
    assert_type(after(60, drop_reply(disconnect(fail("NOT_FOUND")))), Step)
    consumer.script(CreateInstance, answer(), unknown(), lambda command: answer(tags=command.tags))
    consumer.script(ORDER, answer())
    consumer.always(CreateInstance, answer(), where=lambda command: command.bpmn_process_id == "order")
    consumer.always(Topology, answer(), where=lambda command: command.tags == ())  # type: ignore[attr-defined]
    consumer.script("topology", answer())  # type: ignore[arg-type]
    consumer.script(Topology, {"clusterSize": 1})  # type: ignore[arg-type]


def records(consumer: FakeConsumer) -> None:
    """What arrived has the type that is asked for."""
    assert_type(consumer.of(CreateInstance), list[CreateInstance])
    assert_type(consumer.of(ORDER), list[CreateInstance])
    assert_type(consumer.executed(Topology), list[Topology])
    assert_type(consumer.count(ORDER), int)
    assert_type(consumer.calls, list[Call])


async def clients(consumer: FakeConsumer, worker: Worker) -> None:
    """The clients are the real ones."""
    assert_type(consumer.client(timeout=5), Client)
    assert_type(consumer.sync_client(), SyncClient)
    assert_type(consumer.transport(), Transport)
    Client(consumer.transport())
    job = consumer.add_job("charge-card", {"amount": 10})
    assert_type(job, FakeJob)
    assert_type(job.state, JobState)
    consumer.push_jobs("charge-card", queue="jobs", timeout="1m", delivery_limit=2)
    consumer.push_jobs(7)  # type: ignore[arg-type]
    await consumer.work(worker)
    consumer.client(time=5)  # type: ignore[call-arg]
