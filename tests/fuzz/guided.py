"""Targets guided by what their inputs reach, two at a time: `python -m tests.fuzz.guided FOLDER SEED NAME=RUNS ...`.

Needs atheris; see `make fuzz`. What came of each is in FOLDER, and so are the inputs that reached something new: the
next run begins with them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["consumer", "zeebe_amqp"], enable_loader_override=False):
    from tests.fuzz.table import TARGETS

from tests.fuzz.watch import Watch

MAX_SIZE = 4096
"""Bytes of an input: enough for every form, and how time grows is looked at apart."""
AT_ONCE = 2
MAX_WORD = 64
"""Bytes of a word that the mutator takes."""


def fuzz(name: str, runs: int, folder: Path, seed: int) -> None:
    """Run one target; does not return."""
    target, watch = TARGETS[name], Watch(TARGETS[name])
    corpus, words = folder / "corpus" / name, folder / f"{name}.words"
    corpus.mkdir(parents=True, exist_ok=True)
    for place, each in enumerate(target.seeds()):
        (corpus / f"seed-{place:04}").write_bytes(each)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if len(word) <= MAX_WORD))
    options = {
        "atheris_runs": runs,
        "max_len": MAX_SIZE,
        "seed": seed,
        "timeout": 120,
        "rss_limit_mb": 2048,
        "dict": words,
        "artifact_prefix": folder / f"{name}-",
    }

    def one(data: bytes) -> None:
        watch.run(data)
        if watch.count == runs:
            watch.write(folder)

    atheris.Setup([sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)], one)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main(folder: Path, seed: int, *wanted: str) -> int:
    """Run each in a process of its own; what is imported once is instrumented once."""
    running: dict[int, str] = {}
    for each in wanted:
        if len(running) == AT_ONCE:
            running.pop(os.wait()[0])
        name, _, runs = each.partition("=")
        child = os.fork()
        if not child:
            log = os.open(folder / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            fuzz(name, int(runs), folder, seed)
        running[child] = name
    while running:
        running.pop(os.wait()[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
