"""The whole examination where servers are missing, hang or say odd things, and how it is shown."""

from __future__ import annotations

import asyncio
import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from consumer.cli import main
from consumer.config import Amqp, Camunda7, OAuth, Settings, Zeebe
from consumer.config.settings import JobType
from consumer.doctor import Finding, Level, examination, examine, fails, refused_url, show
from consumer.doctor.http import MAX_BODY, get
from consumer.doctor.management import ManagementError, QueuePolicy, ask_management
from tests.cases import check_each, for_each
from tests.fakes import rest
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.doctor.facts import by_subject
from zeebe_amqp import wire

NOWHERE = "127.0.0.1:1"
SECTIONS = ["broker", "gateway", "ledger", "replies", "rights", "service", "clients"]


def settings(tmp_path: Path, **changed: Any) -> Settings:
    """Servers that are not there."""
    given: dict[str, Any] = {
        "amqp": Amqp(urls=(f"amqp://ann:geheim@{NOWHERE}",)),
        "zeebe": Zeebe(NOWHERE, plaintext=True),
        "state_dir": tmp_path,
        "ledger": f"sqlite:///{tmp_path}/ledger.db",
        "http_address": ("127.0.0.1", 1),
    }
    return Settings(**{**given, **changed})


async def test_each_part_that_is_missing_is_named_and_hides_no_other(tmp_path: Path) -> None:
    given = settings(tmp_path, camunda7=Camunda7(f"http://{NOWHERE}"), ledger=f"redis://ann:geheim@{NOWHERE}/0")
    findings = await examine(given, reply_queues=["orders"], management=f"http://{NOWHERE}", environ={})
    assert list(dict.fromkeys(each.section for each in findings)) == SECTIONS
    problems = {(each.section, each.subject) for each in findings if each.level is Level.PROBLEM}
    assert problems == {
        ("broker", "connection"),
        ("gateway", "connection"),
        ("gateway", "camunda7"),
        ("ledger", "connection"),
        ("replies", "orders"),
    }
    assert "geheim" not in str(findings)


async def test_types_of_jobs_have_a_section_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(tmp_path, jobs=(JobType("charge-card"),))
    findings = await examine(given, environ={})
    assert list(dict.fromkeys(each.section for each in findings)) == [SECTIONS[0], "jobs", *SECTIONS[1:]]
    assert by_subject(each for each in findings if each.section == "jobs")["queues"].level is Level.PROBLEM
    seen: list[Any] = []
    monkeypatch.setattr(examination, "examine_jobs", AsyncMock(return_value="facts"))
    monkeypatch.setattr(examination.jobs, "judge_jobs", lambda *given: seen.append(given) or [])
    page = b'zeebe_amqp_jobs_out_total{type="charge-card"} 7.0\n'
    application = web.Application()
    for name in ("livez", "readyz", "metrics"):
        application.router.add_get(f"/{name}", AsyncMock(side_effect=lambda _: web.Response(body=page)))
    async with TestServer(application) as server:
        given = replace(given, http_address=("127.0.0.1", server.port or 0))
        await examine(given, environ={})
    assert seen == [("facts", given, {'zeebe_amqp_jobs_out_total{type="charge-card"}': 7.0})]


async def test_a_part_that_hangs_or_fails_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    async def fail(*_: Any) -> None:
        raise LookupError("geheim")

    monkeypatch.setattr(examination, "LIMIT", 0.05)
    monkeypatch.setattr(examination, "examine_broker", hang)
    monkeypatch.setattr(examination, "ask_gateway", fail)
    monkeypatch.setattr(examination, "_ask_service", hang)
    monkeypatch.setattr(examination, "look_at_rights", fail)
    monkeypatch.setattr(examination, "judge_versions", lambda _: 1 / 0)
    findings = await examine(settings(tmp_path), environ={})
    found = {(each.section, each.subject): each.found for each in findings}
    assert list(dict.fromkeys(each.section for each in findings)) == SECTIONS
    assert found["broker", "connection"] == "no answer within 0.05 s"
    assert found["gateway", "connection"].endswith("could not be examined (LookupError)")
    assert found["service", "service"] == "no answer within 0.05 s"
    assert found["rights", "rights"] == "could not be examined (LookupError)"
    assert "ZeroDivisionError" in found["clients", "doctor"]
    assert "geheim" not in str(findings)


async def test_engines_that_answer_tell_their_versions_and_whoever_speaks_http_the_time(tmp_path: Path) -> None:
    async def late(_: web.Request) -> web.Response:
        return web.Response(status=405, headers={"Date": "Thu, 01 Jan 2026 00:00:00 GMT"})

    application = web.Application()
    application.router.add_get("/token", late)
    async with FakeGateway(version="8.6.0") as fake, TestServer(application) as server:
        with rest.FakeRest(always=rest.answer(200, b'{"version":"7.24.0"}')) as engine:
            credentials = OAuth("a", "geheim", str(server.make_url("/token")), "b")
            zeebe = Zeebe(fake.address, plaintext=True, credentials=credentials)
            findings = await examine(settings(tmp_path, zeebe=zeebe, camunda7=Camunda7(engine.url)), environ={})
            alone = Zeebe(fake.address, plaintext=True)
            others = await examine(settings(tmp_path, zeebe=alone, http_address=None), environ={})
            assert not [each for each in engine.requests if "authorization" in each.headers]
    clients = by_subject(each for each in findings if each.section == "clients")
    assert clients["clock of the authorization server"].level is Level.WARNING
    assert "s behind ours" in clients["clock of the authorization server"].found
    assert by_subject(each for each in findings if each.section == "gateway")["camunda7"].level is Level.OK
    assert {each.level for each in others if each.section == "gateway"} == {Level.OK}
    assert by_subject(each for each in others if each.section == "service")["HTTP"].level is Level.UNSEEN


@for_each([("warning", False, False), ("warning", True, True), ("problem", False, True), ("not seen", True, False),
           ("ok", True, False)])  # fmt: skip
def test_warnings_fail_only_when_they_are_to(level: str, strict: bool, failed: bool) -> None:
    findings = [Finding("a", "b", Level.OK, "c"), Finding("a", "b", Level(level), "c")]
    assert fails(findings, strict=strict) is failed


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `doctor` in this process, without any setting of this machine, with findings that were made before."""
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("consumer.telemetry.logs.setup", lambda *_: None)
    monkeypatch.setattr("consumer.doctor.examine", AsyncMock(return_value=FINDINGS))
    return lambda *arguments: CliRunner().invoke(main, ["doctor", *arguments])


FINDINGS = [
    Finding("broker", "version", Level.OK, "4.1"),
    Finding("broker", "limits", Level.WARNING, "few\x1b[2J", "more", "they end"),
]


@for_each([([], 0), (["--strict"], 1)])
def test_piped_it_is_a_line_of_json_for_each_finding(options: list[str], code: int, invoke: Any) -> None:
    ended = invoke(*options)
    assert ended.exit_code == code
    assert [orjson.loads(line) for line in ended.stdout.splitlines()] == [
        {"section": "broker", "subject": "version", "level": "ok", "found": "4.1", "change": "", "why": ""},
        {"section": "broker", "subject": "limits", "level": "warning", "found": "few\x1b[2J", "change": "more",
         "why": "they end"},
    ]  # fmt: skip


def test_at_a_terminal_there_are_sections_and_a_sum(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    problem = Finding("ledger", "place", Level.PROBLEM, "word " * 30, "do it", "because")
    show([*FINDINGS, problem, problem])
    shown = capsys.readouterr().out
    lines = [line.rstrip() for line in shown.splitlines()]
    assert [line for line in lines if line in ("broker", "ledger")] == ["broker", "ledger"]
    assert "ok        version  4.1" in lines
    assert lines[4:6] == ["          change: more", "          why: they end"]
    assert (lines[-1], "\x1b[2J" in shown, shown.count("word")) == ("2 problems, 1 warning, 1 ok", False, 60)
    assert max(map(len, lines)) <= 80


@for_each(["ftp://a", "http://ann:geheim@broker:15672", "broker:15672", "http://", "http://a/?b=c"])
def test_a_url_that_is_none_is_refused_before_anything_is_asked(url: str, invoke: Any) -> None:
    ended = invoke("--management", url)
    assert (ended.exit_code, ended.stdout) == (2, "")
    told = " ".join(ended.stderr.split())
    assert "accepted: an http:// or https:// URL without user and password" in told


@for_each([
    ("amqp://a:b@broker", "http://broker:15672", None), ("amqp://a:b@broker", "https://broker", None),
    ("amqps://a:b@broker", "https://broker:15671", None), ("amqps://a:b@broker", "http://127.0.0.1:15672", None),
    ("amqps://a:b@broker", "http://broker:15672", "in the clear"),
    ("amqps://broker?auth=external", "https://broker", "has no password"),
])  # fmt: skip
def test_the_password_of_the_broker_is_not_sent_where_others_read_it(broker: str, url: str, words: str | None) -> None:
    refused = refused_url(url, Amqp(urls=(broker,)))
    assert refused is None if words is None else words in str(refused)


NAMES = ("zeebe.commands", wire.DEAD_LETTER)
QUEUE = {"policy": "b", "effective_policy_definition": {"max-length": 5}, "messages": 3, "more": 1}


async def management(queue: web.Response | Any, bindings: Any = None, vhost: str = "") -> Any:
    """What is made of the answers of a management API."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["authorization"] == "Basic YW5uOmdlaDplaW0="
        assert request.raw_path.split("/")[3] == (vhost.removeprefix("/") or "%2F")
        found = bindings if "/bindings/" in request.path else queue
        return found() if callable(found) else web.json_response(found)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        amqp = Amqp(urls=(f"amqp://ann:geh%3Aeim@broker{vhost}",))
        return await ask_management(str(server.make_url("/")), amqp, NAMES)


async def test_policies_and_the_binding_are_read() -> None:
    found = await management(QUEUE, [{"source": "a"}], "/shop")
    assert found.policies == dict.fromkeys(NAMES, QueuePolicy("b", {"max-length": 5}, 3))
    assert found.bound is True
    odd = await management({"policy": "", "effective_policy_definition": [], "messages": None}, [])
    assert (odd.policies[NAMES[0]], odd.bound) == (QueuePolicy(), False)
    absent = await management(lambda: web.Response(status=404), lambda: web.Response(status=404))
    assert (absent.policies, absent.bound) == ({}, None)


async def test_a_management_api_that_does_not_tell_says_why() -> None:
    async def tells(answer: Any, words: str) -> None:
        with pytest.raises(ManagementError) as raised:
            await management(answer, answer)
        assert words in str(raised.value)
        assert "eim" not in str(raised.value)

    away = {"Location": "http://127.0.0.1:1/"}
    await check_each(
        [
            (lambda: web.Response(status=401), "does not let user 'ann' look (401)"),
            (lambda: web.Response(status=302, headers=away), "answers 302"),
            (lambda: web.Response(text="<html>"), "something else than JSON"),
            ([], "something else than a queue"),
            ({"policy": "b"}, "something else than bindings"),
        ],
        tells,
    )


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(bytes(2**16))
        return response

    application = web.Application()
    application.router.add_get("/", endless)
    async with TestServer(application) as server:
        assert len((await get(str(server.make_url("/")), direct=True)).body) == MAX_BODY


async def test_nothing_is_read_of_a_compressed_answer() -> None:
    bomb = gzip.compress(bytes(2**24))
    with rest.FakeRest() as server:
        server.script(rest.answer(200, bomb, Content_Encoding="gzip", Date="Tue, 01 Jan 2030 00:00:00 GMT"))
        found = await get(server.url, direct=True)
        assert (found.status, found.body, found.clock is not None) == (200, b"", True)
        assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.doctor.http.TIMEOUT", 0.1)
    with rest.FakeRest() as silent:
        silent.always = silent.hang
        with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
            await get(silent.url, direct=True)
