"""The service stops and starts again, alone or as one of two replicas: a poll may end early, nothing else changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from scripts.redis import Redis
from tests.cases import check_all
from tests.conftest import Broker
from tests.fakes.gateway import stream
from tests.integration.rolling import COMMAND, POLL, RESULT, Request, judge, roll
from tests.integration.service import ConsumerSetup, eventually, running_service
from zeebe_amqp import Jobs
from zeebe_amqp.errors import invalid
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import after

HOUR = 3600.0
"""Seconds for which the gateway would hold a poll: longer than any stop may take."""


@pytest_asyncio.fixture
async def service(rabbitmq: Broker, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer to stop."""
    async with running_service(tmp_path, rabbitmq.url) as ready:
        yield ready


async def test_a_stop_answers_open_polls_and_waits_for_results(service: ConsumerSetup) -> None:
    service.gateway.script(POLL.rpc, stream(open_for=HOUR), stream(open_for=HOUR))
    service.gateway.always(RESULT.rpc, after(2.0))
    async with service.caller() as caller:
        requests = [
            caller.request(POLL.body("a"), queue=caller.polls, message_id="a"),
            caller.request(POLL.body("b"), queue=caller.commands),
            caller.request(RESULT.body("c"), queue=caller.polls, message_id="c"),
        ]
        answers = asyncio.gather(*requests)
        await eventually(lambda: len(service.gateway.of(POLL.rpc)) == 2 and service.gateway.of(RESULT.rpc), "all out")
        assert await asyncio.to_thread(service.consumer.stop) == 0
        first, second, result = [Reply.decode(message.body) for message in await answers]
    assert (first.data, first.error, second.data, second.error) == ([], None, [], None)
    assert result.error is None
    assert result.data["bpmnProcessId"] == "c"


async def test_an_iterator_of_jobs_goes_on_at_another_replica(service: ConsumerSetup) -> None:
    service.gateway.script(POLL.rpc, stream(open_for=HOUR))
    async with service.client() as client, Jobs(client, "pack", request_timeout="60s") as jobs:
        next_job = asyncio.create_task(anext(jobs))
        await eventually(lambda: service.gateway.count(POLL.rpc) == 1, "a poll is out")
        await service.another()
        assert await asyncio.to_thread(service.consumer.stop) == 0
        job = await next_job
        await job.complete()
    assert service.gateway.count(POLL.rpc) == 2


async def test_nobody_notices_that_two_replicas_restart_in_turn(rabbitmq: Broker, redis: Redis, tmp_path: Path) -> None:
    rolled = await roll(tmp_path, rabbitmq.url, redis.url, rounds=1)
    assert rolled.is_kept, rolled
    assert all(rolled.rows[-1].longest.values())


def test_what_goes_wrong_with_one_request_is_seen() -> None:
    well, other = Request(COMMAND, 1, "a", 0.1), Request(COMMAND, 1, "b", 0.2)
    done = Reply("create-instance", {})
    refused = Reply("create-instance", error=invalid("data.bpmnProcessId", "missing").error())

    def is_seen(answers: list[Reply], runs: int) -> None:
        replies = {"a": [done], "b": answers}
        assert judge([well], replies, {"a": 1}).is_kept
        assert not judge([well, other], replies, {"a": 1, "b": runs}).is_kept

    check_all([([], 1), ([done, done], 1), ([refused], 1), ([done], 0), ([done], 2)], is_seen)
