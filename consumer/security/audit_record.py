"""Records of the audit: a line of JSON about each command, without any of its variables."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count as numbers
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from consumer.core.access import Authorizer, Decision, Unrestricted
from consumer.core.delivery import Delivery, Reply
from consumer.core.sender import count, text
from consumer.pipeline.ending import Ending
from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.keys import target as target_of
from zeebe_amqp.commands.target import KINDS, Target

__all__ = ["COMMAND", "DECISIONS", "DROP", "FIELDS", "REPLAY", "Record", "Recorder", "claimed_sender", "digest"]

COMMAND: Final = "command"
REPLAY: Final = "dead-letter-replay"
DROP: Final = "dead-letter-drop"
DECISIONS: Final[Mapping[bool, str]] = {True: "allowed", False: "denied"}
"""What a record calls a decision, by whether it allows the command."""

FIELDS: Final[Mapping[str, str]] = {
    "time": "when the service made the record: ISO 8601, UTC, milliseconds",
    "id": "of the record; the same if the service wrote the record twice",
    "event": "`command`, `dead-letter-replay` or `dead-letter-drop`",
    "host": "name of the machine or container",
    "user": "sender of the request, as the broker validated it; null without one",
    "user_source": "how the user is known: `validated` by the broker; `anonymous`; `replayed by LOGIN`: one of the "
    "service's own logins sent a signed dead letter again; `dead letter`: a signed letter names the user",
    "original_user": "sender that the header `original-user-id` names, if it is not `user`: a claim that the service "
    "did not believe",
    "os_user": "user of the machine who ran a command for dead letters; else null",
    "sudo_user": "user of the machine who became `os_user` with sudo (`SUDO_USER`); else null",
    "queue": "the request queue; of a replay, the queue that the letter goes to",
    "operation": "of the command; null if the service could not read it",
    "target": "what the command acts on: names by kind, `tenants`, `keys`; at most 50 of a kind, 1,000 characters of "
    "each and 20,000 of all; `cut` is true if there were more",
    "decision": "of the policy: `allowed` or `denied`; null if the service refused the request before it asked the "
    "policy",
    "rule": "what decided, such as `role orders`; `no policy` without one",
    "policy_sha256": "digest of the policy that decided; null without one",
    "request_id_sha256": "SHA-256 of the request id (header `request-id`, else `message_id`); null without one",
    "trace_id": "of the request's trace",
    "outcome": "`executed`, `not-executed` or `unknown`; of a replayed answer, that of the earlier run",
    "code": "`OK`, or the code of the error; of a dead letter, the code that it carries",
    "ending": "`settled`: the broker has the reply, or nobody waits for one; `dead-lettered`; `dropped`: the reply "
    "could not be delivered; `returned`: the service sent the command to the engine, and the message went back to its "
    "queue; it comes again unless it expires",
    "result": "of a dead letter: `replayed`, `dropped`, or `refused` if the broker did not take the replay",
    "replayed": "true: the answer is that of an earlier run; of a dead letter null",
    "replays": "how often somebody replayed the request before, as a dead letter",
    "app_id": "the program, as the request names it; any caller can write any name",
    "bytes": "of the request's body",
    "duration_ms": "from the request's arrival to this record; of a dead letter null",
}
"""Every member of a record, in this order. What is not known is null; no member is ever left out."""

MAX_NAME: Final = 1000
"""Characters of a name, at most."""
MAX_NAMES: Final = 50
"""Names of one kind, at most."""
MAX_ALL: Final = 20_000
"""Characters of all names, at most: the broker's prefetch times this is held while nothing can be written."""
MAX_RULE: Final = 300
"""Characters of the rule that decided, at most."""

_OTHER: Final = "audit"
_KINDS: Final = (*KINDS, "tenants", "keys")
_ENDINGS: Final = {ending: ending.name.lower().replace("_", "-") for ending in Ending}


class Record(NamedTuple):
    """A record as it is written."""

    line: bytes
    """Its JSON, without the end of the line."""
    topic: str
    """The operation, or `audit` where it is none that is known; an exchange routes by it."""


class Recorder:
    """Makes records.

    Args:
        authorizer: knows what a command acts on.
        trace_id: the trace that a request belongs to.
    """

    def __init__(
        self, authorizer: Authorizer | None = None, trace_id: Callable[[Delivery], str | None] = lambda _: None
    ) -> None:
        self._authorizer = authorizer or Unrestricted()
        self._trace_id = trace_id
        self._host = socket.gethostname()
        self._prefix = secrets.token_hex(8)
        self._numbers = numbers(1)

    def command(self, delivery: Delivery, reply: Reply, ending: Ending) -> Record:
        """The record of a command that has ended. Takes a while for one that is large; never raises."""
        message, error, asked = delivery.message, reply.error, delivery.decision
        target = self._target(delivery, asked)
        operation = _operation(reply.operation)
        # Every member, and in their order: a dict that is written down costs a third of one that is made of FIELDS.
        record = {
            "time": _now(),
            "id": self._id(),
            "event": COMMAND,
            "host": self._host,
            "user": message.user_id,
            "user_source": _source(message.user_id, message.resent_by),
            "original_user": claimed_sender(message.headers, message.user_id),
            "os_user": None,
            "sudo_user": None,
            "queue": message.queue,
            "operation": operation,
            "target": {} if target is None else _shown(target),
            "decision": None if asked is None else DECISIONS[asked.allowed],
            "rule": None if asked is None else asked.rule[:MAX_RULE],
            "policy_sha256": None if asked is None else asked.policy or None,
            "request_id_sha256": digest(message.known_request_id),
            "trace_id": self._trace_id(delivery),
            "outcome": "executed" if error is None else error.outcome.value,
            "code": "OK" if error is None else error.code.value,
            "ending": _ENDINGS[ending],
            "result": None,
            "replayed": reply.replayed,
            "replays": count(message.headers.get(wire.REPLAYS)),
            "app_id": message.app_id,
            "bytes": message.size,
            "duration_ms": max(0, round((time.time() - message.received) * 1000)),
        }
        return Record(_line(record), _topic(operation))

    def letter(self, event: str, **facts: Any) -> Record:
        """The record of what is done with a dead letter; `facts` are those that are known, by their `FIELDS`."""
        # Whoever may write to the dead-letter queue chooses what is in its headers.
        told = {name: fact[:MAX_NAME] if isinstance(fact, str) else fact for name, fact in facts.items()}
        known: dict[str, Any] = {"time": _now(), "id": self._id(), "event": event, "host": self._host, "target": {}}
        known |= told
        return Record(_line({name: known.get(name) for name in FIELDS}), _topic(known.get("operation")))

    def _target(self, delivery: Delivery, asked: Decision | None) -> Target | None:
        """What a command acts on, also where nobody was asked about it."""
        command = delivery.command
        if command is not None and (known := delivery.request.acts_on) is not None:
            # The rights to a job are those to its type; which one it was is for the record.
            return msgspec.structs.replace(known, keys=target_of(command).keys)
        if asked is not None:
            return asked.target
        return None if command is None else self._authorizer.decide(delivery.message.user_id, command).target

    def _id(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def digest(request_id: str | None) -> str | None:
    """The SHA-256 of a request id in hexadecimal digits; None without one."""
    return None if not request_id else hashlib.sha256(request_id.encode(errors="backslashreplace")).hexdigest()


def _source(user: str | None, resent_by: str | None) -> str:
    if resent_by is not None:
        return f"replayed by {resent_by}"
    return "anonymous" if user is None else "validated"


def claimed_sender(headers: Mapping[str, Any], user: str | None) -> str | None:
    """The sender that a message names, unless that is `user`; anybody can write that."""
    named = text(headers.get(wire.ORIGINAL_USER_ID))
    return None if named is None or named == user else named[: wire.MAX_TEXT]


def _topic(operation: str | None) -> str:
    return operation if operation is not None and operation in COMMANDS else _OTHER


def _operation(name: str | None) -> str | None:
    return None if name is None else name[: wire.MAX_NAME]


def _shown(target: Target) -> dict[str, Any]:
    """The names in a target, as many and as much of each as a record takes."""
    shown: dict[str, Any] = {}
    room, cut = MAX_ALL, False
    for kind in _KINDS:
        names: tuple[str, ...] = getattr(target, kind)
        if not names:
            continue
        kept = []
        for name in names[:MAX_NAMES]:
            short = name[: min(MAX_NAME, room)]
            cut = cut or len(short) < len(name)
            room -= len(short)
            kept.append(short)
        cut = cut or len(names) > MAX_NAMES
        shown[kind] = kept
    return {**shown, "cut": True} if cut else shown


def _line(record: dict[str, Any]) -> bytes:
    """One line for every reader: what is not printable is escaped, also what only some take for an end of line."""
    try:
        line = orjson.dumps(record)
    except TypeError:  # half of a surrogate pair, which is no character
        line = orjson.dumps(_clean(record))
    line_text = line.decode()
    if line_text.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line_text).encode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value
