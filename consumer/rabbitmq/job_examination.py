"""An examination of the queues of jobs, for `doctor`, `check` and `jobs`: facts, without a judgement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.rabbitmq.inspection import ask_broker
from consumer.rabbitmq.look import ExchangeFacts, Look, QueueFacts
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import close, connect, tls_context
from zeebe_amqp.jobs.names import DEAD, RESULTS, UNDONE, job_queue_arguments

__all__ = ["JobFacts", "examine_jobs", "look_at_jobs"]

T = TypeVar("T")


@dataclass(frozen=True)
class JobFacts:
    """What was found of everything that jobs need at the broker."""

    queues: Mapping[str, QueueFacts]
    """By type."""
    results: QueueFacts
    undone: QueueFacts
    exchange: ExchangeFacts
    """The one that takes jobs that no worker ends."""


async def look_at_jobs(amqp: Amqp, jobs: Sequence[JobType]) -> dict[str, QueueFacts]:
    """What waits in the queue of each type, and how many read it.

    Raises:
        BrokerError: no host answered, or none lets us in.
    """

    async def look_at_all(look: Look) -> dict[str, QueueFacts]:
        return {each.name: await look.at(each.queue) for each in jobs}

    return await ask_broker(amqp, partial(_with_look, amqp, look_at_all))


async def examine_jobs(amqp: Amqp, jobs: Sequence[JobType]) -> JobFacts:
    """The same, and whether all is as the service declares it.

    Raises:
        BrokerError: as `look_at_jobs`.
    """

    async def examine(look: Look) -> JobFacts:
        arguments = {each.name: job_queue_arguments(each.limit, each.delivery_limit) for each in jobs}
        queues = {each.name: await look.declared(each.queue, arguments[each.name]) for each in jobs}
        results, undone = await look.all_declared({RESULTS: wire.REQUEST_QUEUE, UNDONE: wire.REQUEST_QUEUE})
        return JobFacts(queues, results, undone, await look.exchange(DEAD))

    return await ask_broker(amqp, partial(_with_look, amqp, examine))


async def _with_look(amqp: Amqp, what: Callable[[Look], Awaitable[T]], url: str) -> T:
    connection = await connect(url, "zeebe-amqp jobs", tls_context(amqp.ca, amqp.cert, amqp.key))
    try:
        return await what(Look(connection))
    finally:
        await close(connection)
