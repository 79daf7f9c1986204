"""What the commands tell: to people as text and tables, to programs as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from shutil import get_terminal_size
from textwrap import fill
from typing import Any, Final

import click
import msgspec
import orjson

from consumer.core.access import Decision, UserLimits
from consumer.policy_commands.cases import ALLOWED, Case
from consumer.policy_commands.change import Change, Changes, Group
from consumer.policy_commands.question import Question, has_tenants, kinds, user_called
from consumer.security.audit_record import DECISIONS
from consumer.security.policy import ANONYMOUS, Explanation, Policy
from consumer.security.role import NO_PATTERNS, Role
from consumer.table import show_rows
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.keys import carries_keys
from zeebe_amqp.commands.target import ANY, Target
from zeebe_amqp.schema.formatting import printable

__all__ = [
    "count",
    "in_short",
    "shown",
    "tell_changes",
    "tell_decision",
    "tell_differing",
    "tell_policy",
    "tell_rights",
]

_WORDS: Final = {allowed: word for word, allowed in ALLOWED.items()}
_OF_USER: Final = ("user", "roles", "limits")
_INDENT: Final = " " * 6
"""Before what belongs to the line above."""
MIN_COLUMNS: Final = 24
"""What is shown needs a terminal at least as wide."""
_UNITS: Final = (("MiB", 2**20), ("KiB", 2**10))


def shown(text: str) -> str:
    """Text on one line, without anything that a terminal would obey."""
    return printable(text, kept="")


def tell_policy(name: str, policy: Policy) -> None:
    """What a sound policy is: its digest, its warnings, and everybody's roles and limits."""
    users = [(user, roles, _limits(policy.limits(user_called(user)))) for user, roles in policy.users.items()]
    if not sys.stdout.isatty():
        facts = {"file": name, "digest": policy.digest, "roles": list(policy.roles), "warnings": policy.warnings}
        rows = [dict(zip(_OF_USER, each, strict=True)) for each in users]
        click.echo(orjson.dumps({**facts, "users": rows}))
        return
    click.echo(f"{shown(name)}: {count(len(policy.roles), 'role')}, {count(len(users), 'user')}")
    click.echo(f"digest {policy.digest}")
    for warning in policy.warnings:
        click.secho(f"warning: {shown(warning)}", fg="yellow")
    show_rows(_OF_USER, [(user, roles, _sizes(limits)) for user, roles, limits in users])


def _limits(limits: UserLimits) -> dict[str, int]:
    return {name: value for name, value in asdict(limits).items() if value is not None}


def _sizes(limits: Mapping[str, int]) -> dict[str, str]:
    """Limits for people: bytes in a larger unit where that is exact."""
    return {name: _size(value) if name in ("body", "ledger_bytes") else str(value) for name, value in limits.items()}


def _size(value: int) -> str:
    for unit, factor in _UNITS:
        if value and value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} B"


def tell_decision(question: Question, decision: Decision, explanations: Iterable[Explanation]) -> None:
    """Whether something is allowed, by which rule, and what each role of the user says."""
    roles = [(each.role, each.allowed, list(_lacking(each))) for each in explanations]
    if not sys.stdout.isatty():
        asked = {**_asked(*question), "allowed": decision.allowed, "rule": decision.rule, "reason": decision.reason}
        rows = [dict(zip(("role", "allowed", "why"), each, strict=True)) for each in roles]
        click.echo(orjson.dumps({**asked, "roles": rows}))
        return
    click.secho(DECISIONS[decision.allowed], fg="green" if decision.allowed else "red", nl=False)
    click.echo(f": {shown(decision.reason or decision.rule)}")
    click.echo(f"asked: {_in_words(*question)}")
    show_rows(("role", "allowed", "why not"), [(role, allowed, "\n".join(why)) for role, allowed, why in roles])


def _lacking(role: Explanation) -> Iterator[str]:
    for lack in role.missing:
        yield f"{lack.kind}: {_any(lack.found)}; allowed: {lack.accepted}"


def tell_rights(user: str, roles: Sequence[Role]) -> None:
    """All operations, with what limits a user of these roles in each: a row for each role that allows it."""
    rows = [row for operation in COMMANDS for row in _rights(operation, roles)]
    if sys.stdout.isatty():
        show_rows(("operation", "role", "names", "tenants", "keys"), [_right_cells(row) for row in rows])
        return
    for row in rows:
        click.echo(orjson.dumps({"user": user, **row}))


def _rights(operation: str, roles: Iterable[Role]) -> list[dict[str, Any]]:
    found = [_right(operation, role) for role in roles if operation in role.operations]
    return found or [{"operation": operation, **dict.fromkeys(("role", "names", "tenants", "keys"))}]


def _right(operation: str, role: Role) -> dict[str, Any]:
    command = COMMANDS[operation]
    return {
        "operation": operation,
        "role": role.name,
        "names": {kind: list(role.names.get(kind, NO_PATTERNS).texts) for kind in kinds(command)},
        "tenants": list(role.tenants.texts) if has_tenants(command) else None,
        "keys": role.allow_keys if carries_keys(command) else None,
    }


def _right_cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if row["role"] is None:
        return (row["operation"], "denied", None, None, None)
    names = {kind: texts or "none" for kind, texts in row["names"].items()}
    return (row["operation"], row["role"], names, row["tenants"], row["keys"])


def tell_differing(differing: Iterable[tuple[Case, Decision]]) -> None:
    """The cases that a policy decides otherwise than they say."""
    for case, decision in differing:
        expected, found = _expected(case), f"{_WORDS[decision.allowed]}: {decision.rule}"
        if sys.stdout.isatty():
            _paragraph(f"{case.name}: expected {expected}; found {found}", _in_words(*case.question), decision.reason)
        else:
            facts = {"expected": expected, "found": found, "why": decision.reason or None}
            click.echo(orjson.dumps({"case": case.name, **_asked(*case.question), **facts}))


def _paragraph(*texts: str) -> None:
    """Texts for people, each on lines of its own, below the first."""
    for number, text in enumerate(filter(None, map(shown, texts))):
        indent = _INDENT if number else ""
        click.echo(fill(text, max(MIN_COLUMNS, get_terminal_size().columns), initial_indent=indent,
                        subsequent_indent=_INDENT))  # fmt: skip


def _expected(case: Case) -> str:
    return _WORDS[case.allowed] + (f": {case.rule}" if case.rule else "")


def tell_changes(changes: Iterable[Change]) -> None:
    """The groups of decisions that would change."""
    for each in changes:
        group = each.group
        if sys.stdout.isatty():
            newest = f"newest {_newest(each)}" if each.newest else ""
            _paragraph(f"{each.count:>4}  {_turn(group)}: {_in_words(*group[:3])}", each.why, newest)
            continue
        said = {"was": DECISIONS[not group.allowed], "becomes": DECISIONS[group.allowed], "certain": group.complete}
        facts = {"count": each.count, "newest": _newest(each), "why": each.why}
        click.echo(orjson.dumps({**_asked(*group[:3]), **said, **facts}))


def _turn(group: Group) -> str:
    return f"{DECISIONS[not group.allowed]} → {DECISIONS[group.allowed]}{'' if group.complete else ', not certain'}"


def _newest(change: Change) -> str | None:
    return None if change.newest is None else change.newest.isoformat(timespec="seconds").replace("+00:00", "Z")


def in_short(changes: Changes) -> Iterator[str]:
    """How many lines told what, and what is not certain."""
    denied, allowed = changes.changed[False], changes.changed[True]
    yield (
        f"{count(changes.decisions, 'decision')}: {denied} allowed would be denied, {allowed} denied would be allowed, "
        f"{changes.decisions - denied - allowed} would stay"
    )
    if changes.ungrouped:
        yield f"{count(changes.ungrouped, 'change')} not shown: too many users and targets"
    if changes.uncertain:
        yield f"{count(changes.uncertain, 'decision')} not certain: the target was cut when it was recorded"
    for why, number in sorted(changes.skipped.items()):
        yield f"{count(number, 'line')} skipped: {why}"


def _asked(user: str | None, operation: str, target: Target | None) -> dict[str, Any]:
    return {"user": _user(user), "operation": operation, "target": None if target is None else _names(target)}


def _names(target: Target) -> dict[str, list[str]]:
    """The names by their kinds; what is empty is left out."""
    made: dict[str, list[str]] = msgspec.to_builtins(target)
    return made


def _in_words(user: str | None, operation: str, target: Target | None) -> str:
    kinds = {"names": ["others"]} if target is None else _names(target)
    names = [f"{kind} {', '.join(map(_any, names))}" for kind, names in kinds.items()]
    return shown(", ".join([f"{_user(user)}, {operation}", *names]))


def _any(name: str) -> str:
    return "any" if name == ANY else name


def _user(user: str | None) -> str:
    return ANONYMOUS if user is None else user


def count(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"
