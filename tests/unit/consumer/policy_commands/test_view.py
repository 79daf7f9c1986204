"""What people see: tables in which nothing is markup, and nothing that their terminal would obey."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from consumer import table
from consumer.policy_commands import view
from consumer.policy_commands.cases import Case
from consumer.policy_commands.change import Changes
from consumer.policy_commands.question import Question
from consumer.policy_commands.recording import Recorded, Skipped
from tests.cases import check_all
from tests.unit.consumer.policy_commands.invoking import POLICY, policy
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import Target

HOSTILE = "\x1b]0;x\x07[red]\u202e\x9b31m"
SHOWN = "\ufffd]0;x\ufffd[red]\ufffd\ufffd31m"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    for module in (view, table):
        monkeypatch.setattr(module, "sys", Mock(**{"stdout.isatty.return_value": True}))


@pytest.fixture
def shown(people: None, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was printed since it was asked last."""
    return lambda: capsys.readouterr().out


def test_a_policy_is_shown_with_limits_in_words(shown: Callable[[], str]) -> None:
    view.tell_policy("policy.toml", policy(POLICY + "ann = []\n"))
    text = shown()
    for said in ("policy.toml: 2 roles, 4 users", "digest ", "warning: users.ann", "│ alice ", "│ orders, keeper ",
                 "in_flight 16, body 1 MiB, ledger_bytes 1000 B", "│ anonymous │ -"):  # fmt: skip
        assert said in text, said
    view.tell_policy("policy.toml", policy("version = 1"))
    assert "0 roles, 0 users" in shown()


def test_a_decision_is_shown_with_what_was_asked_and_each_role(shown: Callable[[], str]) -> None:
    for process, said in (("order", "allowed: role orders"), ("x", "denied: user ")):
        question = Question("olga", "create-instance", Target(processes=(process,), tenants=("<default>",)))
        view.tell_decision(question, policy().judge(*question), policy().explain(*question))
        text = shown()
        assert said in text
        assert f"asked: olga, create-instance, processes {process}, tenants <default>" in text
        assert "│ keeper │ no      │ tenants: <default>; allowed: acme" in text


def test_all_rights_are_shown_with_what_limits_them(shown: Callable[[], str]) -> None:
    view.tell_rights("olga", list(policy().roles.values()))
    text = shown()
    assert [name for name in COMMANDS if f"│ {name} " not in text] == []
    row = next(line for line in text.splitlines() if "│ create-instance" in line and "keeper" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "create-instance",
        "keeper",
        "processes *",
        "acme",
        "yes",
    ]


def test_what_callers_chose_is_shown_as_text_that_no_terminal_obeys(shown: Callable[[], str]) -> None:
    question = Question(HOSTILE, "create-instance", Target(processes=(HOSTILE,)))
    decision, sound = policy().judge(*question), policy()
    changes = Changes(sound)
    changes.add_all([Recorded(question, True, datetime(2026, 1, 1, tzinfo=UTC), False), Skipped.BROKEN])
    others = changes.ordered()[0].group._replace(target=None)

    def is_harmless(tell: Callable[[], None]) -> None:
        tell()
        text = shown()
        assert not [char for char in text if not char.isprintable() and char != "\n"]
        assert SHOWN in text

    check_all([
        lambda: view.tell_decision(question, decision, sound.explain("olga", *question[1:])),
        lambda: view.tell_differing([(Case(f"{HOSTILE}: line 1", question, True, HOSTILE), decision)]),
        lambda: view.tell_changes(changes.ordered()),
        lambda: view.tell_policy(HOSTILE, policy('version = 1\n[users]\n"\\u001b]0;x\\u0007[red]" = []\n')),
    ], is_harmless)  # fmt: skip
    view.tell_policy("x", policy('version = 1\n[users]\n"\\u001b]0;x\\u0007[red]" = []\n'))
    assert "│ \ufffd]0;x\ufffd[red] │" in shown()
    changes.ordered()[0].group = others
    view.tell_changes(changes.ordered())
    told = [line.strip() for line in shown().splitlines()]
    assert told[0] == f"1  allowed → denied, not certain: {SHOWN}, create-instance, names others"
    assert told[-1] == "newest 2026-01-01T00:00:00Z"


def test_nothing_to_show_is_shown_as_nothing(shown: Callable[[], str]) -> None:
    view.tell_changes([])
    view.tell_differing([])
    assert shown() == ""
