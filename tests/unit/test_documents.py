"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumer.operations import OPERATIONS
from scripts import reference
from zeebe_amqp.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_pages_are_made_from_the_code(name: str) -> None:
    assert (reference.DOCS / name).read_text() == reference.PAGES[name]() + "\n", "make reference"


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


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_words_about_repeating_agree_with_the_rows(operation: str) -> None:
    samples = {
        "publish-message": [
            COMMANDS[operation].from_wire(data, {})
            for data in (
                b'{"messageName":"m"}',
                b'{"messageName":"m","messageId":"i"}',
                b'{"messageName":"m","timeToLive":"1m"}',
                b'{"messageName":"m","messageId":"i","timeToLive":"1m"}',
            )
        ]
        if operation == "publish-message"
        else []
    }
    decided = [OPERATIONS[operation].repeatable(sample) for sample in samples.get(operation) or [None]]
    words = reference.REPEATABLE.get(operation, "yes")
    expected = {"yes": [True], "only with a messageId and a timeToLive": [False, False, False, True]}
    assert decided == expected.get(words, [False])


def test_the_caller_of_the_readme_is_the_example() -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = (ROOT / "examples" / "call.py").read_text().partition('"""\n\n')[2]
    assert code == example


def test_the_readme_lists_the_operations() -> None:
    table = (ROOT / "README.md").read_text().partition("## Operations")[2].partition("Every field")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
