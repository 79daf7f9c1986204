"""The program in the tests' own process, and what it printed."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

from zeebe_amqp.cli.program import run


class Ended(NamedTuple):
    """A run of the program."""

    code: int
    out: str
    err: str


class Stream(io.TextIOWrapper):
    """A standard stream in memory; on a terminal when a test says so."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="\n", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.terminal


def ended(*words: str, url: str = "", standard_input: bytes = b"", terminal: bool = False) -> Ended:
    """Run the program to its end; one at a time, since the standard streams are everybody's.

    `url` is what AMQP_URL says; a password is not taken from the command line.
    """
    out, err = Stream(terminal=terminal), Stream(terminal=terminal)
    environment = mock.patch.dict(os.environ, {"AMQP_URL": url} if url else {})
    stdin = mock.patch.object(sys, "stdin", Stream(standard_input))
    with environment, stdin, redirect_stdout(out), redirect_stderr(err):
        try:
            code = run(words)
        except SystemExit as end:  # how shells are answered
            code = int(end.code or 0)
    out.seek(0)
    err.seek(0)
    return Ended(code, out.read(), err.read())


def printed(*words: str, standard_input: bytes = b"") -> str:
    """What a run that goes well prints."""
    found = ended(*words, standard_input=standard_input)
    assert found.code == 0, found.err
    return found.out


def refused(*words: str) -> str:
    """What a run says that sends nothing."""
    found = ended(*words)
    assert found.code == 2, found
    assert found.out == ""
    return found.err
