"""Small faults: what code can be changed into, which faults are drawn, and whether tests notice them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scripts.mutants import __main__ as program
from scripts.mutants import result
from scripts.mutants.draw import EQUIVALENT, SOURCES, draw, shares
from scripts.mutants.mutant import Mutant, mutants
from scripts.mutants.result import Result
from scripts.mutants.steps import steps
from scripts.mutants.trial import Copy, first_failure
from scripts.process import ServerError
from tests.cases import check_all

ROOT = Path(__file__).parents[3]
EXPRESSIONS: dict[str, set[str]] = {
    "waited < LIMIT": {"waited < LIMIT -> waited <= LIMIT", "waited < LIMIT -> waited > LIMIT"},
    "a <= b < c": {f"a <= b < c -> a {each} c" for each in ("< b <", "> b <", "<= b <=", "<= b >")},
    "a is None": {"a is None -> a is not None"},
    "a in b": {"a in b -> a not in b"},
    "a and b": {"a and b -> a or b", "a and b -> a", "a and b -> b"},
    "a or b or c": {f"a or b or c -> {each}" for each in ("a and b and c", "b or c", "a or c", "a or b")},
    "not a": {"not a -> a"},
    "a if b else c": {"b -> True", "b -> False"},
    "[a for a in b if c]": {"c -> True"},
    "a - b": {"a - b -> a + b"},
    "f'{a}' + b": set(),
    "a + ['b c']": set(),
    "a[1]": {"a[1] -> a[2]", "a[1] -> a[0]"},
    "a[0]": {"a[0] -> a[1]"},
    "a(b=60)": {"b=60 -> b=120", "b=60 -> b=0"},
    "a(b=True)": {"b=True -> b=False"},
    "{'a': b}": {"{'a': b} -> {'': b}"},
    "a or b''": {"a or b'' -> a or b'x'", "a or b'' -> a and b''", "a or b'' -> b''"},
    "f'{a}' if b else ''": {"b -> True", "b -> False"},
    "'words for ' + 'people'": set(),
    "min(a, b)": {"min -> max"},
    "all(a)": {"all -> any"},
    "(a := b) and c": set(),
    "zip(a, b, strict=True)": set(),
}
STATEMENTS: dict[str, set[str]] = {
    "f(a, b, *c)": {"f(a, b, *c) -> pass", "f(a, b, *c) -> f(b, a, *c)"},
    "f(a, a)": {"f(a, a) -> pass"},
    "f(*a, b)": {"f(*a, b) -> pass"},
    "await f()": {"await f() -> pass"},
    "self.a = b": {"self.a = b -> pass"},
    "a = b": set(),
    "a += b": {"a += b -> pass"},
    "del a[b]": {"del a[b] -> pass"},
    "return a": {"return a -> return None"},
    "return None": set(),
    "raise Error(1, 2)": {"raise Error(1, 2) -> pass"},
    "while a: break": {"a -> False", "break -> pass"},
    "while b := c: continue": {"continue -> pass"},
    "if a: ...": {"a -> True", "a -> False"},
}
NO_FAULTS: list[str] = [
    '"""not one < two"""',
    "x: Literal['a'] | None",
    "def function(x: Literal['a']) -> Literal['b']: 'only this'",
    "__all__ = ['a', 'b']",
    "T = TypeVar('T')",
    "Alias: TypeAlias = 'a'",
    "if TYPE_CHECKING:\n    x = 1",
    "@abstractmethod\ndef function(x=1):\n    return x",
    "@overload\ndef function(x=1): ...",
    "class Kind(Enum):\n    A = 'a'",
    "class Shape(Protocol[T]):\n    a = 1",
    "@dataclass(frozen=True)\nclass Point(msgspec.Struct, kw_only=True): 'a point'",
    "log.warning('%s', 1)",
    "self._log.info('a')",
    "x = f'a {not b}'",
    "x = 'words for people'",
    "assert a < 1",
    "try: ...\nexcept (A, B): ...",
    "class A:\n    def __init__(self, x):\n        self.x = x",
]


def test_code_can_be_these_others_and_what_only_people_checkers_and_logs_read_has_no_faults() -> None:
    def can_be(code: str, expected: set[str]) -> None:
        assert {each.change for each in mutants("a.py", code.encode())} == expected

    check_all([(f"x = {code}", expected) for code, expected in EXPRESSIONS.items()], can_be)
    check_all([(f"async def f():\n    {code}", expected) for code, expected in STATEMENTS.items()], can_be)
    check_all([(code, set()) for code in NO_FAULTS], can_be)


def test_a_mutant_is_named_by_its_place_and_its_change() -> None:
    source = "é = 0; x = 'é' < b".encode()
    applied = {each.name: each.apply(source).decode() for each in mutants("a/b.py", source)}
    assert applied == {
        "a/b.py:1:5 é = 0 -> é = 1": "é = (1); x = 'é' < b",
        "a/b.py:1:12 'é' < b -> 'é' <= b": "é = 0; x = ('é' <= b)",
        "a/b.py:1:12 'é' < b -> 'é' > b": "é = 0; x = ('é' > b)",
        "a/b.py:1:12 'é' < b -> '' < b": "é = 0; x = ('') < b",
    }


def test_a_long_piece_of_code_is_cut_around_what_differs() -> None:
    long = " and ".join(f"condition_{number}" for number in range(20))
    names = {each.change for each in mutants("a.py", f"x = {long}".encode())}
    assert len(names) == 21
    for before, after in (each.split(" -> ") for each in names):
        assert before != after
        assert max(len(before), len(after)) < 110


def test_a_mutant_knows_the_line_where_its_statement_begins() -> None:
    source = "def function(a=0):\n  if (\n    a <\n    b\n  ):\n    return f(\n      1\n    )\n"
    begins = {each.change: (each.line, each.statement) for each in mutants("a.py", source.encode())}
    assert [begins[each] for each in ("0 -> 1", "a < b -> a > b", "f(1) -> f(2)")] == [(1, 1), (3, 2), (7, 6)]


@pytest.fixture(scope="module")
def drawn() -> list[Mutant]:
    return draw(ROOT, 100, 1)


def test_those_drawn_are_code_of_every_room_and_no_line_twice(drawn: list[Mutant]) -> None:
    assert len({each.name for each in drawn}) == len({(each.file, each.line) for each in drawn}) == 100
    assert [source for source in SOURCES if not any(each.file.startswith(source) for each in drawn)] == []
    for each in drawn:
        source = (ROOT / each.file).read_bytes()
        changed = each.apply(source)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source)), each.name
        assert changed[: each.start] == source[: each.start]


def test_what_is_said_to_be_no_fault_could_be_one() -> None:
    for file, change in EQUIVALENT:
        assert change in {each.change for each in mutants(file, (ROOT / file).read_bytes())}, file


def test_the_same_seed_draws_the_same_wherever_the_sources_are_the_same(tmp_path: Path) -> None:
    files = [tmp_path / "consumer/ledger/a.py", tmp_path / "consumer/zeebe/b.py"]
    for file in (*files, tmp_path / "contracts/zeebe_amqp/envelope.py"):
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(f"a{number} = b < c" for number in range(20)) if file in files else "")
    before = draw(tmp_path, 10, 1)
    assert draw(tmp_path, 10, 1) == before
    assert draw(tmp_path, 10, 2) != before
    files[0].write_text("\n".join(f"a{number} = b > c" for number in range(20)))
    after = draw(tmp_path, 10, 1)
    assert before[5:] == after[5:]
    assert before[:5] != after[:5]


def test_a_file_four_times_as_large_has_twice_as_many() -> None:
    assert shares({"a": 100, "b": 400, "c": 4, "d": 0}, 32) == {"a": 10, "b": 20, "c": 2, "d": 0}
    assert shares({"a": 1, "b": 2}, 30) == {"a": 1, "b": 2}


def test_the_tests_of_the_same_room_that_import_the_file_come_first(tmp_path: Path) -> None:
    """Then come the others of the package."""
    unit = tmp_path / "tests/unit"
    for file, text in {
        "consumer/pipeline/test_a.py": "from consumer.pipeline import worker",
        "consumer/pipeline/test_b.py": "from consumer.pipeline.settlement import settle",
        "consumer/zeebe/test_c.py": "from consumer.pipeline import settlement",
        "contracts/test_a.py": "",
        "contracts/test_b.py": "from zeebe_amqp import envelope, wire",
        "contracts/client/test_c.py": "",
        "test_extension.py": "",
    }.items():
        (unit / file).parent.mkdir(parents=True, exist_ok=True)
        (unit / file).write_text(text)
    for file, near, far in (
        ("consumer/pipeline/settlement.py", "consumer/pipeline", "consumer/zeebe"),
        ("contracts/zeebe_amqp/envelope.py", "contracts", "contracts/client"),
    ):
        first, then = ([str((tmp_path / each).relative_to(unit)) for each in step] for step in steps(tmp_path, file))
        assert first == [f"{near}/test_b.py", f"{near}/test_a.py"]
        assert then == [f"{far}/test_c.py", "test_extension.py"]


def test_a_mutant_is_found_by_the_first_test_that_fails() -> None:
    failed = "..F\nFAILED tests/unit/test_a.py::test_b[1] - assert 1 == 2\n1 failed"
    assert first_failure(failed) == "tests/unit/test_a.py::test_b[1]"
    assert first_failure("ERROR tests/unit/test_a.py - ImportError") == "tests/unit/test_a.py"
    assert first_failure("ImportError while loading conftest") == "the tests do not begin"


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


def test_the_tests_notice_a_fault_also_one_that_never_ends_and_leave_the_sources_alone(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy.of(checkout, tmp_path / "copy")
    assert copy.try_out(mutant("number > 3 -> number > 4")).by == f"{TEST_FILE}::test_limit"
    # Of the same length, and perhaps in the same second.
    assert copy.try_out(mutant("number > 3 -> number > 2")).found
    assert not copy.try_out(mutant("return -number -> return None")).found
    with monkeypatch.context() as patch:
        patch.setattr("scripts.mutants.trial.AGAINST_ONE", ("--timeout", "1"))
        assert copy.try_out(mutant("number -= 1 -> pass")).by == f"{TEST_FILE}::test_limit"
    monkeypatch.setattr("scripts.mutants.trial.LIMIT", 2)
    assert copy.try_out(mutant("number -= 1 -> pass")).by == "no end after 2 s"
    assert (copy.folder / FILE).read_text() == (checkout / FILE).read_text() == SOURCE


def test_a_fault_in_what_no_test_runs_is_not_tried(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "ROOT", checkout)
    drawn = [mutant("number > 3 -> number > 4"), mutant("return -number -> return None")]
    results = {each.name: each for each in program.try_all(drawn, None, 1, measured=True)}
    assert [(results[each.name].found, results[each.name].reached) for each in drawn] == [(True, True), (False, False)]
    assert re.search(r"^without a fault all pass, .*\n  1/2 \w+ .*\n  2/2 \w+ ", capsys.readouterr().out)


def test_the_tests_of_another_checkout_are_asked_and_must_pass(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / TEST_FILE).parent.mkdir(parents=True)
    (tmp_path / TEST_FILE).write_text(TEST.replace("== 3", "== 9"))
    copy = Copy.of(checkout, tmp_path / "copy", tmp_path / "tests")
    with pytest.raises(ServerError, match=r"without any fault: tests/.*/test_numbers\.py::test_limit"):
        copy.measure([FILE], 0)


RESULTS = [
    Result("b.py:1:1 c -> d", "test_b", 1.5),
    Result("a.py:2:1 e -> f", "", 30.0),
    Result("a.py:1:1 g -> h", "", 0.0, reached=False),
]


def test_survivors_come_at_the_end_and_those_that_nothing_runs_apart() -> None:
    assert "\n".join(result.summarize(RESULTS)).splitlines() == [
        "1 of 3 found",
        "",
        "survived (1):",
        "a.py:2:1 e -> f",
        "",
        "survived: no test runs it without a server (1):",
        "a.py:1:1 g -> h",
    ]
    assert [str(each) for each in RESULTS] == [
        "found      1.5 s  b.py:1:1 c -> d  (test_b)",
        "SURVIVED  30.0 s  a.py:2:1 e -> f",
        "SURVIVED   0.0 s  a.py:1:1 g -> h  (no test runs it)",
    ]


def test_two_results_are_compared_by_their_survivors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later = [Result(RESULTS[0].name, "", 9.0), Result(RESULTS[1].name, "test_a", 1.0), Result("c.py:1:1 i", "", 1.0)]
    files = [str(tmp_path / name) for name in ("earlier.json", "later.json")]
    for file, results in zip(files, (RESULTS, later), strict=True):
        result.write(Path(file), results)
    monkeypatch.setattr("sys.argv", ["mutants", "--compare", *files])
    assert program.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "new survivors: 1",
        "b.py:1:1 c -> d",
        "found now: 1",
        "a.py:2:1 e -> f",
        "only one of the two has tried 2 others: other sources, another seed or number",
    ]
    monkeypatch.setattr("sys.argv", ["mutants", "--compare", *files[:1] * 2])
    assert program.main() == 0


def test_mutants_can_be_named_without_being_tried(
    drawn: list[Mutant], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mutants", "--list", "--only", "consumer/zeebe"])
    assert program.main() == 0
    names = [each.name for each in drawn if each.file.startswith("consumer/zeebe/")]
    assert capsys.readouterr().out.splitlines() == names
