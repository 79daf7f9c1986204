"""Tries small faults in the code, one at a time, and lists those that no test notices: `make mutants`.

They are drawn by a seed: the same seed and the same sources give the same faults, whatever the tests are, so that two
versions of the tests can be compared. Everything happens in copies; no file of the checkout is changed. Only tests
without servers are asked.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from scripts.mutants import result
from scripts.mutants.draw import draw
from scripts.mutants.mutant import Mutant
from scripts.mutants.result import Result
from scripts.mutants.trial import Copy, Lines
from scripts.process import ServerError

ROOT = Path(__file__).resolve().parents[2]
SEED = 1
MEMORY = 8 << 30
"""Bytes for each process: a fault may fill a list for ever."""


def main() -> int:
    """Try mutants, or compare what was kept; the exit status."""
    options = _parser().parse_args()
    if options.compare:
        return compare(*options.compare)
    drawn = [each for each in draw(ROOT, options.number, options.seed) if options.only in each.name]
    if options.list:
        print(*(each.name for each in drawn), sep="\n")
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        results = try_all(drawn, options.tests, options.workers, measured=not options.only)
    except ServerError as problem:
        print(f"make mutants: {problem}", file=sys.stderr)
        return 1
    print("", *result.summarize(results), sep="\n")
    if options.write:
        result.write(options.write, results)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=100, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=SEED, help="another one draws others")
    parser.add_argument("--only", default="", metavar="TEXT", help="of these only those named so, at once")
    parser.add_argument("--list", action="store_true", help="name them and try none")
    parser.add_argument("--tests", type=_folder, metavar="FOLDER", help="another checkout's tests instead of these")
    parser.add_argument("--workers", type=int, default=2, help="how many are tried side by side")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the results there")
    parser.add_argument("--compare", type=Path, nargs=2, metavar="FILE", help="try none: what became of survivors")
    return parser


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "unit").is_dir():
        raise argparse.ArgumentTypeError(f"{text} has no folder `unit`")
    return path


def compare(earlier: Path, later: Path) -> int:
    """Say which survivors of two files are new and which are gone; the exit status: 1 when there are new ones."""
    before, after = result.read(earlier), result.read(later)
    new, gone = result.compare(before, after)
    for title, names in (("new survivors", new), ("found now", gone)):
        print(f"{title}: {len(names)}", *names, sep="\n")
    if alone := len(before.keys() ^ after.keys()):
        print(f"only one of the two has tried {alone} others: other sources, another seed or number")
    return 1 if new else 0


def try_all(drawn: list[Mutant], tests: Path | None, workers: int, *, measured: bool) -> list[Result]:
    """Try mutants side by side, and print what becomes of each.

    Before it all tests run without a fault if `measured`: they must pass, and what they never run is not tried.

    Raises:
        ServerError: the tests fail without any fault.
    """
    results = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy.of(ROOT, Path(folder) / "0", tests)
        lines = _measure(copy, drawn, workers) if measured else None
        copies = [copy, *(copy.copy(Path(folder) / str(number)) for number in range(1, workers))]
        for done, each in enumerate(_results(drawn, lines, copies), 1):
            results.append(each)
            print(f"{done:3}/{len(drawn)} {each}", flush=True)
    return results


def _measure(copy: Copy, drawn: list[Mutant], workers: int) -> Lines:
    began = time.monotonic()
    lines = copy.measure({each.file for each in drawn}, workers)
    print(f"without a fault all pass, in {time.monotonic() - began:.0f} s; now {len(drawn)} faults:", flush=True)
    return lines


def _results(drawn: list[Mutant], lines: Lines | None, copies: list[Copy]) -> Iterator[Result]:
    """What becomes of mutants, as it is known; `lines` are those that the tests run."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def try_out(mutant: Mutant) -> Result:
        if lines is not None and mutant.statement not in lines.get(mutant.file, ()):
            return Result(mutant.name, "", 0.0, reached=False)
        copy = free.get()
        try:
            return copy.try_out(mutant)
        finally:
            free.put(copy)

    pool = ThreadPoolExecutor(len(copies))
    try:
        yield from (each.result() for each in as_completed([pool.submit(try_out, mutant) for mutant in drawn]))
    finally:
        pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main())
