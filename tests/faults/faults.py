"""The faults: what each does, and what it excuses."""

from __future__ import annotations

import asyncio
import random
import resource
from functools import partial
from signal import SIGCONT, SIGSTOP

import aio_pika

from consumer.ledger import accept_failover
from tests.fakes.gateway import BUSY, sometimes
from tests.faults.connections import CONNECTION_FAULTS
from tests.faults.fault import Fault, Moment, at
from tests.faults.gateways import ClusterGateway, EngineGateway, ProgramGateway
from tests.faults.ledgers import PAIR, POSTGRES, REDIS, SYNCHRONOUS
from tests.faults.proxy import Proxy
from tests.faults.setup import Setup
from tests.integration import broker_control
from tests.integration.broker_control import memory_alarm
from tests.integration.service import delete, eventually
from zeebe_amqp.errors import Code
from zeebe_amqp.testing import Reaction, after, fail

SHORT, LONG, STOPPED = 3.0, 10.0, 20.0
"""Seconds that a fault lasts."""
CUTS = (1, 9, 700, 2_000, 6_000)
"""Bytes after which connections are cut: in a handshake, in a frame's header, in the middle of the traffic."""
MEMORY = "memory://"


async def kill_consumer(setup: Setup) -> None:
    """SIGKILL, then a new process on the same state."""
    await asyncio.to_thread(setup.consumer.kill)
    setup.consumer.launch()


async def kill_one(setup: Setup) -> None:
    """SIGKILL; another consumer of the same queues and the same ledger goes on alone."""
    await asyncio.to_thread(setup.consumer.kill)


async def end_consumer(setup: Setup) -> None:
    """SIGTERM, then a new process on the same state."""
    status = await asyncio.to_thread(setup.consumer.stop)
    assert status == 0, f"exit code {status} after SIGTERM"
    setup.consumer.launch()


async def fill_disk(setup: Setup) -> None:
    """No file of the consumer can grow any more: the ledger cannot be written."""
    pid = setup.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    await asyncio.sleep(LONG)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def ledger_away(setup: Setup) -> None:
    """SIGKILL for the server of the ledger, which starts again later."""
    await asyncio.to_thread(setup.ledger.kill)
    await asyncio.sleep(LONG)
    await asyncio.to_thread(setup.ledger.start)


async def restart_ledger(setup: Setup) -> None:
    """The server of the ledger ends as it should, and starts again at once."""
    await asyncio.to_thread(setup.ledger.restart)


async def fail_over(setup: Setup) -> None:
    """SIGKILL for the server of the ledger; its standby takes over."""
    await asyncio.to_thread(setup.ledger.fail_over)


async def fail_over_and_accept(setup: Setup) -> None:
    """The same; what takes over may lack something, so nothing runs until somebody accepts that."""
    await fail_over(setup)
    await eventually(lambda: "may have forgotten" in setup.consumer.reasons().get("ledger", ""), "it is refused")
    before = setup.gateway.counted().total()
    await asyncio.sleep(SHORT)
    ran = setup.gateway.counted().total() - before
    assert not ran, f"{ran} requests ran although the ledger may have forgotten them"
    await accept_failover(setup.ledger.url)


async def stop_consumer(setup: Setup) -> None:
    """SIGSTOP for longer than two heartbeats, then SIGCONT."""
    setup.consumer.signal(SIGSTOP)
    await asyncio.sleep(STOPPED)
    setup.consumer.signal(SIGCONT)


async def kill_broker(setup: Setup) -> None:
    """SIGKILL and start."""
    await asyncio.to_thread(setup.broker.kill)
    await asyncio.to_thread(setup.broker.start)


async def close_connections(setup: Setup) -> None:
    """The broker closes every connection, the callers' too."""
    await asyncio.to_thread(broker_control.close_connections, setup.broker)


async def raise_alarm(setup: Setup) -> None:
    """A memory alarm."""
    async with memory_alarm(setup.broker):
        await asyncio.sleep(SHORT)


async def delete_reply_queue(setup: Setup) -> set[str]:
    """One caller's reply queue is deleted for good; only its own requests need no answer."""
    gone = setup.callers.queues[0]
    await delete(setup.broker.url, (gone,))
    return setup.callers.of[gone]


async def delete_request_queue(setup: Setup) -> set[str]:
    """The request queue is deleted with what is in it, and the consumer declares it again."""
    requests = setup.history.requests
    async with await aio_pika.connect(setup.broker.url) as connection:
        await (await connection.channel()).queue_delete(setup.consumer.queues[0])
    return {identity for identity, request in requests.items() if request.sent}


async def delay(proxy: Proxy) -> None:
    """Everything takes longer."""
    proxy.delay = 0.2
    await asyncio.sleep(SHORT)
    proxy.delay = 0.0


async def freeze_gateway(setup: Setup) -> None:
    """The connection between consumer and gateway goes silent for good; over when the consumer has made another."""
    before = setup.to_gateway.made
    setup.to_gateway.freeze()
    await eventually(lambda: setup.to_gateway.made > before, "a new connection to the gateway")


async def gateway_away(setup: Setup) -> None:
    """Stopped, and started again later."""
    await setup.gateway.stop()
    await asyncio.sleep(LONG)
    await setup.gateway.start()


async def kill_gateway(setup: Setup) -> None:
    """SIGKILL, and started again."""
    await asyncio.to_thread(setup.gateway.server.kill)
    await setup.gateway.start()


async def stop_gateway(setup: Setup) -> None:
    """SIGSTOP for as long as the consumer needs to notice, and longer; then SIGCONT."""
    setup.gateway.server.process.pause()
    await asyncio.sleep(STOPPED)
    setup.gateway.server.process.resume()


async def answer_with(step: Reaction, setup: Setup) -> None:
    """The gateway does something else for a while."""
    async with setup.gateway.creating(step):
        await asyncio.sleep(SHORT)


OVERLOADED = sometimes(0.3, fail("RESOURCE_EXHAUSTED", BUSY), random.Random(7).random)
"""Three of ten requests are refused for load."""
SLOW = after(2.0)
"""It executes, but answers after the deadline."""
SHORT_TIME, LONG_TIME = ({"ZEEBE_REQUEST_TIMEOUT": time} for time in ("500ms", "20s"))
CUT_OFF = frozenset({Code.ABORTED})
"""What callers get whose request was running in a process that is gone, and must not be repeated."""
LOST_CALL = frozenset({Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN})
"""What callers get whose call was cut on its way to the gateway or back."""
LATE, REFUSED = frozenset({Code.DEADLINE_EXCEEDED}), frozenset({Code.RESOURCE_EXHAUSTED})

FAULTS: tuple[Fault, ...] = (
    *at(
        Fault("consumer killed (memory ledger)", kill_consumer, environment={"LEDGER": MEMORY}, forgiving=True),
        quick=Moment.ACKING,
    ),
    *at(Fault("consumer killed", kill_consumer, accepts=CUT_OFF), quick=Moment.EXECUTED),
    *at(Fault("one of two consumers killed", kill_one, environment={"LEDGER": REDIS}, accepts=CUT_OFF, two=True)),
    *at(
        Fault(
            "one of two consumers killed (PostgreSQL)",
            kill_one,
            environment={"LEDGER": POSTGRES},
            accepts=CUT_OFF,
            two=True,
        )
    ),
    Fault("ledger cannot be written", fill_disk),
    Fault("Redis killed, away 10 s", ledger_away, environment={"LEDGER": REDIS}),
    Fault("Redis restarted", restart_ledger, environment={"LEDGER": REDIS}),
    Fault("PostgreSQL killed, away 10 s", ledger_away, environment={"LEDGER": POSTGRES}),
    Fault("PostgreSQL restarted", restart_ledger, environment={"LEDGER": POSTGRES}),
    Fault("PostgreSQL failed over, refused until accepted", fail_over_and_accept, environment={"LEDGER": PAIR}),
    Fault("PostgreSQL failed over to a synchronous standby", fail_over, environment={"LEDGER": SYNCHRONOUS}),
    Fault("consumer ended (SIGTERM)", end_consumer),
    Fault("consumer stopped 20 s (SIGSTOP)", stop_consumer),
    *at(Fault("broker restarted", lambda setup: asyncio.to_thread(setup.broker.restart)), Moment.ANY, Moment.CALLED),
    *at(Fault("broker killed", kill_broker)),
    *at(Fault("all connections closed", close_connections), quick=Moment.REPLYING),
    Fault("memory alarm", raise_alarm),
    Fault("reply queue deleted", delete_reply_queue, quick=True),
    Fault("request queue deleted", delete_request_queue, quick=True),
    *at(Fault("broker connections reset", lambda setup: setup.to_broker.reset()), quick=Moment.EXECUTED),
    Fault("broker connections silent", lambda setup: setup.to_broker.freeze()),
    Fault("broker connections slow (0.2 s)", lambda setup: delay(setup.to_broker)),
    Fault("broker connections cut after k bytes", lambda setup: setup.to_broker.cut_after(*CUTS)),
    *at(
        Fault("gateway connection reset", lambda setup: setup.to_gateway.reset(), accepts=LOST_CALL),
        Moment.ANY,
        Moment.CALLED,
        Moment.EXECUTED,
        quick=Moment.EXECUTED,
    ),
    Fault("gateway connection silent", freeze_gateway, accepts=LATE | LOST_CALL, environment=LONG_TIME),
    Fault("gateway connection slow (0.2 s)", lambda setup: delay(setup.to_gateway)),
    Fault("gateway connections cut after k bytes", lambda setup: setup.to_gateway.cut_after(*CUTS), accepts=LOST_CALL),
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
    Fault("gateway refuses 30 % for load", partial(answer_with, OVERLOADED), accepts=REFUSED, quick=True),
    Fault(
        "gateway slower than the deadline", partial(answer_with, SLOW), accepts=LATE, environment=SHORT_TIME, quick=True
    ),
    *CONNECTION_FAULTS,
)
"""Every fault at every moment that matters."""
