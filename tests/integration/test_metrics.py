"""What a running service shows is the catalog: every metric of it, and no metric or label besides."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from consumer.telemetry.catalog import COUNTER, HISTOGRAM, METRICS
from consumer.telemetry.prometheus import exposed
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import BUSY
from tests.integration.broker_control import close_connections
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import ConsumerSetup, create, eventually, running_service
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = {"zeebe_amqp.retries"}
"""Counters whose labels nobody knows beforehand; their series begin with the first count."""


@pytest_asyncio.fixture(loop_scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test, on the broker of this file."""
    settings = {"AUDIT": str(tmp_path / "audit" / "log"), "JOBS": f"test.{uuid.uuid4().hex}"}
    async with running_service(tmp_path, own_rabbitmq.url, has_jobs=False, **settings) as ready:
        yield ready


def samples(service: ConsumerSetup) -> dict[str, list[Sample]]:
    """What the service shows, by OpenTelemetry's name; a name that is in no catalog as it is."""
    named = {exposed(name, metric.kind, metric.unit): name for name, metric in METRICS.items()}
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(service.consumer.get("/metrics")[1]):
        for sample in family.samples:
            ending = next((e for e in ("_bucket", "_count", "_sum") if family.type == HISTOGRAM), "")
            name = f"{family.name}_total" if family.type == COUNTER else family.name
            assert sample.name == name or sample.name.startswith(family.name + ("_" if ending else "")), sample
            found.setdefault(named.get(name, name), []).append(sample)
    found.pop("target_info")
    return found


def total(service: ConsumerSetup, name: str, **labels: str) -> float:
    """The sum of a counter over all series that have these labels."""
    wanted = labels.items()
    return sum(sample.value for sample in samples(service).get(name, []) if wanted <= sample.labels.items())


async def refused(caller: Caller, body: bytes, request_id: str | None = None) -> tuple[Code, Outcome]:
    """Code and outcome of the error with which a request is answered."""
    headers = {} if request_id is None else {wire.REQUEST_ID: request_id}
    error = Reply.decode((await caller.request(body, headers=headers)).body).error
    assert error is not None
    return error.code, error.outcome


async def make_every_kind(service: ConsumerSetup, broker: RabbitMQ) -> None:
    """Requests that are executed, retried, rejected, unknown, dead-lettered, replayed, refused and redelivered."""
    gateway, name = service.gateway, uuid.uuid4().hex
    async with service.caller() as caller:
        gateway.script(CREATE, fail("RESOURCE_EXHAUSTED", BUSY))
        for _ in range(2):
            await caller.request(create(id=name), headers={wire.REQUEST_ID: name}, timestamp=int(time.time()) - 60)
        assert (await refused(caller, create(id="other"), name))[0] is Code.ALREADY_EXISTS
        gateway.script(CREATE, fail("NOT_FOUND", "no process"))
        assert await refused(caller, create(id="absent")) == (Code.NOT_FOUND, Outcome.NOT_EXECUTED)
        gateway.script(CREATE, fail("DEADLINE_EXCEEDED", "late"))
        assert (await refused(caller, create(id="late")))[1] is Outcome.UNKNOWN
        await caller.publish(b"not json", reply_to=None)
        await service.dead_letters.with_body(b"not json")
        held, before = Hold(gateway), gateway.count(CREATE)
        await caller.publish(create(id="cut"), headers={wire.REQUEST_ID: "cut"})
        await eventually(lambda: gateway.count(CREATE) > before, "it is at the gateway")
        await asyncio.to_thread(close_connections, broker)
        await eventually(lambda: total(service, "zeebe_amqp.redelivered") >= 1, "the request comes again")
        held.open()
        await eventually(lambda: service.metric("in_flight") == 0, "everything is settled")


async def test_a_running_service_shows_the_catalog_and_nothing_else(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    counters = {name for name, metric in METRICS.items() if metric.kind == COUNTER}
    assert counters - samples(service).keys() == LATER
    idle = {"process.cpu.time", "zeebe_amqp.ledger.failures"}
    assert {name for name in counters - LATER - idle if total(service, name)} == set()

    await make_every_kind(service, own_rabbitmq)

    shown = samples(service)
    assert shown.keys() == METRICS.keys()
    for name, series in shown.items():
        labels = {label for sample in series for label in sample.labels} - {"le"}
        assert labels <= {label.replace(".", "_") for label in METRICS[name].labels}, name


async def test_each_ending_is_counted_where_an_alert_looks_for_it(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    await make_every_kind(service, own_rabbitmq)
    operation = {"operation": "create-instance"}
    assert total(service, "zeebe_amqp.outcomes", **operation, outcome="unknown") == 1
    assert total(service, "zeebe_amqp.commands", **operation, code="NOT_FOUND", source="gateway") == 1
    assert total(service, "zeebe_amqp.commands", **operation, code="ALREADY_EXISTS", source="consumer") == 1
    assert total(service, "zeebe_amqp.commands", operation="_OTHER", outcome="not-executed") == 1
    assert total(service, "zeebe_amqp.refused", reason="conflict") == 1
    assert total(service, "zeebe_amqp.replayed", **operation) >= 1
    assert total(service, "zeebe_amqp.retries") == 1
    assert total(service, "zeebe_amqp.dead_lettered") == 1
    assert total(service, "messaging.client.consumed.messages") >= 7
    assert total(service, "zeebe_amqp.ledger.size") >= 1
    assert total(service, "zeebe_amqp.ledger.bytes") > 0
    assert (service.metric("ready"), service.metric("oldest_request_age_seconds")) == (1, 0)


async def test_while_the_gateway_is_away_it_is_not_ready_but_paused_and_requests_grow_old(
    service: ConsumerSetup,
) -> None:
    assert {service.metric("paused_seconds", part=part) for part in ("gateway", "ledger", "audit")} == {0}
    async with service.caller() as caller:
        await service.gateway.stop()
        await eventually(lambda: service.metric("paused_seconds", part="gateway") > 0, "consuming pauses")
        assert service.metric("ready") == 0
        assert service.metric("paused_seconds", part="ledger") == 0
        waiting = asyncio.ensure_future(caller.request(create(id="waits")))
        await eventually(lambda: service.metric("queue_messages", queue=caller.commands) == 1, "it is counted")
        await eventually(lambda: service.metric("oldest_request_age_seconds") > 0, "it grows old")
        await service.gateway.start()
        assert Reply.decode((await waiting).body).ok
        await eventually(lambda: service.metric("ready") == 1, "it is ready again")
        await eventually(lambda: service.metric("paused_seconds", part="gateway") == 0, "consuming goes on")
