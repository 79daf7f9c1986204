"""The types of jobs that are pushed to queues: what their settings may say, and what is told of the rest."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from consumer.config import load
from consumer.config.job_types import FIELDS, MAX_SIZE, MAX_TYPES, JobTypeErrors, job_types
from consumer.config.settings import JobType
from consumer.config.values import AuditSink
from consumer.config.variables import Values
from scripts import reference
from tests.cases import check_all
from zeebe_amqp.jobs.names import MAX_JOB_TYPE
from zeebe_amqp.jobs.readings import READINGS

LONG = "x" * MAX_JOB_TYPE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the types are written."""
    return tmp_path / "jobs.toml"


def types(file: Path, text: str, **more: Any) -> tuple[JobType, ...]:
    file.write_text(text)
    return job_types(Values(JOBS_FILE=file, **more))


def told(file: Path | None, **values: Any) -> list[str]:
    """The problems, without the name of the file."""
    with pytest.raises(JobTypeErrors) as caught:
        job_types(Values(JOBS_FILE=file, **values))
    assert str(caught.value).splitlines() == [each.text for each in caught.value.problems]
    return [f"{each.setting}: {each.text.replace(f'{file}: ', '')}" for each in caught.value.problems]


def test_without_a_setting_there_is_none() -> None:
    assert job_types(Values()) == ()


def test_a_table_says_everything_of_a_type_and_what_it_does_not_say_is_the_default(file: Path) -> None:
    text = """
        [jobs.charge-card]
        timeout = "90s"
        limit = 7
        fetch_variables = ["orderId", "amount"]
        tenant_ids = ["acme"]
        queue = "cards"
        delivery_limit = 9
        answers = "plain"

        [jobs."io.example:ship it"]
    """
    first, second = types(file, text)
    assert first == JobType("charge-card", 90.0, 7, ("orderId", "amount"), ("acme",), "cards", 9, "plain")
    assert second == JobType("io.example:ship it")
    assert (first.queue, second.queue) == ("cards", "zeebe.jobs.io.example:ship it")


def test_names_and_tables_add_up_and_the_table_says_how(file: Path) -> None:
    found = types(file, "[jobs.b]\nlimit = 3\n", JOBS=("a", "b"))
    assert found == (JobType("b", limit=3), JobType("a"))
    assert [each.source for each in found] == ["JOBS_FILE", "JOBS"]


def test_a_byte_order_mark_and_an_empty_file_are_no_problem(file: Path) -> None:
    assert types(file, "\ufeff[jobs.a]\n") == (JobType("a"),)
    assert types(file, "") == types(file, "# nothing yet\n[jobs]\n") == ()


def test_the_bounds_themselves_are_accepted(file: Path) -> None:
    text = (
        f'[jobs.{LONG}]\ntimeout = "2s"\nlimit = 100000\ndelivery_limit = 1000\n[jobs.b]\ntimeout = "P30D"\nlimit = 1\n'
    )
    text += f'queue = "{"q" * 255}"\n'
    assert [each.timeout for each in types(file, text)] == [2.0, 30 * 24 * 3600]
    many = "".join(f"[jobs.t{number}]\n" for number in range(MAX_TYPES))
    assert len(types(file, many)) == MAX_TYPES


WRONG = {
    "timeout": (
        ("300", '"1.9s"', '"31d"', '"soon"', '""', '"-5s"', "true", "1.5", "2026-11-27", "08:00:00", "[]", "{a = 1}"),
        'a duration from 2s to 30 days, such as "5m"',
    ),
    "limit": (("0", "100001", "-1", "true", "1.0", '"7"', "[7]"), "a whole number from 1 to 100000"),
    "fetch_variables": (
        ('"orderId"', "[1]", '[""]', '[" "]', '[["a"]]'),
        'the names of variables, such as ["orderId"]',
    ),
    "tenant_ids": (('"acme"', "[1]", '[""]', "{}"), 'the ids of tenants, such as ["acme"]'),
    "queue": (
        ('""', "7", '"amq.cards"', '"a\\u0007b"', f'"{"q" * 256}"', f'"{"ü" * 128}"'),
        "the name of a queue of at most 255 bytes that does not begin with amq.",
    ),
    "delivery_limit": (("0", "1001", "false", '"3"'), "a whole number from 1 to 1000"),
    "answers": (("1", '"Plain"', '"nameka"', "[]"), f"one of {', '.join(READINGS)}"),
}


def test_every_key_has_wrong_values() -> None:
    assert WRONG.keys() == FIELDS.keys()


def test_a_wrong_value_is_named_with_what_is_accepted(file: Path) -> None:
    def is_refused(key: str, value: str, accepted: str) -> None:
        file.write_text(f"[jobs.a]\n{key} = {value}\n")
        [problem] = told(file)
        assert re.fullmatch(
            rf"JOBS_FILE: jobs\.a\.{key}: found [^;]{{1,220}}; accepted: {re.escape(accepted)}", problem
        ), problem

    check_all([(key, value, accepted) for key, (values, accepted) in WRONG.items() for value in values], is_refused)


def test_a_number_of_thousands_of_digits_is_refused(file: Path) -> None:
    file.write_text(f"[jobs.a]\nlimit = {'9' * 5000}\n")
    [problem] = told(file)
    assert problem.startswith(f"JOBS_FILE: found '{file}'; accepted: a TOML file of at most {MAX_SIZE} bytes (")


TABLES = {
    "a type that is no table": ("[jobs]\na = 1\n", ["jobs.a: found 1; accepted: a table with timeout, "]),
    "types that are no tables": ("jobs = []\n", ["jobs: found a list; accepted: tables such as [jobs.charge-card]"]),
    "another table": ("[job.a]\n", ["job: unknown; accepted: tables such as [jobs.charge-card]"]),
    "a key beside the tables": ("timeout = 1\n", ["timeout: unknown; accepted: tables such as [jobs.charge-card]"]),
    "a key that is misspelt": ("[jobs.a]\ntime_out = 1\n", ["jobs.a.time_out: unknown; did you mean timeout?"]),
    "the engine's spelling": (
        "[jobs.a]\nfetchVariables = []\n",
        ["jobs.a.fetchVariables: unknown; did you mean fetch_variables?"],
    ),
    "a key that is like none": ("[jobs.a]\nretries = 1\n", ["jobs.a.retries: unknown; accepted: timeout, limit, "]),
    "a type with dots": (
        "[jobs.io.example]\n",
        ['jobs.io.example: unknown; a type with dots is written in quotes, such as [jobs."io.example"]'],
    ),
    "a long type": (f"[jobs.{LONG}x]\n", ['…": found a type of 241 bytes; accepted: at most 240']),
    "a long type, in bytes": (f'[jobs."{"ü" * 121}"]\n', ["found a type of 242 bytes; accepted: at most 240"]),
    "a comma": ('[jobs."a,b"]\n', ['jobs."a,b": found "a,b"; accepted: a type without a comma']),
    "a blank type": ('[jobs." "]\n', ['found " "; accepted: the type of a job, printable text that is not blank']),
    "no type": ('[jobs.""]\n', ['found ""; accepted: the type of a job, printable text that is not blank']),
    "a bell": ('[jobs."a\\u0007"]\n', ["accepted: the type of a job, printable text that is not blank"]),
    "one queue for two": (
        '[jobs.a]\nqueue = "q"\n[jobs.b]\nqueue = "q"\n',
        ['jobs.b: found the queue "q" for "a", "b"; accepted: one for each type'],
    ),
    "the queue of another": (
        '[jobs.a]\n[jobs.b]\nqueue = "zeebe.jobs.a"\n',
        ['jobs.b: found the queue "zeebe.jobs.a" for "a", "b"; accepted: one for each type'],
    ),
    "the queue of another whose table is wrong": (
        '[jobs.a]\nlimit = 0\n[jobs.b]\nqueue = "zeebe.jobs.a"\n',
        ["jobs.a.limit: found 0; ", 'jobs.b: found the queue "zeebe.jobs.a" for "a", "b"; '],
    ),
    "the queue of answers": (
        "[jobs.results]\n",
        ['jobs.results: found the queue "zeebe.jobs.results"; accepted: one '],
    ),
    "the queue of what comes back": (
        '[jobs.a]\nqueue = "zeebe.jobs.undone"\n',
        ['jobs.a: found the queue "zeebe.jobs.undone"; accepted: one that the service does not use; '],
    ),
    "a request queue": ('[jobs.a]\nqueue = "zeebe.polls"\n', ['jobs.a: found the queue "zeebe.polls"; accepted: one ']),
    "the dead letters": ('[jobs.a]\nqueue = "zeebe.dead"\n', ['jobs.a: found the queue "zeebe.dead"; accepted: one ']),
    "too many": (
        "".join(f"[jobs.t{number}]\n" for number in range(MAX_TYPES + 1)),
        [f"found {MAX_TYPES + 1} types; accepted: at most {MAX_TYPES}"],
    ),
    "no TOML": (
        "[jobs.a\n",
        ["accepted: a TOML file of at most 1048576 bytes (not TOML: Expected ']' at the end of a table"],
    ),
    "a type twice": (
        "[jobs.a]\n[jobs.a]\n",
        ["accepted: a TOML file of at most 1048576 bytes (not TOML: Cannot declare"],
    ),
    "nested too deeply": (
        f"a = {'[' * 100_000}",
        ["accepted: a TOML file of at most 1048576 bytes (nested too deeply)"],
    ),
    "too large": ("#" * (MAX_SIZE + 1), ["(this one has more than 1048576 bytes)"]),
}


def test_a_wrong_table_is_refused_with_its_place(file: Path) -> None:
    def is_refused(text: str, expected: list[str]) -> None:
        file.write_text(text)
        problems = told(file)
        assert len(problems) == len(expected), problems
        for problem, part in zip(problems, expected, strict=True):
            assert problem.startswith("JOBS_FILE: ")
            assert part in problem, problem

    check_all(TABLES, is_refused)


def test_two_types_with_a_reserved_name_may_have_queues_of_their_own(file: Path) -> None:
    found = types(file, '[jobs.results]\nqueue = "r"\n[jobs.undone]\nqueue = "u"\n')
    assert [each.queue for each in found] == ["r", "u"]


def test_the_stream_of_the_audit_is_no_queue_of_jobs_and_another_audit_s_name_may_be(file: Path) -> None:
    file.write_text('[jobs.a]\nqueue = "audit"\n')
    [problem] = told(file, AUDIT=AuditSink("stream", "audit"))
    assert 'found the queue "audit"' in problem
    assert len(job_types(Values(JOBS_FILE=file, AUDIT=AuditSink("exchange", "audit")))) == 1


def test_names_without_a_table_are_checked_too(file: Path) -> None:
    file.write_text('[jobs.c]\nqueue = "zeebe.jobs.a"\n')
    problems = told(file, JOBS=("a", LONG + "x", "undone", "b\a"))
    assert [each.split("; ")[0] for each in problems] == [
        "JOBS: found a type of 241 bytes",
        'JOBS: found "b\N{REPLACEMENT CHARACTER}"',
        'JOBS: "a": found the queue "zeebe.jobs.a" for "c", "a"',
        'JOBS: "undone": found the queue "zeebe.jobs.undone"',
    ]


def test_a_queue_of_many_types_is_one_problem_that_names_some(file: Path) -> None:
    file.write_text("".join(f'[jobs.t{number}]\nqueue = "q"\n' for number in range(400)))
    [problem] = told(file)
    assert 'found the queue "q" for "t0", "t1", "t2", "t3", "t4" and 395 more; accepted: one for each type' in problem


def test_every_problem_is_told_at_once(file: Path) -> None:
    file.write_text('x = 1\n[jobs.a]\nlimit = 0\nqueue = 1\n[jobs."b,c"]\ntimeot = 1\n[jobs.d]\nqueue = "zeebe.dead"\n')
    problems = told(file, JOBS=("zeebe", "results", "a"))
    assert [each.split(";")[0] for each in problems] == [
        "JOBS_FILE: x: unknown",
        "JOBS_FILE: jobs.a.limit: found 0",
        "JOBS_FILE: jobs.a.queue: found 1",
        'JOBS_FILE: jobs."b,c".timeot: unknown',
        'JOBS_FILE: jobs."b,c": found "b,c"',
        'JOBS_FILE: jobs.d: found the queue "zeebe.dead"',
        'JOBS: "results": found the queue "zeebe.jobs.results"',
    ]


def test_a_file_that_cannot_be_read_or_is_no_text_is_named(tmp_path: Path) -> None:
    (binary := tmp_path / "binary").write_bytes(b"[jobs.a]\n\xff")
    assert told(tmp_path) == [f"JOBS_FILE: found '{tmp_path}'; accepted: a file that can be read (Is a directory)"]
    gone = tmp_path / "gone\a"
    [problem] = told(gone)
    assert problem.endswith(
        "gone\N{REPLACEMENT CHARACTER}'; accepted: a file that can be read (No such file or directory)"
    )
    [problem] = told(binary)
    assert problem.endswith("(not UTF-8: invalid start byte at byte 9)")


def test_problems_name_the_setting_as_it_was_written(file: Path, problems: Any) -> None:
    file.write_text("[jobs.a]\nlimit = 0\n")
    accepted = "found 0; accepted: a whole number from 1 to 100000"
    assert problems({"JOBS_FILE": str(file)}) == [f"JOBS_FILE: {file}: jobs.a.limit: {accepted}"]
    assert problems({}, {"JOBS_FILE": str(file)}) == [f"--jobs-file: {file}: jobs.a.limit: {accepted}"]
    [problem, other] = problems({"JOBS": "results", "LOG_LEVEL": "loud"})
    assert problem.startswith("LOG_LEVEL: ")
    assert other.startswith('JOBS: "results": ')


def test_the_types_in_force_are_shown_with_their_source(file: Path, loaded: Any) -> None:
    file.write_text('[jobs.b]\nlimit = 3\nfetch_variables = ["x", "y"]\ntenant_ids = ["acme"]\nqueue = "q"\n')
    found = loaded({"JOBS": "a", "JOBS_FILE": str(file)})
    assert found.sources[-2:] == [
        (
            "jobs.b",
            "queue q; timeout 300s; limit 3; delivery limit 3; answers plain; variables x, y; tenants acme",
            "JOBS_FILE",
        ),
        (
            "jobs.a",
            "queue zeebe.jobs.a; timeout 300s; limit 100; delivery limit 3; answers plain; variables all",
            "JOBS",
        ),
    ]


def test_the_page_s_example_is_taken_without_a_problem_and_says_everything(file: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", reference.configuration(), re.DOTALL)
    found = types(file, example)
    assert {key for table in tomllib.loads(example)["jobs"].values() for key in table} == FIELDS.keys()
    assert len(found) >= 2


def test_bytes_that_are_no_text_in_the_environment_are_refused_by_name() -> None:
    with pytest.raises(Exception, match=r'JOBS: found ".*"; accepted: the type of a job, printable'):
        load({"JOBS": os.fsdecode(b"a\xff")})
