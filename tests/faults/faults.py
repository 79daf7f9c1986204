"""The faults: what each does to the world, and what it excuses."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Collection
from signal import SIGCONT, SIGSTOP

import aio_pika

from scripts import guard
from tests.fakes.gateway import BUSY, sometimes
from tests.faults.connections import CONNECTION_FAULTS
from tests.faults.fault import EVERY, NOBODY, REDIS, Fault, at
from tests.faults.gateways import CREATE, LATENCY, ClusterGateway, EngineGateway, ProgramGateway
from tests.faults.moments import Moment
from tests.faults.world import World
from tests.integration.service import delete
from zeebe_amqp.errors import Code
from zeebe_amqp.testing import after, fail

SHORT, LONG = 3.0, 10.0
"""Seconds that a fault lasts."""
STOPPED = 20.0
CUTS = (1, 9, 700, 2_000, 6_000)
"""Bytes after which connections are cut: in a handshake, in a frame's header, in the middle of the traffic."""
MEMORY = "memory://"


# --- the consumer -----------------------------------------------------------------------------------------------------


async def kill_consumer(world: World) -> Collection[str]:
    """SIGKILL, then a new process on the same state."""
    await asyncio.to_thread(world.consumer.kill)
    world.consumer.launch()
    return NOBODY


async def end_consumer(world: World) -> Collection[str]:
    """SIGTERM, then a new process on the same state."""
    status = await asyncio.to_thread(world.consumer.stop)
    assert status == 0, f"exit code {status} after SIGTERM"
    world.consumer.launch()
    return NOBODY


async def kill_one_of_two(world: World) -> Collection[str]:
    """SIGKILL; another consumer of the same queues and the same ledger goes on alone."""
    await asyncio.to_thread(world.consumer.kill)
    return NOBODY


async def fill_disk(world: World) -> Collection[str]:
    """No file of the consumer can grow any more: the ledger cannot be written."""
    assert world.consumer.process is not None
    [pid, *_] = guard.children(world.consumer.process.pid)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    await asyncio.sleep(LONG)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    return NOBODY


async def stop_consumer(world: World) -> Collection[str]:
    """SIGSTOP for longer than two heartbeats, then SIGCONT."""
    world.consumer.signal(SIGSTOP)
    await asyncio.sleep(STOPPED)
    world.consumer.signal(SIGCONT)
    return NOBODY


# --- the broker -------------------------------------------------------------------------------------------------------


async def restart_broker(world: World) -> Collection[str]:
    """Stop and start."""
    await asyncio.to_thread(world.broker.restart)
    return NOBODY


async def kill_broker(world: World) -> Collection[str]:
    """SIGKILL and start."""
    await asyncio.to_thread(world.broker.kill)
    await asyncio.to_thread(world.broker.start)
    return NOBODY


async def close_connections(world: World) -> Collection[str]:
    """The broker closes every connection, the callers' too."""
    await asyncio.to_thread(world.broker.ctl, "close_all_connections", "fault")
    return NOBODY


async def raise_alarm(world: World) -> Collection[str]:
    """A memory alarm: the broker reads from no connection that publishes."""
    await asyncio.to_thread(world.broker.ctl, "set_vm_memory_high_watermark", "0.00001")
    await asyncio.sleep(SHORT)
    await asyncio.to_thread(world.broker.ctl, "set_vm_memory_high_watermark", "0.4")
    return NOBODY


async def delete_reply_queue(world: World) -> Collection[str]:
    """One caller's reply queue is deleted for good; only its own requests need no answer."""
    gone = world.callers.queues[0]
    await delete(world.broker.url, (gone,))
    return world.callers.of[gone]


async def delete_request_queue(world: World) -> Collection[str]:
    """The request queue is deleted with what is in it, and the consumer declares it again."""
    requests = world.history.requests
    async with await aio_pika.connect(world.broker.url) as connection:
        await (await connection.channel()).queue_delete(world.consumer.queues[0])
    return frozenset(identity for identity, request in requests.items() if request.sent)


# --- the network ------------------------------------------------------------------------------------------------------


async def reset_broker(world: World) -> Collection[str]:
    """RST on the connections between consumer and broker."""
    world.to_broker.reset()
    return NOBODY


async def freeze_broker(world: World) -> Collection[str]:
    """The connections between consumer and broker go silent for good."""
    world.to_broker.freeze()
    return NOBODY


async def delay_broker(world: World) -> Collection[str]:
    """Everything between consumer and broker takes longer."""
    world.to_broker.delay = 0.2
    await asyncio.sleep(SHORT)
    world.to_broker.delay = 0.0
    return NOBODY


async def cut_broker(world: World) -> Collection[str]:
    """Connections between consumer and broker end after so many bytes."""
    await world.to_broker.cut_after(*CUTS)
    return NOBODY


async def reset_gateway(world: World) -> Collection[str]:
    """RST on the connection between consumer and gateway."""
    world.to_gateway.reset()
    return NOBODY


async def freeze_gateway(world: World) -> Collection[str]:
    """The connection between consumer and gateway goes silent for good; over when the consumer has noticed."""
    world.to_gateway.freeze()
    await world.to_gateway.another()
    return NOBODY


async def delay_gateway(world: World) -> Collection[str]:
    """Everything between consumer and gateway takes longer."""
    world.to_gateway.delay = 0.2
    await asyncio.sleep(SHORT)
    world.to_gateway.delay = 0.0
    return NOBODY


async def cut_gateway(world: World) -> Collection[str]:
    """Connections between consumer and gateway end after so many bytes."""
    await world.to_gateway.cut_after(*CUTS)
    return NOBODY


# --- the gateway ------------------------------------------------------------------------------------------------------


async def gateway_away(world: World) -> Collection[str]:
    """Stopped, and started again later."""
    await world.gateway.stop()
    await asyncio.sleep(LONG)
    await world.gateway.start()
    return NOBODY


async def kill_gateway(world: World) -> Collection[str]:
    """SIGKILL, and started again."""
    await world.mortal.kill()
    await world.mortal.start()
    return NOBODY


async def stop_gateway(world: World) -> Collection[str]:
    """SIGSTOP for as long as the consumer needs to notice, and longer; then SIGCONT."""
    await world.mortal.pause()
    await asyncio.sleep(STOPPED)
    await world.mortal.resume()
    return NOBODY


async def overload_gateway(world: World) -> Collection[str]:
    """Three of ten requests are refused for load."""
    busy = fail("RESOURCE_EXHAUSTED", BUSY)
    world.inside.always(CREATE, sometimes(0.3, busy, random.Random(7).random))
    await asyncio.sleep(SHORT)
    world.inside.always(CREATE, after(LATENCY))
    return NOBODY


async def slow_gateway(world: World) -> Collection[str]:
    """It executes, but answers after the deadline."""
    world.inside.always(CREATE, after(2.0))
    await asyncio.sleep(SHORT)
    world.inside.always(CREATE, after(LATENCY))
    return NOBODY


CUT_OFF = frozenset({Code.ABORTED})
"""What callers get whose request was running in a process that is gone, and must not be repeated."""
LOST_CALL = frozenset({Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN})
"""What callers get whose call was cut on its way to the gateway or back."""
LATE = frozenset({Code.DEADLINE_EXCEEDED})

FAULTS: tuple[Fault, ...] = (
    *at(
        Fault("consumer killed (memory ledger)", kill_consumer, environment={"LEDGER": MEMORY}, forgiving=True),
        *EVERY,
        quick=Moment.ACKING,
    ),
    *at(
        Fault("consumer killed", kill_consumer, accepts=CUT_OFF),
        *EVERY,
        quick=Moment.EXECUTED,
    ),
    *at(
        Fault("one of two consumers killed", kill_one_of_two, environment={"LEDGER": REDIS}, accepts=CUT_OFF, two=True),
        *EVERY,
    ),
    Fault("ledger cannot be written", fill_disk),
    Fault("consumer ended (SIGTERM)", end_consumer),
    Fault("consumer stopped 20 s (SIGSTOP)", stop_consumer),
    *at(Fault("broker restarted", restart_broker), Moment.ANY, Moment.CALLED),
    *at(Fault("broker killed", kill_broker), *EVERY),
    *at(Fault("all connections closed", close_connections), *EVERY, quick=Moment.REPLYING),
    Fault("memory alarm", raise_alarm),
    Fault("reply queue deleted", delete_reply_queue, quick=True),
    Fault("request queue deleted", delete_request_queue, quick=True),
    *at(Fault("broker connections reset", reset_broker), *EVERY, quick=Moment.EXECUTED),
    Fault("broker connections silent", freeze_broker),
    Fault("broker connections slow (0.2 s)", delay_broker),
    Fault("broker connections cut after k bytes", cut_broker),
    *at(
        Fault("gateway connection reset", reset_gateway, accepts=LOST_CALL),
        Moment.ANY,
        Moment.CALLED,
        Moment.EXECUTED,
        quick=Moment.EXECUTED,
    ),
    Fault(
        "gateway connection silent",
        freeze_gateway,
        accepts=LATE | LOST_CALL,
        environment={"ZEEBE_REQUEST_TIMEOUT": "20s"},
    ),
    Fault("gateway connection slow (0.2 s)", delay_gateway),
    Fault("gateway connections cut after k bytes", cut_gateway, accepts=LOST_CALL),
    Fault("gateway away 10 s", gateway_away, accepts=LOST_CALL),
    Fault("gateway stopped 20 s (SIGSTOP)", stop_gateway, accepts=LATE | LOST_CALL, gateway=ProgramGateway),
    Fault("gateway killed", kill_gateway, accepts=LOST_CALL, gateway=ProgramGateway),
    *at(
        Fault("engine killed (state kept)", kill_gateway, accepts=LOST_CALL | CUT_OFF, gateway=ClusterGateway),
        Moment.ANY,
        Moment.EXECUTED,
    ),
    *at(
        Fault("consumer killed (engine in memory)", kill_consumer, accepts=CUT_OFF, gateway=EngineGateway),
        Moment.EXECUTED,
        Moment.ACKING,
    ),
    Fault("gateway refuses 30 % for load", overload_gateway, accepts=frozenset({Code.RESOURCE_EXHAUSTED}), quick=True),
    Fault(
        "gateway slower than the deadline",
        slow_gateway,
        accepts=LATE,
        environment={"ZEEBE_REQUEST_TIMEOUT": "500ms"},
        quick=True,
    ),
    *CONNECTION_FAULTS,
)
"""Every fault at every moment that matters."""
