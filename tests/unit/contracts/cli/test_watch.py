"""`zeebe-amqp watch` without a broker; what it does with one is tested on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.contracts.cli.program import ended


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("zeebe_amqp.amqp.connection.aio_pika.connect", lambda *_, **__: silent())


def test_a_queue_to_which_the_service_would_not_reply_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch)
    for words, told in (
        (("orders",), True),
        (("orders.inbox",), True),
        (("orders.replies",), False),
        (("Orders.Replies",), False),
        (("amq.gen-x",), False),
        (("orders.#", "--exchange", "zeebe.replies"), False),
    ):
        for output in ("text", "json"):
            found = ended("watch", *words, "-o", output)
            assert ("REPLY_ALLOW" in found.err or "allowedByDefault" in found.err) is told, (words, output)


def test_a_broker_that_does_not_answer_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch)
    for waiting in ((), ("--timeout", "5s")):
        found = ended("watch", "orders.replies", *waiting)
        assert (found.out, "UNAVAILABLE" in found.err, "TimeoutError" in found.err) == ("", True, True), waiting
        assert "Traceback" not in found.err, waiting
