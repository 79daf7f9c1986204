"""What mallory sends to be a nuisance; all of it is allowed to him by the policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rights.gateway import LARGE, WAITING
from zeebe_amqp import wire

COMMANDS, POLLS = "commands", "polls"
BODY = 2**20
"""Bytes of a large body: with what is around it, it just fits into a message to a gateway."""
VICTIM = "alice-{turn}-{number}"
"""The ids of alice's requests, which can be guessed."""
ONE = "mallory-the-same-id"


@dataclass(frozen=True)
class Sent:
    """One message; `place` is `COMMANDS` or `POLLS`."""

    place: str
    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attack:
    """A kind of nuisance. `message` makes the message with a number, of a turn that lasts so many seconds."""

    name: str
    about: str
    first: int
    """Messages before anything is measured."""
    rate: float
    """Messages per second from then on."""
    message: Callable[[int, int, float], Sent]


def create(process: str, identity: str, **data: Any) -> bytes:
    """A create-instance that the gateway counts by its id."""
    variables = {"id": identity, **data.pop("variables", {})}
    return json.dumps(
        {"operation": "create-instance", "data": {"bpmnProcessId": process, "variables": variables, **data}}
    ).encode()


def poll(job_type: str, wait: float) -> bytes:
    """An activate-jobs that waits."""
    data = {"jobType": job_type, "maxJobsToActivate": 1, "requestTimeout": f"{round(wait * 1000)}ms"}
    return json.dumps({"operation": "activate-jobs", "data": data}).encode()


def waiting(_: int, number: int, seconds: float) -> Sent:
    """Four polls, then an instance whose end never comes, in the queue where short commands are."""
    wait = seconds + 2
    if number % 5 < 4:
        return Sent(POLLS, poll(f"{WAITING}-{number}", wait))
    timeout = f"{round(wait * 1000)}ms"
    return Sent(COMMANDS, create(WAITING, f"wait-{number}", withResult=True, requestTimeout=timeout))


def bodies(_: int, number: int, __: float) -> Sent:
    """As much as a gateway takes."""
    return Sent(COMMANDS, create("visit-body", f"body-{number}", variables={"blob": "x" * BODY}))


def ledger(turn: int, number: int, _: float) -> Sent:
    """A command with an id, whose answer is large."""
    identity = f"mallory-{turn}-{number}"
    body = create(LARGE, identity, withResult=True, requestTimeout="10s")
    return Sent(COMMANDS, body, {wire.REQUEST_ID: identity})


def ids(turn: int, number: int, seconds: float) -> Sent:
    """Alice's ids before she uses them, and one id again and again: with the same body, and with others."""
    match number % 3:
        case 0:
            identity = VICTIM.format(turn=turn, number=number // 3)
            return Sent(COMMANDS, create("visit-id", f"stolen-{number}"), {wire.REQUEST_ID: identity})
        case 1:
            timeout = f"{round((seconds + 2) * 1000)}ms"
            body = create(WAITING, f"{ONE}-{turn}", withResult=True, requestTimeout=timeout)
        case _:
            body = create("visit-id", f"other-{turn}-{number}")
    return Sent(COMMANDS, body, {wire.REQUEST_ID: f"{ONE}-{turn}"})


ATTACKS = (
    Attack(
        "waiting",
        "1,600 long polls and 400 instances whose end never comes, then 60 more of them a second",
        2000,
        60,
        waiting,
    ),
    Attack("bodies", "requests of 1 MiB, six a second", 2, 6, bodies),
    Attack("ledger", "answers of 180 KiB that are to be remembered, 20 a second", 20, 20, ledger),
    Attack("ids", "alice's ids before she uses them, and one id again and again, 150 a second", 150, 150, ids),
)
