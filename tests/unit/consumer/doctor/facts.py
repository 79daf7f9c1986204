"""Facts of a set-up in which all is well, to be changed in one place by each case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consumer.doctor.finding import Finding, Level
from consumer.rabbitmq.examination import BrokerFacts, Limits
from consumer.rabbitmq.look import ExchangeFacts, QueueFacts
from zeebe_amqp import wire

OK, UNSEEN, WARNING, PROBLEM = Level


def queue(name: str = "zeebe.commands", **changed: Any) -> QueueFacts:
    """A queue as the service declares it, with one consumer."""
    return QueueFacts(**{"name": name, "consumers": 1, "arguments": wire.queue_arguments(name), **changed})


def broker(**changed: Any) -> BrokerFacts:
    """A broker at which all is well."""
    found: dict[str, Any] = {
        "host": "broker:5672",
        "product": "RabbitMQ",
        "version": "3.13.7",
        "cluster": "rabbit@one",
        "login": "service",
        "limits": Limits(),
        "alarm": False,
        "writing": "",
        "user_id": "",
        "largest": "",
        "queues": (queue(),),
        "dead": queue(wire.DEAD_LETTER, consumers=0),
        "exchange": ExchangeFacts(),
        "reply_queues": (),
    }
    return BrokerFacts(**{**found, **changed})


def by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by what they are about; each subject comes once."""
    listed = list(findings)
    found = {each.subject: each for each in listed}
    assert len(found) == len(listed), [each.subject for each in listed]
    for each in listed:
        assert each.level is OK or (each.change and each.why), f"{each}: nobody is told what to do, or why"
        assert each.found
    return found


def expect(finding: Finding, level: Level, *words: str) -> None:
    """The finding has this level, and says these words."""
    told = f"{finding.found}\n{finding.change}\n{finding.why}"
    assert (finding.level, [each for each in words if each not in told]) == (level, []), finding


def levels(findings: Iterable[Finding]) -> set[Level]:
    """The levels that there are."""
    return {each.level for each in by_subject(findings).values()}
