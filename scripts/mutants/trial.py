"""A copy of the repository in which the tests meet one mutant after another."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from scripts.mutants.mutant import Mutant
from scripts.mutants.result import Result
from scripts.mutants.steps import steps
from scripts.process import Process, ServerError, tail

TEST_LIMIT = 20
"""Seconds for one test; the slowest takes two."""
LIMIT = 600
"""Seconds for one run of tests: for what no limit of a test ends."""
NO_TESTS = 5
"""Exit status of pytest."""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
AGAINST_ONE = ("-x", "--timeout", str(TEST_LIMIT))
"""Options for the tests of a mutant."""
ALIKE = {"CI": "true", "PYTEST_ADDOPTS": ""}
"""In the environment: property tests try the same examples every time, so what they find is no luck."""
KEEPING_NOTHING = {"PYTHONDONTWRITEBYTECODE": "1"}
"""In the environment: a mutant that Python had compiled could be taken for the next one of the same size and second."""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "site", "build", "dist")
"""What a copy does without: it is made anew, or not for the tests."""

Lines: TypeAlias = Mapping[str, set[int]]
"""The lines of each file that the tests run."""


class Copy:
    """A copy of a checkout in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, root: Path, folder: Path, tests: Path | None = None) -> Copy:
        """Copy a checkout, with the tests of another one if `tests` names their folder."""
        shutil.copytree(root, folder, ignore=LEFT_OUT)
        if tests is not None:
            shutil.rmtree(folder / "tests")
            shutil.copytree(tests, folder / "tests", ignore=LEFT_OUT)
        return cls(folder)

    def copy(self, folder: Path) -> Copy:
        """One more; what Python has compiled comes along."""
        shutil.copytree(self.folder, folder)
        return Copy(folder)

    def measure(self, files: Iterable[str], workers: int) -> Lines:
        """Run the tests about some files without a fault; the lines that they run.

        Raises:
            ServerError: they fail; with what they print.
        """
        tests = {test: None for file in files for step in steps(self.folder, file) for test in step}
        report = self.folder / "lines.json"
        options = ["--cov", f"--cov-report=json:{report}", "--cov-fail-under=0", "--numprocesses", str(workers)]
        if failure := self._failure(options, tests):
            raise ServerError(f"the tests fail without any fault: {failure}\n{tail(self._log)}")
        measured = json.loads(report.read_text())["files"]
        return {file: {*each["executed_lines"], *each["excluded_lines"]} for file, each in measured.items()}

    def try_out(self, mutant: Mutant) -> Result:
        """Run the tests about a mutant until the first one fails."""
        began = time.monotonic()
        with self._mutated(mutant):
            failures = (self._failure(AGAINST_ONE, step, KEEPING_NOTHING) for step in steps(self.folder, mutant.file))
            by = next(filter(None, failures), "")
        return Result(mutant.name, by, round(time.monotonic() - began, 1))

    @contextmanager
    def _mutated(self, mutant: Mutant) -> Iterator[None]:
        path = self.folder / mutant.file
        source, times = path.read_bytes(), path.stat()
        path.write_bytes(mutant.apply(source))
        try:
            yield
        finally:
            path.write_bytes(source)
            # Python takes what it has compiled for that of the file again.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _failure(self, options: Iterable[str], tests: Iterable[str], environment: Mapping[str, str] = ALIKE) -> str:
        """Run tests: the one that failed, or what else happened; empty when all passed."""
        self._log.unlink(missing_ok=True)
        # Before what is installed, which is the checkout that runs this.
        paths = os.pathsep.join([str(self.folder), str(self.folder / "contracts")])
        process = Process((*PYTEST, *options, *tests), {**ALIKE, **environment, "PYTHONPATH": paths}, self._log)
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"no end after {LIMIT} s"
        return "" if status in (0, NO_TESTS) else first_failure(self._log.read_text(errors="replace"))

    @property
    def _log(self) -> Path:
        return self.folder / "pytest.log"


def first_failure(output: str) -> str:
    """The test that pytest says failed; when it is none, that the tests did not begin."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return found[1] if found else "the tests do not begin"
