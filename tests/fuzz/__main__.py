"""Every target with a million inputs in all, guided by what they reach.

`python -m tests.fuzz [--runs N] [--only NAME] [--seed N] [--write]`, which needs atheris: see `make fuzz`. Exit code 1
when a promise was broken. `--only NAME --replay FILE` runs one input that failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.growth import growing, seconds
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target
from tests.fuzz.watch import keep

FOLDER = Path("build/fuzz")
RESULTS = Path(__file__).parent / "results.json"
REACHED = re.compile(r"ft: (\d+)")
TRIES = 200
"""Inputs of 32 kB for each target, whose time is compared with that of 8 kB."""


@dataclass
class Row:
    """What came of a target."""

    target: str
    executions: int = 0
    features: int = 0
    """Edges and values that its inputs reached, as the fuzzer counts them."""
    slowest_ms: float = 0.0
    """Processor time of the slowest input, measured again alone."""
    slowest_bytes: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """Where, why, and the file with the input."""


def examine(target: Target, seed: int) -> Row:
    """Read what the fuzzer left, and look at how the time of the target grows."""
    log = FOLDER / f"{target.name}.log"
    reached = REACHED.findall(log.read_text(errors="replace"))
    row = Row(target.name, features=int(reached[-1]) if reached else 0)
    slow: list[bytes] = []
    try:
        found = json.loads((FOLDER / f"{target.name}.json").read_text())
    except OSError:
        row.failures.append(("the process ended early", log.read_text(errors="replace")[-2000:], str(log)))
    else:
        row.executions, row.failures = found["executions"], [tuple(each) for each in found["failures"]]
        slow = [bytes.fromhex(each) for each in found["slow"]]
    if slow:
        taken, worst = max((seconds(target.run, data), data) for data in slow)
        row.slowest_ms, row.slowest_bytes = round(taken * 1000, 1), len(worst)
    for data in growing(target.run, [*slow, *target.seeds()], TRIES, random.Random(seed)):
        row.failures.append(
            ("its time grows faster than its input", repr(data[:200]), str(keep(FOLDER, target.name, data)))
        )
    return row


def show(rows: list[Row]) -> None:
    """The table, and each failure with the command that repeats it."""
    table = Table("target", "executions", "features", "slowest", "of bytes", "failures")
    for row in rows:
        cells = f"{row.executions:,}", row.features, f"{row.slowest_ms} ms", row.slowest_bytes, len(row.failures)
        table.add_row(row.target, *map(str, cells))
    Console().print(table)
    for row in rows:
        for where, told, path in row.failures:
            print(f"\n{row.target}: {where}\n{told}\nagain: python -m tests.fuzz --only {row.target} --replay {path}")
    print(f"{sum(row.executions for row in rows):,} executions")


def write(rows: list[Row], taken: float) -> None:
    """Keep the table."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    targets = [asdict(row) | {"failures": len(row.failures)} for row in rows]
    found = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "seconds": round(taken), "targets": targets}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def main() -> int:
    """Run, show, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--runs", type=int, default=1_000_000, help="inputs of all targets together")
    add("--only", action="append", metavar="NAME", choices=[*TARGETS], help="this target, or another")
    add("--seed", type=int, default=1)
    add("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    add("--replay", type=Path, metavar="FILE", help="run one input of the target of --only")
    given = parser.parse_args()
    targets = [TARGETS[name] for name in given.only or TARGETS]
    if given.replay:
        targets[0].run(given.replay.read_bytes())
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for left in (*FOLDER.glob("*.json"), *FOLDER.glob("*.log"), *FOLDER.glob("*.input")):
        left.unlink()
    started, shares = time.monotonic(), sum(target.share for target in targets)
    wanted = [f"{target.name}={1 + int(given.runs * target.share / shares)}" for target in targets]
    subprocess.run([sys.executable, "-m", "tests.fuzz.guided", FOLDER, str(given.seed), *wanted], check=True)
    rows = [examine(target, given.seed) for target in targets]
    show(rows)
    if given.write:
        write(rows, time.monotonic() - started)
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    sys.exit(main())
