"""The table of docs/strict-replies.md, made from the kept results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from benchmarks.page import markdown
from benchmarks.strict.attacks import ATTACKS
from benchmarks.strict.result import ABSENT, Result
from consumer.config import Amqp, Settings
from consumer.config.settings import JobType
from consumer.permission_list import list_permissions
from zeebe_amqp import wire

__all__ = ["PAGE", "attacks", "made", "make", "permissions"]

PAGE = Path(__file__).parents[2] / "docs" / "strict-replies.md"
BLOCK = re.compile(r"( *)(<!-- made: (strict|permissions) -->)\n.*?(<!-- end -->)", re.DOTALL)
SERVICE = Settings(
    amqp=Amqp(urls=("amqp://zeebe:secret@rabbitmq",), reply_exchange=wire.REPLIES_EXCHANGE),
    jobs=(JobType("charge-card"),),
)
"""Whose permissions the page shows."""


def made(text: str, results: Sequence[Result]) -> str:
    """The page with these results."""

    def block(found: re.Match[str]) -> str:
        inside = attacks(results) if found[3] == "strict" else permissions()
        return indent(f"{found[2]}\n\n{inside}\n\n{found[4]}", found[1])

    return BLOCK.sub(block, text)


def make(results: Sequence[Result]) -> None:
    """Write the page anew."""
    PAGE.write_text(made(PAGE.read_text(), results))


def permissions() -> str:
    """What the command prints."""
    lines = "\n".join(list_permissions(SERVICE, ["alice"], {"cards": ["charge-card"]}))
    return f"```sh\n{lines}\n```"


def attacks(results: Sequence[Result]) -> str:
    """What came of each attack."""
    when = "; ".join(f"RabbitMQ {each.release}: {each.date}, {each.machine}" for each in results)
    titles = ["mallory tries to"]
    columns: list[dict[str, str]] = []
    for mode, of in (("lax", "lax"), ("strict", "strict"), ("may do everything", "everything")):
        for each in results:
            titles.append(f"{mode}, {each.release}")
            columns.append(getattr(each, of))
    rows = [(attack.name, *(column.get(attack.name, ABSENT) for column in columns)) for attack in ATTACKS]
    return f"{when}.\n\n{markdown(titles, rows).replace(' --: ', ' --- ')}"
