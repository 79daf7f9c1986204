"""The trace of a job: out of its variables, over its publishing, to the worker and to the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.core.requeue import Requeue
from consumer.telemetry import Telemetry
from consumer.telemetry.spans import carried
from tests.cases import for_each
from tests.unit.consumer.telemetry.jobs import KEY, job
from tests.unit.consumer.telemetry.requests import PARENT, TRACE, Find, answering, incoming
from zeebe_amqp import wire

QUEUE = "zeebe.jobs.pay"
PUBLISHING = f"publish {QUEUE}"
RESULTS = "zeebe.jobs.results"
CONTEXT = {"traceparent": PARENT, "tracestate": "vendor=1"}
FETCH = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
DONE = Reply("complete-job", None)


def carrying(value: Any, name: str = "trace") -> str:
    return json.dumps({"order": 7, name: value})


def context(span: Any) -> dict[str, str]:
    """The headers that say that this span was before."""
    return carried(span.get_span_context())


def linked(span: Any) -> list[str]:
    """What a span links to."""
    return [carried(link.context)["traceparent"] for link in span.links]


def test_publishing_a_job_continues_the_trace_in_its_variables_and_links_to_the_fetch(
    telemetry: Telemetry, span: Find
) -> None:
    publishing = telemetry.publishing_job("trace", job(carrying(CONTEXT)), QUEUE, fetched=FETCH)
    with publishing as headers:
        pass
    found = span(PUBLISHING)
    assert (found.kind, found.status.status_code) == (SpanKind.PRODUCER, StatusCode.UNSET)
    assert found.parent is not None
    assert f"{found.parent.span_id:016x}" == PARENT.split("-")[2]
    assert headers == context(found)
    assert (headers["traceparent"][3:35], headers["tracestate"]) == (TRACE, "vendor=1")
    assert publishing.trace == headers["traceparent"]
    assert linked(found) == [FETCH["traceparent"]]
    assert found.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": QUEUE,
        "messaging.rabbitmq.destination.routing_key": QUEUE,
        "messaging.message.body.size": len(carrying(CONTEXT)),
        "zeebe.job_type": "pay",
        "zeebe.job_key": str(KEY),
        "zeebe.process_instance_key": str(KEY + 1),
        "zeebe.element_instance_key": str(KEY + 3),
    }


@for_each([carrying(None), carrying("a user's own"), carrying(CONTEXT, "other"), "no JSON", "", "[]"])
def test_without_a_trace_in_its_variables_one_begins_with_the_job(
    variables: str, telemetry: Telemetry, span: Find
) -> None:
    with telemetry.publishing_job("trace", job(variables), QUEUE) as headers:
        pass
    assert span(PUBLISHING).parent is None
    assert headers == context(span(PUBLISHING))
    assert linked(span(PUBLISHING)) == []


def test_the_variable_has_the_name_that_the_operator_gave_it(telemetry: Telemetry, off: Telemetry) -> None:
    for watch in (telemetry, off):
        publishing = watch.publishing_job("other", job(carrying(CONTEXT, "other")), QUEUE)
        assert publishing.trace[3:35] == TRACE


def test_with_tracing_off_what_is_in_the_variable_passes_through(off: Telemetry) -> None:
    for value, wanted in ((CONTEXT, CONTEXT), ({"traceparent": PARENT}, {"traceparent": PARENT}), (7, {})):
        publishing = off.publishing_job("trace", job(carrying(value)), QUEUE, fetched=FETCH)
        with publishing as headers:
            assert headers == wanted
        assert publishing.trace == wanted.get(wire.TRACEPARENT, "")


def test_a_failed_publish_fails_its_span_and_what_is_not_published_has_none(
    telemetry: Telemetry, span: Find, exporter: Any
) -> None:
    telemetry.publishing_job("trace", job(), QUEUE)
    assert exporter.get_finished_spans() == ()
    with pytest.raises(TimeoutError), telemetry.publishing_job("trace", job(), QUEUE):
        raise TimeoutError
    found = span(PUBLISHING)
    assert (found.status.status_code, (found.attributes or {})["error.type"]) == (StatusCode.ERROR, "TimeoutError")


# --- the answer ---


def answer(link: str, **properties: Any) -> Delivery:
    """The answer to a job, with what its handler finds out about the job."""
    delivery = incoming("complete-job", data={"jobKey": KEY}, queue=RESULTS, **properties)
    delivery.link = link
    return delivery


def linking(link: str, outcome: Reply | BaseException) -> Callable[[Delivery], Any]:
    """A handler that learns of the job while it runs."""

    async def handle(delivery: Delivery) -> Reply:
        delivery.link = link
        return await answering(outcome)(delivery)

    return handle


@for_each([DONE, Requeue("the engine is away")])
async def test_an_answer_without_a_trace_links_to_its_job_however_it_ends(
    outcome: Any, telemetry: Telemetry, span: Find
) -> None:
    request = answer("")
    try:
        await telemetry.traced(linking(PARENT, outcome))(request)
    except Requeue:
        assert outcome is not DONE
    assert span(f"process {RESULTS}").parent is None
    assert linked(span(f"process {RESULTS}")) == [PARENT]


async def test_an_answer_with_a_trace_continues_it_and_links_to_nothing(telemetry: Telemetry, span: Find) -> None:
    own = f"00-{'c' * 32}-{'d' * 16}-01"
    await telemetry.traced(linking(PARENT, DONE))(answer("", headers={"traceparent": own}))
    found = span(f"process {RESULTS}")
    assert context(found)["traceparent"][3:35] == "c" * 32
    assert linked(found) == []


@for_each(["", "no traceparent", PARENT + "-more", "00-" + "0" * 32 + PARENT[35:]])
async def test_what_is_known_of_a_job_need_not_be_a_trace(link: str, telemetry: Telemetry, span: Find) -> None:
    await telemetry.traced(linking(link, DONE))(answer(""))
    assert linked(span(f"process {RESULTS}")) == []


# --- what is done for a request ---


async def test_what_is_done_for_a_request_is_below_its_handling_or_else_below_its_caller(
    telemetry: Telemetry, off: Telemetry, span: Find
) -> None:
    seen: dict[str, dict[str, str]] = {}
    for name, watch in (("on", telemetry), ("off", off)):

        async def handler(delivery: Delivery, name: str = name, watch: Telemetry = watch) -> Reply:
            seen[name] = watch.carried(delivery)
            return DONE

        await watch.traced(handler)(incoming(headers={**CONTEXT, "baggage": "a=b"}))
    assert seen == {"on": context(span("process zeebe.commands")), "off": CONTEXT}
    assert seen["on"]["traceparent"][3:35] == TRACE
    assert off.carried(incoming()) == {}
