"""The tables of faults: which faults each shows, and what it says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.faults.cluster import CLUSTER_FAULTS
from tests.faults.faults import FAULTS
from tests.faults.jobs.faults import JOB_FAULTS


class Played(Protocol):
    """What a row is about."""

    @property
    def title(self) -> str:
        """Its name, unlike every other's."""

    def problems(self, verdict: Any) -> list[str]:
        """Every broken promise."""


@dataclass(frozen=True)
class FaultTable:
    """One of the tables.

    Its numbers are what a verdict says, by the title of their column; `promised` are those that must be 0.
    """

    name: str
    faults: tuple[Played, ...]
    numbers: Mapping[str, str]
    promised: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The titles of the columns of one run."""
        return ("fault", *self.numbers, *self.promised, "promises")


REQUEST_NUMBERS = {
    "requests": "requests", "answered": "answered", "with an error": "refused", "dead letters": "dead",
    "duplicate replies": "duplicates", "recovery s": "recovery", "longest gap s": "gap",
}  # fmt: skip
REQUEST_PROMISES = {"lost": "lost", "unanswered": "unanswered", "wrong": "wrong", "executed twice": "doubled"}

REQUESTS = FaultTable("faults", FAULTS, REQUEST_NUMBERS, REQUEST_PROMISES)
JOBS = FaultTable("faults of jobs", JOB_FAULTS, {
    "jobs": "jobs", "completed": "completed", "BPMN errors": "thrown", "incidents": "incidents",
    "given out again": "again", "deliveries": "deliveries", "too late": "late", "on the wire": "on_the_wire",
    "recovery s": "recovery", "longest gap s": "gap",
}, {"stuck": "stuck", "overtaken": "overtaken", "wrong": "wrong", "dead letters": "dead"})  # fmt: skip
CLUSTER = FaultTable("faults of a cluster", CLUSTER_FAULTS, REQUEST_NUMBERS, REQUEST_PROMISES)
TABLES = (REQUESTS, CLUSTER, JOBS)
TITLES = tuple(fault.title for table in TABLES for fault in table.faults)
"""Every fault, in the order of the tables."""


def table_of(fault: str) -> FaultTable:
    """The table that shows the fault of this title."""
    return next(table for table in TABLES if any(each.title == fault for each in table.faults))
