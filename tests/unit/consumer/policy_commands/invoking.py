"""The commands as functions of click, without the rest of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from click.testing import CliRunner, Result

from consumer.config import Settings
from consumer.policy_commands.commands import commands
from consumer.security.policy import Policy, parse

POLICY = """
version = 1

[roles.orders]
operations = ["create-instance", "publish-message", "topology"]
processes = ["order", "order-*"]
messages = ["order-*"]
limits = { in_flight = 16, body = "1MiB", ledger_bytes = 1000 }

[roles.keeper]
operations = ["cancel-instance", "create-instance"]
processes = ["*"]
tenants = ["acme"]
allow_keys = true

[users]
alice = ["orders"]
olga = ["orders", "keeper"]
anonymous = []
"""


def policy(text: str = POLICY) -> Policy:
    return parse(text.encode(), "policy.toml")


def write(folder: Path, name: str, text: str | bytes) -> str:
    """Write a file; its path as text."""
    (path := folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def invoke(name: str, *arguments: str, settings: Settings | None = None, given: bytes | None = None) -> Result:
    """Run a command to its end; `given` is on standard input."""
    function = commands()[name]

    def configured(**options: Any) -> None:
        function(settings or Settings(), **options)

    vars(configured)["__click_params__"] = list(vars(function)["__click_params__"])
    return CliRunner().invoke(click.command(name)(configured), arguments, input=given)


def lines(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]
