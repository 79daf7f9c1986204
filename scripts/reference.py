"""What is made from the code for docs/: `python -m scripts.reference [--check]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from consumer.config import VARIABLES, component
from consumer.config.job_types import FIELDS, MAX_TYPES
from consumer.config.settings import JobType
from consumer.config.variables import Variable
from scripts import command_line_page, monitoring_page, operation_page, operations_page
from zeebe_amqp import asyncapi
from zeebe_amqp.commands import COMMANDS

DOCS = Path(__file__).resolve().parents[1] / "docs"
MADE = "<!-- Made from the code by `make reference`; change the code, not this page. -->\n"


def configuration() -> str:
    """The page of all settings."""
    also = [(f"`{each.name}`", _names(each.spellings[1:])) for each in VARIABLES if each.spellings[1:]]
    parts = [
        "# Configuration\n",
        MADE,
        "You can set everything on the command line, in the environment, in a `.env` file or in a component file; of",
        "these the first wins. Each variable is an option too (`AMQP_URL` is `--amqp-url`), except secrets: every user",
        "of the machine could read them there, so give `…_FILE`. An address with a password is refused there, too, but",
        "for `guest:guest`. Durations are written like `30s` or `PT30S`. An empty text means not set. A `.env` in the",
        "working directory is read only when it belongs to the user who runs the process; the log says so. Every",
        "problem is reported at once, with exit code 2; `python -m consumer config` shows what is in force and where",
        "it comes from.\n",
        "A problem names a setting the way you wrote it: `--amqp-url` on the command line, `AMQP_URL` in the",
        "environment, `AMQP_URL in .env`, `clientSecret in component.yaml` in a component file. Messages while the",
        "service runs do the same, without the file: callers read some of them.",
        *groups(),
        JOB_TYPES,
        *fields(),
        ALL_TYPES,
        "\n## Other names\n",
        "For the official clients' configuration and for secrets in files; the first name that is set wins.\n",
        *_lines([("variable", "also read from"), ("---", "---"), *also]),
        COMPONENT,
        *keys(),
    ]
    return "\n".join(parts)


def groups() -> Iterator[str]:
    """A table of settings under each heading."""
    for group, variables in groupby(VARIABLES, lambda each: each.group):
        rows = [("variable", "default", "accepted", "meaning"), ("---",) * 4]
        rows += [(f"`{each.name}`", _code(each.default), accepted(each), each.meaning) for each in variables]
        yield from (f"\n## {group}\n", *_lines(rows))


def accepted(variable: Variable) -> str:
    """What a setting may be, as its parser says when it refuses a text that no setting may be."""
    try:
        variable.parse("\0,")
    except ValueError as error:
        text = re.sub(r" such as \"45s\".*", "", str(error))
        return re.sub(r"true \(.*?\) or false \(.*?\)", "true or false", text).replace("*", r"\*")
    raise AssertionError(f"{variable.name} takes anything")


JOB_TYPES = """
## Types of jobs

For [jobs in queues](jobs.md), `JOBS=charge-card,ship-order` is enough if the defaults fit. `JOBS_FILE` names a TOML
file with a table for each type that needs something else:

```toml
[jobs.charge-card]
timeout = "2m"
limit = 500
fetch_variables = ["orderId", "amount"]
delivery_limit = 5

[jobs."io.example:ship-order"]    # quote a type that has dots or colons
queue = "shipping"
tenant_ids = ["acme"]
answers = "plain"
```

| key | default | value | meaning |
| --- | --- | --- | --- |"""

ALL_TYPES = f"""
If a type is in both settings, its table counts. A type has at most 240 bytes and no comma. Each type needs a queue of
its own, other than those of the service itself. One service takes up to {MAX_TYPES} types, and reads the file when it
starts. `python -m consumer config` shows the types in force and where they come from;
[`python -m consumer jobs`](running.md#jobs-on-queues) shows their queues."""


def fields() -> Iterator[str]:
    """A row for each key of a type's table."""
    for key, each in FIELDS.items():
        value = getattr(JobType("type"), each.attribute)
        default = f"`{value:g}s`" if isinstance(value, float) else f"`{value}`" if value else "unset"
        yield f"| `{key}` | {default} | {each.accepted} | {each.meaning} |"


COMPONENT = """
## Component file

`COMPONENT_FILE` (or `--component`) names a component file of the binding; what it says stands below the environment.
This one has all that such a file may have: the command binding, a broker's binding and the store of its secrets.

```yaml
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: zeebe
spec:
  type: bindings.zeebe.command
  version: v1
  metadata:
  - name: gatewayAddr
    value: zeebe.example:26500
  - name: gatewayKeepAlive
    value: 45s
  - name: usePlainTextConnection
    value: "false"
  - name: clientId
    value: orders
  - name: clientSecret
    secretKeyRef:
      name: zeebe:secret
  - name: authorizationServerUrl
    value: https://idp.example/oauth/token
  - name: tokenAudience
    value: zeebe.example
auth:
  secretStore: secrets
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: broker
spec:
  type: bindings.rabbitmq
  version: v1
  metadata:
  - name: host
    secretKeyRef:
      name: RABBITMQ_URL
  - name: queueName
    value: zeebe.commands,zeebe.polls
  - name: prefetchCount
    value: "128"
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: secrets
spec:
  type: secretstores.local.file
  version: v1
  metadata:
  - name: secretsFile
    value: secrets.json
```

`gatewayAddr` is required; `gatewayKeepAlive` is a duration or whole seconds; `usePlainTextConnection` takes y, yes,
true, t, on, 1 and their opposites; `caCertificatePath` names a PEM file, and so do
`clientCertPath` and `clientKeyPath`, which the binding does not have. An unknown key is an error. The component of
the broker may be missing; its keys about queues and reconnecting have no effect, because these are the service's own
affair, and are warned about.

A value may be the name of a secret. Without `auth.secretStore` (or with a store of type `secretstores.local.env`) that
is a variable of the environment; a store of type `secretstores.local.file` in the same file names a JSON file beside
it, in which a colon leads into a nested object.
"""


def keys() -> Iterator[str]:
    """The table of all keys of a component file."""
    rows = [("component", "key", "variable"), ("---", "---", "---")]
    for kind, variables in component.KEYS.items():
        rows += [(f"`{kind}`", f"`{key}`", f"`{variable}`") for key, variable in variables.items()]
        rows += [(f"`{kind}`", f"`{key}`", "no effect") for key in sorted(component.IGNORED[kind])]
        rows += [
            (f"`{kind}`", f"`{key}`", f"no text here: `{each}` names a file")
            for key, each in component.INSTEAD[kind].items()
        ]
    yield from _lines(rows)


def operation(name: str) -> str:
    """The page of an operation."""
    return "\n".join([f"# {name}\n", MADE, operation_page.page(name).strip()]).rstrip()


def operations() -> str:
    """The overview of all operations."""
    return "\n".join(["# Operations\n", MADE, operations_page.page().strip()]).rstrip()


def command_line() -> str:
    """The page of the command line."""
    return "\n".join(["# Command line\n", MADE, command_line_page.page().strip()]).rstrip()


def monitoring() -> str:
    """The page of metrics, log, health and traces."""
    return "\n".join(["# Monitoring\n", MADE, monitoring_page.page().strip()]).rstrip()


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(text: str) -> str:
    return f"`{text}`" if text else "unset"


def _lines(rows: list[Any]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in rows]


def document() -> str:
    """The AsyncAPI document."""
    return asyncapi.text().rstrip("\n")


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "operations.md": operations,
    **{f"operations/{name}.md": partial(operation, name) for name in COMMANDS},
    "command-line.md": command_line,
    "monitoring.md": monitoring,
    "asyncapi.yaml": document,
}


def main() -> int:
    """Write the pages; with --check only compare, exit code 1 when one is out of date."""
    stale = [name for name, make in PAGES.items() if not _same(DOCS / name, make())]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is out of date: make reference", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(PAGES[name]() + "\n")
    return 0


def _same(page: Path, text: str) -> bool:
    return page.exists() and page.read_text() == text + "\n"


if __name__ == "__main__":
    sys.exit(main())
