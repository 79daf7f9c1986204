"""The benchmark: the service in its forms, its ceilings and, with --peers, what others would write; all in one run.

`python -m benchmarks [--peers] [--rounds N] [--seconds S] [--against FOLDER] [--write] [--page]`; `FOLDER` is another
checkout, which has a `.venv`. Load generator and gateway are programs in Go that cost little: what is measured is the
service, not an engine. Figures of one run may be compared with each other, not with those of another machine.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import page, rounds, sharing
from benchmarks.programs import PEERS_PYTHON, launched, resolved
from benchmarks.rounds import CALLERS, CELLS, Effort, Result
from scripts.process import ServerError

PEERS, ALONE = "peers", "bench"
"""Kinds of a run, in the names of result files."""


def show(results: list[Result]) -> None:
    """Print the tables."""
    console = Console(width=120)
    for each in results:
        table = Table(*page.COLUMNS, title=each.cell.title)
        for row in page.rows(each):
            table.add_row(*row)
        console.print(table)
        for title, figure in each.compared.items():
            console.print(f"{title}: {figure}{page.wanted(title)}")
        found = rounds.beside(each.programs)
        console.print("; ".join(f"{rounds.BESIDE[name]}: {span}" for name, span in found.items()), "\n")


def run(options: argparse.Namespace, effort: Effort) -> list[Result]:
    """Measure everything."""
    with launched(against=options.against, peers=options.peers) as (servers, programs, callers):
        turns = len(programs) * len(CELLS) + len(callers)
        about = turns * effort.rounds * (effort.seconds * 1.3 + 0.8) / 60
        print(f"{turns} programs and loads, {effort.rounds} rounds: about {about:.0f} minutes", file=sys.stderr)
        found = rounds.measure(servers, programs, CELLS, effort)
        return found + rounds.measure(servers, callers, [CALLERS], effort)


def main() -> int:
    """Measure, show, and with --write keep; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each program; medians count")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--wait", type=float, default=5.0, help="seconds for which each waits for a quiet machine")
    parser.add_argument("--against", type=resolved, help="another checkout, whose service takes turns with this one's")
    parser.add_argument("--peers", action="store_true", help="with what others would write")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures in benchmarks/results/, peers' in the page"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing; make the page of the newest figures")
    options = parser.parse_args()
    if options.page:
        page.make()
        sharing.make()
        return 0
    if options.peers and not PEERS_PYTHON.exists():
        parser.error("--peers: there is no .venv-peers; `make bench-peers` makes it")
    effort = Effort(options.rounds, options.seconds, options.wait)
    try:
        results = run(options, effort)
    except ServerError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 1
    show(results)
    if options.write:
        rounds.write(results, effort, PEERS if options.peers else ALONE)
        page.make()
    return 0


if __name__ == "__main__":
    sys.exit(main())
