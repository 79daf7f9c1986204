"""`zeebe-amqp asyncapi` and `zeebe-amqp schema`: the contract for machines."""

from __future__ import annotations

from typing import Final

import click

from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encoded
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.commands import COMMANDS

__all__ = ["document", "schema"]

DOCUMENT: Final = (Line("Into a file", "zeebe-amqp asyncapi > asyncapi.yaml"),)
SCHEMA: Final = (
    Line("The body of a request", "zeebe-amqp schema create-instance"),
    Line("The body of its reply, a result or an error", "zeebe-amqp schema create-instance --reply"),
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
    ],
)
def schema(operation: str | None, reply: bool) -> None:
    """Print the JSON Schema of an operation's request or reply."""
    name = ".".join([*([operation] if operation else []), "reply" if reply else "request", "json"])
    click.echo(encoded(asyncapi.files()[name]))
