"""The documents say what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.operations.instances import GATEWAY_GRACE
from scripts import operations_page, reference
from tests.cases import check_all
from zeebe_amqp import asyncapi
from zeebe_amqp.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_reference_pages_are_made_from_the_code() -> None:
    def is_made(name: str, make: Callable[[], str]) -> None:
        assert (reference.DOCS / name).read_text() == make() + "\n", "make reference"

    check_all(reference.PAGES.items(), is_made)


def test_a_stale_page_is_reported_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["reference", "--check"])
    assert reference.main() == 1
    assert "docs/operations.md is out of date" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["reference"])
    assert reference.main() == 0
    monkeypatch.setattr("sys.argv", ["reference", "--check"])
    assert reference.main() == 0


def test_the_words_about_repeating_agree_with_the_rows() -> None:
    messages = (
        b'{"messageName":"m"}',
        b'{"messageName":"m","messageId":"i"}',
        b'{"messageName":"m","timeToLive":"1m"}',
        b'{"messageName":"m","messageId":"i","timeToLive":"1m"}',
    )
    expected = {"yes": [True], "only with a messageId and a timeToLive": [False, False, False, True]}

    def agree(operation: str) -> None:
        kind = COMMANDS[operation]
        decided = [kind.idempotent]
        if operation == "publish-message":
            decided = [kind.from_wire(data, {}).is_idempotent() for data in messages]
        assert decided == expected.get(operations_page.IDEMPOTENT.get(operation, "yes"), [False])

    check_all([*OPERATIONS], agree)


ABSENT = {
    "create-instance.version": ({"bpmnProcessId": "p"}, "version", -1),
    "create-instance.requestTimeout": (
        {"bpmnProcessId": "p", "withResult": True},
        "requestTimeout",
        15_000 + GATEWAY_GRACE,
    ),
    "activate-jobs.timeout": ({"jobType": "t", "maxJobsToActivate": 1}, "timeout", 300_000),
    "activate-jobs.requestTimeout": ({"jobType": "t", "maxJobsToActivate": 1}, "requestTimeout", -1),
    "publish-message.timeToLive": ({"messageName": "m"}, "timeToLive", 0),
    "fail-job.retryBackOff": ({"jobKey": 2251799813685250, "retries": 1}, "retryBackOff", 0),
}
"""What is sent where a field is absent."""


def test_the_words_about_absent_fields_agree_with_what_is_sent() -> None:
    def agree(path: str) -> None:
        data, name, sent = ABSENT[path]
        operation = path.partition(".")[0]
        command = COMMANDS[operation].from_wire(json.dumps(data).encode(), {})
        assert getattr(OPERATIONS[operation].to_request(command), name) == sent

    check_all([*operations_page.DEFAULTS], agree)


def test_the_page_of_operations_names_every_field_and_the_gateway_that_brought_it() -> None:
    """Whatever has a version in the protocol has one on the page, unless what it is part of has it already."""
    page = (ROOT / "docs" / "operations.md").read_text()
    for operation in COMMANDS:
        section = page.partition(f"## {operation}\n")[2].partition("\n## ")[0]
        for field in operations_page.fields(operation, operations_page.request_types(operation)[0]):
            assert f"| `{field.path}` |" in section or operation == "deploy-process", field.path
    tagged = page.partition("## create-instance\n")[2]
    assert "| `tags` | a list; each item is text that is not blank | none | 8.8 |" in tagged
    assert "- Calls: `MigrateProcessInstance` (gateway 8.4 or newer)" in page
    assert "| `tenantId` | text | none | 8.3 |" in page.partition("## evaluate-decision\n")[2]


def test_the_callers_of_the_readme_are_the_examples() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    examples = [(ROOT / "examples" / name).read_text() for name in ("client.py", "call.py")]
    assert shown == [example.partition('"""\n\n')[2] for example in examples]


def test_the_callers_of_the_page_about_languages_are_the_examples() -> None:
    page = (ROOT / "docs" / "languages.md").read_text()
    for program in ("typescript/caller.ts", "java/Caller.java"):
        example = (ROOT / "examples" / program).read_text()
        assert f"```{program.partition('/')[0]}\n{example}```" in page, program


def test_the_readme_lists_the_operations() -> None:
    table = (ROOT / "README.md").read_text().partition("## Operations")[2].partition("Every field")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(COMMANDS)


SHOWN = [
    *PAGES,
    ROOT / "contracts" / "README.md",
    ROOT / "docker-compose.yml",
    *(file for file in sorted((ROOT / "examples").rglob("*")) if file.suffix in {".py", ".ts", ".java"}),
]
"""What people copy from."""


def test_no_address_of_a_broker_ends_in_a_slash_and_an_order_has_the_variable_that_its_process_asks_for() -> None:
    """For clients in Java the slash is a virtual host without a name, which no broker has."""
    [name] = re.findall(r'correlationKey="=(\w+)"', (ROOT / "examples" / "order.bpmn").read_text())

    def is_right(page: Path) -> None:
        text = page.read_text()
        assert re.findall(r"""amqps?://[^\s/"'`,;)>]+/(?=[\s"'`,;)>]|$)""", text, re.MULTILINE) == []
        given = re.findall(r"""(?:"order"|\border\b), "?variables"?[=:] ?{"(\w+)""", text)
        given += re.findall(r"""create-instance order --variables '{"(\w+)""", text)
        assert set(given) <= {name}

    check_all(SHOWN, is_right)


def test_links_between_the_documents_lead_somewhere() -> None:
    made = {ROOT / "docs" / "schemas" / name for name in asyncapi.files()}  # when the site is built

    def lead_somewhere(page: Path) -> None:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists() or page.parent / target in made, target

    check_all(PAGES, lead_somewhere)


def test_what_the_pages_install_can_be_installed_before_any_index_has_it() -> None:
    project = tomllib.loads((ROOT / "contracts" / "pyproject.toml").read_text())["project"]
    pages = [ROOT / "contracts" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    lines = [(page.name, line) for page in pages for line in page.read_text().splitlines() if "pip install" in line]
    assert {page for page, _ in lines} == {"README.md", "call.md", "command-line.md", "test.md"}
    for page, line in lines:
        found = re.search(r"'(?:\./contracts\[(.+)\]|zeebe-amqp\[(.+)\] @ git\+\S.*#subdirectory=contracts)'", line)
        assert found, f"{page}: {line}"
        assert set((found[1] or found[2]).split(",")) <= project["optional-dependencies"].keys(), f"{page}: {line}"


def test_no_page_reads_keys_from_the_command_line_as_numbers() -> None:
    """Many readers of JSON have doubles for numbers; jq before 1.7 rounds a key without a word."""
    pages = [*PAGES, ROOT / "contracts" / "README.md", *sorted((ROOT / "scripts").glob("*.py"))]
    piped = [
        (page.name, line)
        for page in pages
        for line in page.read_text().replace("\\\n", " ").splitlines()
        if re.search(r"zeebe-amqp .*\|\s*(?:jq|node)\b", line)
    ]
    assert {page for page, _ in piped} >= {"README.md", "command-line.md"}
    assert [line for line in piped if "--string-keys" not in line[1]] == []


def test_the_guide_to_the_house_names_what_is_there() -> None:
    guide = (ROOT / "docs" / "design.md").read_text()
    named = re.findall(r"`((?:consumer|contracts|tests|benchmarks|scripts)/[\w/]+\.py)(?::(\w+))?`", guide)
    assert len(named) > 20
    for path, function in named:
        file = ROOT / path
        assert file.exists(), path
        assert re.search(rf"\b(def|class) {function}\b" if function else "", file.read_text()), (path, function)
