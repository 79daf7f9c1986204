"""Small faults: what code can be changed into, which faults are drawn, and whether tests notice them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from scripts.mutants import __main__ as program
from scripts.mutants import result
from scripts.mutants.draw import EQUIVALENT, SOURCES, draw, shares
from scripts.mutants.mutant import Mutant, mutants
from scripts.mutants.result import Result
from scripts.mutants.steps import steps
from scripts.mutants.trial import Copy
from scripts.process import ServerError
from tests.cases import check_all

ROOT = Path(__file__).parents[3]
CODE: dict[str, str] = {
    "x = waited < LIMIT": "waited < LIMIT -> waited <= LIMIT | waited > LIMIT",
    "x = a <= b < c": "a <= b < c -> a < b < c | a > b < c | a <= b <= c | a <= b > c",
    "x = a is None": "a is None -> a is not None", "x = a in b": "a in b -> a not in b", "x = not a": "not a -> a",
    "x = a and b": "a and b -> a or b | a | b",
    "x = a or b or c": "a or b or c -> a and b and c | b or c | a or c | a or b",
    "x = a if b else c": "b -> True | False", "x = [a for a in b if c]": "c -> True",
    "x = a - b": "a - b -> a + b", "x = f'{a}' + b": "", "x = a + ['b c']": "", "x = 'words for ' + 'people'": "",
    "x = a[1]": "a[1] -> a[2] | a[0]", "x = a[0]": "a[0] -> a[1]", "x = a(b=60)": "b=60 -> b=120 | b=0",
    "x = a(b=True)": "b=True -> b=False", "x = zip(a, b, strict=True)": "", "x = {'a': b}": "{'a': b} -> {'': b}",
    "x = a or b''": "a or b'' -> a or b'x' | a and b'' | b''", "x = f'{a}' if b else ''": "b -> True | False",
    "x = min(a, b)": "min -> max", "x = all(a)": "all -> any", "x = (a := b) and c": "",
    "f(a, b, *c)": "f(a, b, *c) -> pass | f(b, a, *c)", "f(a, a)": "f(a, a) -> pass", "f(*a, b)": "f(*a, b) -> pass",
    "await f()": "await f() -> pass", "self.a = b": "self.a = b -> pass", "a = b": "", "a += b": "a += b -> pass",
    "del a[b]": "del a[b] -> pass", "return a": "return a -> return None", "return None": "",
    "raise Error(1, 2)": "raise Error(1, 2) -> pass", "while a: break": "a -> False; break -> pass",
    "while b := c: continue": "continue -> pass", "if a: ...": "a -> True | False",
    # What only people, checkers and logs read.
    **dict.fromkeys([
        '"""not one < two"""', "x: Literal['a'] | None", "def function(x: Literal['a']) -> Literal['b']: 'only this'",
        "x = f'a {not b}'", "x = 'words for people'", "assert a < 1", "log.warning('%s', 1)", "self._log.info('a')",
        "__all__ = ['a', 'b']", "T = TypeVar('T')", "Alias: TypeAlias = 'a'", "if TYPE_CHECKING:\n     x = 1",
        "@abstractmethod\n    def function(x=1):\n     return x", "@overload\n    def function(x=1): ...",
        "class Kind(Enum):\n     A = 'a'", "class Shape(Protocol[T]):\n     a = 1",
        "@dataclass(frozen=True)\n    class Point(msgspec.Struct, kw_only=True): 'a point'",
        "try: ...\n    except (A, B): ...", "class A:\n     def __init__(self, x):\n      self.x = x",
    ], ""),
}  # fmt: skip
"""Code, and what it can be instead."""


def test_code_can_be_these_others_and_what_only_people_checkers_and_logs_read_has_no_faults() -> None:
    def can_be(code: str, others: str) -> None:
        pairs = [each.split(" -> ") for each in others.split("; ") if each]
        source = (
            code if "__all__" in code or "TypeVar" in code or "TypeAlias" in code else f"async def f():\n    {code}"
        )
        expected = {f"{before} -> {after}" for before, afters in pairs for after in afters.split(" | ")}
        assert {each.change for each in mutants("a.py", source.encode())} == expected

    check_all(CODE.items(), can_be)


def test_a_mutant_is_named_by_its_place_and_its_change_and_knows_where_its_statement_begins() -> None:
    source = "é = 0; x = 'é' < b".encode()
    applied = {each.name: each.apply(source).decode() for each in mutants("a/b.py", source)}
    assert applied == {
        "a/b.py:1:5 é = 0 -> é = 1": "é = (1); x = 'é' < b",
        "a/b.py:1:12 'é' < b -> 'é' <= b": "é = 0; x = ('é' <= b)",
        "a/b.py:1:12 'é' < b -> 'é' > b": "é = 0; x = ('é' > b)",
        "a/b.py:1:12 'é' < b -> '' < b": "é = 0; x = ('') < b",
    }
    source = b"def function(a=0):\n  if (\n    a <\n    b\n  ):\n    return f(\n      1\n    )\n"
    begins = {each.change: (each.line, each.statement) for each in mutants("a.py", source)}
    assert [begins[each] for each in ("0 -> 1", "a < b -> a > b", "f(1) -> f(2)")] == [(1, 1), (3, 2), (7, 6)]


def test_those_drawn_are_code_of_every_room_and_no_line_twice() -> None:
    drawn = draw(ROOT, 100, 1)
    assert len({each.name for each in drawn}) == len({(each.file, each.line) for each in drawn}) == 100
    assert [source for source in SOURCES if not any(each.file.startswith(source) for each in drawn)] == []
    for each in drawn:
        source = (ROOT / each.file).read_bytes()
        assert ast.dump(ast.parse(each.apply(source))) != ast.dump(ast.parse(source)), each.name
    for file, change in EQUIVALENT:
        assert change in {each.change for each in mutants(file, (ROOT / file).read_bytes())}, file


def test_the_same_seed_draws_the_same_wherever_the_sources_are_the_same(tmp_path: Path) -> None:
    files = [tmp_path / "consumer/ledger/a.py", tmp_path / "consumer/zeebe/b.py"]
    for file in (*files, tmp_path / "contracts/zeebe_amqp/envelope.py"):
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(f"a{number} = b < c" for number in range(20)) if file in files else "")
    before = draw(tmp_path, 10, 1)
    assert (draw(tmp_path, 10, 1) == before, draw(tmp_path, 10, 2) == before) == (True, False)
    files[0].write_text("\n".join(f"a{number} = b > c" for number in range(20)))
    after = draw(tmp_path, 10, 1)
    assert (before[5:] == after[5:], before[:5] == after[:5]) == (True, False)
    assert shares({"a": 100, "b": 400, "c": 4, "d": 0}, 32) == {"a": 10, "b": 20, "c": 2, "d": 0}
    assert shares({"a": 1, "b": 2}, 30) == {"a": 1, "b": 2}


def test_the_tests_of_the_same_room_that_import_the_file_come_first(tmp_path: Path) -> None:
    """Then come the others of the package."""
    texts = {"a": "from consumer.pipeline import worker", "b": "from consumer.pipeline.settlement import settle"}
    places = {"test_extension": "", "zeebe/test_c": texts["b"]} | {
        f"pipeline/test_{name}": texts[name] for name in "ab"
    }
    for place, text in places.items():
        folder = tmp_path / "tests/unit" / ("consumer" if "/" in place else "")
        (file := folder / f"{place}.py").parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    first, then = (list(map(str, step)) for step in steps(tmp_path, "consumer/pipeline/settlement.py"))
    assert [each.rpartition("unit/")[2] for each in first] == [f"consumer/pipeline/test_{name}.py" for name in "ba"]
    assert [each.rpartition("unit/")[2] for each in then] == ["consumer/zeebe/test_c.py", "test_extension.py"]


FILE, TEST_FILE = "consumer/pipeline/numbers.py", "tests/unit/consumer/pipeline/test_numbers.py"
SOURCE = """\
def limited(number):
    while number > 3:
        number -= 1
    return number


def never_run(number):
    return -number
"""
TEST = "from consumer.pipeline.numbers import limited\n\n\ndef test_limit():\n    assert limited(5) == 3\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one source and one test."""
    for variable in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):  # those of the run that this is part of
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "checkout"
    files = {"consumer/__init__.py": "", "consumer/pipeline/__init__.py": "", FILE: SOURCE, TEST_FILE: TEST}
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


def mutant(change: str) -> Mutant:
    return next(each for each in mutants(FILE, SOURCE.encode()) if each.change == change)


def test_the_tests_notice_a_fault_also_one_that_never_ends(checkout: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """They leave the sources alone, and must pass without a fault."""
    copy = Copy.of(checkout, tmp_path / "copy")
    assert copy.try_out(mutant("number > 3 -> number > 4")).by == f"{TEST_FILE}::test_limit"
    # Of the same length, and perhaps in the same second.
    assert copy.try_out(mutant("number > 3 -> number > 2")).found
    with monkeypatch.context() as patch:
        patch.setattr("scripts.mutants.trial.LIMIT", 2)
        assert copy.try_out(mutant("number -= 1 -> pass")).by == "no end after 2 s"
    assert (copy.folder / FILE).read_text() == (checkout / FILE).read_text() == SOURCE
    (checkout / TEST_FILE).write_text(TEST.replace("== 3", "== 9"))
    with pytest.raises(ServerError, match=r"without any fault: tests/.*/test_numbers\.py::test_limit"):
        Copy.of(checkout, tmp_path / "other", checkout).measure([FILE], 0)


def test_a_fault_in_what_no_test_runs_is_not_tried(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ROOT", checkout)
    drawn = [mutant("number > 3 -> number > 4"), mutant("return -number -> return None")]
    results = {each.name: each for each in program.try_all(drawn, None, 1, measured=True)}
    assert [(results[each.name].found, results[each.name].reached) for each in drawn] == [(True, True), (False, False)]


def test_survivors_are_told_apart_and_two_results_compared_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, survived = Result("b.py:1:1 c -> d", "test_b", 1.5), Result("a.py:2:1 e -> f", "", 30.0)
    unreached = Result("a.py:1:1 g -> h", "", 0.0, reached=False)
    told = list(filter(None, "\n".join(result.summarize([found, survived, unreached])).splitlines()))
    apart = "survived: no test runs it without a server (1):"
    assert told == ["1 of 3 found", "survived (1):", survived.name, apart, unreached.name]
    files = [tmp_path / name for name in ("earlier.json", "later.json")]
    result.write(files[0], [found, survived])
    result.write(files[1], [Result(found.name, "", 9.0), Result(survived.name, "test_a", 1.0)])
    for chosen, status in ((files, 1), (files[:1] * 2, 0)):
        monkeypatch.setattr("sys.argv", ["mutants", "--compare", *map(str, chosen)])
        assert program.main() == status
    expected = ["new survivors: 1", found.name, "found now: 1", survived.name]
    assert capsys.readouterr().out.splitlines()[:4] == expected
