"""Log lines carry what is asked of them, on one line, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.telemetry import Telemetry, logs
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import PARENT, TRACE, incoming

log = logging.getLogger("consumer.test")
PLAIN = ["amqp://host:5672/", "http://host/a?b=c", "the password is wrong", "bearer of news", "", "user@host", "a://"]


@pytest.fixture(autouse=True)
def _root_restored() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    # Taken away so that `force=True` does not close what belongs to the test runner.
    root.handlers[:] = []
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def written(format: str, words: str, *arguments: object, error: Exception | None = None, **extra: object) -> str:
    """What is written of a warning."""
    logs.setup("info", format, stream := io.StringIO())
    log.warning(words, *arguments, exc_info=error, extra=extra)
    return stream.getvalue()


def line(words: str, *arguments: object, **extra: Any) -> dict[str, Any]:
    """The fields of its line of JSON."""
    [text] = written("json", words, *arguments, **extra).splitlines()
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_has_time_level_logger_message_and_extra_fields() -> None:
    given = "took %d ms", 7
    found = line(*given, queue="zeebe.commands", attempts=3)
    assert found.pop("time").endswith("Z")
    said = {"level": "warning", "logger": "consumer.test", "message": "took 7 ms"}
    assert found == {**said, "queue": "zeebe.commands", "attempts": 3}
    text = written("text", *given, queue="zeebe.commands", attempts=3)
    assert text.endswith("Z WARNING consumer.test: took 7 ms queue=zeebe.commands attempts=3\n")


@for_each(logs.FORMATS)
async def test_a_line_written_while_a_request_is_handled_names_its_trace(format: str, telemetry: Telemetry) -> None:
    async def handler(_: Delivery) -> Reply:
        assert TRACE in written(format, "here")
        assert (TRACE in written(format, "here", trace_id="abc")) is False
        return Reply("topology")

    await telemetry.traced(handler)(incoming(headers={"traceparent": PARENT}))


def test_an_exception_is_part_of_its_line() -> None:
    error, said = ValueError("broken: amqp://guest:geheim@host/"), "ValueError: broken: amqp://guest:***@host/"
    found = line("failed", error=error)
    assert (found["message"], found["exception"]) == ("failed", said)
    assert written("text", "failed", error=error).endswith(f": failed\n  {said}\n")


@for_each(logs.LEVELS)
def test_only_lines_of_the_level_and_above_are_written(level: str) -> None:
    logs.setup(level.upper(), "json", stream := io.StringIO())
    for name in logs.LEVELS:
        log.log(logging.getLevelNamesMapping()[name.upper()], name)
    found = [json.loads(one)["level"] for one in stream.getvalue().splitlines()]
    assert found == list(logs.LEVELS[logs.LEVELS.index(level) :])


def test_lines_go_to_standard_error_by_default_and_once_after_setting_up_again(capsys: Any) -> None:
    logs.setup("info", "json", first := io.StringIO())
    logs.setup("info", "json")
    log.info("hello")
    captured = capsys.readouterr()
    assert (captured.err.count("hello"), captured.out, first.getvalue()) == (1, "", "")


@for_each([("loud", "json", "LOG_LEVEL: found 'loud'; accepted: debug, info, warning, error, critical"),
           ("info", "xml", "LOG_FORMAT: found 'xml'; accepted: json, text")])  # fmt: skip
def test_another_level_or_format_is_refused_by_name(level: str, format: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        logs.setup(level, format)


@for_each([
    *((text, text) for text in PLAIN), ("amqp://guest:geheim@host:5672/", "amqp://guest:***@host:5672/"),
    ("amqps://guest:ge@heim/x@host/%2f", "amqps://guest:***@host/%2f"),
    ("redis://user:geheim@a,redis://user:geheim@b", "redis://user:***@b"),
    ("at http://:geheim@host", "at http://:***@host"), ('{"access_token": "geheim"}', '{"access_token": "***"}'),
    ("Authorization: Bearer geheimgeheim.x-y", "Authorization: Bearer ***"),
    ("authorization: basic Z2VoZWltZ2VoZWlt", "authorization: basic ***"),
    ("client_secret=geheim&scope=x", "client_secret=***&scope=x"),
    ("{'password': 'geheim', 'a': 1}", "{'password': '***', 'a': 1}"),
])  # fmt: skip
def test_secrets_are_masked_wherever_they_stand_and_nothing_else(secret: str, masked: str) -> None:
    assert logs.mask(secret) == masked
    for format in logs.FORMATS:
        for found in (written(format, secret), written(format, "%s", secret), written(format, "x", url=secret)):
            assert ("geheim" in found, "***" in found) == (False, secret != masked), found


@for_each(["a b", "a level=error", "a\tb", "a='b'", 'say "so"'])
def test_a_value_of_a_text_line_cannot_look_like_a_further_field(value: str) -> None:
    record = logging.makeLogRecord({"msg": "words", "levelname": "INFO", "request_id": value, "code": "OK"})
    assert f" request_id={value!r} " in logs.TextLines().format(record)


@for_each(["\n", "\r", "\x1b", "\x00", "\x85", "\u2028"])
def test_a_line_of_text_stays_one_line(character: str) -> None:
    text = written("text", "%s", f"a{character}2026 INFO fake", b=f"c{character}d")
    assert (text.count("\n"), character in text.removesuffix("\n")) == (1, False)


@for_each([2**70, "\ud800", b"\xff", object(), {1: "a"}, {"a": 2**70}, float("nan"), None, {1}])
def test_a_field_of_any_kind_makes_a_line_of_json(value: Any) -> None:
    assert line("x", value=value)["message"] in ("x", "'x'")


def test_a_call_with_wrong_arguments_is_still_a_line() -> None:
    assert line("%d of %d", "x")["message"] == "%d of %d ('x',)"
