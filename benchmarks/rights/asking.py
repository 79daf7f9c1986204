"""Everybody sends every request of the table, one after the other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from benchmarks.rights import records, table
from benchmarks.rights.cases import CASES, Case, Values
from benchmarks.rights.records import Record
from benchmarks.rights.rules import ALICE, EVERYBODY, NOBODY
from benchmarks.rights.setup import Site
from benchmarks.rights.table import Answer
from consumer.core.access import Decision
from tests.integration.caller import Caller
from zeebe_amqp import wire
from zeebe_amqp.examples import kept
from zeebe_amqp.reply import Reply

SILENT = 2.0
"""Seconds for what an engine in memory does and never answers."""
UNANSWERED = {"delete-resource"}
"""Operations of which that is so."""
WRITTEN = 10.0
"""Seconds that the last record may take."""


@dataclass(frozen=True)
class Asked:
    """A request that was sent, and what came."""

    case: Case
    user: str
    trace: str
    reply: Reply
    decision: Decision


async def ask(caller: Caller, case: Case, user: str, values: Values, site: Site) -> Asked:
    """Send one request and wait for its reply."""
    trace = secrets.token_hex(16)
    headers: dict[str, Any] = {wire.TRACEPARENT: f"00-{trace}-{secrets.token_hex(8)}-01"}
    if case.operation in UNANSWERED:
        headers[wire.DEADLINE] = round((time.time() + SILENT) * 1000)
    sender: dict[str, Any] = {} if user == NOBODY else {"user_id": user}
    named: dict[str, Any] = {} if case.type is None else {"type": case.type}
    message = await caller.request(case.body(values), headers=headers, **sender, **named)
    decision = site.policy.decide(sender.get("user_id"), case.command(values))
    return Asked(case, user, trace, Reply.decode(message.body), decision)


async def ask_all(site: Site) -> AsyncIterator[Asked]:
    """Every request of everybody; alice comes last, and what her replies give is in later requests of all."""
    values = Values()
    async with AsyncExitStack() as running:
        callers = {user: await running.enter_async_context(site.caller(user)) for user in EVERYBODY}
        for case in CASES:
            for user in EVERYBODY:
                asked = await ask(callers[user], case, user, values, site)
                yield asked
            if user == ALICE and case.example is not None and asked.reply.ok:
                with suppress(LookupError):  # a gateway without an engine may answer otherwise
                    values |= kept(case.example, asked.reply.data)


async def answers(site: Site) -> list[Answer]:
    """The table."""
    return await compared(site, [each async for each in ask_all(site)])


async def compared(site: Site, asked: list[Asked]) -> list[Answer]:
    """What came of requests, beside what the audit says of them."""
    found = await written(site, {each.trace for each in asked})
    return [
        table.answer(
            each.case.name,
            each.user,
            wanted=each.user in each.case.allowed,
            reply=each.reply,
            decision=each.decision,
            audit=found.get(each.trace),
        )
        for each in asked
    ]


async def written(site: Site, traces: set[str]) -> dict[str, Record]:
    """The records of these requests by their traces, as soon as all are there; after some seconds, those that are."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WRITTEN
    while True:
        found = records.by_trace(site.records())
        if traces <= found.keys() or loop.time() > end:
            return found
        await asyncio.sleep(0.1)
