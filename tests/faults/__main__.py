"""Every fault in the middle of load, and a table of what came of it.

`python -m tests.faults [--only NAME] [--requests N] [--lasting SECONDS] [--write] [--page]`; exit code 1 when a promise
was broken. `BROKER` in the environment names the release of RabbitMQ that all play with.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from scripts.rabbitmq import RabbitMQ
from tests.faults import page, results
from tests.faults.fault import LASTING, Fault
from tests.faults.faults import FAULTS
from tests.faults.jobs.fault import JobFault
from tests.faults.jobs.faults import JOB_FAULTS
from tests.faults.report import FaultResult, show
from tests.integration.broker_control import version

EVERY: tuple[Fault | JobFault, ...] = (*FAULTS, *JOB_FAULTS)


def played(fault: Fault | JobFault, requests: int, directory: Path, broker: RabbitMQ, lasting: float) -> FaultResult:
    """One row; a fault that could not be played is a broken promise too."""
    directory.mkdir()
    try:
        return FaultResult(fault, asyncio.run(fault.play(requests, directory, broker, lasting)))
    except Exception as failure:
        return FaultResult(fault, failure=f"{type(failure).__name__}: {failure}")
    finally:
        if not (broker.process and broker.process.running):
            broker.start()


def main() -> int:
    """Play, show, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="faults whose name contains this, or another")
    add("--requests", type=int, default=2000, help="per fault")
    add("--lasting", type=float, default=LASTING, metavar="SECONDS", help="what a fault of minutes takes")
    add("--write", action="store_true", help="keep the rows in tests/faults/results.jsonl, and make the page anew")
    add("--page", action="store_true", help="play nothing; make the tables of docs/reliability.md of what is kept")
    options = parser.parse_args()
    if options.page:
        page.make(results.read())
        return 0
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # callers lose their connections on purpose
    chosen = [fault for fault in EVERY if any(part in fault.title for part in options.only or [""])]
    if not chosen:
        parser.error(f"--only: no fault is named {options.only!r}; there are: {', '.join(f.title for f in EVERY)}")
    rows = []
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, RabbitMQ(Path(folder) / "rabbitmq") as broker:
        found = version(broker)
        for number, fault in enumerate(chosen):
            row = played(fault, options.requests, Path(folder) / str(number), broker, options.lasting)
            console.print(f"{number + 1}/{len(chosen)} {', '.join(filter(None, row.cells()))}", markup=False)
            rows.append(row)
    show(rows)
    if options.write:
        page.make(results.write(row.kept(found) for row in rows))
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
