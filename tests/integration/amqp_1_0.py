"""A caller in AMQP 1.0, with RabbitMQ's own client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Self
from urllib.parse import urlsplit

from rabbitmq_amqp_python_client import (
    ApplicationProperties,
    Connection,
    ConnectionParameters,
    ConsumerSettleStrategy,
    Context,
    Header,
    Message,
    MessageAnnotations,
    OutcomeState,
    Properties,
    Symbol,
    queue_address,
)

from tests.integration.service import TIMEOUT

TOPOLOGY = b'{"operation": "topology", "data": {}}'


def message(
    body: Any = TOPOLOGY,
    *,
    properties: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    annotations: dict[str, Any] | None = None,
) -> Message:
    """A durable message; bytes or text become a data section."""
    return Message(
        body,
        header=Header(durable=True),
        properties=Properties(**(properties or {})),
        application_properties=ApplicationProperties(headers or {}),
        message_annotations=MessageAnnotations({Symbol(name): value for name, value in (annotations or {}).items()}),
    )


class Amqp10:
    """A connection, and a reply queue of its own; a context manager. It blocks: use it in a thread."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.name = f"replies {uuid.uuid4().hex}/ä"
        """Of the reply queue: as awkward as a name may be."""
        self.address = queue_address(self.name)
        self.replies: SimpleQueue[Message] = SimpleQueue()

    def __enter__(self) -> Self:
        url = self._url
        host = url.path[1:] or "/"
        parameters = ConnectionParameters(url.hostname or "", url.port, host, url.username or "", url.password or "")
        self.connection = Connection(parameters)
        self.connection.management().queue(self.name).exclusive().auto_delete().declare()
        self.receive(self.name, lambda context, _: context.accept(), self.replies)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def receive(
        self, queue: str, settle: Callable[[Context, Message], None], into: SimpleQueue[Message], credits: int = 10
    ) -> None:
        """Take the messages of a queue from now on: settle each, and put it there."""

        def handle(context: Context, received: Message) -> None:
            settle(context, received)
            into.put(received)

        self.connection.consumer_builder().queue(queue).message_handler(handle).initial_credits(credits).build()

    def direct(self) -> str:
        """The address of the broker's direct reply-to, whose replies come to `replies`, too."""
        builder = self.connection.consumer_builder().settle_strategy(ConsumerSettleStrategy.DIRECT_REPLY_TO)
        address = builder.message_handler(lambda _, received: self.replies.put(received)).build().address
        assert address is not None
        return address

    def publish(self, queue: str, sent: Message) -> OutcomeState:
        """What the broker made of a message to a queue."""
        publisher = self.connection.publisher_builder().build()
        assert sent.properties is not None
        sent.properties.to = queue_address(queue)
        try:
            return publisher.publish(sent).outcome.state
        finally:
            publisher.close()

    def ask(self, queue: str, sent: Message) -> Message:
        """The reply to a request, which names the reply queue unless it names another."""
        assert sent.properties is not None
        sent.properties.reply_to = sent.properties.reply_to or self.address
        assert self.publish(queue, sent) is OutcomeState.ACCEPTED
        return self.replies.get(timeout=TIMEOUT)


def content(reply: Message) -> Any:
    """The JSON of a reply."""
    return json.loads(reply.body_as_bytes())
