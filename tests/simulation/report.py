"""What the schedules of a simulation were like, and the ones that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.simulation.run import Run


@dataclass(frozen=True)
class Size:
    """How large one run was."""

    requests: int
    messages: int
    replicas: int
    crashes: int
    redeliveries: int
    others: int
    """Strikes of other kinds."""
    callbacks: int

    @classmethod
    def of(cls, run: Run) -> Size:
        """That of a run."""
        plan, outcome = run.schedule, run.outcome
        outages = (plan.ledger_outages, plan.broker_outages, plan.gateway_outages, plan.refusals)
        others = (plan.stops, plan.freezes, plan.cuts, *outages, plan.clock_steps)
        return cls(
            len(plan.requests),
            len(outcome.callers.sends),
            plan.replicas,
            sum(end.by_crash for end in outcome.ends),
            outcome.redeliveries,
            sum(map(len, others)),
            outcome.steps,
        )


COLUMNS: Final[dict[str, Callable[[Size], int]]] = {
    "requests": lambda size: size.requests,
    "messages": lambda size: size.messages,
    "replicas": lambda size: size.replicas,
    "crashes": lambda size: size.crashes,
    "redeliveries": lambda size: size.redeliveries,
    "other strikes": lambda size: size.others,
    "callbacks": lambda size: size.callbacks,
}


def middle(sizes: Iterable[Size]) -> dict[str, float]:
    """The median of each column."""
    known = list(sizes)
    return {name: median(map(of, known)) for name, of in COLUMNS.items()}


def distribution(sizes: Iterable[Size]) -> str:
    """A table: of each column the least, the median and the most."""
    known = list(sizes)
    lines = [f"{'of a schedule':<16}{'least':>8}{'median':>8}{'most':>8}"]
    for name, of in COLUMNS.items():
        values = sorted(map(of, known))
        lines.append(f"{name:<16}{values[0]:>8}{median(values):>8g}{values[-1]:>8}")
    return "\n".join(lines)


def failure(run: Run, again: str) -> str:
    """What a run broke, what happened in it, and how to see it again."""
    seed = run.schedule.seed
    problems = "\n".join(f"seed {seed}: {problem}" for problem in run.problems)
    return f"{run.schedule}\n{run.outcome.history}\n{problems}\nagain: {again}"
