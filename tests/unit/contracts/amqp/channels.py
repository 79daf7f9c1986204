"""A channel past the library, between a writer that keeps what is written and a test that sends what comes."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.contracts.amqp.frames import FakeWriter, split
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties


class HotScene:
    """A channel with number 1, and what it delivered; `receive` says which frames were for the library."""

    def __init__(self, **options: Any) -> None:
        self.writer = FakeWriter()
        self.delivered: list[Incoming] = []
        self.channel = HotChannel(self.writer, 1, 4096, **{"deliver": self.delivered.append, **options})

    def receive(self, data: bytes) -> list[bytes]:
        passed = []
        for kind, _, payload in split(data):
            around = b"before" + payload + b"after"
            if not self.channel.take(kind, around, 6, 6 + len(payload)):
                passed.append(payload)
        return passed

    def publish(self, message_id: str | None = None) -> asyncio.Future[None]:
        """Publish a message, mandatory where it has an id."""
        properties = Properties(message_id=message_id)
        return self.channel.publish("", "q", properties, b"x", mandatory=message_id is not None)

    @property
    def bodies(self) -> list[bytes]:
        return [each.body for each in self.delivered]
