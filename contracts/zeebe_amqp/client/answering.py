"""The end of a job that came in a message: an answer, and when the broker has that, the end of the message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from zeebe_amqp.client.answers import failure
from zeebe_amqp.client.client import Client
from zeebe_amqp.client.job import Job
from zeebe_amqp.client.tracing import Processing
from zeebe_amqp.client.transport import Delivery, Subscription
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.jobs import answers
from zeebe_amqp.jobs.answer_message import OUTCOMES, write_answer

__all__ = ["ByAnswer"]


class ByAnswer:
    """See `zeebe_amqp.client.job.Settlement`.

    Args:
        client: publishes the answer.
        subscription: where the message came.
        delivery: the message.
        identity: its correlation id.
        address: the queue of answers.
        span: what the work is watched by.
    """

    def __init__(
        self,
        client: Client,
        subscription: Subscription,
        delivery: Delivery,
        identity: str,
        address: str,
        span: AbstractContextManager[Processing],
    ) -> None:
        self._client = client
        self._held = subscription, delivery
        self._identity = identity
        self._address = address
        self._span = span
        self._processing: Processing | None = None
        self._is_settled = False
        self.is_answered = False
        """Whether the broker has the answer that ends the job."""

    def adopt(self, subscription: Subscription, delivery: Delivery) -> bool:
        """The message came again: what ends it goes to this delivery. False when it was requeued: it is run again."""
        if self.is_answered:  # its handler goes on all the same, and the acknowledgement was lost
            subscription.ack(delivery)
        elif self._is_settled:
            return False
        else:
            self._held = subscription, delivery
        return True

    @contextmanager
    def working(self, job: Job) -> Iterator[None]:
        """A span; and at the end there is no message that nobody settles."""
        with self._span as self._processing:
            yield  # where this is cancelled, the message goes back to its queue
            if self._is_settled:
                return
            subscription, delivery = self._held
            if time.time() >= job.deadline:
                subscription.ack(delivery)
            else:  # its dead letter tells the service, which takes one retry
                subscription.nack(delivery, requeue=False)

    async def tell(self, command: Command[None], _: str) -> None:
        """Publish the answer; the id of the message is its identity."""
        if self._is_settled:
            raise failure(Code.NOT_FOUND, "the job is settled", command.operation, outcome=Outcome.NOT_EXECUTED)
        trace = {} if self._processing is None else self._processing.headers
        body, properties = write_answer(command, self._identity, time.time(), trace)
        await self._client.publish_answer(self._address, body, properties)
        outcome = OUTCOMES[type(command)]
        if outcome is not answers.Outcome.EXTEND:
            self._end(outcome)

    def _end(self, outcome: answers.Outcome) -> None:
        self.is_answered = True
        if self._is_settled:  # meanwhile, by another call: a message that is settled twice closes the channel
            return
        self._is_settled = True
        if self._processing is not None:
            self._processing.end(outcome)
        subscription, delivery = self._held
        subscription.ack(delivery)

    def requeue(self) -> bool:
        """Give the message back to its queue; a job that has ended cannot be."""
        if self._is_settled:
            return False
        self._is_settled = True
        subscription, delivery = self._held
        subscription.nack(delivery, requeue=True)  # after a lost connection it goes back by itself
        return True
