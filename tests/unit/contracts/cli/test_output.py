"""What people and programs are shown, and how a run ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import Client, Outcome
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.cli.connection import Connection
from zeebe_amqp.cli.output import Output, compact, layout, timed
from zeebe_amqp.cli.program import program
from zeebe_amqp.client.trace_context import traced
from zeebe_amqp.errors import Code, CommandError


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    """What every run of the program in a test talks to."""
    memory = MemoryTransport()
    client: Callable[..., Client] = lambda self, timeout=30.0: Client(memory, timeout=timeout)  # noqa: E731
    monkeypatch.setattr(Connection, "client", client)
    return memory


LAID_OUT: dict[str, tuple[Any, list[str]]] = {
    "names stand in a column": ({"a": 1, "bcd": "x"}, ["a    1", "bcd  x"]),
    "what is inside stands deeper": ({"a": {"b": None}}, ["a", "  b  none"]),
    "items stand after a dash": ([{"a": 1, "b": 2}, 3], ["- a  1", "  b  2", "- 3"]),
    "nothing is said to be nothing": ({"a": [], "b": {}}, ["a  none", "b  none"]),
    "an empty item is said, too": ([{}], ["- none"]),
    "documents are opened": ({"variables": '{"x": [true]}'}, ["variables", "  x", "    - true"]),
    "empty documents are none": ({"variables": "{}"}, ["variables  none"]),
    "what only looks like a document stays": (
        {"variables": "{x", "other": "{}"},
        ["variables  {x", "other      {}"],
    ),
    "long numbers are exact": ([9223372036854775807, 1.5], ["- 9223372036854775807", "- 1.5"]),
    "lines become one": ("a\nb", ["a b"]),
    "no control of a terminal gets through": ({"\x1b[2J": "\x1b]0;x\x07"}, ["�[2J  �]0;x�"]),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_values_are_laid_out_for_people(name: str) -> None:
    value, lines = LAID_OUT[name]
    assert [click.unstyle(line) for line in layout(value)] == lines


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine half an hour away from full hours."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_kolkata")
def test_people_read_deadlines_of_jobs_as_local_times_and_programs_as_they_came(transport: MemoryTransport) -> None:
    words = ("activate-jobs", "t", "--max-jobs-to-activate", "1")
    job = {"deadline": 1893456000123, "variables": '{"deadline":1893456000123}'}
    transport.answers.extend([result("activate-jobs", [job])] * 2)
    told = ended(*words, "-o", "text").out
    assert "deadline   2030-01-01T05:30:00.123+05:30" in told
    assert "deadline  1893456000123" in told  # in the variables, where it is anything
    assert json.loads(ended(*words, "-o", "json").out) == job


@pytest.mark.usefixtures("in_kolkata")
def test_a_deadline_as_text_is_a_time_and_what_is_none_stays() -> None:
    reply = {"operation": "activate-jobs", "data": [{"deadline": "1893456000123"}, {"deadline": None}]}
    first, second = timed(reply)["data"]
    assert first["deadline"] == "2030-01-01T05:30:00.123+05:30"
    assert second["deadline"] is None
    for odd in ("soon", 10**30, []):
        assert timed({"deadline": odd}) == {"deadline": odd}


def test_json_lines_keep_numbers_and_texts_as_they_came() -> None:
    assert compact(b'{ "a" : 1.00 ,\n "b" : "\\u00e9" }') == b'{"a":1.00,"b":"\\u00e9"}'


def test_a_list_is_a_line_for_each_item_or_none(transport: MemoryTransport) -> None:
    words = ("activate-jobs", "t", "--max-jobs-to-activate", "2")
    for data, out in (([{"a": 1}, {"b": 2}], '{"a":1}\n{"b":2}\n'), ([], "")):
        transport.answers.append(result("activate-jobs", data))
        assert ended(*words).out == out
    transport.answers.append(result("activate-jobs", []))
    assert ended(*words, terminal=True).out == "none\n"


def test_data_that_a_newer_service_adds_are_shown(transport: MemoryTransport) -> None:
    transport.answers.append(b'{"operation":"topology","data":{"new": 1.0},"more":1}')
    assert ended("topology").out == '{"new":1.0}\n'


@pytest.mark.parametrize("mode", ["text", "json"])
def test_the_output_may_be_chosen(transport: MemoryTransport, mode: str) -> None:
    transport.answers.extend([result("topology", TOPOLOGY), error("NOT_FOUND")])
    fine = ended("topology", "-o", mode, terminal=mode == "json")
    assert fine.out.startswith("{") == (mode == "json")
    wrong = ended("topology", "-o", mode, terminal=mode == "json")
    assert wrong.err.startswith("{") == (mode == "json")


ERRORS = {
    "it may have been executed": {"outcome": "unknown"},
    "not executed": {"outcome": "not-executed"},
    "safe with --request-id mine": {"retryable": True},
    "data.jobKey": {"details": {"field": "data.jobKey"}},
}


@pytest.mark.parametrize("words", ERRORS)
def test_people_are_told_what_an_error_means(transport: MemoryTransport, words: str) -> None:
    transport.answers.append(error("ABORTED", **ERRORS[words]))
    assert words in click.unstyle(ended("topology", "--request-id", "mine", terminal=True).err)


def test_an_error_without_an_identity_may_be_tried_again_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    Output("text").error(CommandError(Code.UNAVAILABLE, "away", retryable=True))
    assert "safe" in capsys.readouterr().err


def test_an_answer_that_cannot_be_read_is_an_error_of_unknown_outcome(transport: MemoryTransport) -> None:
    transport.answers.append(b"\xff")
    found = ended("topology")
    assert found.code == exits.UNKNOWN + exits.NUMBERS[Code.INTERNAL]
    assert json.loads(found.err)["error"]["outcome"] == "unknown"


def test_an_error_says_under_which_identity_to_send_it_again(transport: MemoryTransport) -> None:
    transport.answers.append(error("UNAVAILABLE", retryable=True))
    told = json.loads(ended("topology").err)
    assert told["requestId"] == transport.published[0].request_id


def test_a_raw_reply_is_printed_as_it_came_also_an_error(transport: MemoryTransport) -> None:
    transport.answers.append(error("NOT_FOUND"))
    found = ended("call", standard_input=b'{"operation":"topology"}')
    assert (found.code, found.out) == (15, error("NOT_FOUND").decode() + "\n")


def test_a_body_is_given_as_text_as_a_file_and_on_standard_input(transport: MemoryTransport, tmp_path: Path) -> None:
    body = '{"operation":"topology", "data": {"ü" :1.0}}'
    (tmp_path / "request.json").write_text(body)
    for words in ([], ["-"], ["@-"], [body], [f"@{tmp_path / 'request.json'}"]):
        transport.answers.append(result("topology", {}))
        found = ended("call", *words, standard_input=body.encode())
        assert found.code == 0, (words, found.err)
        assert transport.published[-1].body.decode() == body, words


def test_a_wrong_body_is_sent_as_it_is(transport: MemoryTransport) -> None:
    transport.answers.append(error("INVALID_ARGUMENT"))
    ended("call", "ü nonsense" * 100)
    assert transport.published[0].body == ("ü nonsense" * 100).encode()


def test_a_raw_request_that_waits_goes_to_the_queue_for_those(transport: MemoryTransport) -> None:
    waiting = b'{"operation":"activate-jobs","data":{"jobType":"a","maxJobsToActivate":1,"requestTimeout":"1s"}}'
    transport.answers.extend([result("activate-jobs", []), error("INVALID_ARGUMENT")])
    ended("call", standard_input=waiting)
    ended("call", standard_input=b"nonsense", terminal=True)
    assert [each.queue for each in transport.published] == ["zeebe.polls", "zeebe.commands"]


def test_every_code_has_an_exit_code_for_each_outcome_and_no_two_are_alike() -> None:
    codes = [exits.of(CommandError(code, "", outcome=outcome)) for code in Code for outcome in Outcome]
    assert len(set(codes) | exits.MEANINGS.keys()) == 2 * len(Code) + len(exits.MEANINGS)
    assert max(codes) < 126


def test_a_defect_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a\x1bb")

    monkeypatch.setattr(program.commands["topology"], "callback", broken)
    found = ended("topology")
    assert (found.code, found.err) == (exits.DEFECT, "a defect of zeebe-amqp: ValueError: a�b\n")


def test_an_interruption_has_an_exit_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program.commands["topology"], "callback", interrupted)
    assert ended("topology").code == exits.INTERRUPTED


def test_colours_are_left_out_where_nobody_wants_them(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.answers.extend([result("topology", TOPOLOGY)] * 2)
    assert "\x1b[36m" in ended("topology", terminal=True).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in ended("topology", terminal=True).out


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("begin", "parent", "expected"), [(False, None, None), (False, PARENT, PARENT[3:35]), (True, PARENT, PARENT[3:35])]
)
def test_a_trace_is_that_of_the_environment(begin: bool, parent: str | None, expected: str | None) -> None:
    with traced(begin, {"TRACEPARENT": parent} if parent else {}) as trace_id:
        assert trace_id == expected


def test_the_trace_goes_with_the_request(transport: MemoryTransport) -> None:
    transport.answers.append(result("topology", TOPOLOGY))
    told = json.loads(ended("topology", "--trace").err)["traceId"]
    assert str(transport.published[0].headers["traceparent"])[3:35] == told


def test_a_trace_is_begun_when_there_is_none() -> None:
    with traced(True, {"TRACEPARENT": "nonsense"}) as trace_id:
        assert trace_id is not None
        assert len(trace_id) == 32


@pytest.mark.parametrize("module", ["click", "rich", "aio_pika"])
def test_without_its_extra_the_program_says_what_to_install(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from zeebe_amqp.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "zeebe-amqp: the extra `cli` is missing: pip install 'zeebe-amqp[cli]'\n",
    )


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    code = "import sys; sys.modules['yarl'] = None; from zeebe_amqp.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "extra" not in done.stderr.splitlines()[-1]
    assert done.returncode == 1


def test_the_program_is_installed() -> None:
    done = subprocess.run([sys.executable, "-m", "zeebe_amqp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("zeebe-amqp, version ")
