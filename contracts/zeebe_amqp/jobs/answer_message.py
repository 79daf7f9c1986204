"""An answer as a message: what `zeebe_amqp.jobs.answers` reads, written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout, rules
from zeebe_amqp.commands.command import DATA
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import Outcome
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["OUTCOMES", "write_answer"]

_NO_TRACE: Final[Mapping[str, str]] = MappingProxyType({})
OUTCOMES: Final[Mapping[type[Command], Outcome]] = MappingProxyType(
    {
        CompleteJob: Outcome.COMPLETE,
        FailJob: Outcome.FAIL,
        ThrowError: Outcome.ERROR,
        UpdateJobTimeout: Outcome.EXTEND,
    }
)
"""The commands that an answer can be, with what it says then."""


def write_answer(
    command: Command, signed_id: str, now: float, trace: Mapping[str, str] = _NO_TRACE
) -> tuple[bytes, Properties]:
    """The body and the properties of the answer that comes to a command.

    Args:
        command: one of `OUTCOMES`; whose job it names is nowhere in the answer.
        signed_id: the correlation id of the job's message.
        now: seconds since 1970.
        trace: the headers of the trace context; none where there is none.

    Raises:
        CommandError: INVALID_ARGUMENT, the service would refuse the command.
    """
    rules.check(command, DATA, wire.MAX_DEPTH)
    data, _ = command.to_wire()
    command.from_wire(data, {})  # no answer says what the service thinks of this one
    members = OBJECT.decode(data)
    headers: dict[str, Any] = {**trace}
    outcome = OUTCOMES[type(command)]
    if outcome is Outcome.COMPLETE:
        body = bytes(members.get("variables", b""))
        if "result" in members:
            headers[names.JOB_RESULT] = bytes(members["result"]).decode()
    else:
        body = msgspec.json.encode({name: value for name, value in members.items() if name != "jobKey"})
    properties = Properties(
        content_type=wire.CONTENT_TYPE,
        headers=headers,
        delivery_mode=2,
        correlation_id=signed_id,
        timestamp=int(now),
        type=outcome.value,
    )
    return body, properties
