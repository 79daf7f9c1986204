"""What is said of the queues of jobs, and of what answers need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from consumer.config import Amqp, Settings
from consumer.config.settings import JobType
from consumer.doctor.finding import Finding, Level
from consumer.doctor.jobs import judge_jobs, unexamined
from consumer.doctor.scrape import read_series, series
from consumer.rabbitmq import JobFacts
from consumer.rabbitmq.differences import Difference
from consumer.rabbitmq.look import ExchangeFacts, QueueFacts
from tests.cases import check_all
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, by_subject, expect, levels, queue
from zeebe_amqp.jobs.names import DEAD, RESULTS, UNDONE

NAME = "zeebe.jobs.charge-card"
TYPE = "jobs.charge-card"
ACTIVE = Settings(jobs=(JobType("charge-card"), JobType("ship", queue_name="shipping")))
PASSIVE = replace(ACTIVE, amqp=Amqp(declare="passive"))
REFUSED = {"arguments": None, "declaring": "ACCESS_REFUSED - x; user 'ann' needs the right to configure"}


def facts(**changed: Any) -> JobFacts:
    """A broker at which all is well; `card` are changes of one type's queue."""
    queues = {"charge-card": queue(NAME, **changed.pop("card", {})), "ship": queue("shipping")}
    found: dict[str, Any] = {"results": queue(RESULTS), "undone": queue(UNDONE), "exchange": ExchangeFacts()}
    return JobFacts(queues, **{**found, **changed})


def found(changed: dict[str, Any], settings: Settings, counts: Mapping[str, float] | None = None) -> dict[str, Finding]:
    return by_subject(judge_jobs(facts(**changed), settings, counts or {}))


def differs(argument: str, theirs: Any, ours: Any = None) -> dict[str, Any]:
    return {"differences": (Difference(argument, ours, theirs),)}


def test_where_all_is_well_there_is_neither_warning_nor_problem_and_one_finding_for_each_type() -> None:
    well = found({}, ACTIVE)
    assert levels(well.values()) == {OK}
    assert [*well] == [TYPE, "jobs.ship", "answers", "undone jobs", f"exchange {DEAD!r}", "ledger"]
    assert levels(found({}, PASSIVE).values()) == {OK, UNSEEN}


CASES: list[tuple[Any, ...]] = [
    (TYPE, {"card": {"messages": 3, "consumers": 2}}, ACTIVE, OK, f"3 of at most 100 jobs wait in {NAME}; 2 workers"),
    (TYPE, {"card": {"messages": 100}}, ACTIVE, OK, "so no more are fetched"),
    (TYPE, {"card": {"consumers": 0}}, ACTIVE, WARNING, "no worker", f"start workers that read {NAME}", "from JOBS"),
    (TYPE, {"card": {"there": False}}, ACTIVE, WARNING, "not there yet", "start the service"),
    (TYPE, {"card": {"there": False}}, PASSIVE, PROBLEM, "AMQP_DECLARE=passive", "its jobs are not fetched"),
    (TYPE, {"card": {"there": None}}, ACTIVE, UNSEEN, "not allowed to look", "rabbitmqctl list_queues"),
    (TYPE, {"card": {"locked": True}}, ACTIVE, PROBLEM, "exclusively"),
    (NAME, {"card": {"there": None, "failing": "late"}}, ACTIVE, PROBLEM, "it does not answer: late"),
    (f"{NAME}: rights", {"card": REFUSED}, ACTIVE, PROBLEM, "user 'ann' needs the right"),
    (f"{NAME}: x-max-length", {"card": differs("x-max-length", 40, 400)}, ACTIVE, WARNING, "used as it is",
     f"rabbitmqctl delete_queue {NAME}", "`limit = 10` for the type"),
    (f"{NAME}: x-delivery-limit", {"card": differs("x-delivery-limit", 5, 3)}, PASSIVE, WARNING,
     "x-delivery-limit is 5; the service declares 3", "`delivery_limit = 5`"),
    (f"{NAME}: x-max-length-bytes", {"card": differs("x-max-length-bytes", None, 9)}, ACTIVE, WARNING, "not set"),
    (f"{NAME}: x-queue-type", {"card": differs("x-queue-type", None, "quorum")}, ACTIVE, PROBLEM, "of this type"),
    (f"{NAME}: x-queue-type", {"card": differs("x-queue-type", None, "quorum")}, PASSIVE, WARNING, "taken as it is"),
    ("answers", {"results": queue(RESULTS, consumers=0)}, ACTIVE, WARNING, f"0 wait in {RESULTS}", "start the service"),
    ("answers", {"results": queue(RESULTS, messages=9)}, ACTIVE, WARNING, "for at least a second", "another replica"),
    ("answers", {"results": queue(RESULTS, there=False)}, PASSIVE, PROBLEM, "answers of workers are not executed"),
    (f"{RESULTS}: x-overflow", {"results": queue(RESULTS, **differs("x-overflow", None))}, ACTIVE, PROBLEM),
    (f"{RESULTS}: rights", {"results": queue(RESULTS, **REFUSED)}, ACTIVE, PROBLEM, "needs the right"),
    ("undone jobs", {"undone": queue(UNDONE, messages=9)}, ACTIVE, WARNING, "9 wait", "come again only after"),
    ("undone jobs", {"undone": QueueFacts(UNDONE, locked=True)}, ACTIVE, PROBLEM, "exclusively"),
    (f"exchange {DEAD!r}", {"exchange": ExchangeFacts(there=False)}, ACTIVE, WARNING, "the service declares it"),
    (f"exchange {DEAD!r}", {"exchange": ExchangeFacts(there=False)}, PASSIVE, PROBLEM, "a durable fanout exchange"),
    (f"exchange {DEAD!r}", {"exchange": ExchangeFacts(declaring="no")}, ACTIVE, PROBLEM, "no", "grant the right"),
    (f"exchange {DEAD!r}", {}, PASSIVE, UNSEEN, "rabbitmqctl list_bindings"),
    ("ledger", {"results": queue(RESULTS, consumers=2)}, ACTIVE, PROBLEM, "2 services read", "SIGNING_KEYS"),
    ("ledger", {"results": queue(RESULTS, consumers=2)}, replace(ACTIVE, ledger="redis://redis:6379/0"), OK),
    ("ledger", {}, replace(ACTIVE, ledger="memory://"), WARNING, "after a restart"),
]  # fmt: skip


def test_each_fact_has_its_finding() -> None:
    def is_found(subject: str, changed: dict[str, Any], settings: Settings, level: Level, *words: str) -> None:
        expect(found(dict(changed), settings)[subject], level, *words)

    check_all(CASES, is_found)


def test_what_is_not_there_is_not_judged_further() -> None:
    gone = {"there": False, "arguments": None}
    told = found({"card": gone, "results": queue(RESULTS, **gone), "undone": queue(UNDONE, **gone)}, ACTIVE)
    assert [*told] == [TYPE, "jobs.ship", "answers", "undone jobs", f"exchange {DEAD!r}", "ledger"]


def counts(**numbers: float) -> dict[str, float]:
    """What a service counted of one type: 1,000 jobs given out, and how many ended how."""
    found = {series("zeebe_amqp_jobs_out_total", type="charge-card"): 1000.0}
    return found | {series(f"zeebe_amqp_jobs_{name}_total", type="charge-card"): each for name, each in numbers.items()}


def test_many_bad_ends_are_told_and_few_are_not() -> None:
    def is_told(end: str, words: str) -> None:
        assert levels(found({}, ACTIVE, counts(**{end: 50})).values()) == {OK}
        expect(found({}, ACTIVE, counts(**{end: 51}))[f"{TYPE}: {words}"], WARNING, "51 of 1000 since the start")
        few = counts(**{end: 5}) | {series("zeebe_amqp_jobs_out_total", type="charge-card"): 6.0}
        assert levels(found({}, ACTIVE, few).values()) == {OK}

    check_all([("late", "late answers"), ("expired", "expired"), ("undone", "undone")], is_told)


def test_reasons_add_up_and_another_type_s_do_not() -> None:
    page = b"""# TYPE zeebe_amqp_jobs_undone_total counter
zeebe_amqp_jobs_undone_total{reason="rejected",type="charge-card"} 30.0
zeebe_amqp_jobs_undone_total{reason="delivery_limit",type="charge-card"} 30.0
zeebe_amqp_jobs_undone_total{reason="rejected",type="charge-card-again"} 900.0
zeebe_amqp_jobs_oldest_age_seconds{type="charge-card"} NaN
"""
    told = found({}, ACTIVE, {**read_series(page), **counts()})
    expect(told[f"{TYPE}: undone"], WARNING, "60 of 1000")
    assert len([each for each in told.values() if each.level is WARNING]) == 1


def test_answers_without_our_id_are_told() -> None:
    forged = series("zeebe_amqp_jobs_refused_total", reason="forged")
    expect(
        found({}, ACTIVE, {forged: 2.0})["forged answers"], WARNING, "2 messages in zeebe.jobs.results", "SIGNING_KEYS"
    )
    assert "forged answers" not in found({}, ACTIVE, {forged: 0.0})


def test_queues_that_cannot_be_looked_at_are_a_problem() -> None:
    expect(unexamined("no broker"), PROBLEM, "no broker", "what is said of the broker")


def test_series_are_written_and_read_as_they_are_exposed() -> None:
    page = b'a_total{type="x\\"y\\\\z"} 3.0\nb 1e3\n# HELP b has words 7\n\nno number here\n\xff 4\nc{type="a b"} NaN\n'
    values = read_series(page)
    assert values[series("a_total", type='x"y\\z')] == 3
    assert values[series("b")] == 1000
    assert "no number" not in values
    assert series("c", type="a b") in values
