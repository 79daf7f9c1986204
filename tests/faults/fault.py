"""One fault: what it does, when, and what it excuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.faults.gateways import InsideGateway
from tests.faults.moments import Moment, caught
from tests.faults.setup import Setup
from zeebe_amqp.errors import Code

REDIS = "{redis}"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    `strike` does the fault and undoes it, at once or awaited; it may return the identities of requests that need no
    answer any more.
    `accepts` are the errors that callers may get because of it. `forgiving`: running twice was never promised.
    `gateway`: the kind that it needs, a real engine where the fault is the engine's. `two`: another consumer works
    beside the one that is struck. `quick`: part of every test run. `{redis}` in the `environment` stands for the URL
    of a private Redis; unless the environment names a ledger, it is the default one, a file. `padding`: bytes by which
    the requests beside the fault are larger. `most`: no more requests than that, however many are asked for.
    """

    name: str
    strike: Callable[[Setup], Any]
    moment: Moment = Moment.ANY
    accepts: frozenset[Code] = frozenset()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    gateway: Callable[[Path], Any] = InsideGateway
    two: bool = False
    quick: bool = False
    forgiving: bool = False
    padding: int = 0
    most: int | None = None

    @property
    def title(self) -> str:
        """Its name and its moment."""
        return self.name if self.moment is Moment.ANY else f"{self.name}: {self.moment.value}"

    async def happen(self, setup: Setup) -> Collection[str]:
        """Strike at the moment; the identities of the requests that it excuses."""
        async with caught(setup, self.moment):
            struck = self.strike(setup)
            return (await struck if inspect.isawaitable(struck) else struck) or frozenset()


def at(fault: Fault, *moments: Moment, quick: Moment | None = None) -> list[Fault]:
    """The fault at each of the moments; without any, at every one."""
    return [replace(fault, moment=moment, quick=moment is quick) for moment in moments or Moment]
