"""The queues of a type of jobs without the service: gives out jobs, and tells what their workers make of them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple, Self

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from tests.integration.service import TIMEOUT
from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import AnswerMessage, GivenOut, to_command
from zeebe_amqp.jobs.job_message import write_job
from zeebe_amqp.jobs.readings import PLAIN, READINGS

RETRIES = 3
FIRST_KEY = 2251799813685250
REJECTED = "rejected"
"""Why a job that was rejected is in the queue of undone jobs."""


class Ended(NamedTuple):
    """What came of a job."""

    key: int
    command: Command | None
    """What its answer comes to; None without an answer."""
    death: str | None = None
    """Why the broker took it from its queue instead."""


class PlayedJobs:
    """The queues of one type of jobs, on a virtual host of a test's own; an async context manager.

    Args:
        url: the virtual host.
        job_type: of the jobs.
        reading: how their workers write answers.
    """

    def __init__(self, url: str, job_type: str, reading: str = PLAIN) -> None:
        self._url = url
        self._type = job_type
        self._reading = READINGS[reading]
        self._ids = SignedIds([b"k" * 32])
        self._keys = iter(range(FIRST_KEY, FIRST_KEY + 10_000))
        self._ended: asyncio.Queue[Ended] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        self._channel = channel = await self._connection.channel()
        dead = await channel.declare_exchange(names.DEAD, aio_pika.ExchangeType.FANOUT, durable=True)
        arguments = dict(names.job_queue_arguments(names.LIMIT, names.DELIVERY_LIMIT))
        self._jobs = await channel.declare_queue(names.job_queue(self._type), durable=True, arguments=arguments)
        queue = dict(wire.REQUEST_QUEUE)
        results = await channel.declare_queue(names.RESULTS, durable=True, arguments=queue)
        undone = await channel.declare_queue(names.UNDONE, durable=True, arguments=queue)
        await undone.bind(dead)
        await results.consume(self._answered, no_ack=True)
        await undone.consume(self._came_back, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def give(self, variables: dict[str, Any], *, deadline: float = 300) -> int:
        """Give out a job, as the service does; its key.

        Args:
            variables: of the job.
            deadline: in so many seconds its time is over; the message waits all the same.
        """
        now, key = time.time(), next(self._keys)
        job = _job(key, self._type, round((now + deadline) * 1000), json.dumps(variables))
        signed = self._ids.write(JobId(key, job.deadline, RETRIES, hash_type(self._type)))
        body, written = write_job(job, signed, now, {})
        message = aio_pika.Message(
            body,
            content_type=written.content_type,
            type=written.type,
            reply_to=written.reply_to,
            correlation_id=written.correlation_id,
            message_id=written.message_id,
            timestamp=written.timestamp,
            delivery_mode=written.delivery_mode,
            headers=dict(written.headers or {}),
        )
        await self._channel.default_exchange.publish(message, self._jobs.name)
        return key

    async def ended(self) -> Ended:
        """What came of the next job."""
        async with asyncio.timeout(TIMEOUT):
            return await self._ended.get()

    async def has_worker(self) -> None:
        """Return when a worker takes jobs."""
        async with asyncio.timeout(TIMEOUT):
            while not (await self._declared()).consumer_count:  # noqa: ASYNC110 - it is another program's
                await asyncio.sleep(0.1)

    async def purge(self) -> None:
        """Take out what waits, for the next test."""
        await self._jobs.purge()

    async def waiting(self) -> int:
        """Jobs that no worker has."""
        return (await self._declared()).message_count or 0

    async def _declared(self) -> Any:
        return (await self._channel.declare_queue(self._jobs.name, passive=True)).declaration_result

    async def _answered(self, message: AbstractIncomingMessage) -> None:
        found = self._ids.read(message.correlation_id)
        assert found is not None, "an answer without the id of its job"
        answer = AnswerMessage(
            message.body, message.type, message.content_type, message.headers, message.content_encoding
        )
        job = GivenOut(found.key, found.retries, self._type)
        await self._ended.put(Ended(found.key, to_command(answer, job, reading=self._reading)))

    async def _came_back(self, message: AbstractIncomingMessage) -> None:
        found = self._ids.read(message.correlation_id)
        assert found is not None, "what came back has lost its id"
        await self._ended.put(Ended(found.key, None, str(message.headers["x-first-death-reason"])))


def _job(key: int, job_type: str, deadline: int, variables: str) -> ActivatedJob:
    return ActivatedJob(
        key=key,
        type=job_type,
        process_instance_key=FIRST_KEY - 1,
        bpmn_process_id="payment",
        process_definition_version=1,
        process_definition_key=FIRST_KEY - 2,
        element_id="charge",
        element_instance_key=FIRST_KEY - 3,
        custom_headers='{"account":"main"}',
        worker="zeebe-amqp",
        retries=RETRIES,
        deadline=deadline,
        variables=variables,
        tenant_id="<default>",
        kind="BPMN_ELEMENT",
        listener_event_type="UNSPECIFIED",
    )
