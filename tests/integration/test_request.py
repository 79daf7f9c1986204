"""`python -m consumer request`: where a request is and what became of it, from the service, its ledger, the letters."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import Broker
from tests.integration.service import ConsumerSetup, create, eventually, running_service
from zeebe_amqp.testing import after, fail

REJECTED = "Command 'CREATE' rejected with code 'NOT_FOUND'"
COMMAND = [sys.executable, "-P", "-m", "consumer", "request"]


@pytest.fixture
async def service(rabbitmq: Broker, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    async with running_service(tmp_path, rabbitmq.url, SHUTDOWN_GRACE="1s") as running:
        yield running


async def found(service: ConsumerSetup, request_id: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, facts and notes."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        request_id,
        env={**service.consumer.environment, "LOG_LEVEL": "error", **environment},
        stdout=-1,
        stderr=-1,
    )
    out, err = await process.communicate()
    return process.returncode or 0, [orjson.loads(line) for line in out.splitlines()], err.decode()


async def test_an_answered_request_is_found_while_the_service_runs_and_after_it(service: ConsumerSetup) -> None:
    done, failed = uuid.uuid4().hex, uuid.uuid4().hex
    async with service.caller() as caller:
        await caller.request(create(n=1), message_id=done)
        service.gateway.script(
            "CreateProcessInstance", fail("NOT_FOUND", "Command 'CREATE' rejected with code 'NOT_FOUND'")
        )
        await caller.request(create(n=2), message_id=failed)
        replies = caller.reply_to
    for when in ("while it runs", "after it"):
        for request_id, member in ((done, "data"), (failed, "error")):
            code, [fact], notes = await found(service, request_id)
            assert (code, fact["where"], fact["state"], fact["reply_to"]) == (0, "ledger", "answered", replies), when
            assert member in fact["reply"], when
        assert ("no service answers" in notes) is (when == "after it")
        if when == "while it runs":
            await asyncio.to_thread(service.consumer.process.stop)  # type: ignore[union-attr]


async def test_a_running_request_is_found_twice_where_it_runs_and_in_the_ledger(service: ConsumerSetup) -> None:
    request_id = uuid.uuid4().hex
    service.gateway.always("CreateProcessInstance", after(30))
    async with service.caller() as caller:
        await caller.publish(create(n=1), message_id=request_id)
        await eventually(lambda: service.gateway.count("CreateProcessInstance"), "it runs")
        code, facts, _ = await found(service, request_id)
    assert (code, [(fact["where"], fact["state"]) for fact in facts]) == (
        0,
        [("service", "running"), ("ledger", "running")],
    )


async def test_a_dead_letter_is_found(service: ConsumerSetup) -> None:
    request_id = uuid.uuid4().hex
    async with service.caller() as caller:
        await caller.publish(b'{"operation": "nope"}', message_id=request_id, reply_to=None)
        await service.dead_letters.with_body(b'{"operation": "nope"}')
    code, [fact], _ = await found(service, request_id)
    assert (code, fact["where"], fact["code"], fact["id"]) == (0, "dead letters", "UNIMPLEMENTED", request_id)


async def test_where_nobody_knows_a_request_the_reasons_are_told(service: ConsumerSetup) -> None:
    code, facts, notes = await found(service, "no-such-id")
    assert (code, facts) == (1, [])
    for reason in ("this request is unknown", f"{service.consumer.queues[0]}: 0 messages", "LEDGER_TTL", "--user"):
        assert reason in notes, notes


async def test_what_cannot_be_asked_is_told(service: ConsumerSetup, tmp_path: Path) -> None:
    elsewhere, file = str(tmp_path / "elsewhere"), service.consumer.directory / "state" / "ledger.db"
    for environment, note in (
        ({"STATE_DIR": elsewhere}, "there is no ledger that could be read"),
        ({"STATE_DIR": elsewhere, "LEDGER": "memory://"}, "there is no ledger that could be read"),
        ({"STATE_DIR": elsewhere, "LEDGER": f"sqlite:///{file}"}, "is in use by another process"),
        ({"AMQP_URL": "amqp://127.0.0.1:1"}, "broker: 127.0.0.1:1: "),
    ):
        code, facts, notes = await found(service, "a", **environment)
        assert (code, facts) == (1, []), environment
        assert note in notes, environment
