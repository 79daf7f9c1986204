"""Sending a request to the gateway as the tests do: the message itself, and the terms as options."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from consumer.core.call import Call
from consumer.zeebe import Answer, ZeebeEngine
from zeebe_amqp.commands import Topology


async def send(engine: ZeebeEngine, message: Message, **terms: Any) -> Answer:
    """Send a message on some terms; the command is of no matter then."""
    return await engine.send(message, Call(Topology(), **terms))
