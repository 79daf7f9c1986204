"""Schedules that nobody thought of: crashes, lost acks, redeliveries, outages, drawn by seed; and what they broke.

`python -m tests.simulation [--schedules N] [--seed S] [--store NAME --at PLACE] [--bug NAME] [--history]`; exit code 1
when a promise was broken.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext

from tests.simulation.bugs import BUGS
from tests.simulation.report import Size, distribution, failure
from tests.simulation.run import play
from tests.simulation.stores import STORES

SHOWN = 3
"""Failures that are shown with their histories, at most."""


def main() -> int:
    """Play, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--schedules", type=int, default=1000, metavar="N", help="how many")
    add("--seed", type=int, default=0, help="of the first one; the others follow")
    add("--store", choices=STORES, default="memory", help="where the ledger keeps its entries")
    add("--at", metavar="URL", default="", help="of a Redis or PostgreSQL, which is emptied")
    add("--bug", choices=BUGS, help="a bug to plant; the first schedule that finds it is the last one")
    add("--history", action="store_true", help="show what happened also where nothing was broken")
    options = parser.parse_args()
    kind, sizes, broken = STORES[options.store], [], 0
    began, cpu = time.monotonic(), time.process_time()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="simulation-"))
        make_places = stack.enter_context(kind.open(options.at or folder))
        stack.enter_context(BUGS[options.bug]() if options.bug else nullcontext())
        gc.freeze()
        for seed in range(options.seed, options.seed + options.schedules):
            run = play(seed, make_places, kind.limits)
            sizes.append(Size.of(run))
            again = f"python -m tests.simulation --schedules 1 --seed {seed} --store {options.store} --history"
            if run.problems:
                broken += 1
                told = failure(run, again) if broken <= SHOWN else f"seed {seed}: {'; '.join(run.problems)}"
                print(told, flush=True)
                if options.bug:
                    break
            elif options.history:
                print(run.outcome.history)
    print(distribution(sizes))
    print(f"{len(sizes)} schedules in {time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of processor")
    print(f"{broken} of them broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
