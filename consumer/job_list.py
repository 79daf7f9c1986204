"""The types of jobs that are published to queues: what is out, what waits, and who works."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from math import isfinite
from typing import Final

import click
import orjson

from consumer.config import Settings
from consumer.config.settings import JobType
from consumer.doctor.http import get
from consumer.doctor.scrape import MAX_PAGE, read_series, series
from consumer.doctor.service import local_url
from consumer.rabbitmq import look_at_jobs
from consumer.rabbitmq.look import QueueFacts
from consumer.table import fits, show_rows
from zeebe_amqp.schema.formatting import printable

__all__ = ["JobList", "JobRow", "list_jobs", "show_jobs"]

COLUMNS: Final = ("type", "queue", "out", "waiting", "limit", "oldest", "workers")
MIN_QUEUE: Final = 16
"""Characters in which the name of a queue may go on in the next line; in fewer nobody can read it."""
_UNKNOWN: Final = "-"


@dataclass(frozen=True)
class JobRow:
    """One type. What is not known is None."""

    type: str
    queue: str
    out: int | None
    """Jobs that the running service has published since its start."""
    waiting: int | None
    """Jobs in the queue."""
    limit: int
    """How many may wait before the service stops fetching."""
    oldest: float | None
    """Seconds that the oldest job has waited, of those that the running service published."""
    workers: int | None
    """Consumers of the queue."""
    problem: str | None = None
    """Why the broker tells nothing of the queue."""


@dataclass
class JobList:
    """The types, and what else is to be told."""

    rows: list[JobRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def list_jobs(settings: Settings) -> JobList:
    """Ask the broker, and the service that runs here with these settings; without one less is known.

    Raises:
        BrokerError: the broker was not reached, or does not let us in.
    """
    found = JobList()
    queues = await look_at_jobs(settings.amqp, settings.jobs)
    values = await _ask_service(settings, found)
    found.rows = [_row(each, queues[each.name], values) for each in settings.jobs]
    return found


async def _ask_service(settings: Settings, found: JobList) -> Mapping[str, float]:
    """Its metrics; none, and a note, where it does not answer."""
    if settings.http_address is None:
        found.notes.append("HTTP_ADDRESS=off: no service can say how many jobs are out and how old they are")
        return {}
    url = f"{local_url(settings.http_address)}/metrics"
    try:
        answer = await get(url, direct=True, max_body=MAX_PAGE)
    except OSError as error:
        found.notes.append(
            f"no service answers at {url} ({error}): how many jobs are out and how old they are is not known"
        )
        return {}
    if answer.status != HTTPStatus.OK:
        found.notes.append(f"{url} answers {answer.status}: how many jobs are out and how old they are is not known")
        return {}
    return read_series(answer.body)


def _row(job_type: JobType, queue: QueueFacts, values: Mapping[str, float]) -> JobRow:
    out = _value(values, "zeebe_amqp_jobs_out_total", job_type)
    there = bool(queue.there) and not queue.locked
    return JobRow(
        type=job_type.name,
        queue=job_type.queue,
        out=None if out is None else int(out),
        waiting=queue.messages if there else None,
        limit=job_type.limit,
        oldest=_value(values, "zeebe_amqp_jobs_oldest_age_seconds", job_type),
        workers=queue.consumers if there else None,
        problem=None if there else _problem(queue),
    )


def _value(values: Mapping[str, float], metric: str, job_type: JobType) -> float | None:
    value = values.get(series(metric, type=job_type.name))
    # One that could not be counted is not a number.
    return value if value is not None and isfinite(value) else None


def _problem(queue: QueueFacts) -> str:
    if queue.locked:
        return "it belongs exclusively to another connection"
    if queue.there is False:
        return "it is not there"
    return queue.failing or "not allowed to look"


def show_jobs(found: JobList, *, as_json: bool) -> None:
    """A table on a terminal, paragraphs where it has no room, else JSON lines; notes go to standard error."""
    if as_json or not sys.stdout.isatty():
        for row in found.rows:
            click.echo(orjson.dumps(asdict(row)))
    elif fits(COLUMNS, [(row.type, row.queue[:MIN_QUEUE], *_cells(row)) for row in found.rows]):
        show_rows(COLUMNS, [(row.type, row.queue, *_cells(row)) for row in found.rows])
    else:
        for row in found.rows:
            _show_paragraph(row)
    for note in [*(f"{row.queue}: {row.problem}" for row in found.rows if row.problem), *found.notes]:
        click.echo(printable(note), err=True)


def _show_paragraph(row: JobRow) -> None:
    out, waiting, limit, oldest, workers = _cells(row)
    click.secho(printable(row.type), bold=True)
    for line in (row.queue, f"{waiting} of {limit} wait, oldest {oldest}", f"{workers} workers, {out} published"):
        click.echo(f"  {printable(line)}")


def _cells(row: JobRow) -> Sequence[str]:
    oldest = _UNKNOWN if row.oldest is None else f"{row.oldest:.0f} s"
    counts = (_UNKNOWN if each is None else str(each) for each in (row.out, row.waiting, row.limit))
    return [*counts, oldest, _UNKNOWN if row.workers is None else str(row.workers)]
