"""The engines that the tests run on, and in what they differ: asserted by the tests, never hidden."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from consumer.gateway.protocol.since import OLDEST, parse


@dataclass(frozen=True)
class Kind:
    """One engine and what is its own."""

    version: str
    """What its gateway and its broker call themselves."""
    host: str
    """What its broker calls its machine."""
    tenant: str
    """The tenant that most of its answers name, where there is only one."""
    waits: bool
    """Whether it lets a poll wait for jobs, and ends a wait for a result; if not, it answers at once, or never."""
    keeps_variables_of_failures: bool
    """Whether the variables of a failed job are kept."""
    answers_deletions: bool
    """Whether it says that a resource was deleted; if not, it deletes it and stays silent."""
    failed_output: str
    """What it gives for the output of a decision that fails."""
    numbers_evaluations: bool
    """Whether an evaluated decision has a key of its own in the answer."""
    listens_to_user_tasks: bool
    """Whether processes may have listeners for the creation of user tasks."""

    def says(self, since: str, value: Any) -> Any:
        """The value of a reply's field that came with a version of the gateway; an older one says nothing: null."""
        return value if (parse(self.version) or OLDEST) >= (parse(since) or OLDEST) else None


REAL = Kind(
    version="8.6.0",
    host="127.0.0.1",
    tenant="<default>",
    waits=True,
    keeps_variables_of_failures=True,
    answers_deletions=True,
    failed_output="",
    numbers_evaluations=True,
    listens_to_user_tasks=False,
)
"""A broker with its gateway, as it is installed."""

IN_MEMORY = Kind(
    version="8.8.21",
    host="0.0.0.0",
    tenant="",
    waits=False,
    keeps_variables_of_failures=False,
    answers_deletions=False,
    failed_output="null",
    numbers_evaluations=False,
    listens_to_user_tasks=True,
)
"""The newer engine without disk and cluster, behind a gateway that was made for tests."""

ENGINES = (REAL, IN_MEMORY)

Passing = Callable[[], Awaitable[None]]
"""Lets time pass for an engine."""
