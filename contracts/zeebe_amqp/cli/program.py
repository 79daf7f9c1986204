"""The program: all commands, and how errors end it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from click.shell_completion import get_completion_class

from zeebe_amqp import __version__
from zeebe_amqp.cli import exit_codes, operations
from zeebe_amqp.cli.batch import batch
from zeebe_amqp.cli.brief import BriefGroup
from zeebe_amqp.cli.call import call
from zeebe_amqp.cli.contract import document, schema
from zeebe_amqp.cli.examples import PROGRAM, Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.watch import watch
from zeebe_amqp.cli.work import work
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.schema.formatting import printable

__all__ = ["Program", "completion", "program", "run"]

COMPLETION: Final = (Line("In bash, from now on", 'eval "$(zeebe-amqp completion bash)"'),)
LIBRARIES: Final = ("aiormq", "aio_pika", "asyncio")
SHELLS: Final = ("bash", "zsh", "fish")


class Program(BriefGroup):
    """The commands in two sections: operations of the engine, and the rest."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with a phrase."""
        self.write_commands(formatter, "Operations", list(COMMANDS))
        self.write_commands(formatter, "Commands", [name for name in self.commands if name not in COMMANDS])


@click.group(
    cls=Program,
    context_settings={"max_content_width": 120},
    epilog="Exit codes: 0 done, 2 nothing was sent, 11 to 26 not executed, 41 to 56 may have been executed.",
)
@click.version_option(__version__, prog_name=PROGRAM)
def program() -> None:
    """Command Zeebe over RabbitMQ. Every operation has a command; output is text, or JSON lines in a pipe."""


@program.command(cls=Explained, examples=COMPLETION)
@click.argument("shell", type=click.Choice(SHELLS), help="the shell to complete in")
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    found = get_completion_class(shell)
    assert found is not None  # the library has all three
    click.echo(found(program, {}, PROGRAM, "_ZEEBE_AMQP_COMPLETE").source())


for _command in (*operations.commands(), call, work, batch, watch, document, schema):
    program.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program with these arguments, or its own; the exit code."""
    # The libraries tell every lost connection themselves, with a traceback; ours says it once and in words.
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        # With NO_COLOR in the environment nothing is coloured, whatever the terminal can.
        color = False if os.environ.get("NO_COLOR") else None
        code: Any = program.main(arguments, PROGRAM, standalone_mode=False, color=color)
        sys.stdout.flush()
    except BaseException as problem:
        return _report_end(problem)
    return code if isinstance(code, int) else exit_codes.OK


def _report_end(problem: BaseException) -> int:
    """Say why it ended; the exit code."""
    match problem:
        case click.ClickException():
            problem.show()
            return exit_codes.USAGE
        case click.Abort() | KeyboardInterrupt():
            click.echo("interrupted", err=True)
            return exit_codes.INTERRUPTED
        case SystemExit(code=1):  # so the library answers a reader who went away
            return exit_codes.PIPE
        case BrokenPipeError():
            # What is left in the buffer would raise again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return exit_codes.PIPE
        case Exception():
            click.echo(printable(f"a defect of {PROGRAM}: {type(problem).__name__}: {problem}"), err=True)
            return exit_codes.DEFECT
    raise problem
