"""The error of a command that no role allows."""

from __future__ import annotations

from typing import Final

from consumer.security.role import KEYS, OPERATION, TENANTS, Lack
from zeebe_amqp.commands import COMMANDS, keys
from zeebe_amqp.commands.target import ANY
from zeebe_amqp.schema.formatting import printable, quoted, truncate

__all__ = ["place", "refusal"]

MAX_ACCEPTED: Final = 300
"""Characters of what a role allows, in a refusal."""

_WITH_USER_ID: Final = "; to use the rights of your login, send its name in the property user_id"

_WORDS: Final = {
    "processes": "the process",
    "messages": "the message",
    "signals": "the signal",
    "decisions": "the decision",
    "job_types": "the job type",
    "resources": "the file",
    TENANTS: "the tenant",
    KEYS: "the key",
}


def refusal(user: str | None, operation: str, lack: Lack | None) -> str:
    """Why a user (None = anonymous) may not run an operation: what was found, and what is accepted."""
    name = f"user {quoted(printable(user))}" if user else "a sender without user_id"
    return f"{name} may not run {_what(operation, lack)}{'' if user else _WITH_USER_ID}"


def _what(operation: str, lack: Lack | None) -> str:
    what = truncate(operation)
    if lack is None:
        return f"{what}: the policy gives this sender no role"
    if lack.kind != OPERATION:
        what = f"{what} with {_found(lack)} ({place(operation, lack)})"
    return f"{what}; allowed: {truncate(lack.accepted, MAX_ACCEPTED)}"


def _found(lack: Lack) -> str:
    word = _WORDS[lack.kind]
    return (
        f"{word.replace('the', 'any', 1)} there is" if lack.found == ANY else f"{word} {quoted(printable(lack.found))}"
    )


def place(operation: str, lack: Lack | None) -> str:
    """The field of a request that says what is not allowed."""
    if lack is None or lack.kind == OPERATION or operation not in COMMANDS:
        return OPERATION
    return keys.place(COMMANDS[operation], lack.kind)
