"""The connections to the broker in trouble that is not an end: held for minutes, stalled, cut into pieces, silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import FIRST_PARTITION, Request
from tests.faults.callers import NUMBER
from tests.faults.fault import EVERY, NOBODY, Fault, at
from tests.faults.gateways import CREATE, LATENCY
from tests.faults.moments import Moment, caught
from tests.faults.proxy import Way
from tests.faults.streams import in_turn, moved, without_heartbeats
from tests.faults.world import CONCURRENCY, World
from tests.integration.caller import Caller
from tests.integration.load import Hold
from tests.integration.service import CONNECTIONS, delete, eventually
from zeebe_amqp.testing import Step, after, answer

CONSUMING, PUBLISHING = b"zeebe-amqp consume", b"zeebe-amqp publish"
"""How the consumer's connections introduce themselves; of those that consume there are two."""
NOTICED = 45.0
"""Seconds within which a silent connection must be given up; three heartbeats are 33."""
STALLED = 20.0
MIB = 1 << 20
LARGE = 2 * MIB
"""Bytes of a large request."""
BULKY = 256 * 1024
"""Bytes of a large answer."""
COPIES = 4
"""How often a body may be in memory while its command runs: as it came, decoded, for the engine, for the caller."""
SLACK = 32 * MIB
"""What memory may grow by for other reasons."""
HELD = 64 * MIB
"""Bytes of bodies that may wait in memory, over all queues (AMQP_MAX_HELD_BYTES)."""
STEADY = 30.0
"""Requests per second."""
BUSY = 150.0
"""The same when it is many."""
RESETS, BETWEEN = 5, 8.0
"""How often, and seconds from one to the next; after 5 s a reply that is not confirmed is taken for refused."""
FEW = 90
"""Requests while everything passes in small pieces."""
STEP = 8
"""Bytes of a piece, and connections until every offset was cut."""
BAD_ACK = "[rabbit_channel:do(Channel, {'basic.ack', 999999999, false}) || Channel <- rabbit_channel:list()]."
"""Acknowledges, on every channel, what was never delivered: for that the broker closes the channel."""


@asynccontextmanager
async def undisturbed(world: World) -> AsyncIterator[None]:
    """No connection of the consumer is lost meanwhile, and nothing is delivered again."""
    before = world.to_broker.made, world.redelivered()
    yield
    after = world.to_broker.made, world.redelivered()
    assert after == before, f"connections and redeliveries: {before} at first, {after} in the end"


# --- held -------------------------------------------------------------------------------------------------------------


async def hold_long(world: World) -> Collection[str]:
    """Nothing is answered for minutes; then an alarm and the end of a queue are noticed as ever."""
    async with undisturbed(world):
        await asyncio.sleep(world.lasting)
    await _see_alarm(world)
    await _see_deletion(world)
    return NOBODY


async def _see_alarm(world: World) -> None:
    hold = Hold(world.inside, "CompleteJob")
    async with Caller(world.broker.url, *world.consumer.queues) as caller:
        answer = asyncio.create_task(caller.call("complete-job", {"jobKey": FIRST_PARTITION}, queue=caller.polls))
        await hold.reached()
        await asyncio.to_thread(world.broker.ctl, "set_vm_memory_high_watermark", "0.00001")
        try:
            hold.open()  # the broker tells those who publish while there is an alarm
            await eventually(lambda: "broker.publish" in world.consumer.reasons(), "readiness names the alarm")
        finally:
            await asyncio.to_thread(world.broker.ctl, "set_vm_memory_high_watermark", "0.4")
        assert (await answer).ok


async def _see_deletion(world: World) -> None:
    await world.reconnected(partial(delete, world.broker.url, world.consumer.queues[1:]), 1)
    await asyncio.to_thread(world.consumer.wait_until_ready)
    async with Caller(world.broker.url, *world.consumer.queues) as caller:
        assert (await caller.call("topology", queue=caller.polls)).ok


async def hold_large(world: World) -> Collection[str]:
    """Large requests wait for a gateway that answers nothing; memory stays within its bound, and no file is left."""
    before, files = world.memory(), world.files()
    async with caught(world, Moment.CALLED):
        peak = await world.peak(STALLED)
    await eventually(lambda: world.files() == files, "what was held in files is gone with its delivery", pause=0.2)
    world.grows_at_most(HELD + 8 * COPIES * LARGE + SLACK, before, peak)
    return NOBODY


# --- stalled ----------------------------------------------------------------------------------------------------------


def bulky(request: Request) -> Step:
    """An answer whose length is in a part that nobody looks at."""
    name = request.message.bpmnProcessId
    created = pb.CreateProcessInstanceResponse(
        bpmnProcessId=name, processInstanceKey=FIRST_PARTITION, tenantId="t" * BULKY
    )
    return after(LATENCY, answer(created))


async def stall_broker(world: World) -> Collection[str]:
    """The broker takes nothing for 20 s; memory grows by what may be on its way, and by nothing else."""
    world.inside.always(CREATE, bulky)
    await world.callers.send(2 * CONCURRENCY)
    before = world.memory()
    world.to_broker.stall(Way.UP)
    sending = asyncio.create_task(world.callers.send(4 * CONCURRENCY))
    peak = await world.peak(STALLED)
    world.to_broker.go_on(Way.UP)
    await sending
    world.inside.always(CREATE, after(LATENCY))
    world.grows_at_most(CONCURRENCY * COPIES * BULKY + SLACK, before, peak)
    return NOBODY


# --- cut --------------------------------------------------------------------------------------------------------------


async def cut_in_turn(world: World) -> Collection[str]:
    """Everything comes in pieces of 1, 2, 3 … 64 bytes, handshakes too."""
    world.to_broker.cutting = in_turn(64)
    world.to_broker.reset()
    await world.callers.send(FEW)
    await _all_answered(world)
    world.to_broker.cutting = None
    return NOBODY


async def cut_moved(world: World) -> Collection[str]:
    """Everything comes in pieces of 8 bytes; with every connection the cuts move on by one byte."""
    # Three connections are made at a time, whichever is first.
    world.to_broker.cutting = lambda number: moved(STEP)(number // CONNECTIONS)
    for _ in range(STEP):
        await world.reconnected(world.to_broker.reset, CONNECTIONS)
        await world.callers.send(NUMBER)
        await _all_answered(world)
    world.to_broker.cutting = None
    return NOBODY


async def _all_answered(world: World) -> None:
    await eventually(lambda: not world.history.open(world.gateway.counted()), "everything is answered", pause=0.2)


# --- silent -----------------------------------------------------------------------------------------------------------


async def hear_no_heartbeat(world: World) -> Collection[str]:
    """Steady traffic on every connection for minutes in which the broker sends no heartbeat."""
    await _all_answered(world)
    world.to_broker.filtering = without_heartbeats
    await world.reconnected(world.to_broker.reset, CONNECTIONS)
    await _all_answered(world)
    polling = asyncio.create_task(_poll(world))
    try:
        async with undisturbed(world):
            await world.callers.send(round(world.lasting * STEADY), NUMBER / STEADY)
    finally:
        world.to_broker.filtering = None
        polling.cancel()
        await asyncio.wait({polling})
    assert polling.cancelled(), polling.exception()
    return NOBODY


async def _poll(world: World) -> None:
    """Keep the connection of requests that wait busy, too."""
    async with Caller(world.broker.url, *world.consumer.queues) as caller:
        while True:
            assert (await caller.call("topology", queue=caller.polls)).ok
            await asyncio.sleep(1)


async def freeze_consuming(world: World) -> Collection[str]:
    """The consuming connections go silent for good; over when the consumer has noticed."""
    await world.reconnected(lambda: world.to_broker.freeze(CONSUMING), 2, NOTICED)
    return NOBODY


async def freeze_publishing(world: World) -> Collection[str]:
    """The same of the publishing one."""
    await world.reconnected(lambda: world.to_broker.freeze(PUBLISHING), 1, NOTICED)
    return NOBODY


async def freeze_all(world: World) -> Collection[str]:
    """The same of all."""
    await world.reconnected(world.to_broker.freeze, CONNECTIONS, NOTICED)
    return NOBODY


# --- lost -------------------------------------------------------------------------------------------------------------


async def reset_again_and_again(world: World) -> Collection[str]:
    """Every connection is reset, again and again, under a load that goes on: what was being sent is not forgotten."""
    for number in range(RESETS):
        burst = asyncio.create_task(world.callers.send(4 * CONCURRENCY))
        await asyncio.sleep(0.1 + 0.05 * number)  # in the middle of it, each time elsewhere
        world.to_broker.reset()
        await world.callers.send(round(BETWEEN * BUSY), NUMBER / BUSY)
        await burst
    return NOBODY


# --- channels ---------------------------------------------------------------------------------------------------------


async def close_channels(world: World) -> Collection[str]:
    """The broker closes every channel, the callers' too, and no connection."""
    await world.reconnected(partial(asyncio.to_thread, world.broker.ctl, "eval", BAD_ACK), CONNECTIONS)
    return NOBODY


CONNECTION_FAULTS: tuple[Fault, ...] = (
    *at(Fault("all channels closed", close_channels), *EVERY, quick=Moment.ACKING),
    Fault(
        "held for minutes, large requests wait",
        hold_long,
        Moment.CALLED,
        environment={"ZEEBE_REQUEST_TIMEOUT": "15m"},
        padding=LARGE,
        most=300,
    ),
    Fault(
        "large requests wait, memory is bounded",
        hold_large,
        environment={"CONCURRENCY": "8", "AMQP_PREFETCH": "128"},
        padding=LARGE,
        most=450,
    ),
    Fault("reset again and again, the load goes on", reset_again_and_again),
    Fault("broker takes nothing for 20 s", stall_broker),
    Fault("everything in pieces of 1 to 64 bytes", cut_in_turn),
    Fault("everything in pieces of 8 bytes, cuts at every offset", cut_moved, most=600),
    Fault("steady for minutes without a heartbeat of the broker", hear_no_heartbeat),
    Fault("consuming connections silent", freeze_consuming),
    Fault("publishing connection silent", freeze_publishing),
    Fault("all connections silent under load", freeze_all),
)
"""The rows of these faults."""
