"""`python -m consumer request`: where a request is and what became of it, from the service, its ledger, the letters."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import Broker
from tests.integration.load import CREATE
from tests.integration.service import ConsumerSetup, create, eventually, running_service
from zeebe_amqp import CreateInstance
from zeebe_amqp.testing import after, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = [sys.executable, "-P", "-m", "consumer", "request"]
SETTINGS = {"SHUTDOWN_GRACE": "1s"}


async def found(
    service: ConsumerSetup, request_id: str, *options: str, **environment: str
) -> tuple[int | None, list[dict[str, Any]], str]:
    """Exit code, facts and notes."""
    settings = {**service.consumer.environment, "LOG_LEVEL": "error", **environment}
    process = await asyncio.create_subprocess_exec(*COMMAND, *options, request_id, env=settings, stdout=-1, stderr=-1)
    out, err = await process.communicate()
    return process.returncode, [orjson.loads(line) for line in out.splitlines()], err.decode()


async def test_an_answer_is_found_while_the_service_runs_and_after_it(rabbitmq: Broker, tmp_path: Path) -> None:
    done, failed = uuid.uuid4().hex, uuid.uuid4().hex
    async with running_service(tmp_path, rabbitmq.url) as service:
        async with service.caller() as caller:
            await caller.request(create(n=1), message_id=done)
            service.gateway.script(CREATE, fail("NOT_FOUND", "Command 'CREATE' rejected with code 'NOT_FOUND'"))
            await caller.request(create(n=2), message_id=failed)
        for running in (True, False):
            for request_id, member in ((done, "data"), (failed, "error")):
                code, [fact], notes = await found(service, request_id)
                assert (code, fact["where"], fact["state"]) == (0, "ledger", "answered"), running
                assert (fact["reply_to"], member in fact["reply"]) == (caller.reply_to, True), running
            assert ("no service answers" in notes) is not running
            if running:
                await asyncio.to_thread(service.consumer.stop)


async def test_a_running_request_is_found_twice_where_it_runs_and_in_the_ledger(service: ConsumerSetup) -> None:
    request_id = uuid.uuid4().hex
    service.gateway.script(CREATE, after(30))
    async with service.caller() as caller:
        await caller.publish(create(n=1), message_id=request_id)
        await eventually(lambda: service.gateway.count(CREATE), "it runs")
        code, facts, _ = await found(service, request_id)
    assert code == 0
    assert [(fact["where"], fact["state"]) for fact in facts] == [("service", "running"), ("ledger", "running")]


async def test_a_dead_letter_is_found(service: ConsumerSetup) -> None:
    request_id, body = uuid.uuid4().hex, b'{"operation": "nope"}'
    async with service.caller() as caller:
        await caller.publish(body, message_id=request_id, reply_to=None)
        await service.dead_letters.with_body(body)
    code, [fact], _ = await found(service, request_id)
    assert (code, fact["where"], fact["code"], fact["id"]) == (0, "dead letters", "UNIMPLEMENTED", request_id)


async def test_without_a_user_it_is_found_whoever_sent_it_and_with_one_only_that_user_s(service: ConsumerSetup) -> None:
    """Two requests of one id are two, and each says whose it is."""
    request_id, body = uuid.uuid4().hex, b'{"operation": "nope", "data": {"n": 1}}'
    async with service.client() as mine, service.client(user_id="") as nobody:
        for client in (mine, nobody):
            await client.call(CreateInstance(bpmn_process_id="order"), request_id=request_id)
    _, facts, _ = await found(service, request_id)
    assert [fact["user"] for fact in facts] == [None, "guest"], "the service says whom to ask for"
    async with service.caller() as caller:
        await caller.publish(body, message_id=request_id, reply_to=None, user_id="guest")
        await service.dead_letters.with_body(body)
    for options, users in (
        ((), [("ledger", None), ("ledger", "guest"), ("dead letters", "guest")]),
        (("--user", "guest"), [("ledger", "guest"), ("dead letters", "guest")]),
        (("--user", ""), [("ledger", None)]),
        (("--user", "somebody"), []),
    ):
        _, facts, notes = await found(service, request_id, *options)
        assert [(fact["where"], fact["user"]) for fact in facts] == users, options
        assert ("leave out --user" in notes) is not bool(users)
    await asyncio.to_thread(service.consumer.process.stop)
    _, facts, _ = await found(service, request_id)
    assert [fact["user"] for fact in facts] == [None, "guest", "guest"], "the letter says whom to ask for"
    await asyncio.to_thread(service.consumer.start)


async def test_what_nobody_knows_or_cannot_be_asked_is_told(service: ConsumerSetup, tmp_path: Path) -> None:
    elsewhere, file = str(tmp_path / "elsewhere"), service.consumer.directory / "state" / "ledger.db"
    unknown = ("this request is unknown", f"{service.consumer.queues[0]}: 0 messages", "LEDGER_TTL", "--user")
    for environment, reasons in (
        ({}, unknown),
        ({"STATE_DIR": elsewhere}, ("there is no ledger that could be read",)),
        ({"STATE_DIR": elsewhere, "LEDGER": "memory://"}, ("there is no ledger that could be read",)),
        ({"STATE_DIR": elsewhere, "LEDGER": f"sqlite:///{file}"}, ("is in use by another process",)),
        ({"AMQP_URL": "amqp://127.0.0.1:1"}, ("broker: 127.0.0.1:1: ",)),
    ):
        code, facts, notes = await found(service, "no-such-id", **environment)
        assert (code, facts) == (1, []), environment
        assert not [reason for reason in reasons if reason not in notes], notes
