"""Alerts and dashboard against a service that ran: every metric and label that they name is there.

The names are found by regular expressions, which know as much of PromQL as these expressions use: they do not see a
label that belongs to another metric of the same expression. What they miss, a real Prometheus shows: it scrapes the
service and evaluates every expression of the dashboard.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from scripts.panel import fill
from scripts.panels import SECTIONS
from scripts.prometheus import JOB, RULES, Prometheus
from tests.cases import check_all
from tests.conftest import Broker
from tests.integration.load import CREATE, Hold
from tests.integration.service import ConsumerSetup, create, eventually, running_service
from tests.integration.test_alerts import run, series
from tests.yaml_reader import read_yaml
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_THE_TARGET = {"job", "instance", "namespace", "le"}
"""Labels that Prometheus adds, and the one of buckets."""
ADDED = {"up"}
"""Metrics that Prometheus adds."""
KNOWN = {"code": {*Code}, "source": {*Source}}
"""Values that need not have occurred."""


class Selector(NamedTuple):
    """A metric in an expression, with its matchers: label, operator, value."""

    metric: str
    matchers: list[tuple[str, str, str]]


@dataclass
class Scrapes:
    """What /metrics said of a service that had nothing to do yet, and at the end; and a Prometheus that read along."""

    idle: str
    busy: str
    prometheus: Prometheus
    started: float


def alerts() -> dict[str, str]:
    """The expression of every alert."""
    groups = read_yaml(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard, with the panel's title."""
    for panel in (panel for section in SECTIONS for panel in section.panels):
        for legend, line in panel.expressions.items():
            yield f"{panel.title}, {legend}", fill(line, "1m", "5m", JOB)


def selectors(expression: str) -> list[Selector]:
    """The metrics in an expression; a metric without matchers is known by not being a function or a keyword."""
    plain = re.sub(r"\b(by|without|on)\s*\([^)]*\)", " ", expression)
    found = re.findall(
        r"\b([a-z_]\w*)(?![\w(])\s*(?:\{([^}]*)\})?(?!\s*\()", re.sub(r"\[[^\]]*\]|offset \w+", " ", plain)
    )
    return [
        Selector(name, re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', inside))
        for name, inside in found
        if name not in {"and", "or", "unless"}
    ]


def grouped(expression: str) -> set[str]:
    """The labels by which an expression groups or joins, as far as the metrics must have them."""
    lists = re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expression)
    return {label for each in lists for label in re.findall(r"\w+", each)} - OF_THE_TARGET


def samples(scrape: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Every sample of a scrape."""
    for family in text_string_to_metric_families(scrape):
        yield from ((sample.name, sample.labels, sample.value) for sample in family.samples)


def named(name: str, labels: Mapping[str, str]) -> str:
    """A series as an expression writes it."""
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


async def play(service: ConsumerSetup) -> None:
    """Everything that can become of a request, a little of each."""
    async with service.caller() as caller:
        held = Hold(service.gateway)
        await caller.publish(create(id="interrupted"), message_id="interrupted")
        await eventually(lambda: service.gateway.count(CREATE) == 1, "it runs")
        await asyncio.to_thread(service.consumer.kill)
        held.open()
        await asyncio.to_thread(service.consumer.start)
        service.gateway.always(CREATE, answer())
        for failed in (fail("NOT_FOUND", "rejected"), fail("UNAVAILABLE", "lost"), fail("RESOURCE_EXHAUSTED", "busy")):
            service.gateway.script(CREATE, failed)
            await caller.request(create(id=failed), timestamp=time.time())
        for _ in range(2):
            reply = Reply.decode((await caller.request(create(id="again"), message_id="again")).body)
            assert reply.ok
        await caller.publish(create(id="nobody listens"), reply_to="test.reply.gone")
        await caller.publish(b"no JSON", reply_to=None)
        await service.dead_letters.with_body(b"no JSON")
    await eventually(lambda: service.metric("reply_failures_total", reason="unroutable") == 1, "the reply was dropped")
    await eventually(lambda: service.metric("redelivered_total") >= 1, "it was delivered again")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scrapes(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scrapes]:
    """A service that was idle, then busy."""
    folder = tmp_path_factory.mktemp("monitoring")
    settings = {"AUDIT": str(folder / "audit.jsonl"), "JOBS": f"test.{uuid.uuid4().hex}"}
    async with running_service(folder / "service", rabbitmq.url, has_jobs=False, **settings) as service:
        idle = service.consumer.get("/metrics")[1]
        prometheus = Prometheus(folder / "prometheus", [f"127.0.0.1:{service.consumer.port}"], seconds=1)
        started = time.time()
        await asyncio.to_thread(prometheus.start)
        try:
            await play(service)
            await asyncio.sleep(2.5)  # two scrapes more
            yield Scrapes(idle, service.consumer.get("/metrics")[1], prometheus, started)
        finally:
            await asyncio.to_thread(prometheus.stop)


async def test_selectors_are_found() -> None:
    expression = 'sum by (a, le) (rate(x_total{b="1",c=~"(d|e)"}[5m] offset 10m)) / on (job) max(y) > 0.5 and z'
    assert selectors(expression) == [
        ("x_total", [("b", "=", "1"), ("c", "=~", "(d|e)")]),
        ("y", []),
        ("z", []),
    ]
    assert grouped(expression) == {"a"}


async def test_every_metric_and_label_of_alerts_and_dashboard_exists(scrapes: Scrapes) -> None:
    scraped: dict[str, list[Mapping[str, str]]] = {}
    for name, labels, _ in samples(scrapes.busy):
        scraped.setdefault(name, []).append(labels)

    def exists(_: str, expression: str) -> None:
        assert selectors(expression)
        found = [each for each in selectors(expression) if each.metric not in ADDED]
        for metric, matchers in found:
            assert metric in scraped
            for label, operator, value in matchers:
                assert label in OF_THE_TARGET or all(label in labels for labels in scraped[metric]), label
                occurred = {labels[label] for labels in scraped[metric] if label in labels} | KNOWN.get(label, set())
                if label not in OF_THE_TARGET and not operator.startswith("!"):
                    assert any(re.fullmatch(value, each) for each in occurred), (label, value)
        labels = {label for each in found for labels in scraped[each.metric] for label in labels}
        assert grouped(expression) <= labels

    check_all([*alerts().items(), *panels()], exists)


async def test_every_expression_of_the_dashboard_shows_something(scrapes: Scrapes) -> None:
    def empty() -> list[str]:
        ask = scrapes.prometheus.range
        return [name for name, expression in panels() if not ask(expression, scrapes.started, time.time(), 1)]

    # A rate needs two scrapes.
    with suppress(AssertionError):
        await eventually(lambda: not empty(), "every panel has a value", 1)
    assert empty() == []


async def test_prometheus_evaluates_every_alert(scrapes: Scrapes) -> None:
    rules = [rule for group in scrapes.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == alerts().keys()
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
    firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
    assert firing >= {"ZeebeAmqpOutcomeUnknown", "ZeebeAmqpRepliesLost", "ZeebeAmqpDeadLetters"}


async def test_no_alert_fires_for_a_service_that_is_fresh_and_idle(scrapes: Scrapes, tmp_path: Path) -> None:
    """As it was scraped, from its first minute to the end of its first day; only its age goes up."""
    values = {
        named(name, labels): f"{value:g}+0x1500" for name, labels, value in samples(scrapes.idle) if not isnan(value)
    }
    values["up"] = "1+0x1500"
    values["process_uptime_seconds"] = "1+60x1500"
    checks: list[dict[str, object]] = [
        {"eval_time": at, "alertname": alert, "exp_alerts": []} for alert in alerts() for at in ("1m", "20m", "25h")
    ]
    idle = {"name": "idle", "interval": "1m", "input_series": series(values), "alert_rule_test": checks}
    assert "SUCCESS" in run(tmp_path, [idle])
