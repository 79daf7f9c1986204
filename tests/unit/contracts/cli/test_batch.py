"""A batch: what counts as the same request, what is final, and what the file of results says."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.cases import for_each
from tests.fakes.transport import MemoryTransport, error, result
from tests.unit.contracts.cli.program import ended, refused
from zeebe_amqp import Command
from zeebe_amqp.cli.journal import Journal
from zeebe_amqp.cli.requests import parse
from zeebe_amqp.client import Denied
from zeebe_amqp.errors import Code

ONE = '{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{}}}'
TWO = '{"operation":"set-variables","data":{"elementInstanceKey":2,"variables":{}}}'
THREE = '{"operation":"topology"}'
WAITING = '{"operation":"activate-jobs","data":{"jobType":"a","maxJobsToActivate":1,"requestTimeout":"10s"}}'


@pytest.fixture(autouse=True)
def _answers(transport: MemoryTransport) -> None:
    def fine(command: Command[Any]) -> bytes:
        return result(command.operation, {"key": getattr(command, "element_instance_key", None)})

    transport.always = fine


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of requests."""
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join([ONE, "", TWO, THREE, ONE]))
    return path


def kept(file: Path) -> Path:
    """The file of results of a file of requests."""
    return Path(f"{file}.results.jsonl")


def summary(file: Path, *options: str, code: int | None = None) -> dict[str, Any]:
    """What a run over a file of requests says at its end."""
    found = ended("batch", str(file), *options)
    assert code is None or found.code == code, found
    return dict(json.loads(found.out))


def ids(transport: MemoryTransport) -> list[str]:
    """The request ids, in the order in which they were sent."""
    return [each.request_id for each in transport.published]


def test_every_request_is_sent_once_under_an_id_of_its_own(transport: MemoryTransport, file: Path) -> None:
    counts = {"requests": 4, "succeeded": 4, "failed": 0, "again": 0, "sent": 4}
    found = ended("batch", str(file))
    assert (found.code, found.err) == (0, "")
    assert json.loads(found.out) == {**counts, "errors": {}, "results": str(kept(file))}
    assert len(set(ids(transport))) == 4
    results = [json.loads(line) for line in kept(file).read_text().splitlines()]
    assert sorted(each["line"] for each in results[1:]) == [1, 3, 4, 5]
    assert [each["data"] for each in results if each.get("line") == 3] == [{"key": 2}]


def test_a_second_run_sends_only_what_is_new_and_a_restart_everything(transport: MemoryTransport, file: Path) -> None:
    ended("batch", str(file))
    assert summary(file)["sent"] == 0
    # Editors and shells on Windows write a byte order mark before a file; joined files have several.
    file.write_text("\n".join([f"\ufeff{ONE}", TWO, f"\ufeff{THREE}", "\ufeff", ONE]))
    assert (summary(file, code=0)["sent"], len(transport.published)) == (0, 4)
    assert summary(file, "--restart")["sent"] == 4
    assert len(set(ids(transport))) == 8
    file.write_text("\n".join([THREE, WAITING, TWO, ONE, ONE, ONE]))
    assert summary(file).items() >= {"sent": 2, "succeeded": 6, "requests": 6}.items()


def test_only_what_may_succeed_later_is_sent_again(transport: MemoryTransport, file: Path) -> None:
    transport.answers.extend([error("RESOURCE_EXHAUSTED", retryable=True), error("NOT_FOUND"), b"not a reply"])
    first = ended("batch", str(file), "--concurrency", "1")
    told = json.loads(first.out)
    assert (first.code, json.loads(first.err)) == (3, {"again": 1})
    assert told.items() >= {"requests": 4, "succeeded": 1, "failed": 2, "again": 1, "sent": 4}.items()
    assert told["errors"] == {"INTERNAL": 1, "NOT_FOUND": 1, "RESOURCE_EXHAUSTED": 1}
    assert summary(file, code=3).items() >= {"succeeded": 2, "failed": 2, "again": 0, "sent": 1}.items()
    assert ids(transport)[4] == ids(transport)[0]


@for_each([(Code.UNAUTHENTICATED, 26), (Code.PERMISSION_DENIED, 17), (Code.NOT_FOUND, 15)])
def test_a_broker_that_lets_nobody_in_ends_it(code: Code, number: int, transport: MemoryTransport, file: Path) -> None:
    transport.failures.append(Denied("no more", code))
    told = summary(file, "--concurrency", "1", "--restart", code=number)
    assert told.items() >= {"succeeded": 0, "failed": 0, "again": 4, "sent": 1}.items()
    assert summary(file)["sent"] == 4


def test_an_answer_that_never_comes_leaves_the_request_open(transport: MemoryTransport, file: Path) -> None:
    file.write_text(ONE)
    transport.answers.append(None)
    assert summary(file, "--timeout", "0.05")["errors"] == {"DEADLINE_EXCEEDED": 1}
    assert summary(file)["succeeded"] == 1
    assert len(set(ids(transport))) == 1


def test_rates_and_queues_are_kept(transport: MemoryTransport, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pause = mock.AsyncMock()
    monkeypatch.setattr("zeebe_amqp.cli.batch.pause", pause)
    file.write_text("\n".join([ONE, WAITING, TWO, THREE]))
    ended("batch", str(file), "--rate", "10")
    pauses = [call.args[0] for call in pause.await_args_list]
    assert len(pauses) == 3
    assert 0.25 < max(pauses) <= 0.3
    assert sorted(each.queue for each in transport.published) == ["zeebe.commands"] * 3 + ["zeebe.polls"]


def test_wrong_lines_are_all_told_and_nothing_is_sent(transport: MemoryTransport, file: Path) -> None:
    file.write_text("\n".join([ONE, '{"operation":"toplogy"}', "x", *['{"a":1}'] * 20]))
    told = refused("batch", str(file))
    assert 'line 2: operation: "toplogy" is not an operation; did you mean "topology"?' in told
    assert "line 3: " in told
    assert "and 12 more" in told
    assert (transport.published, kept(file).exists()) == ([], False)
    file.write_text(THREE, encoding="utf-16")
    assert "byte order mark of UTF-16" in refused("batch", str(file))
    with pytest.raises(Exception, match=r"^1 invalid request; nothing was sent"):
        parse(b"{}")


def test_requests_come_from_standard_input_too_and_none_are_all_done(file: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    found = ended("batch", "-", "--results", str(results), standard_input=f"{ONE}\r\n{TWO}\r\n".encode())
    assert json.loads(found.out)["succeeded"] == 2
    assert results.exists()
    file.write_text("\n")
    assert summary(file)["requests"] == 0


def test_half_a_line_of_a_killed_run_is_dropped(transport: MemoryTransport, file: Path) -> None:
    ended("batch", str(file))
    kept(file).write_bytes(kept(file).read_bytes()[:-3])
    assert summary(file)["sent"] == 1
    assert [isinstance(json.loads(line), dict) for line in kept(file).read_text().splitlines()] == [True] * 5
    assert len(set(ids(transport))) == 4


@for_each([b"x\n", b'{"id":"a"}\n', b'{"batch":"a"}\nx\n', b'{"batch":"a"}\n[]\n', b"\xff\n"])
def test_a_file_that_is_no_results_is_refused_and_left_alone(content: bytes, file: Path) -> None:
    kept(file).write_bytes(content)
    for options in ([], [] if content.startswith(b'{"batch"') else ["--restart"]):
        assert "not the results of a batch" in refused("batch", str(file), *options)
    assert kept(file).read_bytes() == content


def test_results_that_cannot_be_written_are_told_first(transport: MemoryTransport, file: Path, tmp_path: Path) -> None:
    with kept(file).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another batch" in refused("batch", str(file), "--restart")
    assert "nowhere" in refused("batch", str(file), "--results", str(tmp_path / "nowhere" / "x"))
    assert transport.published == []


def test_the_name_of_the_batch_is_on_the_disk_before_the_first_request(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with Journal(path) as journal:
        [entry] = parse(ONE.encode())
        assert journal.request_id(entry).startswith(f"{json.loads(path.read_text())['batch']}-")
        assert len(journal.request_id(entry)) <= 255


def test_people_get_a_summary_in_words(transport: MemoryTransport, file: Path) -> None:
    transport.answers.append(error("UNAVAILABLE", retryable=True))
    found = ended("batch", str(file), terminal=True)
    assert "succeeded" in found.out
    assert "run the same command again" in found.err
