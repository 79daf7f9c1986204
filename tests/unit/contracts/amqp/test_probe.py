"""Before anything is published, the broker is asked whether we may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.contracts.amqp.frames import ack, closing
from tests.unit.contracts.amqp.memory import MemoryChannel
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code

NOT_ALLOWED = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'"


async def probe_until(channel: MemoryChannel, happens: Callable[[], object], alarm: Alarm | None = None) -> None:
    """Probe, and let that happen meanwhile."""
    probing = asyncio.create_task(probe(channel, alarm or Alarm()))
    await asyncio.sleep(0)
    assert not probing.done()
    happens()
    await probing


async def test_a_probe_that_is_confirmed_says_that_we_may_publish(channel: MemoryChannel) -> None:
    await probe_until(channel, lambda: channel.receive(ack(1)))


async def test_a_probe_that_is_refused_says_what_is_missing(channel: MemoryChannel) -> None:
    with pytest.raises(BrokerRefusal, match=r"needs the right to write to the exchange 'amq\.default'") as raised:
        await probe_until(channel, lambda: channel.receive(closing(403, NOT_ALLOWED)))
    assert raised.value.code is Code.PERMISSION_DENIED


async def test_a_channel_that_ends_meanwhile_is_no_refusal(channel: MemoryChannel) -> None:
    with pytest.raises(ChannelEnded, match="the connection was lost"):
        await probe_until(channel, lambda: channel.end("the connection was lost"))


async def test_nobody_waits_for_the_end_of_an_alarm(channel: MemoryChannel) -> None:
    alarm = Alarm()
    await probe_until(channel, alarm.begin, alarm)
    assert channel.oldest == 1, "the broker has not answered"
    await probe(channel, alarm)
