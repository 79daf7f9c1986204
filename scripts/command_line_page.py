"""The page of the command line, from the program itself."""

from __future__ import annotations

from collections.abc import Iterator

import click

from zeebe_amqp.cli import exit_codes
from zeebe_amqp.cli.connection import CONNECTION, REQUEST
from zeebe_amqp.cli.examples import PROGRAM
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.operations import SENDING
from zeebe_amqp.cli.program import program
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code

INTRODUCTION = """
```sh
pip install './contracts[cli]'    # in a clone of the repository
export AMQP_URL=amqp://user:password@rabbitmq:5672
zeebe-amqp deploy order.bpmn discount.dmn
zeebe-amqp create-instance order --variables '{"orderId": 7}'
```

From elsewhere the program is installed [by the repository's address](client/call.md), with `cli` in place of `client`.

There is a command for every [operation](operations.md), made from its type: the main field is an argument, every other
field an option. JSON is given as text, as `@file`, or as `-` for standard input, and sent as it is; so is the body of
`call`. What is always a file, in `deploy` and `batch`, needs no `@`. An option that may be given several
times takes an object each, or a list. What the service would refuse is refused before anything is
sent, and named by its option. A `--timeout` is how long to wait for the answer; the field of that name is
`--job-timeout`.

On a terminal results are text; in a pipe they are JSON lines, the data of the reply as they came, each item of a list
on its own line, and errors are a JSON line on standard error. `-o json` and `-o text` choose. `NO_COLOR` is honoured.

```sh
zeebe-amqp activate-jobs reserve-items --max-jobs-to-activate 10 --string-keys | jq -r .key
eval "$(zeebe-amqp completion bash)"    # also zsh and fish
```

`--string-keys` gives keys as text, to readers whose numbers are doubles: `jq` before 1.7 silently rounds a key above
2^53, and those of all partitions from the fourth on are. A line of a batch asks for it by
`"metadata": {"keys": "string"}`.

## Many requests

`zeebe-amqp batch requests.jsonl --rate 50 --concurrency 20` sends the envelopes of a file, one on each line, and keeps
every result in `requests.jsonl.results.jsonl`. Wrong lines are all told before anything is sent. However the program
ends, the same line again goes on: a request with a final result is never sent again, and every other one under the
request id that it had before, so that the service executes it once as long as its
[ledger](configuration.md) remembers it. A request is known by what it says, and by which of its equals it is: lines may
be moved, added and removed between two runs. Errors that are worth another attempt are sent again by the next run; when
the broker is away, the batch stops. `--dry-run -o json` of any operation prints a line for such a file.

## Exit codes

An error is 10 and the code's number of gRPC when the command certainly had no effect, 40 and that number when it may
have been executed: `[ $? -ge 40 ]` is worth a look by a person.
"""

OPTIONS = """
## Options

Every operation has these; `call`, `watch` and `batch` have those that make sense for them. `--help` of a command leaves
them out and shows its own; `--help-all` shows all.
"""


def page() -> str:
    """The page's text."""
    lines = [INTRODUCTION, *_codes(), OPTIONS, *_table([*SENDING])]
    for name, command in program.commands.items():
        lines += _command(name, command)
    return "\n".join(lines)


def _codes() -> Iterator[str]:
    yield from ("| exit code | meaning |", "| --- | --- |")
    yield from (f"| {code} | {meaning} |" for code, meaning in exit_codes.MEANINGS.items())
    yield from ("", "| error | not executed | may have been executed |", "| --- | --- | --- |")
    for code in Code:
        number = exit_codes.NUMBERS[code]
        yield f"| `{code}` | {exit_codes.NOT_EXECUTED + number} | {exit_codes.UNKNOWN + number} |"


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"{PROGRAM} {name}")
    yield f"\n## {name}\n"
    yield f"{_text(command.help or '')}\n"
    yield f"```\n{PROGRAM} {name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    common = (*SENDING, *REQUEST, *CONNECTION) if name in {*COMMANDS, "deploy"} else (*REQUEST, *CONNECTION)
    if own := [each for each in command.params if each not in common]:
        yield from _table(own)
        yield ""
    if isinstance(command, Explained) and command.examples:
        yield "```sh"
        yield from (line for title, text in command.examples for line in (f"# {title}", text))
        yield "```"


def _table(parameters: list[click.Parameter]) -> Iterator[str]:
    context = click.Context(program)
    yield from ("| option | what it is |", "| --- | --- |")
    for each in parameters:
        names, words = each.get_help_record(context) or ("", "")
        yield f"| `{_cell(names)}` | {_cell(words)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
