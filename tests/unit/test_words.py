"""The code uses the words of its field. A name that was replaced must not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ["consumer", "contracts", "scripts", "benchmarks", "examples", "tests/faults", "tests/fakes"]
SETTINGS = ROOT / "consumer" / "config"
"""Names of settings are the operator's and have tests of their own."""

REPLACED = {
    "Lane": "QueueWorker",
    "Gate": "ConcurrencyLimiter",
    "Limit": "AimdLimit",
    "Outbox": "ReplyPublisher",
    "GiveBack": "Requeue",
    "give_back": "requeue",
    "Unidentified": "RedeliveryMatcher",
    "flaws": "malformed_properties",
    "flaw": "json_error",
    "relieving": "exempt_from_limit",
    "repeatable": "idempotent",
    "REPEATABLE": "IDEMPOTENT",
    "once": "idempotent",
    "TAKEN": "CONFLICT",
    "ABANDONED": "ORPHANED",
    "Caller": "Engine",
    "funnel": "EngineClient",
    "Verdict": "FailureKind",
    "Row": "ErrorRule, LedgerRow, Operation",
    "missed": "record_failure",
    "reached": "record_success",
    "patience": "timeout",
    "longest": "maximum",
    "most": "maximum",
    "least": "minimum",
    "Link": "ReconnectingConnection",
    "Lost": "ConnectionLost",
    "Ended": "ChannelEnded",
    "TROUBLE": "CONNECTION_ERRORS",
    "Trouble": "ReplyFault",
    "library_calls": "translated_errors",
    "said": "describe",
    "Letter": "DeadLetter",
    "Terms": "ReplayPolicy",
    "Selection": "Filter",
    "Spread": "Histogram",
    "Counts": "Counter",
    "explanation": "validation_errors",
    "exits": "exit_codes",
    "Screen": "Output",
    "Switch": "LenientBool",
    "habits": "defaults",
    "Board": "JobStore",
    "lose": "drop_reply",
    "cut": "truncate, disconnect",
}
"""What a definition was called, and what it is called now."""
LIMITS = re.compile(r"_?(LONGEST|MOST|LEAST)(_[A-Z_]+)?")
"""Constants that bound something begin with MAX_ or MIN_."""
MODULES = {
    "words": "formatting",
    "periods": "durations",
    "members": "json_members",
    "explanation": "validation_errors",
    "exits": "exit_codes",
    "screen": "output",
    "habits": "defaults",
    "lane": "worker",
    "gate": "limiter",
    "outbox": "publisher",
    "once": "idempotency",
}

OTHER_SENSES = {
    ("benchmarks/calls.py", "once"): "runs a measured call one time",
    ("tests/faults/checker.py", "Verdict"): "the checker's judgement over a whole run, not the kind of a failure",
    ("tests/fakes/rest.py", "cut"): "cuts a connection of the fake REST API; no text, no step of a test",
}
"""Definitions that have such a name and mean something else, with the reason."""


UNUSED = re.compile(
    r"\b(outbox|give_?backs?|repeatable|relieving|funnels?|unidentified|flaws?|patience|lanes?)\b", re.IGNORECASE
)
"""Words that mean nothing else here: they are not in comments, texts or pages either."""
TEXTS = {".py", ".md", ".ts", ".java", ".go", ".yml", ".yaml"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Each module with its path, without settings and generated code."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if SETTINGS not in file.parents and "_pb2" not in file.name:
                yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())


def definitions(tree: ast.Module) -> Iterator[str]:
    """What a module defines for others: functions, classes, their parameters and attributes, and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for each in targets if isinstance(each, ast.Name))


def test_no_definition_has_a_name_that_was_replaced() -> None:
    found = {
        (path, name)
        for path, tree in sources()
        for name in (each.removeprefix("_") for each in definitions(tree))
        if name in REPLACED or LIMITS.fullmatch(name)
    }
    new = {f"{path}: {name}, now {REPLACED.get(name, 'MAX_ or MIN_')}" for path, name in found - OTHER_SENSES.keys()}
    assert new == set()
    assert OTHER_SENSES.keys() - found == set(), "exceptions that nothing needs any more"


def test_no_module_has_a_name_that_was_replaced() -> None:
    found = {path for path, _ in sources() if Path(path).stem in MODULES}
    assert found == set()


def test_no_text_has_a_word_that_was_replaced() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in [*FOLDERS, "docs"]:
        pages += [file for file in sorted((ROOT / folder).rglob("*")) if file.suffix in TEXTS]
    found = [
        f"{page.relative_to(ROOT)}: {match[0]}"
        for page in pages
        if SETTINGS not in page.parents
        for match in UNUSED.finditer(page.read_text())
    ]
    assert found == []


SET_UPS = re.compile(r"\b(\w*(?:[Ss]cene|[Ss]tage)|staged|worked|Graveyard|Board|World|Played|Tapped|Kind)\b")
"""What the set-up of integration tests was called; see `ConsumerSetup`, `ProcessHelper`, `DeadLetterCollector`."""


def test_the_set_up_of_integration_tests_has_plain_names() -> None:
    files = sorted((ROOT / "tests/integration").rglob("*.py"))
    found = [(file.stem, name) for file in files for name in definitions(ast.parse(file.read_text()))]
    assert [each for each in found if SET_UPS.fullmatch(each[1])] == []
