"""What the ledger and the deliveries that are held say of one request, as plain JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.ledger import Ledger, Sighting, State, identify
from zeebe_amqp.errors import Outcome

__all__ = ["NOT_KEPT", "Fact", "find_answer", "list_held", "list_known", "list_known_of"]

Fact: TypeAlias = dict[str, Any]
"""`where` it is known, its `state` there, and what else is known."""

MAX_REPLAYS: Final = 10
"""So many replays from the dead letters are looked for; each is a run of its own."""

MAX_AT_ONCE: Final = 16
"""Questions to the ledger at a time."""

_STATES: Final = {
    State.DONE: "answered",
    State.RUNNING: "running",
    State.ORPHANED: "cut off: its process is gone, and whether it ran is unknown",
}

NOT_KEPT: Final = {
    None: "executed, answer not kept",
    Outcome.NOT_EXECUTED: "answered with an error, not executed, answer not kept",
    Outcome.UNKNOWN: "answered, may have been executed, answer not kept",
}
"""The state of a request whose answer is gone, by the outcome that is known of it."""


async def list_known(ledger: Ledger, user: str | None, request_id: str) -> list[Fact]:
    """What the ledger knows of a request and of its replays.

    Args:
        ledger: is asked.
        user: the validated user that sent it; None or "" = nobody.
        request_id: its `request-id`, else its `message_id`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    facts: list[Fact] = []
    for replays in range(MAX_REPLAYS + 1):
        seen = await ledger.look(identify(user, request_id, replays))
        if seen is not None:
            facts.append(_ledger_fact(seen, user, replays))
    return facts


async def list_known_of(ledger: Ledger, users: Iterable[str], request_id: str) -> list[Fact]:
    """What the ledger knows of this id as a request of any of these users, "" being nobody; see `list_known`."""
    turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def look(user: str) -> list[Fact]:
        async with turns:
            return await list_known(ledger, user, request_id)

    found = await asyncio.gather(*(look(user) for user in dict.fromkeys(users)))
    return [fact for facts in found for fact in facts]


def find_answer(facts: Iterable[Fact], replays: int) -> Fact | None:
    """What the ledger says of the end of a request that was replayed so often; None when it says nothing of that."""
    ended = {_STATES[State.DONE], *NOT_KEPT.values()}
    return next((each for each in facts if each["state"] in ended and each.get("replays", 0) == replays), None)


def _ledger_fact(seen: Sighting, user: str | None, replays: int) -> Fact:
    fact: Fact = {"where": "ledger", "state": _STATES[seen.state], "user": user or None, "time": _spell(seen.time)}
    if seen.state is State.RUNNING and not seen.ours:
        fact["state"] = "running in another process"
    if seen.state is State.DONE and seen.reply is None:
        fact["state"] = NOT_KEPT[seen.outcome]
    if seen.state is State.DONE:
        fact |= {"reply_to": seen.reply_to or None, "reply": None}
    if seen.reply is not None:
        fact["reply"] = msgspec.json.decode(seen.reply.encode())
    return {**fact, "replays": replays} if replays else fact


def list_held(deliveries: Iterable[Delivery], user: str | None, request_id: str) -> list[Fact]:
    """What this process does with a request now; `user` None is any, and "" nobody."""
    return [_held_fact(each) for each in deliveries if _is_meant(each.message, user, request_id)]


def _is_meant(message: Message, user: str | None, request_id: str) -> bool:
    return message.known_request_id == request_id and user in (None, message.user_id or "")


def _held_fact(delivery: Delivery) -> Fact:
    message = delivery.message
    if delivery.idle:
        state = "waiting: for a slot, for the gateway, or for another run of the same request"
    else:
        state = "being answered" if delivery.slot is None else "running"
    return {
        "where": "service",
        "state": state,
        "user": message.user_id,
        "time": _spell(message.received),
        "operation": delivery.operation,
        "queue": message.queue,
        "reply_to": message.reply_to,
    }


def _spell(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
