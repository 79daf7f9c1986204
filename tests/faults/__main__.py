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
from itertools import groupby
from pathlib import Path

from rich.console import Console

from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_cluster import RabbitMQCluster
from scripts.rabbitmq_release import NEWEST, VARIABLE
from tests.faults import page, results
from tests.faults.cluster import CLUSTER_FAULTS
from tests.faults.fault import LASTING, Fault
from tests.faults.faults import FAULTS
from tests.faults.jobs.fault import JobFault
from tests.faults.jobs.faults import JOB_FAULTS
from tests.faults.report import FaultResult, show
from tests.integration.broker_control import version
from tests.releases import named

EVERY: tuple[Fault | JobFault, ...] = (*FAULTS, *JOB_FAULTS, *CLUSTER_FAULTS)


def needs_cluster(fault: Fault | JobFault) -> bool:
    """Whether a fault is played with three nodes."""
    return fault in CLUSTER_FAULTS


def played(
    fault: Fault | JobFault, requests: int, directory: Path, broker: RabbitMQ | RabbitMQCluster, lasting: float
) -> FaultResult:
    """One row; a fault that could not be played is a broken promise too."""
    directory.mkdir()
    try:
        return FaultResult(fault, asyncio.run(fault.play(requests, directory, broker, lasting)))
    except Exception as failure:
        return FaultResult(fault, failure=f"{type(failure).__name__}: {failure}")
    finally:
        if not broker.running:
            broker.start()


def main() -> int:
    """Play, show, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="faults whose name contains this, or another")
    add("--requests", type=int, default=2000, help="per fault")
    add("--lasting", type=float, default=LASTING, metavar="SECONDS", help="what a fault of minutes takes")
    add("--write", action="store_true", help="keep the rows in tests/faults/results.jsonl, and make the page anew")
    add("--page", action="store_true", help="play nothing; make the heat maps and tables of what is kept")
    options = parser.parse_args()
    if options.page:
        page.make(results.read())
        return 0
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # callers lose their connections on purpose
    chosen = [fault for fault in EVERY if any(part in fault.title for part in options.only or [""])]
    if not chosen:
        parser.error(f"--only: no fault is named {options.only!r}; there are: {', '.join(f.title for f in EVERY)}")
    if named() != NEWEST:
        chosen = [fault for fault in chosen if not needs_cluster(fault)]
        if not chosen:
            parser.error(f"--only: a cluster is of RabbitMQ {NEWEST}: {VARIABLE}={NEWEST} in the environment")
    rows = []
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        folder = Path(directory)
        for clustered, group in groupby(chosen, needs_cluster):
            with RabbitMQCluster(folder / "cluster") if clustered else RabbitMQ(folder / "rabbitmq") as broker:
                found = version(broker.nodes[0])
                for fault in group:
                    row = played(fault, options.requests, folder / str(len(rows)), broker, options.lasting)
                    rows.append(row)
                    if options.write:
                        results.write([row.kept(found)])
                    told = ", ".join([*filter(None, row.cells()), *row.problems])
                    console.print(f"{len(rows)}/{len(chosen)} {told}", markup=False)
    show(rows)
    if options.write:
        page.make(results.read())
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
