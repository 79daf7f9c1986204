"""A form for every operation, and what comes back is text."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from consumer.config import Amqp, Settings
from consumer.console import sending
from consumer.console.letters import Busy
from consumer.console.operations import operations
from consumer.console.sending import MAX_AT_ONCE, Sender, Sent
from tests.browser import Answer, Browser
from tests.cases import check_each
from tests.unit.consumer.console.consoles import NOBODY, TOKEN, browsing
from tests.unit.consumer.console.test_overview import HOSTILE
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS

TRACE = "ab" * 16


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """Somebody who is logged in to a console whose broker is away."""
    async with browsing(tmp_path) as (made, _):
        await made.log_in(TOKEN)
        yield made


def sent(reply: bytes, problem: str = "", code: str = "OK", request_id: str = "r") -> Sent:
    return Sent("topology", code, reply, problem, request_id, TRACE, 0.1)


async def send(browser: Browser, body: str, **more: str) -> Answer:
    csrf = (await browser.ask("/console/send/topology")).csrf
    return await browser.send("/console/send", {"csrf": csrf, "operation": "topology", "body": body, **more})


def body_of(page: Answer) -> str:
    """What is in the form."""
    [found] = re.findall(r"<textarea[^>]*>\n(.*)</textarea>", page.text, re.DOTALL)
    return unescape(found)


def test_every_operation_can_be_tried_with_an_example_that_the_service_understands() -> None:
    assert list(operations()) == list(COMMANDS)
    for name, each in operations().items():
        assert each.summary, name
        assert each.examples, name
        data = json.loads(each.examples[0][1])["data"]
        assert isinstance(data, str) or {field.name for field in each.fields} >= set(data), name
        for title, body in each.examples:
            assert title, name
            assert envelope.decode(body.encode(), max_depth=wire.MAX_DEPTH).operation == name
    key = next(field for field in operations()["complete-job"].fields if field.name == "jobKey")
    assert (key.kind, key.needed) == ("Key", True)


async def test_every_operation_has_a_form_with_each_of_its_examples(browser: Browser) -> None:
    listed = await browser.ask("/console/send")

    async def has_a_form(name: str) -> None:
        assert f'href="/console/send/{name}"' in listed.text
        for title, body in operations()[name].examples:
            page = await browser.ask(f"/console/send/{name}", params={"example": title})
            assert page.status == 200
            assert json.loads(body_of(page)) == json.loads(body)
            assert page.values("operation") == [name]
            assert all(field.name in page.words for field in operations()[name].fields)

    await check_each(list(COMMANDS), has_a_form)
    assert json.loads(body_of(await browser.ask("/console/send/topology?example=nonsense")))["operation"] == "topology"
    assert (await browser.ask("/console/send/nonsense")).status == 404


async def test_a_reply_is_text_up_to_a_bound_and_the_log_has_no_body(browser: Browser, caplog: Any) -> None:
    caplog.set_level("INFO")

    async def is_text(text: str) -> None:
        reply = text.encode("utf-8", "replace")
        with patch.object(Sender, "send", return_value=sent(reply, text, "NOT_FOUND", text)):
            page = await send(browser, text.encode("utf-8", "replace").decode() or "x")
        assert page.status == 200
        assert TRACE in page.words
        assert not re.search(r"<[^>]*\s(onmouseover|onfocus|onerror)=", re.sub(r'="[^"]*"', '=""', page.text))
        assert all(each not in page.text for each in ("<script>alert", "<img", "<!-- "))

    await check_each(HOSTILE.values(), is_text)
    with patch.object(Sender, "send", return_value=sent(b"secret-in-a-body" * 8000)):
        page = await send(browser, '{"operation": "topology", "data": {"secret": 1}}')
    assert "the first 65,536 of 128,000 bytes" in page.words
    assert len(page.text) < 80_000
    assert "secret" not in caplog.text
    [line] = [each for each in caplog.records if vars(each)["event"] == "console.sent"][-1:]
    assert (vars(line)["operation"], vars(line)["code"], vars(line)["trace_id"]) == ("topology", "OK", TRACE)


async def test_a_form_that_is_sent_twice_is_one_request(browser: Browser) -> None:
    page = await browser.ask("/console/send/topology")
    [name] = page.values("id")
    with patch.object(Sender, "send", return_value=sent(b"{}")) as asked:
        for _ in range(2):
            again = await send(browser, "{}", id=name, seconds="7")
        await send(browser, "{}", seconds="nonsense")
        await send(browser, "{}", seconds="999")
    calls = [each.args for each in asked.call_args_list]
    assert calls[:2] == [(b"{}", name, 7.0)] * 2
    assert [each[2] for each in calls[2:]] == [30, 120.0]
    assert len({each[1] for each in calls[2:]} | {name, *again.values("id")}) == 4


async def test_what_cannot_be_sent_is_told_with_the_form(browser: Browser) -> None:
    nothing = await send(browser, " \n")
    assert (nothing.status, "The request is empty." in nothing.words) == (400, True)
    with patch.object(Sender, "send", side_effect=Busy):
        busy = await send(browser, "mine")
    assert (busy.status, body_of(busy), "Too many requests wait" in busy.words) == (503, "mine", True)
    away = await send(browser, '{"operation": "topology", "data": {}}', seconds="1")
    assert away.status == 200
    assert "no reply: UNAVAILABLE" in away.words


async def test_only_so_many_wait_for_their_replies(tmp_path: Path) -> None:
    sender, release = Sender(Settings(state_dir=tmp_path)), asyncio.Event()

    class Waiting:
        async def __aenter__(self) -> None:
            await release.wait()
            raise ValueError("not even sent")

        async def __aexit__(self, *_: object) -> None: ...

    with patch.object(sending, "Client", lambda *_, **__: Waiting()):
        waiting = [asyncio.create_task(sender.send(b"{}", "r", 1)) for _ in range(MAX_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await sender.send(b"{}", "r", 1)
        release.set()
        ended = await asyncio.gather(*waiting)
    assert {(each.code, each.problem, each.ok) for each in ended} == {("no reply", "not even sent", False)}


async def test_a_broker_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    sender = Sender(Settings(state_dir=tmp_path, amqp=Amqp(urls=(NOBODY,), queues=("only.polls",))))

    class Silent:
        async def __aenter__(self) -> None:
            await asyncio.Event().wait()

        async def __aexit__(self, *_: object) -> None: ...

    with patch.object(sending, "Client", lambda *_, **__: Silent()), patch.object(sending, "CONNECT", 0.0):
        ended = await sender.send(b"{}", "r", 0.01)
    assert ended.problem == "the broker did not answer within 0.01 s"
