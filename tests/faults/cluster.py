"""What may happen to a cluster of three nodes while requests keep coming: nodes are killed, restarted, cut off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from scripts.rabbitmq import RabbitMQ
from tests.faults.callers import NUMBER
from tests.faults.fault import SENDING, Fault
from tests.faults.ledgers import REDIS
from tests.faults.setup import Setup
from tests.integration.broker_control import evaluate
from tests.integration.service import CONNECTIONS, TIMEOUT, eventually, metric

OURS, CONSUMING, PUBLISHING = "zeebe-amqp ", "zeebe-amqp consume", "zeebe-amqp publish"
"""How the names of all connections of a consumer begin, and of each kind."""
AWAY, PARTED = 10.0, 60.0
"""Seconds for which nodes are away, and for which one is cut off."""
SETTLED = 5.0
"""Seconds after which what was on its way to a caller has arrived."""
PAUSE = 0.1
"""Seconds between two requests of each caller while the fault lasts."""
BATCH = 10 * NUMBER
"""Requests that are sent so, before it is seen whether it still lasts."""

QUEUE = '{{ok, Q}} = rabbit_amqqueue:lookup({{resource, <<"/">>, queue, <<"{queue}">>}}), '
LEADER = QUEUE + "{{Name, _}} = amqqueue:get_pid(Q), {{_, Leader}} = ra_leaderboard:lookup_leader(Name), Leader"
MOVE = QUEUE + "rabbit_quorum_queue:transfer_leadership(Q, '{node}')"
OF_CLIENTS = (
    "P <- rabbit_networking:connections(), [{{client_properties, [_ | _] = Told}}] <- "
    "[catch rabbit_networking:connection_info(P, [client_properties])], "
    '{{<<"connection_name">>, _, Name}} <- Told'
)
"""Those that have said who they are."""
NAMED = f"[{{{{binary_to_list(Name), node(P)}}}} || {OF_CLIENTS}]"
CLOSE = (
    f'[rabbit_networking:close_connection(P, "moved") || {OF_CLIENTS}, '
    "node(P) =:= '{node}', Name =:= <<\"{name}\">>]"
)


async def ask(setup: Setup, expression: str, **names: str) -> str:
    """What an Erlang expression gives in the first node that runs."""
    node = next(node for node in setup.broker.nodes if node.running)
    return await asyncio.to_thread(evaluate, node, expression.format(**names))


async def leader_of_requests(setup: Setup) -> set[str]:
    """The node that leads the request queue."""
    return {(await ask(setup, LEADER, queue=setup.consumer.queues[0])).strip("'")}


async def connections(setup: Setup) -> list[tuple[str, str]]:
    """The name and the node of each connection of the consumers."""
    found = re.findall(r"{\"(.*?)\",\s*'(.*?)'}", await ask(setup, NAMED))
    return [(name, node) for name, node in found if name.startswith(OURS)]


async def all_connected(setup: Setup) -> bool:
    """Whether no consumer lacks a connection."""
    return len(await connections(setup)) == CONNECTIONS * len(setup.consumers)


async def nodes_of(name: str, setup: Setup) -> set[str]:
    """The nodes that hold the connections whose name begins so, of all consumers."""
    return {node for each, node in await connections(setup) if each.startswith(name)}


async def spread(setup: Setup) -> None:
    """Have consuming connections, publishing connections and the leader of the request queue on different nodes.

    At first all is on one node: consumers begin with the first address.
    """

    async def apart() -> bool:
        [consuming] = await nodes_of(CONSUMING, setup)
        if consuming in await nodes_of(PUBLISHING, setup):
            await ask(setup, CLOSE, name=PUBLISHING, node=consuming)
            return False
        return len(await nodes_of(PUBLISHING, setup)) == 1 and await all_connected(setup)

    await until(apart, "consuming and publishing connections are on a node each")
    await move_leader(setup)


async def move_leader(setup: Setup) -> None:
    """Have the request queue led by a node that holds no connection of a consumer."""
    held = await nodes_of(OURS, setup)
    third = next(node.name for node in setup.broker.nodes if node.name not in held)

    async def moved() -> bool:
        if await leader_of_requests(setup) != {third}:
            await ask(setup, MOVE, queue=setup.consumer.queues[0], node=third)
            return False
        return True

    await until(moved, f"{third} leads the request queue")
    for consumer in setup.consumers:
        await asyncio.to_thread(consumer.wait_until_ready)


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Try until it is true; a cluster that changes may not know at once."""
    failure: Exception | None = None
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                try:
                    if await true():
                        return
                except (AssertionError, ValueError) as error:
                    failure = error
                await asyncio.sleep(1)
    except TimeoutError:
        raise AssertionError(f"not within {TIMEOUT:g} s: {what} ({failure})") from None


@asynccontextmanager
async def requests_coming(setup: Setup) -> AsyncIterator[None]:
    """Callers go on sending for the block, which begins when answers come."""
    over = asyncio.Event()
    await eventually(setup.history.count_answers, "the first answer")

    async def send() -> None:
        while not over.is_set():
            await setup.callers.send(BATCH, PAUSE)

    sending = asyncio.create_task(send())
    try:
        yield
        over.set()
        await asyncio.wait_for(sending, SENDING)
    finally:
        sending.cancel()


def named(setup: Setup, names: Iterable[str]) -> list[RabbitMQ]:
    """The nodes of these names."""
    return [node for node in setup.broker.nodes if node.name in names]


async def kill(find: Callable[[Setup], Awaitable[set[str]]], setup: Setup) -> None:
    """SIGKILL for the node; later it starts again."""
    async with requests_coming(setup):
        [node] = named(setup, await find(setup))
        await asyncio.to_thread(node.kill)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(setup.broker.start)


async def kill_two(kept: str, setup: Setup) -> None:
    """SIGKILL for two of three, of which none holds the connections named so: until one is back nothing is answered."""
    answers = setup.history.count_answers
    async with requests_coming(setup):
        survivors = await nodes_of(kept, setup)
        killed = [node for node in setup.broker.nodes if node.name not in survivors]
        assert len(killed) == 2, f"all of {kept!r} on one node; found: {survivors}"
        for node in killed:
            await asyncio.to_thread(node.kill)
        await asyncio.sleep(SETTLED)
        before = answers()
        await asyncio.sleep(AWAY)
        assert answers() == before, f"{answers() - before} answers from one node of three"
        await asyncio.to_thread(setup.broker.start)
    for consumer in setup.consumers:
        [dropped] = metric(consumer, "reply_failures_total", reason="refused") or [0.0]
        assert not dropped, f"{dropped:g} answers were dropped: their queues waited for nodes, and not for callers"


async def restart_in_turn(setup: Setup) -> None:
    """Every node is stopped and started, one after the other."""
    async with requests_coming(setup):
        for node in setup.broker.nodes:
            await asyncio.to_thread(node.stop)
            await asyncio.to_thread(setup.broker.start)


async def cut_off(setup: Setup) -> None:
    """SIGSTOP for the node that leads the request queue, for a minute; then SIGCONT."""
    async with requests_coming(setup):
        [node] = named(setup, await leader_of_requests(setup))
        assert node.process is not None
        node.process.pause()
        try:
            await asyncio.sleep(PARTED)
        finally:
            node.process.resume()
        await asyncio.to_thread(setup.broker.start)


FAULTS_OF_ONE = (
    Fault("cluster: leader of the request queue killed", partial(kill, leader_of_requests), spread),
    Fault("cluster: node of the consuming connections killed", partial(kill, partial(nodes_of, CONSUMING)), spread),
    Fault("cluster: node of the publishing connection killed", partial(kill, partial(nodes_of, PUBLISHING)), spread),
    Fault("cluster: two of three nodes killed, the publishing connection stays", partial(kill_two, PUBLISHING), spread),
    Fault("cluster: two of three nodes killed, all connections stay", partial(kill_two, OURS), move_leader),
    Fault("cluster: all nodes restarted in turn", restart_in_turn, spread),
    Fault("cluster: leader cut off for 60 s (SIGSTOP)", cut_off, spread),
)
CLUSTER_FAULTS = tuple(
    each
    for fault in FAULTS_OF_ONE
    for each in (fault, replace(fault, name=f"{fault.name}, two consumers", two=True, environment={"LEDGER": REDIS}))
)
"""Every fault of a cluster, with one consumer and with two."""
