"""`zeebe-amqp watch` without a broker; what it does with one is tested on a real one."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.cases import for_each
from tests.unit.contracts.cli.program import ended


@pytest.fixture(autouse=True)
def _silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeebe_amqp.amqp.connection.aio_pika.connect", mock.AsyncMock(side_effect=TimeoutError))


@for_each([
    (("orders",), True), (("orders.inbox",), True), (("orders.replies",), False), (("Orders.Replies",), False),
    (("amq.gen-x",), False), (("orders.#", "--exchange", "zeebe.replies"), False),
])  # fmt: skip
def test_a_queue_to_which_the_service_would_not_reply_is_told(words: tuple[str, ...], told: bool) -> None:
    for output in ("text", "json"):
        found = ended("watch", *words, "-o", output)
        assert ("REPLY_ALLOW" in found.err or "allowedByDefault" in found.err) is told, output


def test_a_broker_that_does_not_answer_is_no_broker() -> None:
    for waiting in ((), ("--timeout", "5s")):
        found = ended("watch", "orders.replies", *waiting)
        assert (found.out, "UNAVAILABLE" in found.err, "TimeoutError" in found.err) == ("", True, True), waiting
        assert "Traceback" not in found.err, waiting
