"""The pages of dead letters: whatever a letter says is text, and trouble is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from consumer.config import Settings
from consumer.console import letters as queue
from consumer.console.letters import MAX_BODY, MAX_HEADERS, Busy, Done, Letters, Looked, name_of
from consumer.console.rendering import MAX_PRETTY, bounded
from consumer.dead_letters.group import Group
from consumer.dead_letters.letter import DeadLetter, Filter
from consumer.dead_letters.view import row
from tests.browser import Answer, Browser
from tests.cases import check_each
from tests.unit.consumer.console.consoles import TOKEN, browsing
from tests.unit.consumer.console.test_overview import HOSTILE
from zeebe_amqp import wire

NAME = "0" * 32
NOW = datetime.now(UTC)


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """Somebody who is logged in to a console whose broker is away."""
    async with browsing(tmp_path) as (made, _):
        await made.log_in(TOKEN)
        yield made


async def choose(browser: Browser, action: str, *names: str, **more: str) -> Answer:
    csrf = (await browser.ask("/console/")).csrf
    form = [("csrf", csrf), ("action", action), *(("letter", each) for each in names), *more.items()]
    return await browser.send("/console/letters", form)


def hostile(text: str) -> DeadLetter:
    """A letter with this everywhere."""
    headers = {
        wire.REQUEST_ID: text, wire.FAILED_AT: NOW.isoformat(), wire.ERROR_MESSAGE: text, wire.ERROR_CODE: text,
        wire.OPERATION: text, wire.ORIGINAL_USER_ID: text, wire.ORIGINAL_QUEUE: text, text[:50]: {text: text},
    }  # fmt: skip
    return DeadLetter(text.encode("utf-8", "replace"), headers, {"user_id": text, "app_id": text}, wire.DEAD_LETTER)


async def test_whatever_a_letter_says_is_text_on_every_page(browser: Browser) -> None:
    async def is_text(text: str) -> None:
        letter = hostile(text)
        told = {**row(letter), "name": name_of(letter), "refusal": text}
        looked = Looked([told], [Group(text, text, text, text, 1, NOW, NOW)], 1, 1, 60, text)
        contents = {"properties": letter.properties, "headers": letter.headers, "body": text, "cut": None}
        done = Done([{**told, "result": "failed again", "problem": text}], 0, [text], text)
        with (
            patch.object(Letters, "look", return_value=looked),
            patch.object(Letters, "find", return_value={**told, **contents}),
            patch.object(Letters, "replay", return_value=done),
        ):
            pages = [
                await browser.ask("/console/letters", params={"code": text[:99], "operation": text[:99], "page": "1"}),
                await browser.ask(f"/console/letters/{NAME}"),
                await choose(browser, "replay", NAME),
                await choose(browser, "drop", text),
            ]
        for page in pages:
            assert page.status == 200
            assert not re.search(r"<[^>]*\s(onmouseover|onfocus|onerror)=", re.sub(r'="[^"]*"', '=""', page.text))
            assert all(each not in page.text for each in ("<script>alert", "<img", "\u202e", "\x00", "\x1b", "<!-- "))

    # What cannot be written into an address is no query of a browser.
    await check_each([text for name, text in HOSTILE.items() if name != "half a character"], is_text)


async def test_half_a_character_in_a_letter_is_no_reason_to_fail(browser: Browser) -> None:
    letter = hostile("\ud800")
    told = {**row(letter), "name": name_of(letter), "refusal": None}
    looked = Looked([told], [Group("\ud800", "\ud800", "\ud800", "\ud800", 1)], 1, 1, 1)
    with patch.object(Letters, "look", return_value=looked):
        assert (await browser.ask("/console/letters")).status == 200


async def test_a_broker_that_is_away_is_told_on_every_page(browser: Browser) -> None:
    listed, one = await browser.ask("/console/letters"), await browser.ask(f"/console/letters/{NAME}")
    again = await choose(browser, "replay", NAME)
    dropped = await choose(browser, "drop", NAME, sure="yes")
    assert [each.status for each in (listed, one, again, dropped)] == [200, 503, 200, 200]
    for page in (listed, one, again, dropped):
        assert "check AMQP_URL" in page.words
    assert "1 not there." in again.words
    assert "what fails again is not seen: " in again.words


async def test_two_do_not_look_at_the_same_time(browser: Browser) -> None:
    with patch.object(Letters, "_beside", side_effect=Busy):
        pages = [
            await browser.ask("/console/letters"),
            await browser.ask(f"/console/letters/{NAME}"),
            await choose(browser, "replay", NAME),
            await choose(browser, "drop", NAME, sure="yes"),
        ]
    assert [(each.status, "Somebody else looks" in each.words) for each in pages] == [(503, True)] * 4


async def test_a_second_look_waits_for_the_first_and_then_gives_up(tmp_path: Path) -> None:
    letters, begun, release = Letters(Settings(state_dir=tmp_path)), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow(*_: Any) -> Looked:
        loop.call_soon_threadsafe(begun.set)
        await asyncio.to_thread(asyncio.run_coroutine_threadsafe(release.wait(), loop).result)
        return Looked()

    with patch.object(letters, "_look", slow), patch.object(queue, "TURN", 0.05):
        first = asyncio.create_task(letters.look(Filter(), 1))
        await begun.wait()
        with pytest.raises(Busy):
            await letters.look(Filter(), 1)
        # Who does not wait any more does not cut off what is being done.
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(Busy):
            await letters.drop([])
        release.set()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await letters.look(Filter(), 1) == Looked()
                    break
                except Busy:
                    continue


async def test_what_is_nothing_to_do_leads_back(browser: Browser) -> None:
    assert (await choose(browser, "nonsense", NAME)).headers["Location"] == "/console/letters"
    assert (await browser.ask("/console/letters/..%2Fx")).status == 404
    with patch.object(Letters, "look", return_value=Looked()):
        nothing = await choose(browser, "replay")
        assert (nothing.status, "Choose a letter first." in nothing.words) == (400, True)
        assert "No dead letters." in (await browser.ask("/console/letters")).words
        assert "No dead letters here." in (await browser.ask("/console/letters?code=X")).words


def test_letters_with_one_id_have_names_of_their_own() -> None:
    one, other = DeadLetter(b"1", {wire.REQUEST_ID: "same"}), DeadLetter(b"2", {wire.REQUEST_ID: "same"})
    assert name_of(one) != name_of(other)
    assert name_of(one) == name_of(DeadLetter(b"1", {wire.REQUEST_ID: "same"}, {"app_id": "x"}))


def test_a_letter_is_shown_up_to_bounds() -> None:
    many = {f"h{number}": "v" for number in range(2 * MAX_HEADERS)}
    found = queue.contents(DeadLetter(b"\xff" * (MAX_BODY + 1), many))
    assert len(found["headers"]) == MAX_HEADERS
    assert len(found["body"]) == MAX_BODY
    assert found["cut"] == "the first 8,192 of 8,193 bytes"
    whole = queue.contents(DeadLetter(b'{"a":1}'))
    assert (whole["body"], whole["cut"]) == ('{\n  "a": 1\n}', None)
    # Line breaks in a deep document take more room than the document.
    deep = b"[" * 900 + b"1," * MAX_PRETTY + b"1" + b"]" * 900
    assert bounded(deep, len(deep)) == (deep.decode(), None)
