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
You can send every operation from a shell, a file of requests at a given rate, and let any program work jobs:

```sh
pip install './contracts[cli]'    # in a clone of the repository
export AMQP_URL=amqp://user:password@rabbitmq:5672
zeebe-amqp deploy order.bpmn discount.dmn
zeebe-amqp create-instance order --variables '{"orderId": 7}'
```

Elsewhere, install the program [by the repository's address](client/call.md), with `cli` instead of `client`.

Every [operation](operations.md) has a command. The main field is an argument, and every other field is an option. Give
JSON as text, as `@file`, or as `-` for standard input; the program sends it unchanged. So does `call` with its body.
`deploy` and `batch` take file names without `@`. An option that you may repeat takes one object each time, or a list.
The program rejects input that the service would reject, and names the option. `--timeout` is how long you wait for the
answer; the field of that name is `--job-timeout`.

On a terminal, results are text. In a pipe they are JSON lines: the data of the reply, with one line for each item of a
list. Errors are a JSON line on standard error. Choose with `-o json` or `-o text`. The program honours `NO_COLOR`.

```sh
zeebe-amqp activate-jobs reserve-items --max-jobs-to-activate 10 --string-keys | jq -r .key
eval "$(zeebe-amqp completion bash)"    # also zsh and fish
```

`--string-keys` returns keys as text, for readers that store numbers as doubles. For example, `jq` before 1.7 silently
rounds keys above 2^53, and all keys from the fourth partition on are larger. In a batch, a line sets
`"metadata": {"keys": "string"}`.

`--trace-variable trace` of `create-instance`, `publish-message` and `broadcast-signal` puts the trace into a variable,
so that the [jobs of the process](monitoring.md#one-trace-through-a-process) belong to it. In a batch, a line sets
`"metadata": {"traceVariable": "trace"}`.

## Many requests

`zeebe-amqp batch requests.jsonl --rate 50 --concurrency 20` sends the envelopes of a file, one on each line, and keeps
every result in `requests.jsonl.results.jsonl`. It reports all invalid lines before it sends anything.

If the program stops, run the same command as the same user to resume. It does not resend a request with a final result.
It resends every other one with its earlier request id, so the service executes it once while its
[ledger](configuration.md) remembers it. The program matches requests by content, and tells identical lines apart by
their order. You may move, add and remove lines between two runs. The next run retries temporary errors. If the broker
is down, the batch stops.

To make a line for such a file, run any operation with `--dry-run -o json`.

## A program as a worker

`zeebe-amqp work pack-parcel --exec ./pack.sh` runs `./pack.sh` for every job of the type `pack-parcel`. All words after
`--exec` are the program and its arguments; no shell interprets them.

```sh
#!/bin/sh
boxes=$(jq '.weight / 10 | ceil')    # the variables are on standard input
printf '{"boxes": %s}' "$boxes"      # the answer goes to standard output
```

The rest of the job is in environment variables: `ZEEBE_JOB_KEY`, `ZEEBE_JOB_TYPE`, `ZEEBE_JOB_RETRIES`,
`ZEEBE_JOB_DEADLINE` (milliseconds since 1970), `ZEEBE_CUSTOM_HEADERS` (JSON), `ZEEBE_PROCESS_INSTANCE_KEY`,
`ZEEBE_BPMN_PROCESS_ID`, `ZEEBE_ELEMENT_ID`, `ZEEBE_ELEMENT_INSTANCE_KEY`, `ZEEBE_TENANT_ID`, and the job's trace in
`TRACEPARENT` and `TRACESTATE`.

| it ends with | standard output | the job |
| --- | --- | --- |
| exit code 0 | nothing, or a JSON object | is completed with these variables |
| exit code 100 | `{"errorCode": "…"}`; optional: `errorMessage`, `variables` | gets this BPMN error |
| any other exit code, a signal | | fails with one retry fewer; the error message is the end of standard error |
| exit code 0 or 100 | anything else | fails with one retry fewer; the error message says what was wrong |

The worker extends the lock of a job while its program runs, for 25 minutes at most. If the connection to the broker is
lost meanwhile, the worker does not start the job a second time. On SIGTERM or SIGINT it takes no more jobs and finishes
the current ones. On a second signal it ends these programs, too, and their jobs come again. If the program cannot be
started, the worker stops, and no job fails.

## Exit codes

For an error, the exit code is the number of its gRPC code plus 10 if the command had no effect. If it may have been
executed, it is plus 40. With `[ $? -ge 40 ]`, check the engine before you repeat the command.
"""

OPTIONS = """
## Options

Every operation has these options. `call`, `work`, `watch` and `batch` have the ones that apply to them. `--help` shows
the options of one command. `--help-all` shows these, too, and of an operation the fields inside JSON and of the answer,
and its errors.
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
    if name in COMMANDS:
        yield f"Every field, answer and error: [{name}](operations/{name}.md).\n"
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
