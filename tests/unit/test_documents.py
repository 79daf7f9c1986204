"""The documents say what the code does."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from consumer.config.job_types import job_types
from consumer.config.settings import JobType
from consumer.config.variables import Values
from consumer.telemetry.catalog import METRICS
from consumer.telemetry.prometheus import exposed
from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.operations.instances import GATEWAY_GRACE
from scripts import llms, monitoring_page, operation_page, reference, site, tour
from tests.cases import check_all
from zeebe_amqp import asyncapi
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.readings import PLAIN, READINGS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_reference_pages_are_made_from_the_code() -> None:
    def is_made(name: str, make: Callable[[], str]) -> None:
        assert (reference.DOCS / name).read_text() == make() + "\n", "make reference"

    check_all(reference.PAGES.items(), is_made)


def test_a_stale_page_is_reported_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    monkeypatch.setattr(reference, "PAGES", {"page.md": lambda: "made"})
    for arguments, status in ((["--check"], 1), ([], 0), (["--check"], 0)):
        monkeypatch.setattr("sys.argv", ["reference", *arguments])
        assert reference.main() == status
        assert ("docs/page.md is out of date" in capsys.readouterr().err) is (status == 1)


def test_the_eight_numbers_to_watch_are_made_of_metrics_that_exist_and_of_their_labels() -> None:
    shown = {exposed(name, metric.kind, metric.unit): metric for name, metric in METRICS.items()}
    assert len(monitoring_page.NUMBERS) == 8

    def exists(query: str, meaning: str) -> None:
        text = f"{query} {meaning}"
        names = re.findall(r"\b(?:zeebe_amqp|rpc|messaging|process)_\w+\b(?!!?[=~])", text)
        metrics = [shown[name.removesuffix("_bucket") if "_bucket" in name else name] for name in names]
        labels = {label.replace(".", "_") for metric in metrics for label in metric.labels} | {"le"}
        told = re.findall(r"by \((\w+)\)|[{,](\w+)(?=!?[=~])", query)
        assert {label for pair in told for label in pair if label} <= labels
        assert metrics

    check_all(monitoring_page.NUMBERS, exists)


def test_the_metrics_that_pages_name_exist() -> None:
    shown = {exposed(name, metric.kind, metric.unit) for name, metric in METRICS.items()}
    pages = {page.name: page.read_text() for page in PAGES if page.name != "design.md"}
    named = {
        (page, name)
        for page, text in pages.items()
        for name in re.findall(r"`((?:zeebe_amqp|rpc_client|messaging|process)_\w+)(?=[`{])", text)
        if not name.endswith("_") and name != "zeebe_amqp_ledger"  # a table in PostgreSQL
    }
    assert len(named) > 60
    assert {each for each in named if each[1].removesuffix("_bucket") not in shown} == set()


def test_the_words_about_repeating_agree_with_the_rows() -> None:
    message = COMMANDS["publish-message"].from_wire
    named, kept = ',"messageId":"i"', ',"timeToLive":"1m"'
    more = [message(f'{{"messageName":"m"{each}}}'.encode(), {}) for each in ("", named, kept, named + kept)]
    expected = {"yes": [True], "only with a messageId and a timeToLive": [False, False, False, True]}

    def agree(operation: str) -> None:
        decided = [each.is_idempotent() for each in more] if operation == "publish-message" else []
        words = operation_page.idempotent(COMMANDS[operation])
        assert (decided or [COMMANDS[operation].idempotent]) == expected.get(words, [False])

    check_all([*OPERATIONS], agree)


JOBS = {"jobType": "t", "maxJobsToActivate": 1}
ABSENT: dict[str, tuple[dict[str, Any], int]] = {
    "create-instance.version": ({"bpmnProcessId": "p"}, -1),
    "create-instance.requestTimeout": ({"bpmnProcessId": "p", "withResult": True}, 15_000 + GATEWAY_GRACE),
    "activate-jobs.timeout": (JOBS, 300_000),
    "activate-jobs.requestTimeout": (JOBS, -1),
    "publish-message.timeToLive": ({"messageName": "m"}, 0),
    "fail-job.retryBackOff": ({"jobKey": 2251799813685250, "retries": 1}, 0),
}
"""What is sent where a field is absent, by the data beside it."""


def test_the_words_about_absent_fields_agree_with_what_is_sent() -> None:
    def agree(path: str) -> None:
        operation, _, name = path.partition(".")
        command = COMMANDS[operation].from_wire(json.dumps(ABSENT[path][0]).encode(), {})
        assert getattr(OPERATIONS[operation].to_request(command), name) == ABSENT[path][1]

    check_all([*operation_page.DEFAULTS], agree)


def test_the_overview_leads_to_a_page_for_every_operation_and_there_is_no_other_page() -> None:
    overview = (ROOT / "docs" / "operations.md").read_text()
    linked = re.findall(r"^\| \[`([a-z-]+)`\]\(operations/\1\.md\) \|", overview, re.MULTILINE)
    table = (ROOT / "README.md").read_text().partition("## Operations")[2].partition("Every field")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(COMMANDS)
    assert sorted(linked) == sorted(COMMANDS)
    assert {file.stem for file in (ROOT / "docs" / "operations").iterdir()} == COMMANDS.keys()


def test_the_pages_name_every_field_and_the_gateway_that_brought_it() -> None:
    pages = {name: (ROOT / "docs" / "operations" / f"{name}.md").read_text() for name in COMMANDS}

    def names_all(operation: str) -> None:
        for field in operation_page.fields(operation):
            assert f"| `{field.path}` | {field.meaning} |" in pages[operation] or operation == "deploy-process"

    check_all([*COMMANDS], names_all)
    assert "| a list; each item is text that is not blank | none | 8.8 |" in pages["create-instance"]
    assert "- Calls: `MigrateProcessInstance` (gateway 8.4 or newer)" in pages["migrate-instance"]
    assert "| text | none | 8.3 |" in pages["evaluate-decision"]


def test_the_callers_of_the_pages_are_the_examples() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    examples = [(ROOT / "examples" / name).read_text() for name in ("client.py", "call.py")]
    assert shown == [example.partition('"""\n\n')[2] for example in examples]
    page = (ROOT / "docs" / "languages.md").read_text()
    for program in ("typescript/caller.ts", "java/Caller.java", "typescript/worker.ts", "java/Worker.java"):
        example = (ROOT / "examples" / program).read_text()
        assert in_a_tab(f"```{program.partition('/')[0]}\n{example}```") in page, program
    for program in ("client.py", "call.py", "worker.py"):
        example = (ROOT / "examples" / program).read_text().partition('"""\n\n')[2]
        assert in_a_tab(f"```python\n{example}```") in page, program


def in_a_tab(text: str) -> str:
    """As it stands in one of several tabs."""
    return indent(text, "    ", lambda line: bool(line.strip()))


def test_the_web_service_of_the_page_is_the_example() -> None:
    example = (ROOT / "examples" / "orders.py").read_text().partition('"""\n\n')[2]
    page = (ROOT / "docs" / "fastapi.md").read_text()
    assert in_a_tab(f"```python\n{example}```") in page
    [django] = re.findall(r'=== "Django"\n\n    ```python\n(.*?)    ```', page, re.DOTALL)
    compile(dedent(django), "django", "exec")


def test_the_commands_of_the_quickstart_are_those_that_tests_run() -> None:
    page = (ROOT / "docs" / "quickstart.md").read_text()
    run = [
        tour.START[0],
        *(command for command, _ in tour.TOUR),
        tour.END[0],
        *(ROOT / "README.md").read_text().split("\n"),
    ]
    shown = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in dedent(block).splitlines()]
    assert len(shown) > 8
    example = '.venv/bin/python examples/client.py "$AMQP_URL"'  # another test runs it with that address
    assert {line.strip() for line in shown} - {*run, example} == set()


def test_every_program_in_python_on_the_pages_can_be_compiled() -> None:
    def can_be_compiled(page: Path) -> None:
        for block in re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
            compile(dedent(block), page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    check_all(PAGES, can_be_compiled)


def test_the_programs_of_the_page_about_amqp_1_0_are_the_examples() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "amqp-1.0.md").read_text(), re.DOTALL)
    examples = [(ROOT / "examples" / f"amqp_1_0_{name}.py").read_text() for name in ("call", "worker")]
    assert [shown[0], shown[2]] == [example.partition('"""\n\n')[2] for example in examples]


def test_the_workers_of_the_page_are_the_examples() -> None:
    page = (ROOT / "docs" / "jobs.md").read_text()
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = ("worker.py", "faststream_worker.py", "nameko_worker.py", "celery_worker.py")
    assert shown == [(ROOT / "examples" / name).read_text().partition('"""\n\n')[2] for name in names]
    assert f"```typescript\n{(ROOT / 'examples' / 'nestjs' / 'worker.ts').read_text()}```" in page
    spring = (ROOT / "examples" / "spring" / "Worker.java").read_text()
    assert f"```sh\n{(ROOT / 'examples' / 'charge.sh').read_text()}```" in page
    [listener] = re.findall(r"```java\n(.*?)```", page, re.DOTALL)
    assert "".join(f"  {line}" for line in listener.splitlines(keepends=True)) in spring
    table = page.partition("## Frameworks")[2].partition("\n\nA handler")[0]
    table = table.partition("| --- |")[2]
    named = set(re.findall(r"^\| [^|]+ \| `([a-z-]+)` \|", table, re.MULTILINE))
    assert named == READINGS.keys() - {PLAIN}


def test_the_settings_of_the_page_about_jobs_are_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "jobs.md").read_text()
    [text] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "jobs.toml"
    file.write_text(text)
    [read] = job_types(Values(JOBS_FILE=file))
    assert read == JobType("charge-card", timeout=600.0, answers="nameko")


def test_the_page_about_jobs_names_every_header_of_a_job() -> None:
    page = (ROOT / "docs" / "jobs.md").read_text().partition("## The answer")[0]
    headers = [getattr(names, each) for each in names.__all__ if isinstance(getattr(names, each), str)]
    queues = {names.PREFIX, names.RESULTS, names.DEAD, names.UNDONE, names.JOBS_EXCHANGE}
    not_theirs = {*queues, names.OUTCOME, names.COMPLETED, names.JOB_RESULT, names.WORKER}
    assert {each for each in headers if f"`{each}`" not in page} <= not_theirs


MENU = {page.path: page.tab for page in llms.pages(llms.settings(ROOT / site.SETTINGS)["nav"])}


def test_every_page_is_in_the_menu_and_opens_with_a_sentence() -> None:
    parts = ROOT / "docs" / "operations"  # one for each operation, which their first page names
    pages = {each.relative_to(ROOT / "docs").as_posix() for each in PAGES if each.is_relative_to(ROOT / "docs")}
    assert {*MENU} - {site.CHANGES} == {each for each in pages if not (ROOT / "docs" / each).is_relative_to(parts)}

    def opens(path: str) -> None:
        assert llms.opening((ROOT / "docs" / path).read_text())

    check_all(sorted({*MENU} - {site.CHANGES}), opens)


def test_a_page_that_begins_with_code_or_a_table_has_no_opening() -> None:
    assert llms.opening("# Title\n\nYou can `do` [it](there.md). More\n\nEven more\n") == "You can `do` it."
    assert llms.opening("# Title\n\n<!-- made -->\n\nYou can\ndo it:\n\n```sh\n") == "You can do it"
    for other in ("```sh\nmake\n```", "| a | b |", "## Heading", "", "- item", "![plot](plot.svg)"):
        assert llms.opening(f"# Title\n\n{other}\n") == ""


def test_the_list_for_programs_names_each_page_with_its_first_sentence(tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").write_text(
        "site_name: it\nsite_description: what it is\nname: !!python/name:module.function\n"
        "nav: [{Start: [{Home: index.md}]}, {Build: [{Part: [{Deep: deep.md}]}]}]\n"
    )
    (tmp_path / "index.md").write_text("# It\n\nYou can begin. Then more.\n")
    (tmp_path / "deep.md").write_text("# Deep\n\nYou can go on:\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "part.md").write_text("# Part\n\n<!-- made -->\n\nYou can stop. Or not.\n")
    assert llms.index(tmp_path / "mkdocs.yml", tmp_path) == (
        "# it\n\n> what it is\n\n## Start\n\n- [It](index.md): You can begin.\n\n"
        "## Build\n\n- [Deep](deep.md): You can go on\n- [Part](deep/part.md): You can stop.\n"
    )


OURS = [*PAGES, ROOT / "contracts" / "README.md"]
SHOWN = [
    *OURS,
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
    pages = [page for page in OURS if page.parent != ROOT]
    lines = [(page.name, line) for page in pages for line in page.read_text().splitlines() if "pip install" in line]
    told = {"README.md", "call.md", "command-line.md", "test.md", "deploy-models.md", "fastapi.md"}
    assert {page for page, _ in lines} == told
    for page, line in lines:
        found = re.search(r"'(?:\./contracts\[(.+)\]|zeebe-amqp\[(.+)\] @ git\+\S.*#subdirectory=contracts)'", line)
        assert found, f"{page}: {line}"
        assert set((found[1] or found[2]).split(",")) <= project["optional-dependencies"].keys(), f"{page}: {line}"


def test_no_page_reads_keys_from_the_command_line_as_numbers() -> None:
    """Many readers of JSON have doubles for numbers; jq before 1.7 rounds a key without a word."""
    piped = {
        (page.name, line)
        for page in (*OURS, *(ROOT / "scripts").glob("*.py"))
        for line in page.read_text().replace("\\\n", " ").splitlines()
        if re.search(r"zeebe-amqp .*\|\s*(?:jq|node)\b", line)
    }
    assert {name for name, _ in piped} >= {"README.md", "command-line.md"}
    assert {each for each in piped if "--string-keys" not in each[1]} == set()


def test_the_guide_to_the_house_names_what_is_there() -> None:
    guide = (ROOT / "docs" / "design.md").read_text()
    named = re.findall(r"`((?:consumer|contracts|tests|benchmarks|scripts)/[\w/]+\.py)(?::(\w+))?`", guide)
    assert len(named) > 20
    for path, function in named:
        file = ROOT / path
        assert file.exists(), path
        assert re.search(rf"\b(def|class) {function}\b" if function else "", file.read_text()), (path, function)
