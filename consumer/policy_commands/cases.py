"""Cases that a policy must decide as they say: a file of TOML, or of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from consumer.config.toml import read_toml
from consumer.core.access import Decision
from consumer.policy_commands.question import NAMES, Question, Questions, user_called
from zeebe_amqp.errors import CommandError, nearest
from zeebe_amqp.schema import byte_order_mark
from zeebe_amqp.schema.formatting import found, json_error, printable, quoted, truncate

__all__ = ["ALLOWED", "MAX_SIZE", "Case", "CasesError", "read_cases"]

MAX_SIZE: Final = 2**24
"""Bytes of a file of cases."""
MAX_REASON: Final = 100
"""Characters of why a file is none."""
TABLE: Final = "case"
"""What each case is called in TOML."""
ALLOWED: Final = {"allow": True, "deny": False}
"""What a case may expect, and whether it is allowed then."""
_TEXTS: Final = ("name", "user", "operation", "expect", "rule")
_FIELDS: Final = (*_TEXTS, "request", *NAMES)


class CasesError(Exception):
    """A file of cases that cannot be used.

    Args:
        problems: every one, with the name of the file and of the case.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, and what the policy has to say."""

    name: str
    question: Question
    allowed: bool
    rule: str | None
    """None: whichever."""

    def accepts(self, decision: Decision) -> bool:
        """Whether a decision is what the case says."""
        return decision.allowed is self.allowed and self.rule in (None, decision.rule)


def read_cases(text: bytes, name: str, questions: Questions) -> list[Case]:
    """Read cases; `name` is the file's, and with the ending .toml it is TOML.

    Raises:
        CasesError: with every problem.
    """
    if len(text) > MAX_SIZE:
        raise CasesError([f"{name}: found more than {MAX_SIZE} bytes; expected at most as many"])
    reader = _Reader(name, questions)
    split = _tables if name.lower().endswith(".toml") else _lines
    cases = [reader.case(place, value) for place, value in split(byte_order_mark.without(text), reader)]
    if not cases and not reader.problems:
        reader.note("", f"no case; expected [[{TABLE}]] in TOML, or a JSON object in each line")
    if reader.problems:
        raise CasesError(reader.problems)
    return [case for case in cases if case is not None]


def _tables(text: bytes, reader: _Reader) -> Iterator[tuple[str, Any]]:
    try:
        document = read_toml(text)
    except ValueError as error:
        return reader.note("", truncate(str(error), MAX_REASON))
    for key in document:
        if key != TABLE:
            reader.note("", f"unknown {quoted(printable(key))}; expected [[{TABLE}]]")
    tables = document.get(TABLE, [])
    if not isinstance(tables, list):
        return reader.note(TABLE, f"found {found(tables)}; expected [[{TABLE}]]")
    yield from ((f"{TABLE} {number}", table) for number, table in enumerate(tables, 1))


def _lines(text: bytes, reader: _Reader) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.strip():
            place = f"line {number}"
            try:
                yield place, msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                reader.note(place, json_error(error, line))
            except RecursionError:
                reader.note(place, "nested too deeply")


class _Reader:
    """Reads cases, and keeps the problems that it finds; `name` is the file's."""

    def __init__(self, name: str, questions: Questions) -> None:
        self._name = name
        self._questions = questions
        self.problems: list[str] = []

    def note(self, place: str, problem: str) -> None:
        """Keep a problem."""
        self.problems.append(": ".join(filter(None, (self._name, place, problem))))

    def case(self, place: str, value: Any) -> Case | None:
        """A case; None where it has a problem."""
        if not isinstance(value, dict):
            self.note(place, f"found {found(value)}; expected an object")
            return None
        before = len(self.problems)
        self._check_known(place, value)
        texts = {name: self._text(place, name, value[name]) for name in _TEXTS if name in value}
        names = {name: self._texts(place, name, value[name]) for name in NAMES if name in value}
        self._check_given(place, value)
        if len(self.problems) > before or (question := self._question(place, value, texts, names)) is None:
            return None
        called = f"{place} ({truncate(texts['name'])})" if "name" in texts else place
        return Case(f"{self._name}: {called}", question, ALLOWED[texts["expect"]], texts.get("rule"))

    def _check_known(self, place: str, value: Mapping[str, Any]) -> None:
        for name in value:
            if name not in _FIELDS:
                near = nearest(name, _FIELDS)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(_FIELDS)}"
                self.note(place, f"unknown field {quoted(printable(name))}; {hint}")

    def _check_given(self, place: str, value: Mapping[str, Any]) -> None:
        if "user" not in value:
            self.note(place, 'user: missing; expected the name of a user, or "anonymous"')
        if "expect" not in value:
            self.note(place, "expect: missing; expected allow or deny")
        elif isinstance(value["expect"], str) and value["expect"] not in ALLOWED:
            self.note(place, f"expect: found {found(value['expect'])}; expected allow or deny")
        both = "request" in value and [name for name in ("operation", *NAMES) if name in value]
        if both:
            self.note(place, f"found {', '.join(both)} beside request; expected one of the two: request has all of it")
        elif "request" not in value and "operation" not in value:
            self.note(place, "expected an operation with its names, or a request; found neither")

    def _text(self, place: str, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            self.note(place, f"{name}: found {found(value)}; expected text")
            return ""
        return value

    def _texts(self, place: str, name: str, value: Any) -> tuple[str, ...]:
        """Text, or a list of texts; a key may be a number."""
        listed = value if isinstance(value, list) else [value]
        texts = tuple(map(_key, listed) if name == "key" else listed)
        if not texts or not all(isinstance(each, str) and each for each in texts):
            self.note(place, f"{name}: found {found(value)}; expected text, or a list of texts")
        return texts

    def _question(
        self, place: str, value: Mapping[str, Any], texts: Mapping[str, str], names: Mapping[str, tuple[str, ...]]
    ) -> Question | None:
        user = user_called(texts["user"])
        try:
            if "request" in value:
                return self._questions.from_request(user, _body(value["request"]))
            return self._questions.from_names(user, texts["operation"], names)
        except (CommandError, ValueError) as error:
            what = "request: " if "request" in value else ""
            self.note(place, what + printable(str(error)))
            return None


def _key(value: Any) -> Any:
    return str(value) if type(value) is int and abs(value) < 2**64 else value


def _body(request: Any) -> bytes:
    """The request's body: text as it is, anything else as JSON."""
    if isinstance(request, str):
        return request.encode()
    try:
        return msgspec.json.encode(request)
    except (OverflowError, TypeError, RecursionError) as error:
        raise ValueError(f"cannot be written as JSON ({error})") from None
