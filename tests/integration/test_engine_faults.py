"""An engine that is overloaded, paused, frozen or away: what callers are told, and that the consumer gets over it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from scripts.consumer import Consumer
from scripts.zeebe import Zeebe
from tests.conftest import Broker
from tests.integration.caller import Caller
from tests.integration.consumers import consumer_on
from tests.integration.scene import ABSENT, BY_KEY, Scene, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source


@pytest.fixture(scope="module")
def own_consumer(rabbitmq: Broker, own_zeebe: Zeebe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """A consumer of that engine; it is never restarted."""
    with consumer_on(tmp_path_factory.mktemp("own-consumer"), rabbitmq.url, own_zeebe.address) as running:
        yield running


@pytest.fixture
async def own_scene(rabbitmq: Broker, own_consumer: Consumer) -> AsyncIterator[Scene]:
    """A process on that engine."""
    async with Caller(rabbitmq.url, *own_consumer.queues) as connected:
        yield Scene(connected)


def manage(engine: Zeebe, path: str, body: Mapping[str, Any] | None = None) -> None:
    """Use one of the engine's switches."""
    request = urllib.request.Request(
        f"{engine.management_url}/actuator/{path}",
        json.dumps(body or {}).encode(),
        {"content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@contextmanager
def one_request_at_a_time(engine: Zeebe) -> Iterator[None]:
    """Backpressure at its hardest."""
    manage(engine, "flowControl", {"request": {"enabled": True, "algorithm": "fixed", "fixed": {"limit": 1}}})
    yield
    manage(engine, "flowControl", {"request": {"enabled": True, "algorithm": "aimd"}})


@contextmanager
def one_write_a_second(engine: Zeebe) -> Iterator[None]:
    """So slow that no budget of attempts is enough for all."""
    manage(engine, "flowControl", {"write": {"enabled": True, "limit": 1}})
    yield
    manage(engine, "flowControl", {"write": {"enabled": False}})


@contextmanager
def paused(engine: Zeebe) -> Iterator[None]:
    """The partition takes commands and does not process them."""
    manage(engine, "partitions/pauseProcessing")
    yield
    manage(engine, "partitions/resumeProcessing")


# --- 5: overload ---


async def test_overload_is_not_executed_and_may_be_tried_again(own_scene: Scene, own_zeebe: Zeebe) -> None:
    await own_scene.worked()
    create = {"bpmnProcessId": own_scene.process}
    with one_write_a_second(own_zeebe):
        replies = await asyncio.gather(*(own_scene.caller.call("create-instance", create) for _ in range(40)))
    errors = [reply.error for reply in replies if reply.error is not None]
    refused = [error for error in errors if error.code is Code.RESOURCE_EXHAUSTED]
    assert refused
    for error in refused:
        assert (error.source, error.outcome, error.retryable) == (Source.GATEWAY, Outcome.NOT_EXECUTED, True)
        assert error.details == {"attempts": 5}
    # On a slow machine the engine may let one in and answer it too late.
    late = [error for error in errors if error not in refused]
    assert all(error.outcome is Outcome.UNKNOWN for error in late)
    created = {reply.data["processInstanceKey"] for reply in replies if reply.error is None}
    jobs = await own_scene.caller.result("activate-jobs", {"jobType": own_scene.job_type, "maxJobsToActivate": 40})
    found = {job["processInstanceKey"] for job in jobs}
    assert created <= found
    assert len(found) <= len(created) + len(late)  # and so what was refused was not executed


async def test_a_paused_partition_is_not_executed_and_may_be_tried_again(own_scene: Scene, own_zeebe: Zeebe) -> None:
    await own_scene.worked()
    create = {"bpmnProcessId": own_scene.process}
    with paused(own_zeebe):
        reply, cluster, jobs = await asyncio.gather(
            own_scene.caller.call("create-instance", create),
            own_scene.caller.result("topology"),
            own_scene.caller.result("activate-jobs", {"jobType": own_scene.job_type, "maxJobsToActivate": 1}),
        )
    error = refused(reply)
    assert "Processing paused for partition '1'" in error.message
    assert (error.code, error.source, error.outcome, error.retryable, error.details) == (
        Code.INTERNAL,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        True,
        {"attempts": 5},
    )
    assert (cluster["partitionsCount"], jobs) == (1, [])
    instance = await own_scene.instance()
    assert [job["processInstanceKey"] for job in await own_scene.jobs(5)] == [instance]


# --- 12: what the engine takes under any load ---

EXEMPT = {"cancel-instance", "complete-job", "fail-job"}
LIMITED = set(BY_KEY) - EXEMPT


async def test_what_relieves_the_engine_is_never_held_back(own_scene: Scene, own_zeebe: Zeebe) -> None:
    """How often a command was tried stands in its rejection, so all of these are about what is not there."""
    absent = [(name, {field: ABSENT, **more}) for name, (field, more) in BY_KEY.items()] * 10
    with one_request_at_a_time(own_zeebe):
        replies = await asyncio.gather(*(own_scene.caller.call(name, data) for name, data in absent))
    held_back = {reply.operation for reply in replies if "attempts" in (refused(reply).details or {})}
    assert held_back
    assert held_back <= LIMITED
    assert {refused(reply).code for reply in replies if reply.operation in EXEMPT} == {Code.NOT_FOUND}


# --- 8 once more: an engine that does not answer at all ---


async def test_a_frozen_engine_leaves_the_outcome_open(own_scene: Scene, own_zeebe: Zeebe) -> None:
    await own_scene.worked()
    message = {"messageName": unique("m"), "messageId": unique("i"), "timeToLive": "1m"}
    assert own_zeebe.process is not None
    own_zeebe.process.pause()
    headers = {"deadline": round((time.time() + 2) * 1000)}
    replies = await asyncio.gather(
        own_scene.caller.call("create-instance", {"bpmnProcessId": own_scene.process}, headers=headers),
        own_scene.caller.call("publish-message", message, headers=headers),
    )
    own_zeebe.process.resume()
    for reply, repeatable in zip(replies, (False, True), strict=True):
        error = refused(reply)
        assert (error.code, error.outcome, error.retryable) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN, repeatable)
    assert await own_scene.instance()


# --- 15: an engine that comes back ---


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the consumer notices by itself; asked over HTTP, so in a thread."""
    async with asyncio.timeout(60):
        while True:
            if await asyncio.to_thread(condition):
                return
            await asyncio.sleep(0.1)


async def test_an_engine_that_was_away_is_served_again_without_restarting_the_consumer(
    own_scene: Scene, own_zeebe: Zeebe, own_consumer: Consumer
) -> None:
    await own_scene.worked()
    instance = await own_scene.instance()
    await asyncio.to_thread(own_zeebe.stop)
    await until(lambda: "gateway" in own_consumer.reasons())
    error = refused(await own_scene.caller.call("create-instance", {"bpmnProcessId": own_scene.process}))
    assert (error.code, error.source, error.outcome, error.retryable) == (
        Code.UNAVAILABLE,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        True,
    )
    assert "127.0.0.1" not in error.message
    await asyncio.to_thread(own_zeebe.start)
    assert [job["processInstanceKey"] for job in await own_scene.jobs()] == [instance]
    await until(lambda: own_consumer.get("/readyz")[0] == 200)
