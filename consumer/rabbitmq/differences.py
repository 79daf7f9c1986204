"""In what a queue differs from its declaration: brokers name one argument at a time, and only to refuse."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from aiormq.exceptions import ChannelPreconditionFailed

__all__ = ["Declare", "Difference", "compare", "read"]

MAX_ROUNDS: Final = 16
"""How many arguments are asked for, at most; brokers compare fewer."""

_DIFFERS: Final = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for \w+ .*: received .* but current is "
    r"(?:none|(?:the value )?'(?P<value>[^']*)'(?: of type '(?P<type>\w+)')?)"
)
_NUMBERS: Final = frozenset({"long", "signedint", "unsignedint", "short", "unsignedshort", "byte", "unsignedbyte"})

Declare: TypeAlias = Callable[[bool, Mapping[str, Any]], Awaitable[Any]]
"""Declares a queue that is there, which changes nothing: whether it is durable, and its arguments."""


class Difference(NamedTuple):
    """An argument that a queue has with another value than ours; None is none."""

    argument: str
    ours: Any
    theirs: Any


async def compare(declare: Declare, ours: Mapping[str, Any]) -> tuple[tuple[Difference, ...], dict[str, Any]]:
    """Declare with our arguments, then with those that the refusals tell, until the broker takes them.

    Returns:
        The differences, and the arguments of the queue as far as the broker told them.

    Raises:
        aiormq.exceptions.ChannelAccessRefused: we may not declare it.
    """
    durable, arguments, differences = True, dict(ours), list[Difference]()
    for _ in range(MAX_ROUNDS):
        try:
            await declare(durable, arguments)
            break
        except ChannelPreconditionFailed as error:
            found = read(str(error))
            # What is no difference to name, or was named before, will not come to an end.
            if found is None or found[0] in {each.argument for each in differences}:
                break
            argument, theirs = found
        differences.append(Difference(argument, True if argument == "durable" else arguments.get(argument), theirs))
        if argument == "durable":
            durable = theirs
        elif theirs is None:
            arguments.pop(argument, None)
        else:
            arguments[argument] = theirs
    return tuple(differences), arguments


def read(refusal: str) -> tuple[str, Any] | None:
    """The argument that a refusal names, and its value at the broker; None when it names none."""
    found = _DIFFERS.search(refusal)
    if found is None:
        return None
    return found["argument"], _value(found["value"], found["type"])


def _value(text: str | None, kind: str | None) -> Any:
    if text is None:
        return None
    # Some refusals have no type.
    if kind in _NUMBERS or (kind is None and text.isdecimal()):
        return int(text)
    return text == "true" if text in ("true", "false") else text
