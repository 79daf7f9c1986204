"""The connections to the broker in trouble that is not an end: held for minutes, stalled, cut into pieces, silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.process import memory_of
from tests.fakes.gateway import FIRST_PARTITION, Request
from tests.faults.callers import NUMBER
from tests.faults.fault import Fault, Moment, at, caught
from tests.faults.gateways import LATENCY
from tests.faults.proxy import Way
from tests.faults.setup import CONCURRENCY, Setup
from tests.faults.streams import in_turn, moved, without_heartbeats
from tests.integration.broker_control import memory_alarm
from tests.integration.load import Hold
from tests.integration.service import CONNECTIONS, delete, eventually, metric
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
STEADY, BUSY = 30.0, 150.0
"""Requests per second, and when it is many."""
RESETS, BETWEEN = 5, 8.0
"""How often, and seconds from one to the next; after 5 s a reply that is not confirmed is taken for refused."""
FEW = 90
"""Requests while everything passes in small pieces."""
STEP = 8
"""Bytes of a piece, and connections until every offset was cut."""
BAD_ACK = (
    "[gen_server:cast(Channel, {method, {'basic.ack', 999999999, false}, none, noflow})"
    " || Channel <- rabbit_channel:list()]"
)
"""Acknowledges, on every channel, what was never delivered: for that the broker closes the channel."""


@asynccontextmanager
async def undisturbed(setup: Setup) -> AsyncIterator[None]:
    """No connection of the consumer is lost meanwhile, and nothing is delivered again."""
    before = setup.to_broker.made, metric(setup.consumer, "redelivered_total")
    yield
    after = setup.to_broker.made, metric(setup.consumer, "redelivered_total")
    assert after == before, f"connections and redeliveries: {before} at first, {after} in the end"


async def hold_long(setup: Setup) -> None:
    """Nothing is answered for minutes; then an alarm and the end of a queue are noticed as ever."""
    async with undisturbed(setup):
        await asyncio.sleep(setup.lasting)
    async with setup.caller() as caller:
        hold = Hold(setup.gateway, "CompleteJob")
        answered = asyncio.create_task(caller.call("complete-job", {"jobKey": FIRST_PARTITION}, queue=caller.polls))
        await hold.reached()
        async with memory_alarm(setup.broker):
            hold.open()  # the broker tells those who publish while there is an alarm
            await eventually(lambda: "broker.publish" in setup.consumer.reasons(), "readiness names the alarm")
        assert (await answered).ok
    await setup.reconnected(partial(delete, setup.broker.url, setup.consumer.queues[1:]), 1)
    await asyncio.to_thread(setup.consumer.wait_until_ready)
    async with setup.caller() as caller:
        assert (await caller.call("topology", queue=caller.polls)).ok


async def stay_within(bound: int, before: int, setup: Setup) -> None:
    """For a while the consumer never has more than `bound` bytes more in memory than `before`."""
    peak = before
    for _ in range(round(STALLED / 0.2)):
        peak = max(peak, memory_of(setup.pid))
        await asyncio.sleep(0.2)
    assert peak - before <= bound, f"memory: grew by {(peak - before) >> 20} MiB; accepted: {bound >> 20} MiB"


def files(setup: Setup) -> set[Path]:
    """Where the consumer keeps its state; the files of the ledger left out, which come and go."""
    return {path for path in (setup.consumer.directory / "state").rglob("*") if "ledger" not in path.name}


async def hold_large(setup: Setup) -> None:
    """Large requests wait for a gateway that answers nothing; memory stays within its bound, and no file is left."""
    memory, before = memory_of(setup.pid), files(setup)
    async with caught(setup, Moment.CALLED):
        await stay_within(HELD + 8 * COPIES * LARGE + SLACK, memory, setup)
    await eventually(lambda: files(setup) == before, "what was held in files is gone with its delivery", pause=0.2)


def bulky(request: Request) -> Step:
    """An answer whose length is in a part that nobody looks at."""
    name = request.message.bpmnProcessId
    key, tenant = FIRST_PARTITION, "t" * BULKY
    created = pb.CreateProcessInstanceResponse(bpmnProcessId=name, processInstanceKey=key, tenantId=tenant)
    return after(LATENCY, answer(created))


async def stall_broker(setup: Setup) -> None:
    """The broker takes nothing for 20 s; memory grows by what may be on its way, and by nothing else."""
    async with setup.gateway.creating(bulky):
        await setup.callers.send(2 * CONCURRENCY)
        before = memory_of(setup.pid)
        setup.to_broker.stall(Way.UP)
        sending = asyncio.create_task(setup.callers.send(4 * CONCURRENCY))
        await stay_within(CONCURRENCY * COPIES * BULKY + SLACK, before, setup)
        setup.to_broker.go_on(Way.UP)
        await sending


async def cut_in_turn(setup: Setup) -> None:
    """Everything comes in pieces of 1, 2, 3 … 64 bytes, handshakes too."""
    setup.to_broker.cutting = in_turn(64)
    setup.to_broker.reset()
    await setup.callers.send(FEW)
    await _all_answered(setup)
    setup.to_broker.cutting = None


async def cut_moved(setup: Setup) -> None:
    """Everything comes in pieces of 8 bytes; with every connection the cuts move on by one byte."""
    # Three connections are made at a time, whichever is first.
    setup.to_broker.cutting = lambda number: moved(STEP)(number // CONNECTIONS)
    for _ in range(STEP):
        await setup.reconnected(setup.to_broker.reset, CONNECTIONS)
        await setup.callers.send(NUMBER)
        await _all_answered(setup)
    setup.to_broker.cutting = None


async def _all_answered(setup: Setup) -> None:
    await eventually(lambda: not setup.history.open(setup.gateway.counted()), "everything is answered", pause=0.2)


async def hear_no_heartbeat(setup: Setup) -> None:
    """Steady traffic on every connection for minutes in which the broker sends no heartbeat."""
    await _all_answered(setup)
    setup.to_broker.filtering = without_heartbeats
    await setup.reconnected(setup.to_broker.reset, CONNECTIONS)
    await _all_answered(setup)
    polling = asyncio.create_task(_poll(setup))
    try:
        async with undisturbed(setup):
            await setup.callers.send(round(setup.lasting * STEADY), NUMBER / STEADY)
    finally:
        setup.to_broker.filtering = None
        polling.cancel()
        await asyncio.wait({polling})
    assert polling.cancelled(), polling.exception()


async def _poll(setup: Setup) -> None:
    """Keep the connection of requests that wait busy, too."""
    async with setup.caller() as caller:
        while True:
            assert (await caller.call("topology", queue=caller.polls)).ok
            await asyncio.sleep(1)


async def freeze(number: int, introduction: bytes, setup: Setup) -> None:
    """So many connections, those with that introduction, go silent for good; over when the consumer has noticed."""
    await setup.reconnected(lambda: setup.to_broker.freeze(introduction), number, NOTICED)


async def reset_again_and_again(setup: Setup) -> None:
    """Every connection is reset, again and again, under a load that goes on: what was being sent is not forgotten."""
    for number in range(RESETS):
        burst = asyncio.create_task(setup.callers.send(4 * CONCURRENCY))
        await asyncio.sleep(0.1 + 0.05 * number)  # in the middle of it, each time elsewhere
        setup.to_broker.reset()
        await setup.callers.send(round(BETWEEN * BUSY), NUMBER / BUSY)
        await burst


async def close_channels(setup: Setup) -> None:
    """The broker closes every channel, the callers' too, and no connection."""
    await setup.reconnected(partial(asyncio.to_thread, setup.broker.evaluate, BAD_ACK), CONNECTIONS)


PATIENT = {"ZEEBE_REQUEST_TIMEOUT": "15m"}
CROWDED = {"CONCURRENCY": "8", "AMQP_PREFETCH": "128"}
CONNECTION_FAULTS: tuple[Fault, ...] = (
    *at(Fault("all channels closed", close_channels), quick=Moment.ACKING),
    *at(
        Fault("held for minutes, large requests wait", hold_long, environment=PATIENT, padding=LARGE, most=300),
        Moment.CALLED,
    ),
    Fault("large requests wait, memory is bounded", hold_large, environment=CROWDED, padding=LARGE, most=450),
    Fault("reset again and again, the load goes on", reset_again_and_again),
    Fault("broker takes nothing for 20 s", stall_broker),
    Fault("everything in pieces of 1 to 64 bytes", cut_in_turn),
    Fault("everything in pieces of 8 bytes, cuts at every offset", cut_moved, most=600),
    Fault("steady for minutes without a heartbeat of the broker", hear_no_heartbeat),
    Fault("consuming connections silent", partial(freeze, 2, CONSUMING)),
    Fault("publishing connection silent", partial(freeze, 1, PUBLISHING)),
    Fault("all connections silent under load", partial(freeze, CONNECTIONS, b"")),
)
"""The rows of these faults."""
