"""Spans show what a request waited for, whose answer it got, and nothing that the catalog lacks."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from consumer.core.delivery import Delivery, Wait, Waiting
from consumer.core.message import Reply
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.telemetry import Telemetry, names
from consumer.telemetry.span_catalog import EVENTS, SPANS
from tests.unit.consumer.deliveries import MemoryLedger, QuickClock
from tests.unit.consumer.errors import failed
from tests.unit.consumer.telemetry.jobs import job
from tests.unit.consumer.telemetry.requests import Find, answering, incoming
from tests.unit.consumer.workers import ScriptedHandler, until

HANDLING = "process zeebe.commands"
ORDER = {"bpmnProcessId": "order"}
CREATED = Reply("create-instance", {})
CALLS = ("CreateProcessInstance", "gateway:26500"), ("POST /signal", "camunda:8080")


async def handle(telemetry: Telemetry, request: Delivery) -> None:
    await telemetry.traced(answering(Reply("topology", {})))(request)


def waits(span: ReadableSpan) -> list[tuple[object, object]]:
    """What the events of waiting in a span say: reason and seconds."""
    said = [event.attributes or {} for event in span.events if event.name == "wait"]
    return [(each["zeebe_amqp.wait.reason"], each["zeebe_amqp.wait.duration"]) for each in said]


async def test_a_span_begins_with_the_waiting_before_it_and_shows_it_once(
    telemetry: Telemetry, span: Find, waiting_clock: QuickClock
) -> None:
    now = time.time()
    request = incoming()
    request.waits = (Wait(Waiting.GATEWAY, now - 60, 50.0), Wait(Waiting.SLOT, now - 10, 9.5))
    await handle(telemetry, request)
    first = span(HANDLING)
    assert waits(first) == [("gateway", 50.0), ("slot", 9.5)]
    assert first.start_time == first.events[0].timestamp == int((now - 60) * 1e9)
    assert first.events[1].timestamp == int((now - 10) * 1e9)
    with request.waiting(Waiting.RETRY):
        waiting_clock.passed += 0.002
    await handle(telemetry, request)
    [(reason, seconds)] = waits(span(HANDLING))
    assert (reason, 0.001 <= float(str(seconds)) < 10) == ("retry", True)


async def test_waiting_while_it_is_handled_is_in_its_span_when_that_fails_too(
    telemetry: Telemetry, span: Find, waiting_clock: QuickClock
) -> None:
    async def handler(request: Delivery) -> Reply:
        async with request.release_slot():
            waiting_clock.passed += 0.002
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await telemetry.traced(handler)(incoming())
    assert [reason for reason, _ in waits(span(HANDLING))] == ["run"]
    assert (span(HANDLING).start_time or 0) <= span(HANDLING).events[0].timestamp


async def test_without_tracing_the_waits_of_a_request_are_bounded_and_nothing_is_noted_of_short_ones(
    waiting_clock: QuickClock,
) -> None:
    request = incoming()
    with request.waiting(Waiting.SLOT):
        pass
    assert request.waits == ()
    for _ in range(40):
        with request.waiting(Waiting.RETRY):
            waiting_clock.passed += 0.002
    assert len(request.waits) == 32


async def test_an_answer_of_an_earlier_run_links_to_its_span(
    telemetry: Telemetry, span: Find, waiting_clock: QuickClock
) -> None:
    first, again = (
        incoming("create-instance", data=ORDER, message_id="m", redelivered=again, reply_to="replies")
        for again in (False, True)
    )
    held = ScriptedHandler()
    held.replies = [CREATED]
    held.limiter.clear()
    handler = telemetry.traced(idempotent(MemoryLedger(), RedeliveryMatcher())(held))
    running = asyncio.ensure_future(handler(first))
    await until(lambda: held.runs)
    waiting = asyncio.ensure_future(handler(again))
    await until(lambda: again.idle)
    waiting_clock.passed += 0.005
    held.limiter.set()
    await running
    earlier = span(HANDLING)
    await waiting
    [link] = span(HANDLING).links
    assert link.context == earlier.get_span_context()
    assert earlier.links == ()
    assert "run" in [reason for reason, _ in waits(span(HANDLING))]
    assert (span(HANDLING).attributes or {})["zeebe_amqp.replayed"] is True


async def test_a_redelivery_without_an_id_links_to_the_run_that_answers_it(telemetry: Telemetry, span: Find) -> None:
    first, again = (incoming("create-instance", data=ORDER, redelivered=again) for again in (False, True))
    handler = telemetry.traced(idempotent(MemoryLedger(), RedeliveryMatcher())(answering(CREATED)))
    await handler(first)
    earlier = span(HANDLING)
    vars(first)["_channel"].open = False
    await handler(again)
    assert [link.context for link in span(HANDLING).links] == [earlier.get_span_context()]


async def test_a_span_says_the_time_in_the_queue_the_id_and_the_replays(telemetry: Telemetry, span: Find) -> None:
    headers: dict[str, Any] = {"request-id": "r-1", "replays": 2}
    await handle(telemetry, incoming(headers=headers, timestamp=1_000, received=1_007.5))
    found = dict(span(HANDLING).attributes or {})
    told = {"zeebe_amqp.queue.wait": 7.5, "zeebe_amqp.replays": 2, "zeebe_amqp.request.id": "r-1"}
    assert told.items() <= found.items()
    await handle(telemetry, incoming(headers={"request-id": 7, "replays": "2"}, timestamp=1_000, received=900))
    assert not told.keys() & dict(span(HANDLING).attributes or {}).keys()


async def test_every_attribute_and_event_of_every_span_is_in_the_catalog(telemetry: Telemetry, exporter: Any) -> None:
    request = incoming(
        "complete-job", data={"jobKey": 2251799813685250}, correlation_id="c", message_id="m", user_id="u",
        redelivered=True, headers={"request-id": "r", "replays": 1}, timestamp=1_000, received=1_001,
    )  # fmt: skip
    request.waits = (Wait(Waiting.SLOT, time.time(), 1.0),)
    keys = {rendered: 7 for rendered, _ in names.KEYS.values()}

    async def handler(_: Delivery) -> Reply:
        for rpc in CALLS:
            with telemetry.calling(*rpc) as call:
                call.attempt(1, "UNAVAILABLE", 0.1)
                call.finish("INTERNAL")
        return Reply("complete-job", keys, error=failed(), replayed=True)

    reply = await telemetry.traced(handler)(request)
    job_publishing = telemetry.publishing_job("trace", job(), "zeebe.jobs.pay")
    for publishing in (telemetry.publishing(request, reply), job_publishing):
        with suppress(TimeoutError), publishing:
            raise TimeoutError
    shown = exporter.get_finished_spans()
    assert len(shown) == 5
    for kind in SPANS:
        found = [one for one in shown if one.kind.name.lower() == kind.kind]
        if kind.kind == "producer":
            found = [one for one in found if (one.name == names.PUBLISH_REPLY) == (kind.name == names.PUBLISH_REPLY)]
        assert {name for one in found for name in one.attributes} == kind.attributes.keys(), kind.name
        assert {event.name for one in found for event in one.events} == set(kind.events)
        for event in (event for one in found for event in one.events):
            assert set(event.attributes) == EVENTS[event.name].attributes.keys()
