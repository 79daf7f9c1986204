"""The queues and exchanges at the broker: declared with each connection that uses them, or checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.config.values import AuditSink
from consumer.rabbitmq.differences import compare
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import RPC_TIMEOUT
from zeebe_amqp.amqp.refusal import BIND, DECLARE, Rights, refusals
from zeebe_amqp.errors import Code
from zeebe_amqp.jobs.names import DEAD, JOBS_EXCHANGE, RESULTS, RESULTS_EXCHANGE, UNDONE, job_queue_arguments

__all__ = [
    "DECLARE_EXCHANGE",
    "DECLARE_QUEUE",
    "OTHERWISE",
    "declare_audit",
    "declare_dead_letters",
    "declare_job_queue",
    "declare_jobs",
    "declare_publishing",
    "declare_requests",
    "queue_names",
]

log = logging.getLogger(__name__)

DECLARE_QUEUE: Final[Rights] = {"queue": "configure and read from", "exchange": "write to"}
"""A queue with a dead-letter exchange needs more rights than another."""
DECLARE_EXCHANGE: Final[Rights] = {"exchange": "configure"}
OTHERWISE: Final = {
    Code.PERMISSION_DENIED: "; or declare queues and exchange yourself, and set AMQP_DECLARE=passive",
    Code.NOT_FOUND: "; AMQP_DECLARE=passive leaves declaring to you",
    Code.FAILED_PRECONDITION: ", or take it as it is with AMQP_DECLARE=passive",
}
"""What else can be done where a declaration is refused."""
BOUNDS: Final = frozenset({"x-max-length", "x-max-length-bytes", "x-delivery-limit"})
"""Arguments of a queue of jobs that follow settings: one with other bounds does its work, and changing `limit` or
`delivery_limit` must not need a new queue."""
_EXCHANGE_OF_AUDIT: Final = {Code.NOT_FOUND: "; AUDIT names it: declare it, and bind a queue to it"}


def queue_names(amqp: Amqp, jobs: Sequence[JobType] = ()) -> Sequence[str]:
    """The queues that are ours: requests, dead letters, jobs, and what workers say of these."""
    return (*amqp.queues, wire.DEAD_LETTER, RESULTS, UNDONE, *(each.queue for each in jobs))


async def declare_requests(connection: AbstractConnection, amqp: Amqp, queues: Sequence[str]) -> None:
    """Declare request queues, with strict replies also the exchange before them, or with AMQP_DECLARE=passive check.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    await _declare_requests(connection, amqp, queues)
    if amqp.reply_exchange is not None and (ours := [queue for queue in queues if queue in amqp.queues]):
        await _bind(connection, amqp, wire.REQUESTS_EXCHANGE, ours)


async def _declare_requests(connection: AbstractConnection, amqp: Amqp, queues: Sequence[str]) -> None:
    passive = amqp.declare == "passive"
    async with asyncio.timeout(RPC_TIMEOUT):
        # A channel of its own: a refused declaration closes its channel and fails whatever else is on it.
        async with connection.channel() as channel:
            for name in queues:
                with refusals(DECLARE_QUEUE, OTHERWISE):
                    await channel.declare_queue(
                        name, durable=True, arguments=wire.queue_arguments(name), passive=passive
                    )
        if passive:
            for name in queues:
                await _compare(connection.channel(), name, wire.queue_arguments(name))


async def _bind(connection: AbstractConnection, amqp: Amqp, exchange: str, queues: Sequence[str]) -> None:
    """Declare an exchange in which each of these queues gets what has its name as the routing key, or check it."""
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        await _declare_exchange(channel, amqp, exchange, ExchangeType.DIRECT)
        if amqp.declare != "passive":
            for name in queues:
                queue = await channel.get_queue(name, ensure=False)
                with refusals(BIND, OTHERWISE):
                    await queue.bind(exchange, name)


async def _declare_exchange(channel: AbstractChannel, amqp: Amqp, name: str, kind: ExchangeType) -> AbstractExchange:
    with refusals(DECLARE_EXCHANGE, OTHERWISE):
        return await channel.declare_exchange(name, kind, durable=True, passive=amqp.declare == "passive")


async def declare_publishing(connection: AbstractConnection, amqp: Amqp) -> None:
    """Declare or check what the service publishes to: dead letters, and with strict replies the exchange of these.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    await declare_dead_letters(connection, amqp)
    if amqp.reply_exchange is not None:
        async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
            await _declare_exchange(channel, amqp, amqp.reply_exchange, ExchangeType.TOPIC)


async def declare_dead_letters(connection: AbstractConnection, amqp: Amqp) -> None:
    """Declare the dead-letter exchange and queue, or with AMQP_DECLARE=passive check them.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    passive = amqp.declare == "passive"
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        name, arguments = wire.DEAD_LETTER, wire.queue_arguments(wire.DEAD_LETTER)
        exchange = await _declare_exchange(channel, amqp, name, ExchangeType.FANOUT)
        with refusals(DECLARE, OTHERWISE):
            queue = await channel.declare_queue(name, durable=True, arguments=arguments, passive=passive)
        if not passive:
            with refusals(BIND, OTHERWISE):
                await queue.bind(exchange)


async def declare_jobs(connection: AbstractConnection, amqp: Amqp) -> None:
    """Declare the queue of answers, and the exchange and queue of jobs that no worker ends, or check them; with strict
    replies also the exchanges before the queues of jobs and that of answers.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    await _declare_requests(connection, amqp, (RESULTS, UNDONE))
    if amqp.reply_exchange is not None:
        await _bind(connection, amqp, RESULTS_EXCHANGE, (RESULTS,))
        await _bind(connection, amqp, JOBS_EXCHANGE, ())
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        exchange = await _declare_exchange(channel, amqp, DEAD, ExchangeType.FANOUT)
        if amqp.declare != "passive":
            queue = await channel.get_queue(UNDONE, ensure=False)
            with refusals(BIND, OTHERWISE):
                await queue.bind(exchange)


async def declare_job_queue(connection: AbstractConnection, amqp: Amqp, job_type: JobType) -> None:
    """Declare the queue of a type of jobs, or check it. One that differs in its bounds alone is used as it is.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    name, arguments = job_type.queue, job_queue_arguments(job_type.limit, job_type.delivery_limit)

    async def declare(durable: bool, arguments: Mapping[str, Any], *, passive: bool = False) -> None:
        async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
            await channel.declare_queue(name, durable=durable, arguments=dict(arguments), passive=passive)

    with refusals(DECLARE_QUEUE, OTHERWISE):
        if amqp.declare == "passive":
            await declare(True, arguments, passive=True)
            await _compare(connection.channel(), name, arguments)
            return
        try:
            await declare(True, arguments)
        except ChannelPreconditionFailed as error:
            differences, _ = await compare(declare, arguments)
            if not differences or not {each.argument for each in differences} <= BOUNDS:
                raise
            _tell_difference(name, error)
    if amqp.reply_exchange is not None:
        await _bind(connection, amqp, JOBS_EXCHANGE, (name,))


async def declare_audit(connection: AbstractConnection, amqp: Amqp, sink: AuditSink) -> None:
    """Declare the stream of the audit, or with AMQP_DECLARE=passive check it; an exchange is checked in any case.

    Raises:
        BrokerRefusal: missing, different (the text names the argument), or not allowed.
    """
    async with asyncio.timeout(RPC_TIMEOUT), connection.channel() as channel:
        if sink.kind == "exchange":
            with refusals(DECLARE_EXCHANGE, _EXCHANGE_OF_AUDIT):
                await channel.declare_exchange(sink.name, passive=True)
            return
        with refusals(DECLARE, OTHERWISE):
            await channel.declare_queue(
                sink.name, durable=True, arguments=dict(wire.STREAM), passive=amqp.declare == "passive"
            )


async def _compare(channel: AbstractChannel, name: str, arguments: Mapping[str, Any]) -> None:
    """Warn of the argument in which an existing queue differs; AMQP says it only in the refusal of a declaration."""
    try:
        async with channel:
            await channel.declare_queue(name, durable=True, arguments=dict(arguments))
    except ChannelPreconditionFailed as error:
        _tell_difference(name, error)
    except ChannelAccessRefused:
        words = "queue %r exists; its arguments cannot be compared without the right to configure it"
        log.info(words, name, extra={"event": "queue.unchecked", "queue": name})


def _tell_difference(name: str, error: Exception) -> None:
    fields = {"event": "queue.differs", "queue": name, "error": str(error)}
    log.warning("queue %r is used as it is, but differs from what we would declare: %s", name, error, extra=fields)
