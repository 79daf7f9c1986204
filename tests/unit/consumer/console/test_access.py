"""The console lets in this machine, its own forms and whoever knows the token, and says nothing to others."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import web

from consumer.console import access
from consumer.console.access import HEADERS, is_loopback
from consumer.console.console import Console
from consumer.console.guard import MAX_LOGIN
from consumer.console.session import Sessions
from consumer.core.connections import Connections
from tests.browser import Browser
from tests.cases import check_each, for_each
from tests.unit.consumer.console.consoles import TOKEN, browsing
from tests.unit.consumer.workers import until

FIXED = ("/console", "/console/", "/console/live", "/console/letters", "/console/send")
PAGES = (*FIXED, f"/console/letters/{'0' * 32}", "/console/send/topology")
LOGIN, FILES = "/console/login", ("console.css", "console.js", "icon.svg")
CHANGES = ("/console/logout", "/console/letters", "/console/send")
EVERYWHERE = (*PAGES, LOGIN, *(f"/console/static/{name}" for name in FILES), *CHANGES, "/console/nothing")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browsing(tmp_path) as (made, _):
        yield made


def routes(console: Console) -> set[tuple[str, str]]:
    """Every path of the console with its method."""
    application = web.Application()
    console.mount(application)
    return {(each.method, each.resource.canonical) for each in application.router.routes() if each.resource}


async def test_the_cases_here_are_all_pages_and_all_changes(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (_, console):
        found = routes(console)
    gets, posts = ({path for method, path in found if method == wanted} for wanted in ("GET", "POST"))
    assert gets == {*FIXED, "/console/letters/{name}", "/console/send/{operation}", LOGIN, "/console/static/{name}"}
    assert posts == {*CHANGES, LOGIN}
    assert len(found) == len(gets) + len(posts)


async def test_every_answer_forbids_what_a_page_could_do_with_it(browser: Browser) -> None:
    async def has_headers(path: str) -> None:
        for answer in (await browser.ask(path), await browser.ask(path, "POST"), await browser.ask(path, "PUT")):
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert answer.headers.get("Content-Type", "text/").partition("/")[0] in ("text", "image", "application")

    await check_each(EVERYWHERE, has_headers)
    await browser.log_in(TOKEN)
    await check_each(EVERYWHERE, has_headers)
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'; ")


async def test_only_our_own_files_are_served(browser: Browser) -> None:
    for name, kind in zip(FILES, ("text/css", "text/javascript", "image/svg+xml"), strict=True):
        answer = await browser.ask(f"/console/static/{name}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    for name in ("", "nothing", "..%2F__init__.py", "%2Fetc%2Fpasswd", "console.css/x"):
        assert (await browser.ask(f"/console/static/{name}")).status in (303, 404), name
        assert "root:" not in (await browser.ask(f"/console/static/{name}")).text


async def test_a_host_that_is_not_this_machine_s_is_refused_everywhere(browser: Browser) -> None:
    await browser.log_in(TOKEN)
    hosts = ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "a@localhost")

    async def is_refused(path: str) -> None:
        for host in (
            *hosts,
            "[::2]",
            "localhost:99999",
            "localhost:x",
            "localhost:0",
            "127.0.0.2",
            "localhost/../x",
            "[::1",
        ):
            answer = await browser.ask(path, headers={"Host": host})
            assert (answer.status, "Not possible" in answer.text) == (403, True), host

    await check_each(EVERYWHERE, is_refused)
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:8080", "LOCALHOST:80"):
        assert (await browser.ask("/console/login", headers={"Host": host})).status == 200, host


async def test_another_machine_is_refused_everywhere(browser: Browser) -> None:
    await browser.log_in(TOKEN)

    async def is_refused(path: str) -> None:
        for method in ("GET", "POST"):
            assert (await browser.ask(path, method)).status == 403

    with patch.object(access, "is_loopback", lambda address: not is_loopback(address)):
        await check_each(EVERYWHERE, is_refused)


@for_each(
    [
        *((each, True) for each in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1")),
        *((each, False) for each in ("", "10.0.0.1", "192.0.2.7", "fe80::1%lo", "::ffff:10.0.0.1", "0.0.0.0", "x")),
    ]
)
def test_only_addresses_of_this_machine_are_loopback(address: str, ours: bool) -> None:
    assert is_loopback(address) is ours


async def test_without_a_session_every_page_leads_to_the_login_and_nothing_changes(browser: Browser) -> None:
    async def leads_there(path: str) -> None:
        answer = await browser.ask(path)
        if path == "/console/live":
            assert answer.status == 401
        else:
            assert (answer.status, answer.headers["Location"]) == (303, LOGIN)

    await check_each((*PAGES, "/console/nothing"), leads_there)

    async def changes_nothing(path: str) -> None:
        answer = await browser.send(path, {"csrf": ""})
        assert (answer.status, answer.headers["Location"]) == (303, LOGIN)

    await check_each(CHANGES, changes_nothing)


async def test_a_form_of_another_page_is_refused(browser: Browser) -> None:
    csrf = await browser.log_in(TOKEN)
    strange = {
        "no word of where from": {},
        "another origin": {"Origin": "http://evil.example"},
        "another port": {"Origin": "http://127.0.0.1:1"},
        "a page without one": {"Origin": "null"},
        "no address": {"Origin": "http://[::1"},
        "another scheme": {"Origin": browser.origin.replace("http", "ftp")},
        "another site": {"Origin": browser.origin, "Sec-Fetch-Site": "cross-site"},
        "the same site only": {"Sec-Fetch-Site": "same-site"},
        "nobody's click": {"Sec-Fetch-Site": "none"},
    }

    async def is_refused(path: str) -> None:
        for name, headers in strange.items():
            answer = await browser.ask(path, "POST", data={"csrf": csrf, "token": TOKEN}, headers=headers)
            assert answer.status == 403, name

    await check_each((*CHANGES, LOGIN), is_refused)
    assert (await browser.ask("/console/")).status == 200

    async def wrong_secret(path: str) -> None:
        for form in ({}, {"csrf": ""}, {"csrf": csrf[:-1]}, {"csrf": "ü"}, {"csrf": TOKEN}):
            assert (await browser.send(path, form)).status == 403, form

    await check_each(CHANGES, wrong_secret)
    assert (await browser.ask("/console/")).status == 200
    ended = await browser.ask("/console/logout", "POST", data={"csrf": csrf}, headers={"Sec-Fetch-Site": "same-origin"})
    assert (ended.status, ended.headers["Location"]) == (303, LOGIN)
    assert (await browser.ask("/console/")).status == 303


async def test_what_is_no_form_or_too_large_is_refused(browser: Browser) -> None:
    csrf = await browser.log_in(TOKEN)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.ask(f"/console/?{'a' * 3000}")).status == 414

    async def is_refused(path: str) -> None:
        assert (await browser.send(path, f'{{"csrf": "{csrf}"}}', **{"Content-Type": "application/json"})).status == 415
        assert (await browser.send(path, b"csrf=%ff&x=\xff", **kind)).status in (400, 403)
        odd = {"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}
        assert (await browser.send(path, b"csrf=1", **odd)).status == 400
        large = io.BytesIO(b"csrf=1&x=" + b"x" * 2**20)
        assert (await browser.send(path, large, **kind)).status == 413

    await check_each(CHANGES, is_refused)
    long = io.BytesIO(b"token=" + b"x" * MAX_LOGIN)
    assert (await browser.send(LOGIN, long, **kind)).status == 413


async def test_a_form_that_does_not_come_is_not_waited_for(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.console.guard.SILENCE", 0.05)
    refused = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"token="
        await refused.wait()

    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.send(LOGIN, slowly(), **kind)).status == 408
    refused.set()


async def test_forms_that_do_not_come_keep_nobody_from_the_health_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("consumer.health.Connections", partial(Connections, maximum=2))
    head = f"POST {LOGIN} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n"
    async with browsing(tmp_path) as (browser, _):
        host, port = browser.origin.removeprefix("http://").split(":")
        opened = [await asyncio.open_connection(host, port) for _ in range(2)]
        with patch.object(Sessions, "find", autospec=True, side_effect=Sessions.find) as found:
            for _, writer in opened:
                writer.write(f"{head}Host: {host}:{port}\r\nOrigin: {browser.origin}\r\n\r\ntoken".encode())
            await until(lambda: found.call_count == 2)
        for _ in range(3):
            assert (await browser.ask("/livez")).status == 200
        for _, writer in opened:
            writer.close()
    assert "could not be made" not in caplog.text


async def test_a_page_that_renews_itself_does_not_keep_a_session(browser: Browser) -> None:
    await browser.log_in(TOKEN)
    with patch.object(Sessions, "find", autospec=True, side_effect=Sessions.find) as found:
        for path in PAGES:
            await browser.ask(path)
    used = [each.kwargs["used"] for each in found.call_args_list]
    assert used == [path != "/console/live" for path in PAGES]


async def test_the_cookie_is_for_the_console_alone_and_no_secret_is_in_an_address(browser: Browser) -> None:
    answer = await browser.send(LOGIN, {"token": f" {TOKEN}\n"})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/")
    cookie = answer.headers["Set-Cookie"]
    assert all(each in cookie for each in ("HttpOnly", "SameSite=Strict", "Path=/console"))
    assert TOKEN not in cookie
    # Of two services on one machine each has a cookie of its own.
    name, _, port = cookie.partition("=")[0].rpartition("_")
    assert (name, port) == ("zeebe_amqp_console", browser.origin.rpartition(":")[2])
    assert (await browser.ask("/console/", headers={"Host": "localhost:1"})).status == 303
    assert (await browser.ask(LOGIN)).headers["Location"] == "/console/"


async def test_a_wrong_token_is_refused_and_after_some_none_is_compared(browser: Browser, caplog: Any) -> None:
    assert TOKEN not in (await browser.ask(LOGIN)).text
    for wrong in ("", "x", TOKEN[:-1], f"{TOKEN}x", "ü\udcff"):
        form = f"token={wrong.encode('utf-8', 'replace').hex()}" if "\udcff" in wrong else {"token": wrong}
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(form, str) else {}
        answer = await browser.send(LOGIN, form, **kind)
        assert (answer.status, "not the token" in answer.words) == (403, True), wrong
    answer = await browser.send(LOGIN, {"token": TOKEN})
    assert (answer.status, "Too many wrong tokens" in answer.words) == (429, True)
    assert caplog.text.count("a wrong token") == 6
    assert TOKEN[:-1] not in caplog.text


async def test_a_defect_is_in_the_log_and_not_on_the_page(tmp_path: Path, caplog: Any) -> None:
    async with browsing(tmp_path) as (browser, _):
        await browser.log_in(TOKEN)
        with patch("consumer.console.queue_meter.QueueMeter.figures", side_effect=RuntimeError("secret inside")):
            answer = await browser.ask("/console/")
    assert (answer.status, "secret" in answer.text) == (500, False)
    assert "secret inside" in caplog.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
