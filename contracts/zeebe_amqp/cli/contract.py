"""`zeebe-amqp asyncapi` and `zeebe-amqp schema`: the contract for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.commands import COMMANDS

__all__ = ["document", "schema"]

DOCUMENT: Final = (Line("Into a file", "zeebe-amqp asyncapi > asyncapi.yaml"),)
SCHEMA: Final = (
    Line("The body of a request", "zeebe-amqp schema create-instance"),
    Line("The body of its reply, a result or an error", "zeebe-amqp schema create-instance --reply"),
    Line("All of them, each in a file of its own", "zeebe-amqp schema --all schemas"),
)


@click.command("asyncapi", cls=Explained, examples=DOCUMENT)
def document() -> None:
    """Print the AsyncAPI document of the whole contract, YAML."""
    click.echo(asyncapi.text(), nl=False)


@click.command(
    cls=Explained,
    examples=SCHEMA,
    params=[
        click.Argument(
            ["operation"], type=click.Choice(list(COMMANDS)), required=False, metavar="OPERATION", help="default any"
        ),
        click.Option(["--reply"], is_flag=True, help="of the reply's body; default of the request's"),
        click.Option(
            ["--all", "folder"],
            type=click.Path(file_okay=False, path_type=Path),
            metavar="FOLDER",
            help="write the schemas of all requests and replies into this folder, and print nothing",
        ),
    ],
)
def schema(operation: str | None, *, reply: bool, folder: Path | None) -> None:
    """Print the JSON Schema of an operation's request or reply."""
    if folder is None:
        name = ".".join([*([operation] if operation else []), "reply" if reply else "request", "json"])
        click.echo(encode(asyncapi.files()[name]), nl=False)
    elif operation or reply:
        raise click.UsageError("--all: writes every schema; leave out the operation and --reply")
    else:
        _write(folder)


def _write(folder: Path) -> None:
    try:
        asyncapi.write_files(folder)
    except OSError as problem:
        raise click.FileError(problem.filename or str(folder), problem.strerror) from None
