"""Which mutants are tried: drawn by a seed, the same for the same seed and the same sources."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from scripts.mutants.mutant import Mutant, mutants

SOURCES = (
    "consumer/pipeline",
    "consumer/ledger",
    "consumer/rabbitmq",
    "consumer/zeebe",
    "contracts/zeebe_amqp/envelope.py",
)
"""Folders and files, as paths in the repository."""

EQUIVALENT = {
    (
        "consumer/ledger/table.py",
        "LOCK_LENGTH: Final = 512 -> LOCK_LENGTH: Final = 0",
    ): "nothing else is locked after these bytes",
}
"""Faults that nobody can notice, by file and change, and why; they are never drawn."""


def draw(root: Path, number: int, seed: int) -> list[Mutant]:
    """So many mutants of the sources of a checkout, file by file in the order of their lines.

    Each file has an order of its own, which no other file changes; of one line comes at most one.
    """
    orders = {file: _ordered(_noticeable(root, file), f"{seed} {file}") for file in files(root)}
    share = shares({file: len(order) for file, order in orders.items()}, number)
    drawn = [each for file, order in orders.items() for each in order[: share[file]]]
    return sorted(drawn, key=lambda each: (each.file, each.start, each.name))


def files(root: Path) -> list[str]:
    """The sources of a checkout, without what is generated."""
    found = [path for name in SOURCES for path in _files(root / name) if not path.stem.endswith("_pb2")]
    return sorted(str(path.relative_to(root)) for path in found)


def _files(path: Path) -> list[Path]:
    return [path] if path.suffix else list(path.rglob("*.py"))


def _noticeable(root: Path, file: str) -> list[Mutant]:
    found = mutants(file, (root / file).read_bytes())
    return [each for each in found if (file, each.change) not in EQUIVALENT]


def _ordered(found: list[Mutant], seed: str) -> list[Mutant]:
    """One of each line, in an order that the seed gives."""
    dice = random.Random(seed)
    lines: dict[int, list[Mutant]] = {}
    for each in found:
        lines.setdefault(each.line, []).append(each)
    drawn = [dice.choice(line) for line in lines.values()]
    dice.shuffle(drawn)
    return drawn


def shares(sizes: Mapping[str, int], number: int) -> dict[str, int]:
    """How many come from each file: a file four times as large has twice as many."""
    share = dict.fromkeys(sizes, 0)
    for _ in range(min(number, sum(sizes.values()))):
        open_files = [file for file, size in sizes.items() if share[file] < size]
        share[max(open_files, key=lambda file: sizes[file] ** 0.5 / (share[file] + 1))] += 1
    return share
