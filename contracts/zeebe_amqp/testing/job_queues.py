"""Queues of jobs in memory: which messages wait, who holds them, and what the broker does with what nobody wants."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from zeebe_amqp import trace_variable
from zeebe_amqp.amqp.properties import NO_HEADERS, Properties
from zeebe_amqp.client.transport import Delivery, QueueState
from zeebe_amqp.commands import ActivateJobs
from zeebe_amqp.jobs.answers import GivenOut
from zeebe_amqp.jobs.job_message import write_job
from zeebe_amqp.jobs.names import LIMIT
from zeebe_amqp.schema.fields import Duration
from zeebe_amqp.testing.jobs import JobStore

__all__ = ["JobMessage", "JobQueues"]

WORKER: Final = "zeebe-amqp"
"""The name under which the service fetches."""


@dataclass(eq=False)
class JobMessage:
    """A job as it was given out; `returns` says how often it went back to its queue."""

    job: GivenOut
    identity: str
    activation: int
    """Which one of the job it is."""
    expires: float
    """Seconds since 1970, with the time that the test let pass."""
    body: bytes
    properties: Properties
    returns: int = 0


@dataclass
class _Queue:
    fetch: ActivateJobs
    delivery_limit: int
    waiting: deque[JobMessage] = field(default_factory=deque)
    consumers: int = 0


class JobQueues:
    """The queues of all types whose jobs are pushed.

    Args:
        store: the jobs.
        bury: called with a message that no worker ends, and why.
    """

    def __init__(self, store: JobStore, bury: Callable[[JobMessage, str], None]) -> None:
        self._store = store
        self._bury = bury
        self._queues: dict[str, _Queue] = {}
        self._given_out: dict[str, JobMessage] = {}
        """By identity, every message that there ever was."""
        self._newest: dict[int, JobMessage] = {}
        """By job, its newest activation."""
        self._held: dict[int, tuple[str, JobMessage]] = {}
        """By tag, the queue and the message."""
        self._tags = itertools.count(1)

    def push(self, job_type: str, queue: str, timeout: Duration, delivery_limit: int) -> None:
        """Push the jobs of a type to a queue from now on."""
        fetch = ActivateJobs(job_type=job_type, max_jobs_to_activate=LIMIT, timeout=timeout, worker_name=WORKER)
        self._queues[queue] = _Queue(fetch, delivery_limit)
        self._store.notify()

    def delete(self, queue: str) -> None:
        """Delete a queue with its messages, if it is there."""
        self._queues.pop(queue, None)
        self._store.notify()

    def look(self, queue: str) -> QueueState | None:
        """The state of a queue, None when it is not there."""
        found = self._queues.get(queue)
        return None if found is None else QueueState(len(found.waiting), found.consumers)

    def message(self, identity: str | None) -> JobMessage | None:
        """What was given out under an identity."""
        return self._given_out.get(identity or "")

    def is_superseded(self, message: JobMessage) -> bool:
        """Whether the job was given out again since."""
        return self._newest[message.job.key] is not message

    def count_consumer(self, queue: str, change: int) -> None:
        """A consumer came or went."""
        if found := self._queues.get(queue):
            found.consumers += change

    def deliver(self, queue: str) -> Delivery | None:
        """The next message of a queue, for who will settle it; None when there is none."""
        found = self._queues[queue]
        self._fetch(found)
        while found.waiting:
            message = found.waiting.popleft()
            if message.expires > self._store.now():  # else it expires, and the engine gives the job out again
                tag = next(self._tags)
                self._held[tag] = queue, message
                return _delivery(message, tag)
        return None

    def _fetch(self, queue: _Queue) -> None:
        for job in self._store.lock(queue.fetch):
            identity = f"1.{job.key}.{uuid.uuid4().hex}"
            trace = trace_variable.read(job.variables, trace_variable.DEFAULT)
            body, properties = write_job(job, identity, time.time(), trace)
            kept = self._store.kept(job.key)
            given_out = GivenOut(key=job.key, retries=job.retries, type=job.type)
            message = JobMessage(given_out, identity, kept.activations, kept.locked_until, body, properties)
            self._given_out[identity] = self._newest[job.key] = message
            queue.waiting.append(message)

    def ack(self, tag: int) -> None:
        """Remove a message."""
        del self._held[tag]
        self._store.notify()

    def nack(self, tag: int, *, requeue: bool) -> None:
        """Put a message back in its place, or bury it: when it is rejected, or came back too often."""
        name, message = self._held.pop(tag)
        queue = self._queues.get(name)
        message.returns += 1
        if not requeue:
            self._bury(message, "rejected by the worker")
        elif queue is not None and message.returns > queue.delivery_limit:
            self._bury(message, f"its worker returned it or died with it {message.returns} times")
        elif queue is not None:
            queue.waiting.appendleft(message)
        self._store.notify()


def _delivery(message: JobMessage, tag: int) -> Delivery:
    # As it comes from a broker: what cannot be written is found here, too.
    found = Properties.read(message.properties.write())
    return Delivery(
        body=message.body,
        headers=found.headers or NO_HEADERS,
        correlation_id=found.correlation_id,
        reply_to=found.reply_to,
        redelivered=message.returns > 0,
        tag=tag,
    )
