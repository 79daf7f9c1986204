"""Find a request and its state: in the service, in the ledger and among the dead letters; what became of a replay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.config import Settings
from consumer.core.key_file import KeyFileError
from consumer.dead_letters.letter import Filter
from consumer.dead_letters.outcome import FAILED, SUCCEEDED, Inquire, Outcome
from consumer.dead_letters.queue import open_dead_letters
from consumer.dead_letters.view import row
from consumer.inquiry import NOT_KEPT, Fact, ask, find_answer, list_known, list_known_of
from consumer.ledger import Ledger, LedgerError, Limits, has_entries, is_shared, open_ledger
from consumer.rabbitmq import inspect
from zeebe_amqp.amqp.connection import BrokerError

__all__ = ["Findings", "look_up", "open_inquiries"]

LOST: Final = tuple(state for outcome, state in NOT_KEPT.items() if outcome is not None)
"""The states of an error whose answer is gone."""


@dataclass
class Findings:
    """The findings about a request."""

    facts: list[Fact] = field(default_factory=list)
    """One for each place that knows the request."""
    notes: list[str] = field(default_factory=list)
    """Places that did not answer, and other possible causes."""


async def look_up(settings: Settings, user: str | None, request_id: str, limit: int) -> Findings:
    """Look for a request in every place.

    Args:
        settings: where the service, its ledger and the broker are.
        user: the validated user that sent it; "" = nobody; None = any.
        request_id: its `request-id`, else its `message_id`.
        limit: how many dead letters to look at, oldest first.
    """
    findings = Findings()
    letters = await _look_at_broker(settings, user, request_id, limit, findings)
    senders = list(dict.fromkeys(each["user"] for each in letters or () if each["user"]))
    findings.facts += [*await _look_in_service(settings, user, request_id, senders, findings), *(letters or ())]
    if not findings.facts and letters is not None:
        findings.notes += await _list_reasons(settings, user)
    return findings


async def _look_in_service(
    settings: Settings, user: str | None, request_id: str, senders: Sequence[str], findings: Findings
) -> list[Fact]:
    """What the service says, or the ledger where none answers; `senders` are users of this id that are known already.

    The ledger finds a request only together with its user: the service knows who has sent something since it started.
    """
    answer = await ask(settings.state_dir, user, request_id)
    if answer is None:
        findings.notes.append(f"no service answers in STATE_DIR {settings.state_dir}: the ledger alone was asked")
        return await _look_in_ledger(settings, ["", *senders] if user is None else [user], request_id, findings)
    for sender in senders if user is None else ():
        more = await ask(settings.state_dir, sender, request_id) or []
        answer += [each for each in more if each not in answer]
    return answer


async def _look_in_ledger(settings: Settings, users: Sequence[str], request_id: str, findings: Findings) -> list[Fact]:
    if not has_entries(settings.ledger):
        findings.notes.append("there is no ledger that could be read without its service")
        return []
    ledger = open_ledger(settings.ledger, Limits(settings.ledger_ttl))
    try:
        await ledger.start()
        return await list_known_of(ledger, users, request_id)
    except LedgerError as error:
        findings.notes.append(str(error))
        return []
    finally:
        await ledger.close()


async def _look_at_broker(
    settings: Settings, user: str | None, request_id: str, limit: int, findings: Findings
) -> list[Fact] | None:
    """Its dead letters; None where the broker tells nothing."""
    filter = Filter(ids=frozenset({request_id}))
    try:
        async with open_dead_letters(settings) as dead:
            facts = [_letter_fact(row(each)) async for each in dead.letters(limit) if filter.matches(each)]
            if dead.total > limit:
                findings.notes.append(f"{dead.total - limit} newer dead letters were not looked at: --limit is {limit}")
    except BrokerError as error:
        findings.notes.append(f"broker: {error}")
        return None
    except KeyFileError as error:
        findings.notes.append(str(error))
        return None
    return [each for each in facts if user in (None, each["user"] or "")]


def _letter_fact(found: dict[str, Any]) -> Fact:
    return {"where": "dead letters", "state": "it failed, and nobody waited for an answer", **found}


async def _list_reasons(settings: Settings, user: str | None) -> list[str]:
    """Why a request may be known nowhere."""
    try:
        report = await inspect(settings.amqp)
    except BrokerError as error:
        return [f"broker: {error}"]
    queues = "; ".join(f"{name}: {report.queues[name].state}" for name in settings.amqp.queues)
    whose = (
        "it may be one of a user who has sent nothing here since the service started: name that user with --user"
        if user is None
        else "it may be one of another user: leave out --user"
    )
    return [
        f"it may wait in a queue ({queues})",
        f"it may have been answered longer ago than LEDGER_TTL ({settings.ledger_ttl:g} s)",
        "it may have been refused, or answered with an error that passes: such answers are in the log, by request_id",
        whose,
    ]


@asynccontextmanager
async def open_inquiries(settings: Settings) -> AsyncIterator[Inquire]:
    """What asks the service, again and again, what became of a replay.

    Without a service in STATE_DIR a ledger that several processes share is read. A ledger's file is not: whoever reads
    it locks it, and a service that starts at that moment would not.
    """
    async with AsyncExitStack() as stack:
        ledger = None
        if is_shared(settings.ledger) and await ask(settings.state_dir, "", "") is None:
            ledger = await _open_shared(settings, stack)

        async def inquire(user: str | None, request_id: str, replays: int) -> Outcome | None:
            # Exactly this one's: another user's request of the same id is another request.
            facts = await ask(settings.state_dir, user or "", request_id)
            if facts is None and ledger is not None:
                facts = await _read(ledger, user, request_id)
            return None if facts is None else _outcome(facts, replays)

        yield inquire


async def _open_shared(settings: Settings, stack: AsyncExitStack) -> Ledger | None:
    ledger = open_ledger(settings.ledger, Limits(settings.ledger_ttl))
    stack.push_async_callback(ledger.close)
    try:
        await ledger.start()
    except LedgerError:
        return None
    return ledger


async def _read(ledger: Ledger, user: str | None, request_id: str) -> list[Fact] | None:
    try:
        return await list_known(ledger, user, request_id)
    except LedgerError:
        return None


def _outcome(facts: list[Fact], replays: int) -> Outcome:
    answer = find_answer(facts, replays)
    if answer is None:
        # Earlier runs of it have ended; what is held now is this one.
        states = [f"{each['where']}: {each['state']}" for each in facts if _is_of(each, replays)]
        return Outcome(problem="; ".join(states) or None)
    if answer["state"] in LOST:
        return Outcome(problem=f"ledger: {answer['state']}")
    error = (answer["reply"] or {}).get("error")
    if error is None:
        return Outcome(SUCCEEDED)
    where = f"the answer went to {answer['reply_to']}" if answer["reply_to"] else None
    return Outcome(FAILED, error["code"], error["message"], where)


def _is_of(fact: Fact, replays: int) -> bool:
    return bool(fact["where"] == "service" or fact.get("replays", 0) == replays)
