"""The command line: `python -m consumer COMMAND`; `--help` lists the commands.

Each command imports for itself what only it needs: half of the time of a start is imports.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import orjson

from consumer.config import ARGUMENTS, VARIABLES, Amqp, ConfigurationError, Loaded, Settings, load
from zeebe_amqp import __version__
from zeebe_amqp.cli.brief import BriefGroup, LateGroup, Shared, summary
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.schema.formatting import printable

if TYPE_CHECKING:
    from consumer.dead_letters.audit import LetterAudit
    from consumer.dead_letters.outcome import Inquire
    from consumer.lookup import Findings

__all__ = [
    "CONFIGURATION",
    "check_command",
    "config_command",
    "dead",
    "doctor",
    "jobs_command",
    "ledger",
    "main",
    "operations",
    "permissions_command",
    "policy",
    "request_command",
    "run",
]

FAILED: Final = 1
"""Exit code when it could not start, or not drain."""
CONFIGURATION: Final = 2
"""Exit code for a wrong configuration or command line."""

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_reset = click.option("--reset-ledger", is_flag=True, help="move the ledger's file aside and start with a new one")
_no_create = click.option(
    "--no-create", is_flag=True, help="make no tables for a ledger in PostgreSQL: LEDGER_CREATE=false"
)

_NAMES: Final = frozenset(variable.name for variable in VARIABLES)
_MEANINGS: Final = {spelling: variable.meaning for variable in VARIABLES for spelling in variable.spellings}


_management = click.option(
    "--management", metavar="URL", help="the broker's management API, asked with the login of AMQP_URL"
)


def _settings(function: F) -> F:
    """Give a command one option per setting."""
    for option, variable in reversed(list(ARGUMENTS.items())):
        file = ", read from a file" if variable not in _NAMES else ""
        words = _MEANINGS.get(variable, "") + file
        function = click.option(option, variable, cls=Shared, metavar="VALUE", help=words)(function)
    return function


def _given(context: click.Context, options: Mapping[str, str | None]) -> dict[str, str]:
    """Options before and after the command's name; the later ones win."""
    return {**(context.obj or {}), **{name: value for name, value in options.items() if value is not None}}


def _load(arguments: Mapping[str, str]) -> Loaded:
    """The configuration; ends the process with every problem when it is not usable."""
    try:
        loaded = load(os.environ, arguments)
    except ConfigurationError as error:
        for line in [*error.warnings, *error.problems]:
            click.echo(line, err=True)
        sys.exit(CONFIGURATION)
    from consumer.telemetry import logs

    logs.setup(loaded.settings.log_level, loaded.settings.log_format)
    # The libraries log every failed connection themselves, with a traceback; ours say it once and in words.
    for library in ("aiormq", "aio_pika", "grpc", "psycopg"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    for note in loaded.notes:
        log.info(note, extra={"event": "config.note"})
    for warning in loaded.warnings:
        log.warning(warning, extra={"event": "config.warning"})
    return loaded


@click.group(
    cls=BriefGroup,
    invoke_without_command=True,
    context_settings={"max_content_width": 120},
)
@click.version_option(__version__, prog_name="zeebe-amqp-consumer")
@_settings
@_reset
@_no_create
@click.pass_context
def main(context: click.Context, /, reset_ledger: bool, no_create: bool, **options: str | None) -> None:
    """Consume Zeebe commands from RabbitMQ, execute them and reply. The default command is run."""
    context.obj = _given(context, options)
    if context.invoked_subcommand is None:
        _run(context.obj, reset_ledger, no_create)
    elif reset_ledger or no_create:
        option = "--reset-ledger" if reset_ledger else "--no-create"
        raise click.UsageError(f"{option} belongs to run: put it after that")


@main.command()
@_settings
@_reset
@_no_create
@click.pass_context
def run(context: click.Context, /, reset_ledger: bool, no_create: bool, **options: str | None) -> None:
    """Consume until SIGTERM or SIGINT; exit code 0 if everything drained, else 1."""
    _run(_given(context, options), reset_ledger, no_create)


def _run(arguments: Mapping[str, str], reset_ledger: bool, no_create: bool) -> None:
    from consumer import app
    from consumer.core.key_file import KeyFileError
    from consumer.health import HealthError
    from consumer.ledger import LedgerError, reset
    from consumer.security.audit_sinks import AuditError
    from consumer.security.policy import PolicyError
    from consumer.telemetry import TelemetryError

    settings = _load({**arguments, "LEDGER_CREATE": "false"} if no_create else arguments).settings
    try:
        if reset_ledger and (aside := reset(settings.ledger)) is not None:
            log.warning("the ledger was moved to %s", aside, extra={"event": "ledger.moved", "path": str(aside)})
        with asyncio.Runner(loop_factory=_loop_factory) as runner:
            code = runner.run(app.run(settings))
    except (TelemetryError, PolicyError) as error:
        click.echo(str(error), err=True)
        sys.exit(CONFIGURATION)
    except (LedgerError, AuditError, KeyFileError) as error:
        # Not the configuration's code: a ledger that its last owner still holds is free a moment later.
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    except HealthError:  # it was logged where it happened
        sys.exit(FAILED)
    sys.exit(code)


def _loop_factory() -> asyncio.AbstractEventLoop:
    """uvloop's where it exists, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@main.command("check")
@_settings
@_management
@click.pass_context
def check_command(context: click.Context, /, management: str | None, **options: str | None) -> None:
    """Check the broker and the engines once; exit code 0 if all work, else 1."""
    from consumer.check import check, show

    settings = _load(_given(context, options)).settings
    _check_management(management, settings.amqp)
    findings = asyncio.run(check(settings, management))
    show(findings)
    sys.exit(0 if all(finding.ok for finding in findings) else FAILED)


def _check_management(url: str | None, amqp: Amqp) -> None:
    from consumer.doctor import refused_url

    if url is not None and (accepted := refused_url(url, amqp)) is not None:
        raise click.BadParameter(f"accepted: {accepted}", param_hint="--management")


@main.command("doctor")
@_settings
@click.option(
    "--reply-queue", "reply_queues", metavar="NAME", multiple=True, help="a queue that callers read; may be repeated"
)
@_management
@click.option("--strict", is_flag=True, help="exit code 1 also with warnings")
@click.pass_context
def doctor(
    context: click.Context,
    /,
    reply_queues: tuple[str, ...],
    management: str | None,
    strict: bool,
    **options: str | None,
) -> None:
    """Examine the whole set-up and say what to change; exit code 1 with problems."""
    from consumer.doctor import examine, fails, show

    settings = _load(_given(context, options)).settings
    _check_management(management, settings.amqp)
    findings = asyncio.run(examine(settings, reply_queues=reply_queues, management=management))
    show(findings)
    sys.exit(FAILED if fails(findings, strict=strict) else 0)


@main.command("config")
@_settings
@click.pass_context
def config_command(context: click.Context, /, **options: str | None) -> None:
    """Print the effective settings and their sources; secrets are masked."""
    from consumer.table import show_rows

    loaded = _load(_given(context, options))
    show_rows(("variable", "value", "source"), loaded.sources)


@main.command("jobs")
@_settings
@click.option("--json", "as_json", is_flag=True, help="a JSON line per type, also on a terminal")
@click.pass_context
def jobs_command(context: click.Context, /, as_json: bool, **options: str | None) -> None:
    """Show the types of jobs, their queues and workers; exit code 1 without the broker.

    What was given out, and the age of the oldest job, are those of the service that runs here.
    """
    from consumer.job_list import list_jobs, show_jobs
    from zeebe_amqp.amqp.connection import BrokerError

    settings = _load(_given(context, options)).settings
    if not settings.jobs:
        raise click.UsageError("no types of jobs: name them in JOBS or JOBS_FILE")
    try:
        found = asyncio.run(list_jobs(settings))
    except BrokerError as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    show_jobs(found, as_json=as_json)


@main.command("permissions")
@_settings
@click.argument("users", metavar="[USER]...", nargs=-1)
@click.option(
    "--worker", "workers", metavar="USER=TYPE", multiple=True, help="a worker for jobs of a type; may be repeated"
)
@click.pass_context
def permissions_command(
    context: click.Context, /, users: tuple[str, ...], workers: tuple[str, ...], **options: str | None
) -> None:
    """Print what permits users at the broker what they need.

    The output is a shell script of `rabbitmqctl`, for the service and for each user, which permits no more.
    """
    from consumer.permission_list import list_permissions, read_users, read_workers

    settings = _load(_given(context, options)).settings
    try:
        lines = list_permissions(settings, read_users(users), read_workers(workers))
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    for line in lines:
        click.echo(line)


@main.command("request")
@_settings
@click.option("--user", metavar="NAME", help='the validated user that sent the request; "" for none; default any')
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="dead letters to look at")
@click.argument("request_id", metavar="ID")
@click.pass_context
def request_command(
    context: click.Context, /, request_id: str, user: str | None, limit: int, **options: str | None
) -> None:
    """Find a request and show its state; exit code 1 if it is unknown."""
    from consumer.lookup import look_up

    settings = _load(_given(context, options)).settings
    findings = asyncio.run(look_up(settings, user, request_id, limit))
    _tell(findings)
    sys.exit(0 if findings.facts else FAILED)


def _tell(findings: Findings) -> None:
    """A JSON line per fact when piped, a paragraph per fact on a terminal; notes go to standard error."""
    for fact in findings.facts:
        if not sys.stdout.isatty():
            click.echo(orjson.dumps(fact))
            continue
        click.secho(f"{fact['where']}: {printable(str(fact['state']))}", bold=True)
        for name, value in fact.items():
            if name not in ("where", "state") and value is not None:
                text = value if isinstance(value, str) else orjson.dumps(value).decode()
                click.echo(f"  {name}: {printable(text)}")
    if not findings.facts:
        click.echo("this request is unknown", err=True)
    for note in findings.notes:
        click.echo(note, err=True)


@main.command()
def operations() -> None:
    """Print the operations."""
    from consumer.table import show_rows
    from zeebe_amqp.schema import docstrings

    rows = [
        (
            name,
            command.__name__,
            "yes" if command.exempt_from_limit else "no",
            summary(docstrings.about(command)),
        )
        for name, command in COMMANDS.items()
    ]
    show_rows(("operation", "command", "relieves the engine", "what it does"), rows)


def _configured(function: Callable[..., None]) -> Callable[..., None]:
    """A command that is called with the settings in force before its own options."""

    @click.pass_context
    @wraps(function)
    def configured(context: click.Context, /, **options: Any) -> None:
        given = _given(context, {name: options.pop(name) for name in ARGUMENTS.values()})
        function(_load(given).settings, **options)

    # A list of its own: the settings' options are added to it, and the function itself does not take them.
    vars(configured)["__click_params__"] = list(vars(function).get("__click_params__", ()))
    return _settings(configured)


def _dead_commands() -> dict[str, Callable[..., None]]:
    from consumer.dead_letters.commands import commands

    return {name: _configured(function) for name, function in commands(_inquiries, _audit).items()}


def _inquiries(settings: Settings) -> AbstractAsyncContextManager[Inquire]:
    """See `open_inquiries`: what it imports only a replay needs."""
    from consumer.lookup import open_inquiries

    return open_inquiries(settings)


def _audit(settings: Settings) -> LetterAudit:
    """See `letter_audit`: what it imports only a replay or a drop needs."""
    from consumer.audit import letter_audit

    return letter_audit(settings)


def _ledger_commands() -> dict[str, Callable[..., None]]:
    from consumer.ledger_commands import accept, ddl

    return {"ddl": ddl, "accept": _configured(accept)}


def _policy_commands() -> dict[str, Callable[..., None]]:
    from consumer.policy_commands.commands import commands

    return {name: _configured(function) for name, function in commands().items()}


@main.group(cls=LateGroup, make=_dead_commands)
def dead() -> None:
    """List, show, replay and drop dead letters.

    Run one at a time: a second run does not see the letters that the first one holds.
    """


@main.group(cls=LateGroup, make=_ledger_commands)
def ledger() -> None:
    """Make a ledger in PostgreSQL, or accept its failover."""


@main.group(cls=LateGroup, make=_policy_commands)
def policy() -> None:
    """Check, explain and test a policy, or try it on an audit.

    No server is needed. The policy in force is that of POLICY_FILE.
    """
