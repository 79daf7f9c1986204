"""A probe: a message that leads nowhere, to learn whether the broker lets us publish before anything depends on it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import HotChannel
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import PUBLISH, refusals

__all__ = ["PROBE", "probe"]

PROBE: Final = f".zeebe-amqp.probe.{secrets.token_hex(8)}"
"""A routing key that leads nowhere, so the broker answers for such a message at once. Nobody can guess it and have a
queue there that refuses; its first word is empty, so it belongs to no user of an exchange of strict replies."""


async def probe(
    channel: HotChannel, alarm: Alarm, exchange: str = "", properties: Properties | None = None, body: bytes = b""
) -> bool:
    """Publish to nobody, and wait for the broker's answer; during an alarm there is none, and nobody waits for it.

    Says whether the broker has answered.

    Args:
        channel: to publish on.
        alarm: that of its connection.
        exchange: one that sends everything to its queues leads somewhere, unless it refuses the properties.
        properties: those of the message; None = none.
        body: that of the message.

    Raises:
        BrokerRefusal: we may not publish.
        ChannelEnded: the channel ended for another reason.
    """
    confirm = channel.publish(exchange, PROBE, properties or Properties(), body)
    begun = asyncio.ensure_future(alarm.wait_begun())
    try:
        await asyncio.wait({confirm, begun}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        begun.cancel()
    if confirm.done():
        with refusals(PUBLISH):
            await confirm
    return confirm.done()
