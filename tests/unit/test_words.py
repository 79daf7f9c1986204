"""The code uses the words of its field. A name that was replaced must not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.unit.code import ROOT, parsed

FOLDERS = ["consumer", "contracts", "scripts", "benchmarks", "examples", "tests/faults", "tests/fakes"]
SETTINGS = "consumer/config/"
"""Names of settings are the operator's and have tests of their own."""


def table(text: str) -> dict[str, str]:
    """What things were called, and what they are called now."""
    return dict(each.strip().split(" = ") for each in text.split(";"))


REPLACED = table("""
    Lane = QueueWorker; Gate = ConcurrencyLimiter; Limit = AimdLimit; Outbox = ReplyPublisher; GiveBack = Requeue;
    give_back = requeue; Unidentified = RedeliveryMatcher; flaws = malformed_properties; flaw = json_error;
    relieving = exempt_from_limit; repeatable = idempotent; REPEATABLE = IDEMPOTENT; once = idempotent;
    TAKEN = CONFLICT; ABANDONED = ORPHANED; Caller = Engine; funnel = EngineClient; Verdict = FailureKind;
    Row = ErrorRule, LedgerRow, Operation; missed = record_failure; reached = record_success; patience = timeout;
    longest = maximum; most = maximum; least = minimum; Link = ReconnectingConnection; Lost = ConnectionLost;
    Ended = ChannelEnded; TROUBLE = CONNECTION_ERRORS; Trouble = ReplyFault; library_calls = translated_errors;
    said = describe; Letter = DeadLetter; Terms = ReplayPolicy; Selection = Filter; Spread = Histogram;
    Counts = Counter; explanation = validation_errors; exits = exit_codes; Screen = Output; Switch = LenientBool;
    habits = defaults; Board = JobStore; lose = drop_reply; cut = truncate, disconnect
""")
"""Of definitions."""
LIMITS = re.compile(r"_?(LONGEST|MOST|LEAST)(_[A-Z_]+)?")
"""Constants that bound something begin with MAX_ or MIN_."""
MODULES = table("""
    words = formatting; periods = durations; members = json_members; explanation = validation_errors;
    exits = exit_codes; screen = output; habits = defaults; lane = worker; gate = limiter; outbox = publisher;
    once = idempotency
""")
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


def sources() -> dict[str, ast.Module]:
    """Each module with its path, without settings."""
    return {path: tree for path, tree in parsed(*FOLDERS).items() if not path.startswith(SETTINGS)}


def definitions(tree: ast.Module) -> Iterator[str]:
    """What a module defines for others: functions, classes, their parameters and attributes, and constants."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=targets):
                yield from (each.id for each in targets if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_no_definition_and_no_module_has_a_name_that_was_replaced() -> None:
    found = {
        (path, name)
        for path, tree in sources().items()
        for name in (each.removeprefix("_") for each in definitions(tree))
        if name in REPLACED or LIMITS.fullmatch(name)
    }
    new = {f"{path}: {name}, now {REPLACED.get(name, 'MAX_ or MIN_')}" for path, name in found - OTHER_SENSES.keys()}
    assert new == set()
    assert OTHER_SENSES.keys() - found == set(), "exceptions that nothing needs any more"
    assert {path for path in sources() if Path(path).stem in MODULES} == set()


def test_no_text_has_a_word_that_was_replaced() -> None:
    pages = [file for folder in [*FOLDERS, "docs"] for file in (ROOT / folder).rglob("*") if file.suffix in TEXTS]
    named = {page.relative_to(ROOT).as_posix(): page for page in (*ROOT.glob("*.md"), *pages)}
    assert {"README.md", "CONTRIBUTING.md"} <= named.keys()
    found = [
        f"{path}: {match[0]}"
        for path, page in named.items()
        if not path.startswith(SETTINGS)
        for match in UNUSED.finditer(page.read_text())
    ]
    assert found == []


SET_UPS = re.compile(r"\b(\w*(?:[Ss]cene|[Ss]tage)|staged|worked|Graveyard|Board|World|Played|Tapped|Kind)\b")
"""What the set-up of integration tests was called; see `ConsumerSetup`, `ProcessHelper`, `DeadLetterCollector`."""


def test_the_set_up_of_integration_tests_has_plain_names() -> None:
    files = sorted((ROOT / "tests/integration").rglob("*.py"))
    found = [(file.stem, name) for file in files for name in definitions(ast.parse(file.read_text()))]
    assert [each for each in found if SET_UPS.fullmatch(each[1])] == []
