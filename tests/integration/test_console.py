"""The console of a service between a real broker and a gateway: what it shows, sends again and drops."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from consumer.console import letters
from consumer.console.token import NAME
from consumer.dead_letters.letter import Filter
from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from tests.browser import Answer, Browser, opened
from tests.integration.dead_letter_queue import DeadLetterQueue
from tests.integration.load import CREATE
from tests.integration.service import MEASURED, TIMEOUT, ConsumerSetup, create, eventually, running_service
from zeebe_amqp import CreateInstance, NotFound, wire
from zeebe_amqp.amqp.connection import BrokerError
from zeebe_amqp.testing import fail

GONE = "Command 'CREATE' rejected with code 'NOT_FOUND': no process 'order'"
HOSTILE = '"><script>alert(1)</script>\u202e'


@pytest.fixture
async def service(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A service with a console and an audit, of the queue that the letters came from."""
    settings = {"CONSOLE": "on", "LOG_FORMAT": "json", "SHUTDOWN_GRACE": "1s", "AUDIT": str(tmp_path / "audit.jsonl")}
    async with running_service(tmp_path, own_rabbitmq.url, **MEASURED, **settings) as running:
        dead.request_queue = running.consumer.queues[0]
        yield running


@pytest.fixture
async def browser(service: ConsumerSetup) -> AsyncIterator[Browser]:
    """Somebody who is logged in."""
    async with opened(service.consumer.port) as made:
        await made.log_in((service.directory / "state" / NAME).read_text().strip())
        yield made


def lines(service: ConsumerSetup, event: str) -> list[dict[str, Any]]:
    """The lines of the log about an event."""
    found = [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    return [each for each in found if each.get("event") == event]


async def shown(browser: Browser, path: str, text: str) -> Answer:
    """The page, as soon as it says this."""
    async with asyncio.timeout(TIMEOUT):
        while text not in (page := await browser.ask(path)).words:  # noqa: ASYNC110 - the service tells nobody
            await asyncio.sleep(0.05)
    return page


async def choose(browser: Browser, action: str, *names: str, **more: str) -> str:
    """Do something with letters of the page; what a person then reads."""
    page = await browser.ask("/console/letters")
    form = [("csrf", page.csrf), ("action", action), *(("letter", each) for each in names), *more.items()]
    return (await browser.send("/console/letters", form)).words


async def add(dead: DeadLetterQueue, **more: Any) -> str:
    """A letter of a request that can be executed."""
    headers = {wire.OPERATION: "create-instance", **more.pop("headers", {})}
    return await dead.add(create(again=uuid.uuid4().hex), headers=headers, **more)


def test_it_is_off_by_default(consumer: Consumer) -> None:
    for path in ("/console", "/console/", "/console/login", "/console/static/console.js"):
        assert consumer.get(path)[0] == 404, path


async def test_it_shows_the_state_the_queues_and_what_failed(service: ConsumerSetup, browser: Browser) -> None:
    words = (await browser.ask("/console/")).words
    assert "Ready." in words
    assert "closed: a gateway can be reached" in words
    service.gateway.script(CREATE, fail("NOT_FOUND", GONE))
    async with service.client() as client:
        with pytest.raises(NotFound):
            await client.call(CreateInstance(bpmn_process_id="order"), request_id="the-failing-one")
        await client.call(CreateInstance(bpmn_process_id="order"))
    # Callers have their replies before the service is done with the requests.
    page = await shown(browser, "/console/live", "In flight 0 requests")
    assert "newest 1 of 1" in page.words
    assert f"NOT_FOUND {GONE} answered, not-executed" in page.words
    assert "the-failing-one" in page.words
    queue = service.consumer.queues[0]
    row = page.words.partition(f"{queue} ")[2].split()
    assert float(row[0]) > 0
    assert row[2] != "none"
    [on], [login] = lines(service, "console.on"), lines(service, "console.login")
    assert on["token"] == str(service.directory / "state" / NAME)
    assert len(login["session"]) == 8
    token = (service.directory / "state" / NAME).read_text().strip()
    assert token not in service.log()


async def test_an_open_circuit_is_shown(service: ConsumerSetup, browser: Browser) -> None:
    await service.gateway.stop()
    await eventually(lambda: "gateway" in service.consumer.reasons(), "the gateway is away")
    words = (await browser.ask("/console/")).words
    assert "Not ready: gateway." in words
    assert "open: no gateway can be reached" in words


async def test_a_letter_is_shown_sent_again_and_dropped_as_by_the_command(
    service: ConsumerSetup, browser: Browser, dead: DeadLetterQueue
) -> None:
    good, bad = await add(dead), await add(dead, headers={wire.ERROR_CODE: "INVALID_ARGUMENT"})
    page = await browser.ask("/console/letters")
    assert f"{good} create-instance NOT_FOUND no such thing" in page.words
    first, second = page.values("letter")
    one = (await browser.ask(f"/console/letters/{first}")).words
    assert good in one
    assert '"bpmnProcessId": "order"' in one
    only = await browser.ask("/console/letters?code=INVALID_ARGUMENT&operation=create-instance")
    assert only.values("letter") == [second]
    assert (await browser.ask("/console/letters?code=NONE")).values("letter") == []
    assert "1 succeeded." in await choose(browser, "replay", first)
    assert sum(service.gateway.executions.values()) == 1
    asked = await choose(browser, "drop", second)
    assert "Drop 1 letter?" in asked
    assert await dead.ids() == [bad]
    assert "1 dropped." in await choose(browser, "drop", second, sure="yes")
    assert await dead.ids() == []
    assert "1 not there." in await choose(browser, "drop", second, sure="yes")
    [replayed], dropped = lines(service, "console.replayed"), lines(service, "console.dropped")
    assert (replayed["letters"], replayed["results"]) == (good, "1 succeeded")
    assert [(each["letters"], each["results"]) for each in dropped] == [(bad, "1 dropped"), ("", "1 not there")]
    records = [json.loads(line) for line in (service.directory / "audit.jsonl").read_text().splitlines()]
    assert [each["event"] for each in records if each.get("result")] == ["dead-letter-replay", "dead-letter-drop"]


async def test_what_the_command_would_refuse_is_refused_and_the_same_options_help(
    service: ConsumerSetup, browser: Browser, dead: DeadLetterQueue
) -> None:
    await add(dead, signed=False, headers={wire.ORIGINAL_USER_ID: "alice"})
    page = await browser.ask("/console/letters")
    assert "Would be refused: unsigned: nothing proves that 'alice' sent it; --unsigned replays it" in page.words
    [name] = page.values("letter")
    refused = await choose(browser, "replay", name)
    assert "1 refused." in refused
    assert "--unsigned" in refused
    assert "1 succeeded." in await choose(browser, "replay", name, unsigned="yes")
    assert "Choose a letter first." in await choose(browser, "replay")


async def test_a_letter_of_a_stranger_is_text_and_its_body_is_shown_up_to_a_bound(
    browser: Browser, dead: DeadLetterQueue
) -> None:
    hostile = {wire.REQUEST_ID: HOSTILE, wire.ERROR_MESSAGE: HOSTILE, wire.ERROR_CODE: HOSTILE, HOSTILE[:100]: HOSTILE}
    await dead.add(HOSTILE.encode() + b"\xff\x00" * 50_000, headers=hostile)
    page = await browser.ask("/console/letters")
    [name] = page.values("letter")
    one = await browser.ask(f"/console/letters/{name}")
    assert "the first 8,192 of" in one.words
    assert len(one.text) < 40_000
    for text in (page.text, one.text):
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert (await browser.ask("/console/letters/nothing")).status == 404
    assert "1 dropped." in await choose(browser, "drop", name, sure="yes")


async def test_letters_come_by_page(browser: Browser, dead: DeadLetterQueue) -> None:
    names = [await add(dead) for _ in range(30)]
    first, second = [await browser.ask(f"/console/letters?page={number}") for number in (1, 2)]
    assert (len(first.values("letter")), len(second.values("letter"))) == (25, 5)
    assert [name in first.words for name in names] == [True] * 25 + [False] * 5
    assert "Newer letters" in first.words
    assert "Older letters" in second.words
    assert "30 wait." in first.words
    assert (await browser.ask("/console/letters?page=nonsense")).values("letter") == first.values("letter")
    await choose(browser, "drop", *second.values("letter"), sure="yes")
    assert len(await dead.ids()) == 25


async def test_a_look_has_bounds_and_every_letter_is_back_after_it(dead: DeadLetterQueue) -> None:
    names = [await add(dead) for _ in range(3)]
    with patch.object(letters, "MAX_BYTES", 10):
        looked = await letters.Letters(dead.settings).look(Filter(), 1)
    assert (looked.looked, looked.total, looked.problem) == (1, 3, "")
    with patch.object(letters, "LOOK", 0.0):
        looked = await letters.Letters(dead.settings).look(Filter(), 1)
        assert looked.problem == "The look took longer than 0 s."
        with pytest.raises(BrokerError, match="the look took longer than 0 s"):
            await letters.Letters(dead.settings).find("0" * 32)
    assert sorted(await dead.ids()) == sorted(names)
