"""The list of types of jobs: what the broker and a service say of them, and how it is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from consumer import job_list, table
from consumer.cli import main
from consumer.config import Settings
from consumer.config.settings import JobType
from consumer.job_list import JobList, JobRow, list_jobs, show_jobs
from consumer.rabbitmq.look import QueueFacts
from tests.cases import check_each
from zeebe_amqp.amqp.connection import BrokerError

JOBS = (JobType("charge-card", limit=500), JobType('say "hi"', queue_name="greetings"))
PAGE = b"""# TYPE zeebe_amqp_jobs_out_total counter
zeebe_amqp_jobs_out_total{type="charge-card"} 12345.0
zeebe_amqp_jobs_out_total{type="say \\"hi\\""} 0.0
zeebe_amqp_jobs_oldest_age_seconds{type="charge-card"} 12.4
zeebe_amqp_jobs_oldest_age_seconds{type="say \\"hi\\""} NaN
"""
ROWS = [
    JobRow("charge-card", "zeebe.jobs.charge-card", 12345, 17, 500, 12.4, 3),
    JobRow('say "hi"\x1b[2J', "greetings", None, None, 100, None, None, "it is not there"),
]


def look(monkeypatch: pytest.MonkeyPatch, **card: Any) -> None:
    """The broker tells this of one queue, and that the other is not there."""

    async def look_at_jobs(_: Any, jobs: tuple[JobType, ...]) -> dict[str, QueueFacts]:
        there = QueueFacts(jobs[0].queue, **{"messages": 17, "consumers": 3, **card})
        return {jobs[0].name: there, jobs[1].name: QueueFacts(jobs[1].queue, there=False)}

    monkeypatch.setattr(job_list, "look_at_jobs", look_at_jobs)


async def test_the_broker_tells_what_waits_and_the_service_what_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch)
    application = web.Application()
    application.router.add_get("/metrics", AsyncMock(side_effect=lambda _: web.Response(body=PAGE)))
    async with TestServer(application) as server:
        found = await list_jobs(Settings(jobs=JOBS, http_address=("127.0.0.1", server.port or 0)))
    assert found == JobList(
        [
            JobRow("charge-card", "zeebe.jobs.charge-card", 12345, 17, 500, 12.4, 3),
            JobRow('say "hi"', "greetings", 0, None, 100, None, None, "it is not there"),
        ]
    )


async def test_without_a_service_the_rest_is_known_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch)
    application = web.Application()
    application.router.add_get("/metrics", AsyncMock(side_effect=lambda _: web.Response(status=500, body=PAGE)))
    async with TestServer(application) as server:
        broken = ("127.0.0.1", server.port or 0)
        for address, note in (
            (None, "HTTP_ADDRESS=off"),
            (("127.0.0.1", 1), "no service answers at http://127.0.0.1:1/metrics ("),
            (broken, f"http://127.0.0.1:{server.port}/metrics answers 500"),
        ):
            found = await list_jobs(Settings(jobs=JOBS, http_address=address))
            assert [(row.out, row.waiting, row.oldest, row.workers) for row in found.rows] == [
                (None, 17, None, 3),
                (None, None, None, None),
            ]
            [told] = found.notes
            assert told.startswith(note)


async def test_a_queue_of_which_nothing_is_told_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_told(card: dict[str, Any], problem: str) -> None:
        look(monkeypatch, **card)
        row = (await list_jobs(Settings(jobs=JOBS, http_address=None))).rows[0]
        assert (row.waiting, row.workers, row.problem) == (None, None, problem)

    await check_each(
        [
            ({"locked": True}, "it belongs exclusively to another connection"),
            ({"there": False}, "it is not there"),
            ({"there": None}, "not allowed to look"),
            ({"there": None, "failing": "TimeoutError"}, "TimeoutError"),
        ],
        is_told,
    )


def test_piped_it_is_a_line_of_json_for_each_type(capsys: pytest.CaptureFixture[str]) -> None:
    show_jobs(JobList(ROWS, ["a note"]), as_json=False)
    shown = capsys.readouterr()
    first, second = map(orjson.loads, shown.out.splitlines())
    assert first == {
        "type": "charge-card", "queue": "zeebe.jobs.charge-card", "out": 12345, "waiting": 17, "limit": 500,
        "oldest": 12.4, "workers": 3, "problem": None,
    }  # fmt: skip
    assert (second["out"], second["problem"]) == (None, "it is not there")
    assert shown.err.splitlines() == ["greetings: it is not there", "a note"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    for module in (job_list, table):
        monkeypatch.setattr(module, "sys", Mock(**{"stdout.isatty.return_value": True}))


@pytest.mark.usefixtures("terminal")
def test_with_the_option_it_is_json_at_a_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_jobs(JobList(ROWS), as_json=True)
    assert len([orjson.loads(line) for line in capsys.readouterr().out.splitlines()]) == len(ROWS)


@pytest.mark.usefixtures("terminal")
def test_at_a_terminal_it_is_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_jobs(JobList(ROWS), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    cells = [[cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]] for line in lines if line[0] in "┃│"]
    head, card, *_ = cells
    assert head == ["type", "queue", "out", "waiting", "limit", "oldest", "workers"]
    assert (card[0], card[2:]) == ("charge-card", ["12345", "17", "500", "12 s", "3"])
    assert [cells[-1][0], *cells[-1][2:]] == ['say "hi"\N{REPLACEMENT CHARACTER}[2J', "-", "-", "100", "-", "-"]


@pytest.mark.usefixtures("terminal")
def test_the_page_shows_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    rows = [
        JobRow("charge-card", "zeebe.jobs.charge-card", 1204, 17, 100, 3.2, 2),
        JobRow("ship-order", "zeebe.jobs.ship-order", 100, 100, 100, 241.0, 0),
    ]
    show_jobs(JobList(rows), as_json=False)
    page = (Path(__file__).parents[3] / "docs" / "running.md").read_text()
    assert f"```\n{capsys.readouterr().out}```\n" in page


@pytest.mark.usefixtures("terminal")
def test_long_names_are_paragraphs_where_the_table_would_be_letters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = JobRow("io.example:ship-order-to-the-customer", "shipping", 0, 0, 100, 0.0, 0)
    for columns, is_table in ((80, False), (120, True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        show_jobs(JobList([long]), as_json=False)
        assert ("│" in capsys.readouterr().out) == is_table


@pytest.mark.usefixtures("terminal")
def test_at_a_narrow_terminal_it_is_paragraphs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show_jobs(JobList(ROWS), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "charge-card",
        "  zeebe.jobs.charge-card",
        "  17 of 500 wait, oldest 12 s",
        "  3 workers, 12345 published",
        'say "hi"\N{REPLACEMENT CHARACTER}[2J',
        "  greetings",
        "  - of 100 wait, oldest -",
        "  - workers, - published",
    ]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `jobs` in this process, without any setting of this machine."""
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("consumer.telemetry.logs.setup", lambda *_: None)
    return lambda **settings: CliRunner().invoke(main, ["jobs"], env=settings)


def test_the_command_lists_the_types(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch)
    ended = invoke(JOBS="charge-card,ship", HTTP_ADDRESS="off")
    assert ended.exit_code == 0, ended.output
    rows = [orjson.loads(line) for line in ended.stdout.splitlines()]
    assert [(row["type"], row["waiting"]) for row in rows] == [("charge-card", 17), ("ship", None)]


def test_without_types_the_command_says_how_to_name_some(invoke: Any) -> None:
    ended = invoke()
    assert (ended.exit_code, "name them in JOBS or JOBS_FILE" in ended.stderr) == (2, True)


def test_without_the_broker_the_command_fails_with_its_words(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_at_jobs(*_: Any) -> None:
        raise BrokerError("no host answers (AMQP_URL)")

    monkeypatch.setattr(job_list, "look_at_jobs", look_at_jobs)
    ended = invoke(JOBS="a")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", "no host answers (AMQP_URL)\n")
