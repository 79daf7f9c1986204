"""A broker takes messages up to a size: what is larger harms nobody else, is told, and does not come again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import orjson
import pytest
import pytest_asyncio

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import stream
from tests.integration.broker_control import VirtualHost, largest_message
from tests.integration.job_setup import job_setup
from tests.integration.load import Hold
from tests.integration.service import CONNECTIONS, ConsumerSetup, eventually, running_service
from zeebe_amqp import ActivateJobs, CommandError, CreateInstance, wire
from zeebe_amqp.errors import Code, Outcome, Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 200_000
LARGE = pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=2**60, variables=f'{{"a":"{"x" * LIMIT}"}}')])
REFUSED = orjson.dumps({"operation": "none", "data": "y" * LIMIT})
"""A request that the broker took while it took more, and that nobody waits for."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(shared_node: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """A service on a broker that takes less than before, and has a request of before."""
    queues = [f"test.{uuid.uuid4().hex}.{name}" for name in ("commands", "polls")]
    async with await aio_pika.connect(shared_node.url) as connection, connection.channel() as channel:
        for name in queues:
            await channel.declare_queue(name, durable=True, arguments=wire.queue_arguments(name))
        await channel.default_exchange.publish(aio_pika.Message(REFUSED), queues[0])
    directory, settings = tmp_path_factory.mktemp("service"), {"AMQP_QUEUES": ",".join(queues)}
    async with largest_message(shared_node, LIMIT), running_service(directory, shared_node.url, **settings) as running:
        yield running


async def refusal(service: ConsumerSetup, request_id: str) -> CommandError:
    async with service.client() as client:
        with pytest.raises(CommandError) as raised:
            await client.call(ActivateJobs(job_type="a", max_jobs_to_activate=1), request_id=request_id)
    return raised.value


async def test_a_reply_that_is_too_large_becomes_an_error_and_its_neighbours_are_answered(
    service: ConsumerSetup,
) -> None:
    request = uuid.uuid4().hex
    for _ in range(2):
        service.gateway.reset()
        hold, others = Hold(service.gateway), 20
        service.gateway.always("ActivateJobs", stream(LARGE))
        async with service.client() as client, asyncio.timeout(60):
            calls = [asyncio.create_task(client.call(CreateInstance(bpmn_process_id="order"))) for _ in range(others)]
            await hold.reached(others)
            large = asyncio.create_task(refusal(service, request))
            hold.open()
            told, answers = await large, await asyncio.gather(*calls)
        assert len({each.process_instance_key for each in answers}) == service.gateway.count("CreateProcessInstance")
        assert (told.code, told.source, told.outcome) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.UNKNOWN)
        assert (told.details or {})["executed"] is True
        assert f"a message has at most {LIMIT} (max_message_size)" in told.message
    # The second answer is that of the ledger, and by then the limit is known.
    assert service.gateway.count("ActivateJobs") == 0
    assert service.log().count("the broker takes no message of more than") == 1
    # At most two channels ended, for one letter and one reply: a connection that publishes was lost once.
    assert service.connections() <= CONNECTIONS + 1


async def test_a_request_that_does_not_fit_any_more_becomes_a_letter_with_its_beginning(service: ConsumerSetup) -> None:
    letter = await service.dead_letters.with_body(REFUSED[: wire.KEPT_OF_LARGE])
    assert letter.headers[wire.ERROR_CODE] == "UNIMPLEMENTED"
    assert (letter.headers[wire.TRUNCATED], letter.headers[wire.ORIGINAL_SIZE]) == (True, len(REFUSED))


async def test_a_job_that_is_too_large_becomes_an_incident_and_is_not_published_again(
    shared_node: RabbitMQ, vhost: VirtualHost, tmp_path: Path
) -> None:
    async with largest_message(shared_node, LIMIT), job_setup(tmp_path, vhost.url) as setup:
        setup.gateway.always("StreamActivatedJobs", stream(open_for=60))
        setup.gateway.always("ActivateJobs", stream(open_for=0.5))
        await setup.start(JOBS_FILE=setup.types_file(limit=10))
        large = LARGE.jobs[0].variables
        job = pb.ActivatedJob(key=2**51, type=setup.job_type, retries=3, deadline=_soon(), variables=large)
        setup.gateway.script("ActivateJobs", stream(pb.ActivateJobsResponse(jobs=[job])))
        await eventually(lambda: setup.gateway.count("FailJob") > 0, "the job fails")
        [failed] = [each.message for each in setup.gateway.of("FailJob")]
        assert (failed.jobKey, failed.retries) == (2**51, 0)
        assert "the job does not fit into a message" in failed.errorMessage
        assert f"the broker takes at most {LIMIT} (its max_message_size)" in failed.errorMessage


def _soon() -> int:
    return round((time.time() + 600) * 1000)
