"""Every line of the log has an event of the table, with its level and its fields, and a storm of one is a few lines."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from consumer.telemetry import logs, storms
from consumer.telemetry.events import EVENTS
from consumer.telemetry.storms import MAX_LINES, WINDOW, Bounded
from tests.cases import check_all
from tests.unit.code import parsed

OTHERWISE = re.compile(r"(logging|warnings)\.(debug|info|warning|warn|error|exception|critical|log)")
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
CHOSEN = {
    "consumer/telemetry/request_log.py": {
        "request.done", "request.failed", "request.unknown", "request.dead_lettered", "reply.dropped"
    },
    "consumer/pipeline/monitor.py": {"outage.began", "outage.lasts", "outage.over"},
    "consumer/telemetry/storms.py": set[str](),
}  # fmt: skip
"""Modules in which a variable holds the event, and which events they choose from."""


@cache
def sources() -> dict[str, ast.Module]:
    """The modules that may log."""
    return parsed("consumer", "contracts/zeebe_amqp/amqp")


class Line(NamedTuple):
    """A call that logs."""

    where: str
    level: str
    event: str | None
    """None where a variable holds it."""
    fields: frozenset[str]


def lines(path: str, tree: ast.Module) -> Iterator[Line]:
    """Every call that logs in a module."""
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        for call in ast.walk(function):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=said)) if said != "isEnabledFor":
                    fields = given(function, call)
                    event = fields.pop("event", None)
                    name = str(event.value) if isinstance(event, ast.Constant) else None
                    yield Line(f"{path}:{call.lineno}", LEVELS.get(said, ""), name, frozenset(fields))


def given(function: ast.AST, call: ast.Call) -> dict[str, ast.expr]:
    """The fields that a call gives as `extra`, there or in a variable of its function."""
    [extra] = [each.value for each in call.keywords if each.arg == "extra"] or [ast.Dict([], [])]
    found = tables(function, extra, call.lineno)
    return {name: value for table in found for name, value in entries(function, table, call.lineno)}


def tables(function: ast.AST, extra: ast.expr, before: int) -> Iterator[ast.Dict]:
    """The tables of fields that a variable got last before a line, or the one that stands there."""
    if isinstance(extra, ast.Dict):
        yield extra
        return
    assert isinstance(extra, ast.Name)
    statements = (each for each in ast.walk(function) if isinstance(each, ast.stmt) and each.lineno < before)
    assigned = [each for each in statements if extra.id in stored(each)]
    assigned.sort(key=lambda each: each.lineno)
    starts = [place for place, each in enumerate(assigned) if not isinstance(each, ast.AugAssign)]
    for each in assigned[starts[-1] :]:
        yield from (found for found in ast.walk(each) if isinstance(found, ast.Dict))


def stored(statement: ast.AST) -> set[str]:
    """The variables that an assignment writes."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    names = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def entries(function: ast.AST, table: ast.Dict, before: int) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value), value
        elif key is None and isinstance(value, ast.Name) and value.id == "fields":
            for inner in tables(function, value, before):
                yield from entries(function, inner, before)


@cache
def all_lines() -> list[Line]:
    """Every call that logs."""
    return [line for path, tree in sources().items() for line in lines(path, tree)]


def test_every_call_that_logs_has_an_event_of_the_table_with_its_level_and_fields() -> None:
    assert len(all_lines()) > 50

    def is_told(line: Line) -> None:
        if line.event is None:
            assert line.where.partition(":")[0] in CHOSEN, "no event"
            return
        event = EVENTS[line.event]
        assert line.level == event.level
        assert line.fields == set(event.fields)

    check_all([(line,) for line in all_lines()], is_told)


def test_no_module_logs_otherwise() -> None:
    other = [
        f"{path}:{call.lineno}"
        for path, tree in sources().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and OTHERWISE.fullmatch(ast.unparse(call.func))
    ]
    assert other == []


def test_every_event_of_the_table_is_logged_somewhere() -> None:
    chosen = {event for events in CHOSEN.values() for event in events}
    for path, events in CHOSEN.items():
        texts = {each.value for each in ast.walk(sources()[path]) if isinstance(each, ast.Constant)}
        assert events <= texts, path
    assert {line.event for line in all_lines() if line.event} | chosen == EVENTS.keys()


def test_names_are_dotted_and_fields_never_hide_what_a_record_has() -> None:
    taken = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "event", "left_out", "time", "logger"}

    def is_plain(name: str) -> None:
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", name)
        assert EVENTS[name].level in logs.LEVELS
        assert not taken & set(EVENTS[name].fields)
        assert re.fullmatch(r"[A-Z`/].*[^.]", EVENTS[name].meaning)

    check_all([*EVENTS], is_plain)


# --- storms -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def root() -> Iterator[io.StringIO]:
    """What the log of a service writes."""
    before = logging.getLogger()
    level, handlers = before.level, before.handlers[:]
    before.handlers[:] = []
    logs.setup("debug", "json", stream := io.StringIO())
    yield stream
    before.setLevel(level)
    before.handlers[:] = handlers


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "consumer.test"]


def storm(event: str, number: int, level: int = logging.WARNING) -> None:
    for each in range(number):
        logging.getLogger("consumer.test").log(level, "number %d", each, extra={"event": event})


async def test_a_storm_of_one_event_is_ten_lines_and_one_that_counts_the_others(
    root: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storms, "WINDOW", 1.0)
    storm("publish.unconfirmed", 100)
    storm("request.requeued", 1, logging.INFO)
    assert [each["event"] for each in written(root)] == ["publish.unconfirmed"] * MAX_LINES + ["request.requeued"]
    async with asyncio.timeout(30):
        while len(written(root)) == MAX_LINES + 1:  # noqa: ASYNC110 - a timer of the log tells nobody
            await asyncio.sleep(0.01)
    last = written(root)[-1]
    assert (last["message"], last["left_out"]) == ("publish.unconfirmed: 90 more within a minute", 90)
    storm("publish.unconfirmed", 1)
    assert len(written(root)) == MAX_LINES + 3


def test_what_is_bounded_elsewhere_passes_and_so_do_debug_and_the_lines_of_others(root: io.StringIO) -> None:
    storm("request.failed", 50, logging.INFO)
    storm("gateway.attempt", 50, logging.DEBUG)
    storm("an event of another library", 50)
    assert len(written(root)) == 150


def test_without_an_event_loop_the_next_minute_s_first_line_counts_what_was_left_out() -> None:
    now = 0.0
    bounded = Bounded(lambda: now)

    def passes() -> int | None:
        record = logging.makeLogRecord({"levelno": logging.ERROR, "event": "request.unwritten"})
        return getattr(record, "left_out", 0) if bounded.filter(record) else None

    found: list[int | None] = []
    thread = threading.Thread(target=lambda: found.extend(passes() for _ in range(MAX_LINES + 5)))
    thread.start()
    thread.join()
    assert found == [0] * MAX_LINES + [None] * 5
    now = WINDOW
    assert passes() == 5
    assert passes() == 0
