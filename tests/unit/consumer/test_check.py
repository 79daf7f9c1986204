"""What `check` says of queues: what bounds them, and whether too many dead letters wait."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer import check as checking
from consumer.check import Finding, check
from consumer.config import Amqp, Settings, Zeebe
from consumer.rabbitmq.inspection import BrokerReport, QueueReport
from tests.cases import for_each


async def found(monkeypatch: pytest.MonkeyPatch, **queues: QueueReport) -> dict[str, Finding]:
    """What is said of these queues, by part."""
    report = BrokerReport("host", "RabbitMQ 3", {name.replace("_", "."): each for name, each in queues.items()})
    monkeypatch.setattr(checking, "inspect", AsyncMock(return_value=report))
    findings = await check(Settings(amqp=Amqp(dead_letter_bound=10), zeebe=Zeebe("127.0.0.1:1", plaintext=True)))
    return {finding.part: finding for finding in findings}


async def test_queues_without_a_bound_are_named_with_the_command_that_gives_one(monkeypatch: Any) -> None:
    bounded, unbounded = QueueReport("", 1, "x-max-length 5"), QueueReport("", 1)
    bounds = (await found(monkeypatch, commands=unbounded, polls=bounded, zeebe_dead=unbounded))["bounds"]
    assert bounds.ok
    assert bounds.found.startswith("polls: x-max-length 5; commands, zeebe.dead: no x-max-length; a full disk is")
    for words in ("rabbitmqctl list_policies", "rabbitmqctl set_policy", "max-length-bytes", '"reject-publish"'):
        assert words in bounds.found, words


async def test_where_every_queue_has_a_bound_none_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    said = await found(monkeypatch, zeebe_dead=QueueReport("", 1, "x-max-length-bytes 5"))
    assert said["bounds"] == Finding("bounds", True, "zeebe.dead: x-max-length-bytes 5")


@for_each([(0, True, "0 wait in 'zeebe.dead', 0 % of DEAD_LETTER_BOUND (10)"), (8, True, " 80 % of DEAD_LETTER_BOUND"),
           (10, False, " 100 % of DEAD_LETTER_BOUND (10): "), (None, True, "not allowed to look")])  # fmt: skip
async def test_too_many_dead_letters_are_a_failure(waiting: int | None, ok: bool, words: str, monkeypatch: Any) -> None:
    said = (await found(monkeypatch, zeebe_dead=QueueReport("", waiting)))["dead letters"]
    assert (said.ok, words in said.found) == (ok, True), said.found
