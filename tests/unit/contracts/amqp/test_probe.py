"""Before anything is published, the broker is asked whether we may."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.contracts.amqp.channels import HotScene
from tests.unit.contracts.amqp.frames import ack, closing
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code

NOT_ALLOWED = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'"


class Scene(HotScene):
    """A probe on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm = Alarm()
        self.probing = asyncio.create_task(probe(self.channel, self.alarm))


@pytest.fixture
async def scene() -> Scene:
    found = Scene()
    await asyncio.sleep(0)
    return found


async def test_a_probe_that_is_confirmed_says_that_we_may_publish(scene: Scene) -> None:
    scene.receive(ack(1))
    await scene.probing


async def test_a_probe_that_is_refused_says_what_is_missing(scene: Scene) -> None:
    scene.receive(closing(403, NOT_ALLOWED))
    with pytest.raises(BrokerRefusal, match=r"needs the right to write to the exchange 'amq\.default'") as raised:
        await scene.probing
    assert raised.value.code is Code.PERMISSION_DENIED


async def test_a_channel_that_ends_meanwhile_is_no_refusal(scene: Scene) -> None:
    scene.channel.end("the connection was lost")
    with pytest.raises(ChannelEnded, match="the connection was lost"):
        await scene.probing


async def test_nobody_waits_for_the_end_of_an_alarm(scene: Scene) -> None:
    scene.alarm.begin()
    await scene.probing
    assert scene.channel.oldest == 1, "the broker has not answered"
    await probe(scene.channel, scene.alarm)
