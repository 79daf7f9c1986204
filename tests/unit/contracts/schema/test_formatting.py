"""Foreign text on terminals and in logs, and what a wrong value is called in an error."""

from __future__ import annotations

from typing import Any

from zeebe_amqp.schema.formatting import found, found_in, printable, truncate


def test_nothing_is_shown_that_a_terminal_would_obey() -> None:
    for char in ("\x1b", "\r", "\x07", "\x00", "\u202e", "\x9b", "\x85", "\u2028", "\ud800"):
        assert printable(f"a{char}b") == "a\ufffdb", repr(char)
    for text in ("a\tb\nc", "ä", "日本語", "🙂", ""):
        assert printable(text) == text


def test_lines_and_tabs_go_where_a_line_must_stay_one_and_are_shown_as_asked_for() -> None:
    assert printable("a\tb\nc", kept="") == "a\ufffdb\ufffdc"
    assert printable("a\nb\x1b", kept="", shown=lambda char: f"<{ord(char)}>") == "a<10>b<27>"


def test_a_found_value_is_named_without_its_contents_and_a_number_as_it_was_written() -> None:
    values: list[tuple[Any, str]] = [
        (None, "null"), (True, "true"), (False, "false"), ("abc", 'text "abc"'), (7, "7"), (1.5, "1.5"),
        ([1, "secret"], "a list"), ({"secret": 1}, "an object"), ((), "a list"),
    ]  # fmt: skip
    raws = [
        (b"1.50", "1.50"), (b"1e999", "1e999"), (b"null", "null"), (b'"a"', 'text "a"'), (b"[1]", "a list of numbers"),
        (b"[[]]", "a list"), (b"{}", "an object"),
    ]  # fmt: skip
    assert [(value, found(value)) for value, _ in values] == values
    assert [(raw, found_in(raw)) for raw, _ in raws] == raws


def test_long_values_are_cut() -> None:
    assert truncate("a" * 80) == "a" * 80
    assert truncate("a" * 81) == "a" * 79 + "…"
    assert len(found("a" * 1000)) == len('text ""') + 80
    assert len(found_in(b"9" * 1000)) == 80
