"""The page about the policy says what the service does."""

from __future__ import annotations

import re
from pathlib import Path

from consumer.security.policy import parse
from zeebe_amqp.commands import COMMANDS, CreateInstance
from zeebe_amqp.commands.command import Command
from zeebe_amqp.commands.keys import carries_keys
from zeebe_amqp.commands.target import DEFAULT_TENANT

PAGE = (Path(__file__).parents[4] / "docs" / "policy.md").read_text()


def row(operation: str, command: type[Command]) -> str:
    names = ", ".join(f"`{kind}`" for kind in command.named_by) or "nothing"
    tenants = "`tenants`" if {"tenant_id", "tenant_ids"} & {*command.__struct_fields__} else "none"
    return f"| `{operation}` | {names} | {tenants} | {'`allow_keys`' if carries_keys(command) else 'none'} |"


def test_the_table_says_what_limits_each_operation() -> None:
    shown = re.findall(r"^\| `[a-z-]+` \| .* \| .* \| .* \|$", PAGE, re.MULTILINE)
    assert shown == [row(*each) for each in COMMANDS.items()], "\n".join(row(*each) for each in COMMANDS.items())


def test_the_example_is_a_policy_without_a_warning() -> None:
    [example] = re.findall(r"```toml\n(version = 1\n.*?)```", PAGE, re.DOTALL)
    policy = parse(example.encode(), "the page")
    assert policy.warnings == ()
    assert policy.decide("shop", CreateInstance(bpmn_process_id="order-1")).allowed
    assert not policy.decide("shop", CreateInstance(bpmn_process_id="other")).allowed
    assert policy.roles["orders"].tenants.texts == (DEFAULT_TENANT,)
