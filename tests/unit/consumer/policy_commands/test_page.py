"""The page shows what the commands say."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from consumer.policy_commands.question import NAMES

ROOT = Path(__file__).parents[4]
SECTION = "\n## Try a policy before it is in force\n"
PROGRAM = "python -m consumer"
COLUMNS = 80
RECORDED: list[tuple[int, dict[str, Any]]] = [
    (7002, {"user": "shop", "operation": "create-instance", "target": {"processes": ["order"]}}),
    (312, {"user": "shop", "operation": "cancel-instance", "target": {"keys": ["2251799813685249"]}}),
    (3, {"user": None, "operation": "publish-message",
         "target": {"messages": ["order-paid"], "tenants": ["<default>"]}}),
    (40, {"user": "olga", "operation": "create-instance", "target": {}, "decision": None}),
]  # fmt: skip
"""What was recorded in the week of the page, and how often."""


@pytest.fixture
def page() -> str:
    return (ROOT / "docs" / "policy.md").read_text().partition(SECTION)[2].partition("\n## ")[0]


def audit() -> str:
    facts = {"decision": "allowed", "rule": "no policy", "time": "2026-11-26T17:03:11.250Z"}
    return "".join((json.dumps({**facts, **each}) + "\n") * times for times, each in RECORDED)


def on_terminal(command: str, folder: Path) -> str:
    """What a command shows on a terminal, in the folder of its files."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "TERM": "dumb",
                   "COLUMNS": str(COLUMNS), "HOME": str(folder), "POLICY_FILE": "policy.toml"}  # fmt: skip
    arguments = [sys.executable, "-m", "consumer", *shlex.split(command.removeprefix(PROGRAM))]
    with subprocess.Popen(arguments, cwd=folder, env=environment, stdout=theirs, stderr=theirs):
        os.close(theirs)
        # The system says with an error that the program ended.
        with open(ours, "rb", 0) as terminal, suppress(OSError):
            shown = b""
            while part := terminal.read(65536):
                shown += part
    text = click.unstyle(shown.decode()).replace("\r\n", "\n")
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_the_page_shows_what_the_commands_say(page: str, tmp_path: Path) -> None:
    for name, text in re.findall(r"```toml\n# (\S+)\n(.*?)```", page, re.DOTALL):
        # With its first line, so that the digest is of what people copy.
        (tmp_path / name).write_text(f"# {name}\n{text}")
    (tmp_path / "audit.jsonl").write_text(audit())
    blocks = re.findall(r"```\n(\$ .*?)\n```", page, re.DOTALL)
    shown = [each.partition("\n") for block in blocks for each in re.split(r"\n\n?(?=\$ )", block)]
    assert len(shown) >= 5
    for command, _, said in shown:
        assert on_terminal(command.removeprefix("$ "), tmp_path) == said, command


def test_the_page_names_every_option(page: str) -> None:
    assert [name for name in NAMES if f"`--{name.replace('_', '-')}`" not in page] == []
