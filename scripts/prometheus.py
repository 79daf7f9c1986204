"""Prometheus and its tool for rules, unpacked from Debian's package; `python -m scripts.prometheus`."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from scripts import cache, packages
from scripts.process import Process, Server, ServerError, free_port

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "helm" / "zeebe-amqp" / "alerts.yaml"
JOB = "zeebe-amqp"


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`: of this machine, else of the package, which is fetched when missing.

    Raises:
        ServerError: it cannot be fetched.
    """
    return shutil.which(name) or str(_unpacked() / "usr" / "bin" / name)


def _unpacked() -> Path:
    target = cache.folder() / "prometheus"
    if not target.exists():
        with cache.workspace() as work:
            cache.publish(packages.unpack("prometheus", work), target)
    return target


def promtool(*arguments: str, folder: Path = ROOT) -> str:
    """What promtool says to `promtool <arguments>`.

    Raises:
        ServerError: it found a mistake; with what it printed.
    """
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise ServerError(f"promtool {arguments[0]}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Series:
    """One line of a panel: its labels, and a value per moment (seconds since 1970); nan where it has none."""

    labels: Mapping[str, str]
    points: Mapping[float, float]


class Prometheus(Server):
    """A server that scrapes `targets` ("host:port") every `seconds` and loads our rules; data in `directory`.

    Args:
        directory: for its configuration, data and log.
        targets: what it scrapes.
        seconds: between two scrapes, and between two evaluations of the rules.
    """

    start_seconds = 30.0

    def __init__(self, directory: Path, targets: Sequence[str], seconds: int = 15) -> None:
        self.directory = directory.resolve()
        self.port = free_port()
        self.process: Process | None = None
        self._targets, self._seconds = list(targets), seconds

    def launch(self) -> Self:
        """Start the server and return at once.

        Raises:
            ServerError: it cannot be fetched.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._configuration()))
        options = {
            "config.file": file,
            "storage.tsdb.path": self.directory / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        command = [program("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
        self.process = Process(command, {}, self.directory / "prometheus.log")
        return self

    def _configuration(self) -> dict[str, Any]:
        every = f"{self._seconds}s"
        return {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": self._targets}]}],
        }

    def usable(self) -> bool:
        """Whether it answers queries and has scraped every target, which takes it five seconds at least."""
        try:
            return len(self.ask("query", query="up")["result"]) == len(self._targets)
        except (OSError, ServerError):
            return False

    def ask(self, path: str, **parameters: object) -> Any:
        """The data that the HTTP API gives, `ask("query", query="up")`.

        Raises:
            ServerError: it refuses the request; with its words.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ServerError(f"{path}: {error.read().decode()}; asked with {parameters}") from error

    def range(self, query: str, start: float, end: float, step: int) -> list[Series]:
        """Every series of an expression between two moments, a value each `step` seconds."""
        found = self.ask("query_range", query=query, start=start, end=end, step=step)["result"]
        return [Series(each["metric"], {at: _number(value) for at, value in each["values"]}) for each in found]


def _number(text: str) -> float:
    return math.nan if text in {"NaN", "+Inf", "-Inf"} else float(text)


def main() -> int:
    """Fetch the programs; the exit status."""
    try:
        print(f"Prometheus ready: {program('prometheus')}, {program('promtool')}")
    except ServerError as problem:
        print(f"prometheus: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
