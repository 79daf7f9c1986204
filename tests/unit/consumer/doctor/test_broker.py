"""What is said of the broker itself."""

from __future__ import annotations

from typing import Any

from consumer.config import Settings, Zeebe
from consumer.config.settings import JobType
from consumer.doctor.broker import judge_broker, unreached, untold
from consumer.doctor.finding import Level
from consumer.rabbitmq.examination import Limits
from tests.cases import check_all, for_each
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, broker, by_subject, expect, levels


def test_where_all_is_well_there_is_neither_warning_nor_problem() -> None:
    assert levels(judge_broker(broker(), Settings())) == {OK, UNSEEN}
    expect(
        by_subject(judge_broker(broker(), Settings()))["connection"], OK, "RabbitMQ 3.13.7 at broker:5672", "rabbit@"
    )


CASES: list[tuple[Any, ...]] = [
    ("version", {"version": "3.9.29"}, PROBLEM, "found RabbitMQ 3.9.29; accepted: 3.10 or newer", "upgrade the broker"),
    ("version", {"version": "3.10.0"}, OK, "3.10.0"),
    ("version", {"version": "3.13.7"}, OK, "without x-delivery-limit have none before 4.0"),
    ("version", {"version": "4.0.5"}, OK, "delivery limit of 20", "16 MiB"),
    ("version", {"version": "odd"}, WARNING, "found RabbitMQ odd", "use RabbitMQ"),
    ("version", {"product": "LavinMQ", "version": "2.1"}, WARNING, "found LavinMQ 2.1"),
    ("version", {"product": "", "version": ""}, WARNING, "it does not say what it is"),
    ("alarm", {"alarm": True}, PROBLEM, "memory or disk alarm", "`rabbitmq-diagnostics alarms`"),
    ("right to reply", {"writing": "ACCESS_REFUSED - x"}, PROBLEM, "ACCESS_REFUSED - x", "'amq.default'", "service"),
    ("right to reply", {"alarm": True}, UNSEEN, "not answered", "WRITE must match 'amq.default'"),
    ("user_id", {"writing": "ACCESS_REFUSED"}, UNSEEN, "nothing can be published"),
    ("user_id", {"alarm": True}, UNSEEN, "nothing can be published"),
    ("user_id", {"login": None}, UNSEEN, "a certificate or a token says who we are", "list_connections user"),
    ("user_id", {"user_id": "PRECONDITION_FAILED"}, WARNING, "PRECONDITION_FAILED", "found 'service'"),
    ("message size", {"largest": "too large"}, PROBLEM, "8 MiB is refused: too large", "max_message_size to 9437184"),
    ("message size", {"alarm": True}, UNSEEN, "must be 8388608 or more"),
    ("message size", {"writing": "no"}, UNSEEN, "not tried"),
    ("limits", {"limits": Limits(channel_max=15)}, PROBLEM, "channel_max 15", "16 or more, or 0"),
    ("limits", {"limits": Limits(channel_max=16)}, OK, "channel_max 16"),
    ("limits", {"limits": Limits(channel_max=0)}, OK, "channel_max 0"),
    ("limits", {"limits": Limits(heartbeat=0)}, WARNING, "heartbeat 0 s", "leave `heartbeat` out of AMQP_URL"),
    ("limits", {"limits": Limits(frame_max=4095)}, WARNING, "frame_max 4095"),
    ("limits", {"limits": Limits(frame_max=0)}, OK, "frame_max 0"),
    ("limits of the user", {"login": "ann"}, UNSEEN, "rabbitmqctl list_user_limits --user ann", "3 connections"),
]


def test_each_fact_has_its_finding() -> None:
    def is_found(subject: str, changed: dict[str, Any], level: Level, *words: str) -> None:
        expect(by_subject(judge_broker(broker(**changed), Settings()))[subject], level, *words)

    check_all(CASES, is_found)


def test_jobs_need_more_connections() -> None:
    found = by_subject(judge_broker(broker(), Settings(jobs=(JobType("charge-card"),))))
    expect(found["limits of the user"], UNSEEN, "5 connections")


@for_each([(900.0, 20.0, UNSEEN, "920000 ms"), (1779.0, 20.0, UNSEEN, "1799 s"), (1780.0, 20.0, WARNING, "1800000 ms"),
           (86400.0, 900.0, WARNING, "set consumer_timeout to more than 87300000 ms")])  # fmt: skip
def test_what_is_held_for_longer_than_a_broker_allows_by_default_is_warned_of(
    forget: float, attempt: float, level: Level, words: str
) -> None:
    settings = Settings(forget_retry=forget, zeebe=Zeebe(request_timeout=attempt))
    expect(by_subject(judge_broker(broker(), settings))["consumer_timeout"], level, words, "consumer_timeout")


def test_a_broker_or_a_management_api_that_tells_nothing_says_what_to_do() -> None:
    expect(unreached("refused (AMQP_URL)"), PROBLEM, "refused (AMQP_URL)", "correct AMQP_URL")
    expect(untold("401", "ann"), WARNING, "401", "rabbitmqctl set_user_tags ann management", "without --management")
    expect(untold("401", None), WARNING, "set_user_tags USER management")
