"""Foreign text on terminals and in logs."""

from __future__ import annotations

from zeebe_amqp.schema.formatting import printable


def test_nothing_is_shown_that_a_terminal_would_obey() -> None:
    for char in ("\x1b", "\r", "\x07", "\x00", "\u202e", "\x9b", "\x85", "\u2028", "\ud800"):
        assert printable(f"a{char}b") == "a\ufffdb", repr(char)


def test_lines_tabs_and_every_script_stay() -> None:
    for text in ("a\tb\nc", "ä", "日本語", "🙂", ""):
        assert printable(text) == text


def test_lines_and_tabs_go_where_a_line_must_stay_one() -> None:
    assert printable("a\tb\nc", kept="") == "a\ufffdb\ufffdc"


def test_what_does_not_stay_is_shown_as_asked_for() -> None:
    assert printable("a\nb\x1b", kept="", shown=lambda char: f"<{ord(char)}>") == "a<10>b<27>"
