"""The reference pages of the documentation, made from the code: `python -m scripts.reference [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from msgspec import NODEFAULT, inspect

from consumer.config import VARIABLES
from consumer.operations import OPERATIONS, Operation
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.explanation import describe, type_info

DOCS = Path(__file__).resolve().parents[1] / "docs"
MADE = "<!-- Made from the code by `make reference`; change the code, not this page. -->\n"
OF_THE_FILE = {
    "name": ("`metadata.fileName`", "text that ends in .bpmn or .xml", "required"),
    "content": ("`data`", "the file's text as a JSON string (base64 with `metadata.encoding`)", "required"),
    "tenant_id": ("`metadata.tenantId`", "text", "none"),
}
"""deploy-process takes a file, not an object; in the bare form the body is the file and metadata are headers."""


def configuration() -> str:
    """The page of all settings."""
    rows = [("variable", "default", "meaning"), ("---", "---", "---")]
    rows += [(f"`{each.name}`", _code(each.default), each.meaning) for each in VARIABLES]
    also = [(f"`{each.name}`", _names(each.spellings[1:])) for each in VARIABLES if each.spellings[1:]]
    parts = [
        "# Configuration\n",
        MADE,
        "The command line wins over the environment, that over a `.env` file, that over the component file, that over",
        "the default. Each variable is an option too (`AMQP_URL` is `--amqp-url`), except secrets, which every user of",
        "the machine could read there: give `…_FILE`. Durations are written like `30s` or `PT30S`. An empty text means",
        "not set. Every problem is reported at once, with exit code 2; `python -m consumer config` shows what is in",
        "force and where it comes from.\n",
        *_lines(rows),
        "\n## Other names\n",
        "For the official clients' configuration and for secrets in files; the first name that is set wins.\n",
        *_lines([("variable", "also read from"), ("---", "---"), *also]),
        COMPONENT,
    ]
    return "\n".join(parts)


COMPONENT = """
## Component file

`COMPONENT_FILE` (or `--component`) names a component file of the binding; what it says stands below the environment:

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
    value: localhost:26500
  - name: gatewayKeepAlive
    value: 45s
  - name: usePlainTextConnection
    value: "true"
```

`gatewayAddr` is required; `gatewayKeepAlive` is a duration or whole seconds; `usePlainTextConnection` takes y, yes,
true, t, on, 1 and their opposites; `caCertificatePath` names a PEM file. An unknown key is an error.
"""


def operations() -> str:
    """The page of all operations."""
    parts = [
        "# Operations\n",
        MADE,
        "An operation is named by `operation` in the envelope; its `data` are the fields below. An unknown field is",
        "refused, with the nearest known name. Keys are JSON integers or their decimal text. A duration is text such",
        'as `"1h30m"`, `"250ms"` or `"PT5M"`, or an integer of nanoseconds. Variables are a JSON object, handed to the',
        "engine byte for byte. *Repeatable* says whether running the command twice is harmless, so that it may be",
        "tried again when its outcome is unknown.\n",
    ]
    return "\n".join([*parts, *(line for name in COMMANDS for line in _operation(OPERATIONS[name]))])


def _operation(row: Operation) -> Iterator[str]:
    yield f"## {row.name}\n"
    yield f"{_first_line(row.command.__doc__)}\n"
    yield f"Repeatable: {REPEATABLE.get(row.name, 'yes')}.\n"
    fields = list(_fields(row.command))
    if fields:
        yield from _lines([("field", "accepted", "default"), ("---", "---", "---"), *fields])
        yield ""
    yield f"Reply data: {_result(row.command)}\n"


REPEATABLE = {
    "create-instance": "no",
    "publish-message": "only with a messageId and a timeToLive",
    "activate-jobs": "no, it would lock other jobs",
    "broadcast-signal": "no",
    "modify-instance": "no",
    "migrate-instance": "no",
    "evaluate-conditional": "no",
}
"""What `Operation.repeatable` decides, in words; a test compares the two."""


def _fields(command: type[Command]) -> Iterator[tuple[str, str, str]]:
    if command.operation == "deploy-process":
        yield from OF_THE_FILE.values()
        return
    info = type_info(command)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        default = "required" if field.required else _default(field.default)
        yield f"`{field.encode_name}`", describe(field.type).replace("|", "\\|"), default


def _default(value: Any) -> str:
    if value in (None, "", ()) or value is NODEFAULT:
        return "none"
    return _code(orjson.dumps(value).decode())


def _result(command: type[Command]) -> str:
    if command.result is None:
        return "`null`."
    info = type_info(command.result)
    each, prefix = (info.item_type, "a list of ") if isinstance(info, inspect.VarTupleType) else (info, "")
    assert isinstance(each, inspect.StructType)
    return prefix + ", ".join(f"`{field.encode_name}`" for field in each.fields) + "."


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(text: str) -> str:
    return f"`{text}`" if text else "unset"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _lines(rows: list[Any]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in rows]


PAGES = {"configuration.md": configuration, "operations.md": operations}


def main() -> int:
    """Write the pages; with --check only compare, exit code 1 when one is out of date."""
    stale = [name for name, make in PAGES.items() if not _same(DOCS / name, make())]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is out of date: make reference", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name]() + "\n")
    return 0


def _same(page: Path, text: str) -> bool:
    return page.exists() and page.read_text() == text + "\n"


if __name__ == "__main__":
    sys.exit(main())
