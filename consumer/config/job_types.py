"""The types of jobs that are pushed to queues: the names in JOBS, and a table for each in the file of JOBS_FILE."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from consumer.config.settings import JobType
from consumer.config.variables import Values
from zeebe_amqp import wire
from zeebe_amqp.errors import nearest
from zeebe_amqp.jobs.names import MAX_JOB_TYPE, RESERVED, RESULTS, UNDONE
from zeebe_amqp.jobs.readings import READINGS
from zeebe_amqp.schema.fields import milliseconds
from zeebe_amqp.schema.formatting import found, printable, quoted

__all__ = ["MAX_TYPES", "JobTypeErrors", "Problem", "job_types"]

MAX_TYPES: Final = 500
"""Types of jobs that one service fetches, at most: each has a call to the gateway open."""
MAX_SIZE: Final = 2**20
"""Bytes of the file."""
MAX_LIMIT: Final = 100_000
MAX_TIMEOUT: Final = 30 * 24 * 3600
_NAMES: Final = 'the names of variables, such as ["orderId"]'

_TABLE: Final = "jobs"


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
    reader = _Reader()
    types = {} if values.JOBS_FILE is None else reader.file(values.JOBS_FILE)
    for name in values.JOBS or ():
        if name not in types and reader.name("JOBS", name, name, queue=None):
            types[name] = JobType(name)
    reader.together(list(types.values()), values)
    if reader.problems:
        raise JobTypeErrors(reader.problems)
    return tuple(types.values())


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def file(self, path: Path) -> dict[str, JobType]:
        document = self._document(path)
        tables = document.pop(_TABLE, {})
        for name in document:
            self._refuse(path, printable(name), f"unknown; accepted: tables such as [{_TABLE}.charge-card]")
        if not isinstance(tables, dict):
            self._refuse(path, _TABLE, f"found {found(tables)}; accepted: tables such as [{_TABLE}.charge-card]")
            return {}
        read = {name: self._type(path, name, table) for name, table in tables.items()}
        return {name: job_type for name, job_type in read.items() if job_type is not None}

    def _document(self, path: Path) -> dict[str, Any]:
        try:
            with path.open("rb") as file:
                text = file.read(MAX_SIZE + 1)
            if len(text) > MAX_SIZE:
                raise ValueError(f"larger than {MAX_SIZE} bytes")
            return tomllib.loads(text.decode())
        except OSError as error:
            self.problems.append(
                Problem("JOBS_FILE", f"found '{path}'; accepted: a file that can be read ({error.strerror})")
            )
        except (ValueError, RecursionError) as error:
            self.problems.append(Problem("JOBS_FILE", f"found '{path}'; accepted: a TOML file ({error})"))
        return {}

    def _type(self, path: Path, name: str, table: Any) -> JobType | None:
        place = f"{_TABLE}.{printable(name)}"
        if not isinstance(table, dict):
            self._refuse(path, place, f"found {found(table)}; accepted: a table with {', '.join(_FIELDS)}")
            return None
        before, read = len(self.problems), {}
        for key, value in table.items():
            row = _FIELDS.get(key)
            if row is None:
                alike = nearest(key, _FIELDS)
                hint = f"did you mean {alike}?" if alike else f"accepted are {', '.join(_FIELDS)}"
                self._refuse(path, f"{place}.{printable(key)}", f"unknown; {hint}")
                continue
            try:
                read[row.attribute] = row.read(value)
            except ValueError as problem:
                self._refuse(path, f"{place}.{key}", f"found {found(value)}; accepted: {problem}")
        self.name("JOBS_FILE", f"{path}: {place}", name, read.get("queue_name"))
        return JobType(name, **read) if len(self.problems) == before else None

    def name(self, setting: str, place: str, name: str, queue: str | None) -> bool:
        """Whether a type may be called so."""
        problem = _name_problem(name, queue)
        if problem is not None:
            self.problems.append(Problem(setting, f"{place}: {problem}"))
        return problem is None

    def together(self, types: list[JobType], values: Values) -> None:
        """What types may not do with each other, and with the queues of the service."""
        setting = "JOBS" if values.JOBS_FILE is None else "JOBS_FILE"
        queues = Counter(each.queue for each in types)
        for queue, number in queues.items():
            if number > 1:
                names = ", ".join(quoted(each.name) for each in types if each.queue == queue)
                self.problems.append(
                    Problem(
                        setting,
                        f"{names}: found one queue for all, {queue!r}; accepted: a queue of its own for each type",
                    )
                )
        for each in types:
            if each.queue in (*values.AMQP_QUEUES, wire.DEAD_LETTER, RESULTS, UNDONE):
                self.problems.append(
                    Problem(
                        setting,
                        f"{quoted(each.name)}: found the queue {each.queue!r}; accepted: one that it does not use yet",
                    )
                )
        if len(types) > MAX_TYPES:
            self.problems.append(Problem(setting, f"found {len(types)} types; accepted: at most {MAX_TYPES}"))

    def _refuse(self, path: Path, place: str, text: str) -> None:
        self.problems.append(Problem("JOBS_FILE", f"{path}: {place}: {text}"))


def _name_problem(name: str, queue: str | None) -> str | None:
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name.strip() or not name.isprintable():
        return f"found {quoted(name)}; accepted: the type of a job, printable text that is not blank"
    if "," in name:
        return f"found {quoted(name)}; accepted: a type without a comma"
    if size > MAX_JOB_TYPE:
        return f"found a type of {size} bytes; accepted: at most {MAX_JOB_TYPE}"
    if name in RESERVED and queue is None:
        return f"found {quoted(name)}, whose queue the service uses already; accepted: with `queue = …` in its table"
    return None


class _Field(NamedTuple):
    attribute: str
    read: Callable[[Any], Any]


def _timeout(value: Any) -> float:
    accepted = 'a duration from 1s to 30 days, such as "5m"'
    if not isinstance(value, str):
        raise ValueError(accepted)
    try:
        seconds = milliseconds(value) / 1000
    except ValueError:
        raise ValueError(accepted) from None
    if not 1 <= seconds <= MAX_TIMEOUT:
        raise ValueError(accepted)
    return seconds


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return read


def _texts(accepted: str) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise ValueError(accepted)
        return tuple(value)

    return read


def _queue(value: Any) -> str:
    if (
        not isinstance(value, str)
        or not 0 < len(value.encode()) <= wire.MAX_TEXT
        or value.startswith("amq.")
        or not value.isprintable()
    ):
        raise ValueError("the name of a queue of at most 255 bytes that does not begin with amq.")
    return value


def _reading(value: Any) -> str:
    if not isinstance(value, str) or value not in READINGS:
        raise ValueError(f"one of {', '.join(READINGS)}")
    return value


_FIELDS: Final[Mapping[str, _Field]] = {
    "timeout": _Field("timeout", _timeout),
    "limit": _Field("limit", _whole(1, MAX_LIMIT)),
    "fetch_variables": _Field("fetch_variables", _texts(_NAMES)),
    "tenant_ids": _Field("tenant_ids", _texts('the ids of tenants, such as ["acme"]')),
    "queue": _Field("queue_name", _queue),
    "delivery_limit": _Field("delivery_limit", _whole(1, 1000)),
    "answers": _Field("answers", _reading),
}
"""What a type's table may say."""
