"""What is said of replies, of the running service, of versions and clocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumer.config import Amqp, Settings
from consumer.doctor.clients import installed, judge_versions
from consumer.doctor.clocks import Reading, judge_clocks, skew
from consumer.doctor.finding import Level
from consumer.doctor.replies import judge_policy, judge_reply_queues
from consumer.doctor.service import Page, ServiceFacts, judge_service, ledger_entries, local_url, unseen
from consumer.rabbitmq.look import QueueFacts
from tests.cases import check_all, for_each
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, by_subject, expect, levels

LIVE, READY = Page(200, b"alive\n"), Page(200, b'{"ready":true,"reasons":{}}')
METRICS = Page(200, b'# HELP x\nzeebe_amqp_ledger_size{a="b"} 17.0\nzeebe_amqp_ledger_size_other 5\n')
SETTINGS = Settings(amqp=Amqp(prefetch=2), state_dir=Path("/state"))


def service(**changed: Any) -> ServiceFacts:
    """A service with which all is well."""
    found: dict[str, Any] = {"live": LIVE, "ready": READY, "metrics": METRICS, "inquiries": True, "free": 2**40}
    return ServiceFacts(**{**found, **changed})


NOT_READY = Page(503, b'{"ready":false,"reasons":{"gateway":"away","broker":"down"}}')
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
SERVICES: list[tuple[Any, ...]] = [
    ("alive", {}, SETTINGS, OK, "http://127.0.0.1:8080/livez"),
    (
        "alive",
        {"live": Page(None, problem="refused")},
        SETTINGS,
        WARNING,
        "nothing answers",
        "refused",
        "start the service",
    ),
    ("alive", {"live": Page(200, b"<html>")}, SETTINGS, PROBLEM, "not as this service does", "another HTTP_ADDRESS"),
    ("alive", {"live": Page(404)}, SETTINGS, PROBLEM, "answers 404"),
    ("ready", {}, SETTINGS, OK, "/readyz says so"),
    ("ready", {"ready": NOT_READY}, SETTINGS, PROBLEM, "gateway: away; broker: down", "consumes nothing"),
    ("ready", {"ready": Page(500, b"[]")}, SETTINGS, PROBLEM, "/readyz: 500"),
    ("ready", {"ready": Page(500, b"no JSON")}, SETTINGS, PROBLEM, "/readyz: 500"),
    ("ready", {"ready": Page(None, problem="late")}, SETTINGS, PROBLEM, "late"),
    ("HTTP", {"live": None, "ready": None, "metrics": None}, SETTINGS, UNSEEN, "HTTP_ADDRESS=off"),
    ("questions", {}, SETTINGS, OK, "/state"),
    ("questions", {"inquiries": False}, SETTINGS, WARNING, "STATE_DIR /state", "`python -m consumer request`"),
    ("disk", {"free": 16 * 2**20}, SETTINGS, OK, "16 MiB free"),
    ("disk", {"free": 16 * 2**20 - 1}, SETTINGS, WARNING, "16 MiB are needed", "lower AMQP_PREFETCH"),
    ("disk", {"free": None}, SETTINGS, OK, "not there yet"),
    (
        "grace",
        {},
        SETTINGS,
        UNSEEN,
        "up to 30 s",
        "terminationGracePeriodSeconds",
        "TimeoutStopSec",
        "stop_grace_period",
    ),
    ("grace", {"environ": POD}, SETTINGS, UNSEEN, "up to 30 s"),
    ("grace", {"environ": POD}, Settings(shutdown_grace=26), WARNING, "up to 31 s", "which has 30 s by default"),
    ("grace", {}, Settings(shutdown_grace=26), UNSEEN, "up to 31 s"),
]


def test_each_fact_of_the_service_has_its_finding() -> None:
    def is_found(subject: str, changed: dict[str, Any], settings: Settings, level: Level, *words: str) -> None:
        expect(by_subject(judge_service(service(**changed), settings))[subject], level, *words)

    check_all(SERVICES, is_found)
    assert levels(judge_service(service(), SETTINGS)) == {OK, UNSEEN}
    expect(unseen("it hangs"), UNSEEN, "it hangs", "/livez")


@for_each([
    (METRICS, 17), (None, None), (Page(None), None), (Page(200, b"zeebe_amqp_ledger_size nan\n"), None),
    (Page(200, b"zeebe_amqp_ledger_size 3\n"), 3), (Page(200, b"zeebe_amqp_ledger_size inf\n"), None),
])  # fmt: skip
def test_the_running_service_tells_how_many_answers_it_remembers(metrics: Page | None, entries: int | None) -> None:
    assert ledger_entries(service(metrics=metrics)) == entries


@for_each([(("0.0.0.0", 80), "http://127.0.0.1:80"), (("::", 80), "http://[::1]:80"), (("::1", 8), "http://[::1]:8"),
           (("host", 1), "http://host:1")])  # fmt: skip
def test_who_listens_everywhere_is_asked_on_this_machine(address: tuple[str, int], url: str) -> None:
    assert local_url(address) == url


REPLIES: list[tuple[Any, ...]] = [
    ("orders", QueueFacts("orders"), PROBLEM, "REPLY_ALLOW (*reply*", "add a pattern", "dead letters"),
    ("zeebe.commands", None, PROBLEM, "a queue of this service"),
    ("amq.rabbitmq.reply-to", None, OK, "the broker makes it"),
    ("my.replies", None, UNSEEN, "could not be looked at"),
    ("my.replies", QueueFacts("my.replies", there=None), UNSEEN, "could not be looked at"),
    ("my.replies", QueueFacts("my.replies", there=None, failing="late"), PROBLEM, "it does not answer: late"),
    ("my.replies", QueueFacts("my.replies", locked=True), OK, "exclusively"),
    ("my.replies", QueueFacts("my.replies", there=False), WARNING, "it is not there", "declare it"),
    (
        "my.replies",
        QueueFacts("my.replies", messages=4),
        WARNING,
        "nobody reads it, and 4 messages wait",
        "start its caller",
    ),
    ("my.replies", QueueFacts("my.replies", messages=4, consumers=1), OK, "4 messages wait, 1 consumers"),
]


def test_each_reply_queue_has_its_finding() -> None:
    def is_found(name: str, looked_at: QueueFacts | None, level: Level, *words: str) -> None:
        seen = None if looked_at is None else (looked_at,)
        expect(by_subject(judge_reply_queues((name,), Settings(), seen))[name], level, *words)

    check_all(REPLIES, is_found)
    expect(by_subject(judge_reply_queues((), Settings(), ()))["queues"], UNSEEN, "--reply-queue NAME")


@for_each([(("*reply*",), OK), (("*",), WARNING), (("a", "*e*"), WARNING), (("O*",), WARNING)])
def test_a_policy_that_allows_any_name_is_warned_of(allow: tuple[str, ...], level: Level) -> None:
    [found] = judge_policy(Settings(reply_allow=allow))
    expect(found, level, ", ".join(allow))


@for_each([("0.1.0", "0.1.0", OK), (None, "0.1.0", OK), ("0.2.0", "0.1.0", PROBLEM)])
def test_service_and_contracts_are_of_one_release(ours: str | None, contracts: str, level: Level) -> None:
    [found] = judge_versions(ours, contracts)
    expect(found, level, "0.1.0")
    if level is PROBLEM:
        expect(found, level, "pip install zeebe-amqp-consumer==0.2.0 zeebe-amqp==0.2.0")


def test_what_is_not_installed_has_no_version() -> None:
    assert installed("a-package-that-nobody-has") is None
    assert installed("pytest") == pytest.__version__


@for_each([
    (Reading(10, 11, 12, 13), 1), (Reading(10, 11, 11, 12), 0), (Reading(10, 11, 10.5, 10.5), 0),
    (Reading(10, 11, 9, 10), 0), (Reading(10, 11, 7, 8), -2), (Reading(10, 11, 14.5, 14.5), 3.5),
])  # fmt: skip
def test_clocks_differ_only_by_what_their_times_cannot_explain(reading: Reading, seconds: float) -> None:
    assert skew(reading) == seconds


def test_a_clock_that_is_off_by_more_than_a_second_is_warned_of() -> None:
    readings = {"A": Reading(10, 11, 12, 13), "B": Reading(10, 11, 12.5, 13), "C": Reading(10, 11, 1, 2)}
    found = by_subject(judge_clocks(readings))
    expect(found["clock of A"], OK, "to within 1 s")
    expect(
        found["clock of B"],
        WARNING,
        "at least 1.5 s ahead of ours",
        "time servers",
        "deadlines travel as absolute times",
    )
    expect(found["clock of C"], WARNING, "at least 8.0 s behind ours")
    expect(found["other clocks"], UNSEEN, "AMQP and gRPC tell no time", "chronyc tracking")
