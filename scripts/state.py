"""What `make up` started, written down in `.run/stack.json`; data and logs are beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scripts import guard
from scripts.process import Process

ROOT = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Where the state is: `.run`, unless `STACK_DIR` names another folder."""
    return Path(os.environ.get("STACK_DIR") or ROOT / ".run").resolve()


@dataclass
class State:
    """What was started; after `make down` the addresses stay, since a shell may still have them."""

    environment: dict[str, str] = field(default_factory=dict)
    """Addresses, by the variable that names them."""
    given: list[str] = field(default_factory=list)
    """Which of these variables are the user's own."""
    pages: dict[str, str] = field(default_factory=dict)
    """Addresses for a browser, by what is there."""
    pids: dict[str, int] = field(default_factory=dict)
    """Process ids, by server."""

    @classmethod
    def load(cls) -> State:
        """What `stack.json` says; empty when there is none."""
        file = folder() / "stack.json"
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def save(self) -> None:
        """Write it down at once, so that whatever happens next can be stopped."""
        folder().mkdir(parents=True, exist_ok=True)
        (folder() / "stack.json").write_text(json.dumps(asdict(self), indent=2) + "\n")

    @property
    def running(self) -> bool:
        """Whether all that was started still runs."""
        return bool(self.pids) and all(map(self.runs, self.pids))

    def runs(self, name: str) -> bool:
        """Whether a server that we started still runs: its process id may be somebody else's by now."""
        try:
            command = Path(f"/proc/{self.pids[name]}/cmdline").read_bytes().split(b"\0")
        except (KeyError, OSError):
            return False
        return os.fsencode(guard.__file__) in command

    def started(self, name: str, process: Process | None, **environment: str) -> None:
        """Remember a server; it is a background process of its own from now on."""
        assert process is not None
        self.pids[name] = process.pid
        self.environment |= environment
        self.save()

    def use(self, **environment: str) -> None:
        """Remember the address of a server that somebody else runs."""
        self.given += environment
        self.environment |= environment
        self.save()

    def own(self, variable: str) -> str | None:
        """The address of a server of ours, also after it was stopped; None when it was given, or never was."""
        return None if variable in self.given else self.environment.get(variable)
