"""Jobs are published where their queue was declared on this very connection, and what became of each is told."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aio_pika import ExchangeType
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.jobs.job_queues import NotSent, NotTaken, QueueFull, QueueRefused, Unwritable
from consumer.pipeline.publishing import PublishFailed, Refused, TooLarge
from consumer.rabbitmq.jobs import FRESH, JobPublisher
from consumer.rabbitmq.publisher import NotWritten, Publisher, Unroutable
from consumer.rabbitmq.topology import declare_job_queue, declare_jobs
from tests.cases import for_each
from tests.unit.consumer.workers import until
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.jobs.names import job_queue_arguments

TYPE = JobType("charge-card", limit=7)
ARGUMENTS = dict(job_queue_arguments(7, 3))
PASSIVE = Amqp(declare="passive")


def differs(argument: str, current: str = "the value '4' of type 'long'") -> ChannelPreconditionFailed:
    return ChannelPreconditionFailed(
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'zeebe.jobs.charge-card' in vhost '/': "
        f"received the value '28' of type 'signedint' but current is {current}"
    )


@pytest.fixture
async def jobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A publisher of jobs whose connection is a mock."""
    publisher = Mock(spec=Publisher, is_ready=True, problem=None)
    publisher.publish, publisher.declare, publisher.ready = AsyncMock(), AsyncMock(), AsyncMock()
    publisher.answers = AsyncMock(return_value=True)
    monkeypatch.setattr("consumer.rabbitmq.jobs.Publisher", Mock(return_value=publisher))
    made: Any = JobPublisher(Amqp(), AsyncMock(return_value=QueueState(3, 1)))
    made.publisher = publisher
    return made


async def publish(jobs: JobPublisher) -> None:
    await jobs.publish(TYPE, b"{}", Properties())


@for_each([(Unroutable(), NotTaken), (Refused("full"), QueueFull), (NotWritten("not connected"), NotSent),
           (ValueError("too large"), Unwritable), (TypeError("no"), Unwritable),
           (TooLarge(9, 8), Unwritable),
           (PublishFailed("?"), PublishFailed)])  # fmt: skip
async def test_what_became_of_a_job_is_told(raised: Exception, told: type, jobs: Any) -> None:
    jobs.publisher.publish.side_effect = raised
    with pytest.raises(told) as caught:
        await publish(jobs)
    assert type(caught.value) is told


async def test_a_job_goes_to_the_queue_of_its_type_or_back_and_not_into_a_connection_that_waits(jobs: Any) -> None:
    await publish(jobs)
    assert jobs.publisher.publish.await_args.kwargs == {
        "exchange": "",
        "routing_key": "zeebe.jobs.charge-card",
        "mandatory": True,
    }
    jobs.publisher.is_ready, jobs.publisher.problem = False, "an alarm"
    with pytest.raises(NotSent, match="an alarm"):
        await publish(jobs)
    assert (jobs.publisher.publish.await_count, jobs.is_ready, jobs.problem) == (1, False, "an alarm")


async def test_a_queue_is_declared_once_for_each_connection_and_again_when_it_may_be_gone(
    jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.rabbitmq.jobs.declare_jobs", AsyncMock())
    for expected in (1, 1):
        await jobs.prepare(TYPE)
        assert jobs.publisher.declare.await_count == expected
    await jobs._declare(Mock(), Amqp())
    assert jobs.openings == 1
    await jobs.prepare(TYPE)
    jobs.publisher.publish.side_effect = Unroutable()
    with pytest.raises(NotTaken):
        await publish(jobs)
    await jobs.prepare(TYPE)
    assert await jobs.measure(TYPE) == QueueState(3, 1)
    await jobs.prepare(TYPE)
    assert jobs.publisher.declare.await_count == 3
    jobs._measure.return_value = None
    assert await jobs.measure(TYPE) is None
    await jobs.prepare(TYPE)
    assert jobs.publisher.declare.await_count == 4


async def test_a_queue_that_was_declared_on_a_connection_that_is_gone_is_declared_again(jobs: Any) -> None:
    async def lose(_: Any) -> None:
        jobs.openings += 1

    jobs.publisher.declare.side_effect = lose
    await jobs.prepare(TYPE)
    await jobs.prepare(TYPE)
    assert jobs.publisher.declare.await_count == 2


@for_each([(BrokerRefusal("another one", Mock()), QueueRefused), (PublishFailed("not connected"), ConnectionError),
           (TimeoutError(), ConnectionError), (ChannelEnded("lost"), ConnectionError)])  # fmt: skip
async def test_a_queue_that_cannot_be_used_is_told_from_a_broker_that_is_away(
    raised: Exception, told: type, jobs: Any
) -> None:
    jobs.publisher.declare.side_effect = raised
    with pytest.raises(told) as caught:
        await jobs.prepare(TYPE)
    assert type(caught.value) is told


async def test_the_broker_is_asked_whether_it_takes_messages_unless_it_just_did(jobs: Any) -> None:
    await jobs.ready()
    await jobs.ready()
    assert jobs.publisher.answers.await_count == 1
    jobs._confirmed -= FRESH
    await publish(jobs)
    await jobs.ready()
    assert jobs.publisher.answers.await_count == 1


async def test_a_broker_that_does_not_answer_is_asked_again(jobs: Any) -> None:
    jobs.publisher.answers.side_effect = [False, True]
    await jobs.ready()
    assert (jobs.publisher.answers.await_count, jobs.publisher.ready.await_count) == (2, 3)


async def test_its_connection_is_kept_open(jobs: Any) -> None:
    jobs.publisher.run = AsyncMock()
    await jobs.run()
    jobs.publisher.run.assert_awaited_once_with()


async def test_the_exchange_of_jobs_that_nobody_ends_leads_to_its_queue(connection: Any, channel: AsyncMock) -> None:
    await declare_jobs(connection, Amqp())
    assert [each.args[0] for each in channel.declare_queue.mock_calls] == ["zeebe.jobs.results", "zeebe.jobs.undone"]
    channel.declare_exchange.assert_awaited_once_with(
        "zeebe.jobs.dead", ExchangeType.FANOUT, durable=True, passive=False
    )
    queue = channel.get_queue
    queue.assert_awaited_once_with("zeebe.jobs.undone", ensure=False)
    queue.return_value.bind.assert_awaited_once_with(channel.declare_exchange.return_value)


async def test_passive_mode_binds_nothing(connection: Any, channel: AsyncMock) -> None:
    await declare_jobs(connection, PASSIVE)
    assert channel.declare_exchange.await_args.kwargs["passive"]
    channel.get_queue.assert_not_called()


async def test_a_queue_of_jobs_is_declared_with_its_bounds(connection: Any, channel: AsyncMock) -> None:
    await declare_job_queue(connection, Amqp(), TYPE)
    channel.declare_queue.assert_awaited_once_with(TYPE.queue, durable=True, arguments=ARGUMENTS, passive=False)
    assert (ARGUMENTS["x-max-length"], ARGUMENTS["x-delivery-limit"]) == (28, 3)


async def test_a_queue_with_other_bounds_is_used_as_it_is(connection: Any, channel: AsyncMock, caplog: Any) -> None:
    refused = differs("x-max-length")
    channel.declare_queue.side_effect = [refused, refused, Mock()]
    await declare_job_queue(connection, Amqp(), TYPE)
    assert channel.declare_queue.await_args.kwargs["arguments"] == {**ARGUMENTS, "x-max-length": 4}
    assert [record.event for record in caplog.records] == ["queue.differs"]


@for_each([([differs("x-overflow", "none")] * 2 + [Mock()], "x-overflow"),
           ([ChannelPreconditionFailed("PRECONDITION_FAILED - strange")] * 2, "strange"),
           ([ChannelAccessRefused("ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'ann'")],
            "right to configure")])  # fmt: skip
async def test_another_queue_is_not_used(answers: list[Any], words: str, connection: Any, channel: AsyncMock) -> None:
    channel.declare_queue.side_effect = answers
    with pytest.raises(BrokerRefusal, match=words):
        await declare_job_queue(connection, Amqp(), TYPE)


async def test_passive_mode_uses_any_queue_and_tells_in_what_it_differs(
    connection: Any, channel: AsyncMock, caplog: Any
) -> None:
    channel.declare_queue.side_effect = [Mock(), differs("x-overflow", "none")]
    await declare_job_queue(connection, PASSIVE, TYPE)
    assert [each.kwargs.get("passive", False) for each in channel.declare_queue.mock_calls] == [True, False]
    assert [record.event for record in caplog.records] == ["queue.differs"]


async def test_an_alarm_holds_back_who_asks(jobs: Any) -> None:
    taken = asyncio.Event()

    async def wait() -> bool:
        return await taken.wait()

    jobs.publisher.answers.side_effect = wait
    waiting = asyncio.create_task(jobs.ready())
    await until(lambda: jobs.publisher.answers.await_count)
    assert not waiting.done()
    taken.set()
    await waiting
