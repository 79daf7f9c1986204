"""The first page tells what the metrics and /readyz tell, and is safe from what strangers send."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

from consumer import telemetry
from consumer.console.failures import KEPT, RecentFailures
from consumer.console.rendering import render, shown
from consumer.pipeline.ending import Ending
from consumer.telemetry import Telemetry
from tests.cases import check_all
from tests.unit.consumer.console.consoles import TOKEN, browsing
from tests.unit.consumer.deliveries import delivery
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply

HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "the end of an attribute": '" onmouseover="alert(1)',
    "a quote": "' onfocus='alert(1)",
    "an entity": "&lt;script&gt;",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "turned around": "a\u202ecod.exe",
    "control": "a\x00\x1b[31m\x07",
    "half a character": "\ud800\udcff",
    "long": "x" * 5000,
    "a comment": "<!-- --><img src=x onerror=alert(1)>",
}


TAG = re.compile(r"<(/?\w+)")
PARTS = ("table", "caption", "thead", "tbody", "tr", "th", "td", "time", "code", "br", "div")
TABLE = {f"{end}{each}" for each in PARTS for end in ("", "/")}
"""What the table of failures is made of."""


def watch() -> Telemetry:
    return telemetry.setup({}, version="1")


def failed(message: str = "no such process", **more: object) -> tuple[object, Reply]:
    made = delivery("create-instance", {}, queue="zeebe.commands", **more)
    error = Error(
        code=Code.NOT_FOUND, message=message, source=Source.GATEWAY, outcome=Outcome.NOT_EXECUTED, retryable=False
    )
    return made, Reply("create-instance", error=error)


async def test_it_tells_the_state_the_queues_and_what_failed(tmp_path: Path) -> None:
    numbers = watch()
    numbers.gauge("circuit.state", lambda: 1.0)
    numbers.gauge("paused", lambda: 12.0, part="gateway")
    numbers.gauge("paused", lambda: 0.0, part="ledger")
    numbers.gauge("in_flight", lambda: 1.0)
    numbers.gauge("dead_letters", lambda: 1234.0)
    async with browsing(tmp_path, numbers) as (browser, console):
        await browser.log_in(TOKEN)
        words = (await browser.ask("/console/")).words
        for part in (
            "Ready.",
            "open: no gateway can be reached",
            "Paused: gateway nothing is consumed for 12 s",
            "In flight 1 request ",
            "1,234 letters",
            "Ledger not counted yet",
            "No request has failed since the start.",
            "zeebe.polls 0 0 none none unknown unknown 0",
        ):
            assert part in words
        assert "Paused: ledger" not in words
        made, reply = failed("bad password=secret1", user_id="alice", message_id="m1", reply_to="replies")
        console.report(made, reply, Ending.SETTLED)
        live = (await browser.ask("/console/live")).words
    for part in (
        "create-instance NOT_FOUND",
        "bad password=***",
        "answered, not-executed",
        "alice m1",
        "newest 1 of 1",
    ):
        assert part in live
    assert "secret1" not in live


async def test_what_strangers_send_is_text_on_the_page(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (browser, console):
        await browser.log_in(TOKEN)
        clean = (await browser.ask("/console/")).text
        for text in HOSTILE.values():
            made, reply = failed(text, user_id=text, message_id=text, headers={"traceparent": text})
            reply.operation = text
            console.report(made, reply, Ending.DEAD_LETTERED)
            console.report(made, Reply(text), Ending.DROPPED, text)
        page = await browser.ask("/console/")
    assert set(TAG.findall(page.text)) - set(TAG.findall(clean)) <= TABLE
    # Nothing that strangers chose is an attribute, and nothing runs.
    assert not re.search(r"<[^>]*(onmouseover|onfocus|onerror)", page.text)
    assert all(each not in page.text for each in ("<script>alert", "\u202e", "\x00", "\x1b", "x" * 400))
    assert "{{ 7 * 7 }}" in page.words


def test_what_is_shown_is_cut_and_printable() -> None:
    def is_safe(text: str) -> None:
        found = shown(text, 50)
        assert len(found) <= 50
        assert found.isprintable()

    check_all(HOSTILE.values(), is_safe)
    assert shown(None) == ""
    assert shown("a\nb", kept="\n") == "a\nb"


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    values = {"path": "/console", "session": None, "csrf": "", "words": "\ud800", "status": 404}
    assert b"?" in render("error", values)


def test_only_so_many_failures_are_kept_and_everything_is_handed_on() -> None:
    inner = Mock()
    failures = RecentFailures(inner, lambda _: "t" * 32)
    made, fine = delivery("topology"), Reply("topology")
    failures(made, fine, Ending.SETTLED)
    assert failures.newest() == []
    for number in range(KEPT + 10):
        one, reply = failed(f"no {number}")
        failures(one, reply, Ending.RETURNED)  # type: ignore[arg-type]
    assert inner.call_count == KEPT + 11
    found = failures.newest()
    assert (len(found), failures.total, found[0].message) == (KEPT, KEPT + 10, f"no {KEPT + 9}")
    assert (found[0].fate, found[0].user, found[0].trace_id) == ("comes again", None, "t" * 32)
    failures(made, fine, Ending.DROPPED, "its queue is gone")
    dropped = failures.newest()[0]
    assert (dropped.code, dropped.message, dropped.outcome, dropped.fate) == (
        "OK", "its queue is gone", "executed", "reply dropped",
    )  # fmt: skip
