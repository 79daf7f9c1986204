"""`zeebe-amqp watch` without a broker; what it does with one is tested on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.contracts.cli.program import ended


@pytest.mark.parametrize("waiting", [(), ("--timeout", "5s")])
def test_a_broker_that_does_not_answer_is_no_broker(monkeypatch: pytest.MonkeyPatch, waiting: tuple[str, ...]) -> None:
    async def silent(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("zeebe_amqp.amqp.connection.aio_pika.connect", lambda *_, **__: silent())
    found = ended("watch", "orders.replies", *waiting)
    assert (found.out, "UNAVAILABLE" in found.err, "TimeoutError" in found.err) == ("", True, True)
    assert "Traceback" not in found.err
