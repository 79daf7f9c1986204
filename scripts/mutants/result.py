"""What became of the mutants: kept in a file, told, and compared with another time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

UNREACHED = "no test runs it"


@dataclass(frozen=True)
class Result:
    """What became of one mutant."""

    name: str
    by: str
    """The test that found it, or what else gave it away; empty when it survived."""
    seconds: float
    reached: bool = True
    """Whether any test runs its line."""

    @property
    def found(self) -> bool:
        """Whether the tests notice it."""
        return bool(self.by)

    def __str__(self) -> str:
        verdict = "found   " if self.found else "SURVIVED"
        reason = self.by if self.reached else UNREACHED
        return f"{verdict} {self.seconds:5.1f} s  {self.name}{f'  ({reason})' if reason else ''}"


def write(file: Path, results: Iterable[Result]) -> None:
    """Keep results in a file."""
    file.write_text(json.dumps([asdict(each) for each in results], indent=2) + "\n")


def read(file: Path) -> dict[str, Result]:
    """The results that were kept in a file, by name."""
    return {each["name"]: Result(**each) for each in json.loads(file.read_text())}


def summarize(results: Iterable[Result]) -> Iterator[str]:
    """Lines for the end: how many were found, and the others; those that no test runs apart."""
    ordered = sorted(results, key=lambda each: each.name)
    survivors = [each for each in ordered if not each.found]
    yield f"{len(ordered) - len(survivors)} of {len(ordered)} found"
    for title, reached in (("survived", True), (f"survived: {UNREACHED} without a server", False)):
        names = [each.name for each in survivors if each.reached is reached]
        yield from (f"\n{title} ({len(names)}):", *names) if names else ()


def compare(before: dict[str, Result], after: dict[str, Result]) -> tuple[list[str], list[str]]:
    """The names of the survivors that are new, and of those that are gone; only of mutants that both have."""
    both = [name for name in before if name in after]
    new = [name for name in both if before[name].found and not after[name].found]
    gone = [name for name in both if after[name].found and not before[name].found]
    return new, gone
