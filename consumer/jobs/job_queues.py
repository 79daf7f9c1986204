"""The queues of jobs at the broker, for who gives jobs out."""

from __future__ import annotations

from typing import Protocol

from consumer.config.settings import JobType
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.properties import Properties

__all__ = ["JobQueues", "NotSent", "NotTaken", "QueueFull", "QueueRefused", "Unwritable"]


class NotTaken(Exception):
    """The queue has not got the job: it refused it, is not there, or nothing was sent. The text says which."""


class NotSent(NotTaken):
    """The broker is away, or takes nothing from anybody: the same job may go once it is ready again."""


class QueueFull(NotTaken):
    """The queue refused it: it has as much as it may, which need not be what the service would declare."""


class QueueRefused(Exception):
    """The queue of a type cannot be used: missing, different, or not allowed. The text says what to do."""


class Unwritable(Exception):
    """AMQP has no way to say the job, or the broker takes no message of its size; the text says why."""


class JobQueues(Protocol):
    """Where jobs are published, with confirms."""

    @property
    def is_ready(self) -> bool:
        """Whether something can be published now."""

    @property
    def openings(self) -> int:
        """How many connections there have been so far: another number means that one was lost."""

    async def ready(self) -> None:
        """Wait until something can be published."""

    async def prepare(self, job_type: JobType) -> None:
        """Declare the queue of a type, or check it; once for each connection.

        Raises:
            QueueRefused: it cannot be used.
            ConnectionError: the broker is away.
        """

    async def measure(self, job_type: JobType) -> QueueState | None:
        """What waits in the queue of a type, and who takes it; None when the broker does not say."""

    async def publish(self, job_type: JobType, body: bytes, properties: Properties) -> None:
        """Publish a job to the queue of its type; returns when the broker has it.

        Raises:
            NotTaken: it certainly has it not; `NotSent` where that is for want of a broker, `QueueFull` of room.
            Unwritable: nothing was sent, and never can be.
            PublishFailed: not confirmed; it may be in the queue.
        """
