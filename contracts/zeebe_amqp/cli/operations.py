"""A command of the command line for every operation, made from its type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from zeebe_amqp import envelope, wire
from zeebe_amqp import trace_variable as variables
from zeebe_amqp.cli import calling, options
from zeebe_amqp.cli.brief import Shared
from zeebe_amqp.cli.connection import CONNECTION, REQUEST, USER_ID, Connection, Request, connected
from zeebe_amqp.cli.examples import lines
from zeebe_amqp.cli.help import OfOperation
from zeebe_amqp.cli.values import FILE, STANDARD_INPUT, TEXT, read
from zeebe_amqp.commands import COMMANDS, Command, DeployProcess, DeployResource
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema import docstrings

__all__ = ["SENDING", "command", "commands"]

_TRACE_VARIABLE: Final = "--trace-variable"
FILES: Final[tuple[type[Command], ...]] = (DeployProcess, DeployResource)
"""Commands whose data are files."""


def commands() -> Iterator[click.Command]:
    """A command for every operation, and `deploy` for files of any kind."""
    for operation in COMMANDS:
        yield command(operation)
    yield command(DeployResource.operation, "deploy")


def command(operation: str, name: str | None = None) -> click.Command:
    """The command of an operation, under its own name or another one."""
    kind = COMMANDS[operation]
    return OfOperation(
        name or operation,
        kind,
        of_files=kind in FILES,
        params=[
            *(_files(kind) if kind in FILES else options.parameters(kind)),
            *([TRACE_VARIABLE] if kind.carries_trace else []),
            *SENDING,
        ],
        callback=_callback(kind),
        examples=lines(operation, name or operation),
    )


TRACE_VARIABLE: Final = click.Option(
    [_TRACE_VARIABLE],
    type=TEXT,
    metavar="NAME",
    help="the variable that carries the trace into the process and to its jobs; default none",
)
"""An option of the operations that can carry a trace."""
SENDING: Final[tuple[click.Parameter, ...]] = (
    *REQUEST,
    Shared(["--forget"], is_flag=True, help="publish the request without waiting for an answer"),
    Shared(["--string-keys"], is_flag=True, help="return keys as text, for JSON readers that store numbers as doubles"),
    Shared(["--dry-run"], is_flag=True, help="check the request and print it instead of sending it"),
    *CONNECTION,
    USER_ID,
)
"""Options that all operations have."""


def _callback(kind: type[Command]) -> Callable[..., None]:
    read_command: Callable[[dict[str, Any]], Command] = partial(_of_files if kind in FILES else _of_options, kind)

    @connected
    def call(
        connection: Connection,
        *,
        timeout: float | None,
        request_id: str | None,
        trace: bool,
        priority: int | None,
        forget: bool,
        string_keys: bool,
        dry_run: bool,
        trace_variable: str | None = None,
        **given: Any,
    ) -> None:
        made = _check(kind, read_command, given, trace_variable)
        metadata = {wire.KEYS: "string"} if string_keys else {}
        if trace_variable is not None:
            metadata[wire.TRACE_VARIABLE] = trace_variable
        body = envelope.encode(made, metadata=metadata)
        request = Request.of(kind.operation, request_id, timeout, trace, priority)
        if dry_run:
            connection.output.line(body)
        elif forget:
            calling.forget(connection, request, made, trace_variable)
        else:
            calling.ask(connection, request, made, body)

    return call


def _check(
    kind: type[Command],
    read_command: Callable[[dict[str, Any]], Command],
    given: dict[str, Any],
    trace_variable: str | None,
) -> Command:
    try:
        command = read_command(given)
        if trace_variable is not None:
            variables.check(command, trace_variable, _TRACE_VARIABLE)
        return command
    except CommandError as error:
        field = (error.details or {}).get("field", "")
        words = error.message.removeprefix(f"{field}: ")
        raise click.UsageError(f"{_place(kind, field)}: {words}" if field else words) from None


def _place(kind: type[Command], field: str) -> str:
    if kind in FILES:
        return {"metadata.fileName": "--name", "data": "FILE"}.get(field, field)
    return options.place(field, kind)


def _of_options(kind: type[Command], given: dict[str, Any]) -> Command:
    return kind.from_wire(options.data(kind, given), {})


def _files(kind: type[Command]) -> list[click.Parameter]:
    several = kind is DeployResource
    meanings = docstrings.meanings(DeployProcess)
    return [
        click.Argument(
            ["files"],
            type=FILE,
            nargs=-1 if several else 1,
            required=True,
            metavar="FILE..." if several else "FILE",
            help=docstrings.meanings(kind)["resources"] if several else "a BPMN file",
        ),
        click.Option(["--name"], type=TEXT, help=f"{meanings['name']} [default its own; standard input (-) has none]"),
        click.Option(["--tenant-id"], type=TEXT, help=meanings["tenant_id"]),
    ]


def _of_files(kind: type[Command], given: dict[str, Any]) -> Command:
    found: str | tuple[str, ...] = given["files"]
    files = (found,) if isinstance(found, str) else found
    name, tenant = given["name"], given["tenant_id"] or ""
    if name is not None and len(files) > 1:
        raise click.UsageError("--name: only for a single file")
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("FILE: standard input (-) can be read once")
    contents = [(name or _name(file), read(file)) for file in files]
    made: Command
    if kind is DeployProcess:
        made = DeployProcess(name=contents[0][0], content=contents[0][1], tenant_id=tenant)
    else:
        made = DeployResource(resources=tuple(Resource.of(*each) for each in contents), tenant_id=tenant)
    made.verify()
    return made


def _name(file: str) -> str:
    if file == STANDARD_INPUT:
        raise click.UsageError(
            "--name: missing; standard input has no file name, and the extension tells the kind of file"
        )
    return Path(file).name
