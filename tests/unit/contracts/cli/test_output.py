"""What people and programs are shown, and how a run ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest

from tests.cases import check_all, for_each
from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import Outcome
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.cli.output import Output, layout, timed
from zeebe_amqp.cli.program import program
from zeebe_amqp.client.trace_context import traced
from zeebe_amqp.errors import Code, CommandError

LAID_OUT: dict[str, tuple[Any, list[str]]] = {
    "names stand in a column": ({"a": 1, "bcd": "x"}, ["a    1", "bcd  x"]),
    "what is inside stands deeper": ({"a": {"b": None}}, ["a", "  b  none"]),
    "items stand after a dash": ([{"a": 1, "b": 2}, 3], ["- a  1", "  b  2", "- 3"]),
    "nothing is said to be nothing": ({"a": [], "b": {}}, ["a  none", "b  none"]),
    "an empty item is said, too": ([{}], ["- none"]),
    "documents are opened": ({"variables": '{"x": [true]}'}, ["variables", "  x", "    - true"]),
    "empty documents are none": ({"variables": "{}"}, ["variables  none"]),
    "what only looks like a document stays": ({"variables": "{x", "other": "{}"}, ["variables  {x", "other      {}"]),
    "long numbers are exact": ([9223372036854775807, 1.5], ["- 9223372036854775807", "- 1.5"]),
    "lines become one": ("a\nb", ["a b"]),
    "no control of a terminal gets through": ({"\x1b[2J": "\x1b]0;x\x07"}, ["�[2J  �]0;x�"]),
}
WAITING = b'{"operation":"activate-jobs","data":{"jobType":"a","maxJobsToActivate":1,"requestTimeout":"1s"}}'
POLL = ("activate-jobs", "t", "--max-jobs-to-activate", "2")


def test_values_are_laid_out_for_people() -> None:
    def is_laid_out(value: Any, lines: list[str]) -> None:
        assert [click.unstyle(line) for line in layout(value)] == lines

    check_all(LAID_OUT, is_laid_out)


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
    job = {"deadline": 1893456000123, "variables": '{"deadline":1893456000123}'}
    transport.answers.extend([result("activate-jobs", [job])] * 2)
    told = ended(*POLL, "-o", "text").out
    assert "deadline   2030-01-01T05:30:00.123+05:30" in told
    assert "deadline  1893456000123" in told  # in the variables, where it is anything
    assert json.loads(ended(*POLL, "-o", "json").out) == job
    assert timed([{"deadline": "1893456000123"}]) == [{"deadline": "2030-01-01T05:30:00.123+05:30"}]
    for odd in ("soon", 10**30, [], None):
        assert timed({"deadline": odd}) == {"deadline": odd}


def test_a_list_is_a_line_for_each_item_and_unknown_data_are_shown_as_they_came(transport: MemoryTransport) -> None:
    transport.answers.extend([result("activate-jobs", data) for data in ([{"a": 1}, {"b": 2}], [], [])])
    assert [ended(*POLL).out, ended(*POLL).out] == ['{"a":1}\n{"b":2}\n', ""]
    assert ended(*POLL, terminal=True).out == "none\n"
    transport.answers.append(b'{"operation":"topology","data":{ "new" : 1.00 ,\n "b" : "\\u00e9" },"more":1}')
    assert ended("topology").out == '{"new":1.00,"b":"\\u00e9"}\n'


def test_the_output_may_be_chosen(transport: MemoryTransport) -> None:
    for mode in ("text", "json"):
        transport.answers.extend([result("topology", TOPOLOGY), error("NOT_FOUND")])
        fine, wrong = (ended("topology", "-o", mode, terminal=mode == "json") for _ in range(2))
        assert fine.out.startswith("{") == wrong.err.startswith("{") == (mode == "json"), mode


def test_people_are_told_what_an_error_means(transport: MemoryTransport, capsys: pytest.CaptureFixture[str]) -> None:
    facts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("it may have been executed", {"outcome": "unknown"}),
        ("not executed", {"outcome": "not-executed"}),
        ("safe with --request-id mine", {"retryable": True}),
        ("data.jobKey", {"details": {"field": "data.jobKey"}}),
    )
    for words, said in facts:
        transport.answers.append(error("ABORTED", **said))
        assert words in click.unstyle(ended("topology", "--request-id", "mine", terminal=True).err)
    Output("text").error(CommandError(Code.UNAVAILABLE, "away", retryable=True))
    assert "safe" in capsys.readouterr().err, "also without an identity"


def test_an_answer_that_cannot_be_read_is_an_error_of_unknown_outcome(transport: MemoryTransport) -> None:
    transport.answers.append(b"\xff")
    found = ended("topology")
    assert found.code == exits.UNKNOWN + exits.NUMBERS[Code.INTERNAL]
    told = json.loads(found.err)
    assert (told["error"]["outcome"], told["requestId"]) == ("unknown", transport.published[0].request_id)


def test_a_body_is_sent_and_its_reply_printed_as_it_is(transport: MemoryTransport, tmp_path: Path) -> None:
    body = '{"operation":"topology", "data": {"ü" :1.0}}'
    (tmp_path / "request.json").write_text(body)
    for words in ([], ["-"], ["@-"], [body], [f"@{tmp_path / 'request.json'}"]):
        transport.answers.append(result("topology", {}))
        found = ended("call", *words, standard_input=body.encode())
        assert found.code == 0, (words, found.err)
        assert transport.published[-1].body.decode() == body, words
    transport.answers.extend([result("activate-jobs", []), error("NOT_FOUND")])
    ended("call", standard_input=WAITING)
    found = ended("call", "ü nonsense" * 100)
    assert transport.published[-1].body == ("ü nonsense" * 100).encode(), "a wrong one is sent as it is"
    assert (found.code, found.out) == (15, error("NOT_FOUND").decode() + "\n")
    assert [each.queue for each in transport.published[-2:]] == ["zeebe.polls", "zeebe.commands"]


def test_every_code_has_an_exit_code_for_each_outcome_and_no_two_are_alike() -> None:
    codes = [exits.of(CommandError(code, "", outcome=outcome)) for code in Code for outcome in Outcome]
    assert len(set(codes) | exits.MEANINGS.keys()) == 2 * len(Code) + len(exits.MEANINGS)
    assert max(codes) < 126


def test_a_defect_is_said_in_words_and_an_interruption_has_its_own_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for raised, code, told in (
        (ValueError("a\x1bb"), exits.DEFECT, "a defect of zeebe-amqp: ValueError: a\ufffdb\n"),
        (KeyboardInterrupt(), exits.INTERRUPTED, "\ninterrupted\n"),
    ):
        monkeypatch.setattr(program.commands["topology"], "callback", mock.Mock(side_effect=raised))
        found = ended("topology")
        assert (found.code, found.err) == (code, told)


def test_colours_are_left_out_for_who_wants_none(transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    transport.answers.extend([result("topology", TOPOLOGY)] * 2)
    assert "\x1b[36m" in ended("topology", terminal=True).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in ended("topology", terminal=True).out


TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"TRACEPARENT": f"00-{TRACE}-b7ad6b7169203331-01"}


def test_a_trace_is_that_of_the_environment_or_begun_when_there_is_none(transport: MemoryTransport) -> None:
    for begin, parent, expected in ((False, {}, None), (False, PARENT, TRACE), (True, PARENT, TRACE)):
        with traced(begin, parent) as trace_id:
            assert trace_id == expected, (begin, parent)
    with traced(True, {"TRACEPARENT": "nonsense"}) as trace_id:
        assert len(trace_id or "") == 32
    transport.answers.append(result("topology", TOPOLOGY))
    told = json.loads(ended("topology", "--trace").err)["traceId"]
    assert str(transport.published[0].headers["traceparent"])[3:35] == told


def test_a_priority_goes_with_every_kind_of_request(transport: MemoryTransport, tmp_path: Path) -> None:
    transport.always = lambda command: result(command.operation, TOPOLOGY)
    envelope = '{"operation":"topology"}'
    (tmp_path / "requests.jsonl").write_text(envelope)
    asked = (["topology"], ["topology", "--forget"], ["call", envelope], ["batch", str(tmp_path / "requests.jsonl")])
    for words in asked:
        assert ended(*words, "--priority", "7").code == 0, words
    assert [request.priority for request in transport.published] == [7] * 4


def test_the_program_is_installed() -> None:
    done = subprocess.run([sys.executable, "-m", "zeebe_amqp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("zeebe-amqp, version ")


@pytest.fixture
def silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer; what `watch` does with another is tested on a real one."""
    monkeypatch.setattr("zeebe_amqp.amqp.connection.aio_pika.connect", mock.AsyncMock(side_effect=TimeoutError))


@pytest.mark.usefixtures("silent_broker")
@for_each([
    (("orders",), True), (("orders.inbox",), True), (("orders.replies",), False), (("Orders.Replies",), False),
    (("amq.gen-x",), False), (("orders.#", "--exchange", "zeebe.replies"), False),
])  # fmt: skip
def test_a_queue_to_which_the_service_would_not_reply_is_told(words: tuple[str, ...], told: bool) -> None:
    for output in ("text", "json"):
        found = ended("watch", *words, "-o", output)
        assert ("REPLY_ALLOW" in found.err or "allowedByDefault" in found.err) is told, output


@pytest.mark.usefixtures("silent_broker")
def test_a_broker_that_does_not_answer_is_no_broker() -> None:
    for waiting in ((), ("--timeout", "5s")):
        found = ended("watch", "orders.replies", *waiting)
        assert (found.out, "UNAVAILABLE" in found.err, "TimeoutError" in found.err) == ("", True, True), waiting
        assert "Traceback" not in found.err, waiting
