"""The types of jobs that are pushed to queues: the names in JOBS, and a table for each in the file of JOBS_FILE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Final, NamedTuple

from consumer.config.settings import JobType
from consumer.config.toml import read_toml
from consumer.config.variables import Values
from zeebe_amqp import wire
from zeebe_amqp.errors import nearest
from zeebe_amqp.jobs.names import MAX_JOB_TYPE, RESULTS, UNDONE
from zeebe_amqp.jobs.readings import READINGS
from zeebe_amqp.schema.fields import milliseconds
from zeebe_amqp.schema.formatting import found, printable, quoted, truncate

__all__ = ["FIELDS", "MAX_TYPES", "Field", "JobTypeErrors", "Problem", "job_types"]

MAX_TYPES: Final = 500
"""Types of jobs that one service fetches, at most: each has a call to the gateway open."""
MAX_SIZE: Final = 2**20
"""Bytes of the file."""
MAX_LIMIT: Final = 100_000
MIN_TIMEOUT: Final = 2.0
"""Seconds: a job of which less than a second is left is not published."""
MAX_TIMEOUT: Final = 30.0 * 24 * 3600
MAX_LISTED: Final = 5
"""Types that one problem names."""

_TABLE: Final = "jobs"
_EXAMPLE: Final = f"tables such as [{_TABLE}.charge-card]"


class Problem(NamedTuple):
    """What is wrong, and with which setting."""

    setting: str
    text: str


class JobTypeErrors(Exception):
    """The types of jobs cannot be used.

    Args:
        problems: every one.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(each.text for each in problems))
        self.problems = problems


def job_types(values: Values) -> tuple[JobType, ...]:
    """The types, in the order in which they are named: those of the file first.

    Raises:
        JobTypeErrors: with every problem.
    """
    reader = _Reader(values)
    types = [*reader.read_file(), *reader.read_list()]
    reader.check_queues()
    if reader.problems:
        raise JobTypeErrors(reader.problems)
    return tuple(types)


class _Named(NamedTuple):
    """A type that is named, right or wrong."""

    setting: str
    place: str
    """Where it is named, as problems say it."""
    queue: str | None
    """None when what its table says of the queue is wrong."""


class _Reader:
    def __init__(self, values: Values) -> None:
        self._values = values
        self._path = values.JOBS_FILE
        self._named: dict[str, _Named] = {}
        self.problems: list[Problem] = []

    def read_file(self) -> Iterator[JobType]:
        """The types of the file."""
        document = {} if self._path is None else self._document(self._path)
        tables = document.pop(_TABLE, {})
        for name in document:
            self._refuse(_key(name), f"unknown; accepted: {_EXAMPLE}")
        if not isinstance(tables, dict):
            self._refuse(_TABLE, f"found {_found(tables)}; accepted: {_EXAMPLE}")
            return
        for name, table in tables.items():
            before = len(self.problems)
            job_type = self._type(name, table)
            if len(self.problems) == before:
                yield job_type

    def read_list(self) -> Iterator[JobType]:
        """The types of JOBS that have no table."""
        for name in self._values.JOBS or ():
            if name not in self._named:
                job_type = JobType(name)
                self._named[name] = _Named("JOBS", "", job_type.queue)
                self._check_name("JOBS", "", name)
                yield job_type

    def check_queues(self) -> None:
        """What types may not do with each other, and with the queues of the service."""
        users: dict[str, list[str]] = {}
        for name, named in self._named.items():
            if named.queue is not None:
                users.setdefault(named.queue, []).append(name)
        for queue, names in users.items():
            if len(names) > 1:
                self._add(
                    names[-1], f"found the queue {quoted(queue)} for {_listed(names)}; accepted: one for each type"
                )
        for name, named in self._named.items():
            if named.queue in self._taken():
                reason = "one that the service does not use; a type's table names another with `queue = …`"
                self._add(name, f"found the queue {quoted(named.queue)}; accepted: {reason}")
        if len(self._named) > MAX_TYPES:
            setting = "JOBS" if self._path is None else "JOBS_FILE"
            self.problems.append(Problem(setting, f"found {len(self._named)} types; accepted: at most {MAX_TYPES}"))

    def _taken(self) -> tuple[str, ...]:
        audit = self._values.AUDIT
        stream = [audit.name] if audit is not None and audit.kind == "stream" else []
        return (*self._values.AMQP_QUEUES, wire.DEAD_LETTER, RESULTS, UNDONE, *stream)

    def _document(self, path: Path) -> dict[str, Any]:
        shown = _line(str(path))
        try:
            with path.open("rb") as file:
                text = file.read(MAX_SIZE + 1)
        except OSError as error:
            reason = f"found '{shown}'; accepted: a file that can be read ({error.strerror})"
        else:
            try:
                if len(text) <= MAX_SIZE:
                    return read_toml(text)
                why = f"this one has more than {MAX_SIZE} bytes"
            except ValueError as error:
                why = truncate(_line(str(error)))
            reason = f"found '{shown}'; accepted: a TOML file of at most {MAX_SIZE} bytes ({why})"
        self.problems.append(Problem("JOBS_FILE", reason))
        return {}

    def _type(self, name: str, table: Any) -> JobType:
        place = f"{_TABLE}.{_key(name)}"
        if not isinstance(table, dict):
            self._refuse(place, f"found {_found(table)}; accepted: a table with {', '.join(FIELDS)}")
            table = {}
        read = {FIELDS[key].attribute: value for key, value in self._values_of(name, place, table)}
        job_type = JobType(name, **read, source="JOBS_FILE")
        is_known = "queue" not in table or "queue_name" in read
        self._named[name] = _Named("JOBS_FILE", place, job_type.queue if is_known else None)
        self._check_name("JOBS_FILE", f"{self._place(place)}: ", name)
        return job_type

    def _values_of(self, name: str, place: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in table.items():
            field = FIELDS.get(key)
            if field is None:
                self._refuse(f"{place}.{_key(key)}", f"unknown; {_hint(name, key, value)}")
                continue
            try:
                yield key, field.read(value)
            except ValueError:
                self._refuse(f"{place}.{key}", f"found {_found(value)}; accepted: {field.accepted}")

    def _check_name(self, setting: str, place: str, name: str) -> None:
        if problem := _name_problem(name):
            self.problems.append(Problem(setting, f"{place}found {problem}"))

    def _add(self, name: str, text: str) -> None:
        named = self._named[name]
        place = f"{self._place(named.place)}: " if named.place else f"{quoted(name)}: "
        self.problems.append(Problem(named.setting, place + text))

    def _refuse(self, place: str, text: str) -> None:
        self.problems.append(Problem("JOBS_FILE", f"{self._place(place)}: {text}"))

    def _place(self, inside: str) -> str:
        return f"{_line(str(self._path))}: {inside}"


def _line(text: str) -> str:
    """Text that stays in its line."""
    return printable(text, kept="")


def _key(name: str) -> str:
    """A key as the file writes it."""
    shown = truncate(_line(name))
    is_bare = shown.isascii() and shown.replace("-", "").replace("_", "").isalnum()
    return shown if is_bare else f'"{shown}"'


def _hint(name: str, key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"a type with dots is written in quotes, such as [{_TABLE}.{_key(f'{name}.{key}')}]"
    alike = nearest(key, FIELDS)
    return f"did you mean {alike}?" if alike else f"accepted: {', '.join(FIELDS)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(map(quoted, names[:MAX_LISTED])) + more


def _found(value: Any) -> str:
    """What a value of TOML is called there."""
    if isinstance(value, dict):
        return "a table"
    return "a date or a time" if isinstance(value, date | time) else _line(found(value))


def _name_problem(name: str) -> str | None:
    if not name.strip() or not name.isprintable():
        return f"{quoted(_line(name))}; accepted: the type of a job, printable text that is not blank"
    if "," in name:
        return f"{quoted(name)}; accepted: a type without a comma"
    if (size := len(name.encode())) > MAX_JOB_TYPE:
        return f"a type of {size} bytes; accepted: at most {MAX_JOB_TYPE}"
    return None


class Field(NamedTuple):
    """What a type's table may say."""

    attribute: str
    """Of `JobType`."""
    read: Callable[[Any], Any]
    """Makes the attribute's value of the file's; a ValueError refuses it."""
    accepted: str
    meaning: str


def _timeout(value: Any) -> float:
    seconds = milliseconds(value) / 1000 if isinstance(value, str) else 0.0
    if not MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
        raise ValueError
    return seconds


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return read


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        raise ValueError
    return tuple(value)


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= wire.MAX_TEXT:
        raise ValueError
    if value.startswith("amq.") or not value.isprintable():
        raise ValueError
    return value


def _reading(value: Any) -> str:
    if not isinstance(value, str) or value not in READINGS:
        raise ValueError
    return value


FIELDS: Final[Mapping[str, Field]] = {
    "timeout": Field(
        "timeout",
        _timeout,
        f'a duration from {MIN_TIMEOUT:g}s to 30 days, such as "5m"',
        "how long the engine locks a job for its worker; after that it gives the job out again",
    ),
    "limit": Field(
        "limit",
        _whole(1, MAX_LIMIT),
        f"a whole number from 1 to {MAX_LIMIT}",
        "how many jobs may wait in the queue before the service stops fetching",
    ),
    "fetch_variables": Field(
        "fetch_variables",
        _texts,
        'the names of variables, such as ["orderId"]',
        "the variables that the worker gets; if unset, all of them",
    ),
    "tenant_ids": Field(
        "tenant_ids",
        _texts,
        'the ids of tenants, such as ["acme"]',
        "the tenants whose jobs the service fetches; if unset, the default tenant",
    ),
    "queue": Field(
        "queue_name",
        _queue,
        "the name of a queue of at most 255 bytes that does not begin with amq.",
        "the queue of the jobs; if unset, `zeebe.jobs.` and the type",
    ),
    "delivery_limit": Field(
        "delivery_limit",
        _whole(1, 1000),
        "a whole number from 1 to 1000",
        "how often the broker delivers a job again, after workers died with it, before the job fails",
    ),
    "answers": Field(
        "answers",
        _reading,
        f"one of {', '.join(READINGS)}",
        "the framework in whose envelope the workers answer; `plain` is none",
    ),
}
"""What a type's table may say, by its key there."""
