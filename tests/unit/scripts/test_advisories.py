"""Asking for advisories: one that is known fails, and a source that cannot be reached is no fault of a commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import advisories, locks
from scripts.process import free_port
from tests.cases import for_each
from tests.fakes.rest import FakeRest, Request, Step, answer, cut, raw

ROOT = Path(__file__).parents[3]
VULNERABLE = "jinja2"


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRest]:
    """A source of advisories on this machine."""
    with FakeRest() as rest:
        monkeypatch.setenv("ADVISORIES", f"{rest.url}/v1/querybatch")
        yield rest


def batch(request: Request) -> bytes | None:
    """An answer that knows an advisory against one package, whatever its version."""
    queries = json.loads(request.body)["queries"]
    known = {"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}
    results = [known if each["package"]["name"] == VULNERABLE else {} for each in queries]
    return answer(200, json.dumps({"results": results}).encode())(request)


def test_every_locked_version_is_asked_for_and_an_advisory_fails_unless_it_is_accepted(
    source: FakeRest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source.script(batch, batch, answer(200, json.dumps({"results": [{}] * len(locks.locked("run"))}).encode()))
    assert advisories.main() == advisories.FOUND == 1
    asked = json.loads(source.requests[0].body)["queries"]
    assert {(each["package"]["name"], each["version"]) for each in asked} == {
        (each.name, each.version) for lock in ("run", "build") for each in locks.locked(lock)
    }
    assert {each["package"]["ecosystem"] for each in asked} == {"PyPI"}
    told = capsys.readouterr()
    assert told.out.startswith(f"{VULNERABLE} ")
    assert ": GHSA-1\n" in told.out
    assert "make lock UPGRADE=--upgrade" in told.err
    monkeypatch.setitem(advisories.ACCEPTED, "GHSA-1", "no template comes from outside")
    assert advisories.main() == advisories.NONE == 0
    assert "GHSA-1 no template comes from outside\nno advisory against" in capsys.readouterr().out


@for_each([
    cut, raw(b"nonsense"), answer(500), answer(302, location="http://127.0.0.1:1/"), answer(200, b"<html>"),
    answer(200, b"[]"), answer(200, b'{"results": [{}]}'), answer(200, b'{"results": [{"vulns": [{}]}]}'),
])  # fmt: skip
def test_what_is_no_answer_of_a_source_is_told_and_is_neither_a_pass_nor_an_advisory(
    step: Step, source: FakeRest, capsys: pytest.CaptureFixture[str]
) -> None:
    source.script(step)
    assert advisories.main() == advisories.UNREACHABLE == 2
    assert "no source can be reached, nothing was checked" in capsys.readouterr().err


def test_where_nothing_listens_the_target_of_make_passes_and_the_status_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADVISORIES", f"http://127.0.0.1:{free_port()}")
    assert advisories.main() == advisories.UNREACHABLE
    assert capsys.readouterr().out == ""
    recipe = (ROOT / "Makefile").read_text().partition("\nadvisories:")[2].splitlines()[1]
    assert recipe.endswith(f"scripts.advisories || [ $$? -eq {advisories.UNREACHABLE} ]")
