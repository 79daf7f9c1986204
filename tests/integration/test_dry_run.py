"""A time without a policy, then a dry run: it foretells what the policy refuses once it is in force."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import CALLER, User
from tests.integration.caller import Caller
from tests.integration.service import ConsumerSetup, create, running_service
from zeebe_amqp.reply import Reply

POLICY = """version = 1
[roles.orders]
operations = ["create-instance", "topology"]
processes = ["order"]
[users]
{name} = ["orders"]
"""
REQUESTS = {
    "order": create("order"),
    "invoice": create("invoice"),
    "key": b'{"operation":"cancel-instance","data":{"processInstanceKey":2251799813685249}}',
    "topology": b'{"operation":"topology"}',
    "broken": b'{"operation":"create-instance"}',
}
"""What the user sends, and a sender without a name as well."""
NAMES = {
    ("create-instance", "order"): "order",
    ("create-instance", "invoice"): "invoice",
    ("cancel-instance",): "key",
    ("topology",): "topology",
}
"""The requests that reach the policy, by what they act on."""


@pytest.fixture
async def user(shared_node: RabbitMQ) -> AsyncIterator[User]:
    made = User(shared_node)
    await made.allow(*CALLER)
    yield made
    made.delete()


async def refused(user: User, service: ConsumerSetup) -> set[tuple[str, str]]:
    """Who was not permitted which request."""
    found = set()
    async with Caller(user.url(), *service.consumer.queues) as caller:
        for (name, body), who in product(REQUESTS.items(), (user.name, None)):
            sent: dict[str, Any] = {} if who is None else {"user_id": who}
            error = Reply.decode((await caller.request(body, **sent)).body).error
            if error is not None and error.code == "PERMISSION_DENIED":
                found.add((who or "anonymous", name))
    return found


async def test_what_a_dry_run_foretells_is_what_the_policy_refuses(
    shared_node: RabbitMQ, user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    policy, before, after = (tmp_path_factory.mktemp(name) for name in ("policy", "before", "after"))
    (policy := policy / "policy.toml").write_text(POLICY.format(name=user.name))
    audits = [each / "audit" / "log" for each in (before, after)]
    async with running_service(before, shared_node.url, LEDGER="memory://", AUDIT=str(audits[0])) as service:
        assert await refused(user, service) == set()
    code, told = await dry_run(policy, audits[0])
    assert (code, {row["becomes"] for row in told}, {row["count"] for row in told}) == (1, {"denied"}, {1})
    in_force = {"LEDGER": "memory://", "AUDIT": str(audits[1]), "POLICY_FILE": str(policy)}
    async with running_service(after, shared_node.url, **in_force) as service:
        now = await refused(user, service)
    assert now == {(row["user"], NAMES[row["operation"], *row["target"].get("processes", ())]) for row in told}
    assert len(now) == 6
    # What the policy decided itself it would decide again.
    assert await dry_run(policy, audits[1]) == (0, [])


async def dry_run(policy: Path, audit: Path) -> tuple[int | None, list[dict[str, Any]]]:
    """Its exit code and what it tells."""
    arguments = ("-m", "consumer", "policy", "dry-run", "--strict", str(policy), str(audit))
    ended = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    told, _ = await ended.communicate()
    return ended.returncode, [json.loads(line) for line in told.splitlines()]
