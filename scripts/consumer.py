"""The consumer as a program of its own, as an operator starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from scripts.process import Process, free_port, tail

ROOT = Path(__file__).parents[1]
QUEUES = "zeebe.commands,zeebe.polls"
"""Its request queues, unless AMQP_QUEUES says otherwise."""
SIGNING_KEY = "the-key-of-all-consumers-of-a-trial"
"""Of all that are started here, so that several can share a ledger, unless SIGNING_KEYS says otherwise."""


class Consumer:
    """`python -m consumer` against a broker and a gateway; use as a context manager, or `start` and `stop`.

    Args:
        directory: for its log and its state.
        amqp_url: the broker.
        zeebe_address: the gateway; plaintext, unless the environment says otherwise.
        environment: more settings, or other values for the ones above.
        checkout: whose consumer it is; another one than this needs a `.venv` of its own.
    """

    def __init__(
        self,
        directory: Path,
        amqp_url: str,
        zeebe_address: str,
        environment: Mapping[str, str] | None = None,
        *,
        checkout: Path = ROOT,
    ) -> None:
        self.port = free_port()
        self.directory = directory
        self.log = directory / "consumer.log"
        self.process: Process | None = None
        python = sys.executable if checkout == ROOT else str(checkout / ".venv" / "bin" / "python")
        self._command = [python, "-P", "-m", "consumer"]  # -P: not the consumer of the working directory
        self._environment = {
            "AMQP_URL": amqp_url,
            "ZEEBE_ADDRESS": zeebe_address,
            "ZEEBE_INSECURE_CONNECTION": os.environ.get("ZEEBE_INSECURE_CONNECTION", "true"),
            "HTTP_ADDRESS": f"127.0.0.1:{self.port}",
            "STATE_DIR": str(directory / "state"),
            "SIGNING_KEYS": SIGNING_KEY,
            "LOG_FORMAT": "text",
            "PYTHONPATH": f"{checkout}:{checkout / 'contracts'}",
            **(environment or {}),
        }

    @property
    def queues(self) -> tuple[str, ...]:
        """Its request queues: the one for commands first, then the one for polls."""
        return tuple(self._environment.get("AMQP_QUEUES", QUEUES).split(","))

    @property
    def environment(self) -> dict[str, str]:
        """The environment that it runs in, for running its other commands."""
        return {**os.environ, **self._environment}

    def configure(self, environment: Mapping[str, str]) -> None:
        """Change settings for its next start."""
        self._environment.update(environment)

    def launch(self) -> Self:
        """Start it and return at once."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = Process(self._command, self._environment, self.log)
        return self

    def start(self) -> Self:
        """Start it and return when it is ready."""
        self.launch()
        self.wait_until_ready()
        return self

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Return when it says that it is ready."""
        assert self.process is not None
        self.process.wait_until(lambda: self.get("/readyz")[0] == 200, seconds)

    def get(self, path: str) -> tuple[int, str]:
        """Ask its HTTP port; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, OSError):
            return 0, ""

    def reasons(self) -> dict[str, Any]:
        """Why it is not ready."""
        return dict(json.loads(self.get("/readyz")[1] or "{}").get("reasons", {}))

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.stop()
        return int(self.process.status or 0)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send any signal to the program itself."""
        assert self.process is not None
        self.process.signal(number)

    @property
    def tail(self) -> str:
        """The end of its log."""
        return tail(self.log, 60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.running:
            self.process.stop()
