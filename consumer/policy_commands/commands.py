"""`python -m consumer policy`: check a policy, explain it, test it, and try it on what an audit recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn, TypeVar

import click

from consumer.config import Settings
from consumer.policy_commands.cases import MAX_SIZE, Case, CasesError, read_cases
from consumer.policy_commands.change import Changes
from consumer.policy_commands.question import NAMES, Question, Questions, user_called
from consumer.policy_commands.recording import read
from consumer.policy_commands.view import (
    count,
    in_short,
    shown,
    tell_changes,
    tell_decision,
    tell_differing,
    tell_policy,
    tell_rights,
)
from consumer.security import policy as policies
from consumer.security.policy import Policy, PolicyError
from zeebe_amqp import wire
from zeebe_amqp.cli.values import TEXT
from zeebe_amqp.errors import CommandError

__all__ = ["check", "commands", "dry_run", "explain", "test"]

OTHERWISE: Final = 1
"""Exit code when something is denied, or a decision differs from the expected or recorded one."""
UNUSABLE: Final = 2
"""Exit code for a policy, a file or a command line that cannot be used."""
TOML: Final = ".toml"
"""The end of a policy's name, where other files may stand beside it."""
_ACTED_ON: Final = {"resource": "a file of this name", "key": "a key; every key means the same"}
STREAM: Final = click.File("rb", lazy=True)

F = TypeVar("F", bound=Callable[..., Any])


@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(settings: Settings, /, *, file: Path | None) -> None:
    """Check a policy; exit code 2 with every problem in it.

    Without FILE it reads POLICY_FILE.
    """
    path = _path(settings, file)
    tell_policy(str(path), _policy(path))


def _path(settings: Settings, file: Path | None) -> Path:
    path = file or settings.policy_file
    if path is None:
        raise click.UsageError("no policy: name its file, or set POLICY_FILE")
    return path


def _policy(path: Path) -> Policy:
    try:
        return policies.read(path)
    except PolicyError as error:
        _refuse(error.problems)


def _refuse(problems: Iterable[str]) -> NoReturn:
    for problem in problems:
        click.echo(shown(problem), err=True)
    sys.exit(UNUSABLE)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _named(function: F) -> F:
    """Give a command an option per kind of names."""
    for name in reversed([*NAMES]):
        words = f"it acts on {_ACTED_ON.get(name, 'this ' + name.replace('_', ' '))}; may be repeated"
        option = click.option(_option(name), name, multiple=True, type=TEXT, metavar="NAME", help=words)
        function = option(function)
    return function


@click.argument("user", type=TEXT)
@click.argument("operation", required=False, type=TEXT)
@_named
@click.option("--request", type=STREAM, metavar="FILE", help='a request as it is sent; "-" is standard input')
def explain(
    settings: Settings,
    /,
    *,
    user: str,
    operation: str | None,
    request: BinaryIO | None,
    **names: tuple[str, ...],
) -> None:
    """Say whether USER may run something, and why; exit code 1 if not.

    "anonymous" stands for requests without user_id. Without OPERATION and --request: everything that USER may run.
    """
    given = [_option(name) for name, values in names.items() if values]
    if request is not None and (operation or given):
        raise click.UsageError(f"--request contains all of it: leave out {operation or given[0]}")
    if operation is None and given:
        raise click.UsageError(f"{given[0]} needs an operation before it")
    policy = _policy(_path(settings, None))
    if operation is None and request is None:
        allowed = _explain_all(policy, user)
    else:
        allowed = _explain_one(policy, _question(Questions(settings), user_called(user), operation, request, names))
    sys.exit(0 if allowed else OTHERWISE)


def _explain_all(policy: Policy, user: str) -> bool:
    roles = [policy.roles[name] for name in policy.users.get(user, ())]
    tell_rights(user, roles)
    return any(role.operations for role in roles)


def _explain_one(policy: Policy, question: Question) -> bool:
    decision = policy.judge(*question)
    tell_decision(question, decision, policy.explain(*question))
    return decision.allowed


def _question(
    questions: Questions,
    user: str | None,
    operation: str | None,
    request: BinaryIO | None,
    names: dict[str, tuple[str, ...]],
) -> Question:
    try:
        if request is not None:
            return questions.from_request(user, request.read(wire.MAX_BODY + 1))
        return questions.from_names(user, operation or "", names)
    except CommandError as error:
        _refuse([f"the service would refuse this request before it asks the policy: {error.code}: {error.message}"])
    except (OSError, ValueError) as error:
        _refuse([str(error)])


@click.argument("files", nargs=-1, required=True, type=STREAM, metavar="[FILE] CASES")
def test(settings: Settings, /, *, files: Sequence[BinaryIO]) -> None:
    """Decide cases, and show those that differ; exit code 1 if one does.

    CASES is TOML if its name ends in .toml, else JSON lines. Without FILE it uses POLICY_FILE.
    """
    if len(files) > 2:
        raise click.UsageError(f"found {len(files)} files; expected at most two, the policy and the cases")
    policy = _policy(_path(settings, Path(files[0].name) if len(files) > 1 else None))
    cases = _cases(files[-1], Questions(settings))
    decided = [(case, policy.judge(*case.question)) for case in cases]
    differing = [(case, decision) for case, decision in decided if not case.accepts(decision)]
    tell_differing(differing)
    click.echo(f"{count(len(cases), 'case')}, {len(differing)} not as expected", err=True)
    sys.exit(OTHERWISE if differing else 0)


def _cases(file: BinaryIO, questions: Questions) -> list[Case]:
    try:
        return read_cases(file.read(MAX_SIZE + 1), file.name, questions)
    except CasesError as error:
        _refuse(error.problems)
    except OSError as error:
        _refuse([f"{file.name}: cannot be read ({error.strerror})"])


@click.argument("files", nargs=-1, required=True, type=STREAM, metavar="[FILE] AUDIT...")
@click.option("--strict", is_flag=True, help="exit code 1 when something that was allowed would be denied")
def dry_run(settings: Settings, /, *, files: Sequence[BinaryIO], strict: bool) -> None:
    """Show which recorded decisions a policy would change.

    AUDIT is a file that the setting AUDIT wrote; "-" is standard input. FILE is the policy, and its name ends in
    .toml; without FILE the command uses POLICY_FILE.
    """
    first = files[0].name
    own = first.lower().endswith(TOML)
    changes = Changes(_policy(_path(settings, Path(first) if own else None)))
    audits = files[1:] if own else files
    if not audits:
        raise click.UsageError("no audit: name the files that the setting AUDIT wrote, or - for standard input")
    for audit in audits:
        _compare(changes, audit)
    tell_changes(changes.ordered())
    for line in in_short(changes):
        click.echo(line, err=True)
    sys.exit(OTHERWISE if strict and changes.changed[False] else 0)


def _compare(changes: Changes, audit: BinaryIO) -> None:
    try:
        changes.add_all(read(audit))
    except OSError as error:
        _refuse([f"{audit.name}: cannot be read ({error.strerror})"])


def commands() -> dict[str, Callable[..., None]]:
    """The commands by name; each takes the settings in force and its own options."""
    return {"check": check, "explain": explain, "test": test, "dry-run": dry_run}
