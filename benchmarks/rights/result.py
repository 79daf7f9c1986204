"""What was found, as it is kept: the table of rights, the attacks, the audit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.rights import records, table
from benchmarks.rights.cases import MARKER
from benchmarks.rights.judgement import Outcome
from benchmarks.rights.records import Record
from benchmarks.rights.table import Answer
from benchmarks.rights.victim import RATE

FILE = Path(__file__).parents[1] / "results" / "rights.json"
REPLAYED = "replayed"


@dataclass(frozen=True)
class Audit:
    """What the audit has of the requests of one service."""

    sent: int
    """Requests that reached the service."""
    records: int
    """Records of commands, each counted once."""
    decisions: Mapping[str, int]
    """Records by decision."""
    marked: bool
    """Whether a value from the variables is in it, or in the log."""
    examples: Mapping[str, Record]
    """One record of each decision."""

    @classmethod
    def of(cls, file: Path, log: Path, sent: int) -> Audit:
        """The audit in a file, beside the log of the service that wrote it."""
        found = records.distinct(records.read(file))
        decisions = Counter(str(each.get("decision")) for each in found)
        marked = any(records.contains(each, MARKER) for each in (file, log))
        return cls(sent, len(found), dict(sorted(decisions.items())), marked, records.examples(found))

    def problems(self, of: str) -> list[str]:
        """What is missing in it, and what should not be in it."""
        few = [f"audit of {of}: {self.records} records of {self.sent} requests"] if self.records < self.sent else []
        return few + ([f"audit of {of}: a value of the variables is in it, or in the log"] if self.marked else [])


@dataclass(frozen=True)
class Result:
    """Everything, with its date and machine."""

    date: str
    machine: str
    engine: str
    """What the table was made on."""
    rounds: int
    seconds: float
    """Of each turn."""
    rate: float
    """Alice's requests per second."""
    answers: list[Answer]
    outcomes: list[Outcome]
    again: Mapping[str, int]
    """What alice got for answered requests that she sent again after the attack on the ledger."""
    twice: int
    """Of her commands, those that ran more than once."""
    audits: Mapping[str, Audit]
    """By what the requests were for."""

    def problems(self) -> list[str]:
        """Every broken promise, those about times left out: a busy machine breaks them, too."""
        found = table.problems(self.answers)
        for each in self.outcomes:
            if each.wrong:
                found.append(f"{each.name}: {each.wrong} answers that alice should not have got")
        forgotten = {what: count for what, count in self.again.items() if what != REPLAYED}
        if forgotten or not self.again:
            found.append(f"ledger: of alice's answered requests, sent again: {forgotten or 'none was sent'}")
        if self.twice:
            found.append(f"{self.twice} commands of alice's ran more than once")
        return found + [problem for of, audit in self.audits.items() for problem in audit.problems(of)]


def now(**found: Any) -> Result:
    """What was found now, on this machine."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    return Result(moment, machine.described(), rate=RATE, **found)


def write(result: Result, file: Path = FILE) -> None:
    """Keep it: a line for each member, and for each row of a list, so that a change shows where it is."""
    members = (f"{json.dumps(name)}: {_json(value)}" for name, value in asdict(result).items())
    file.write_text("{\n" + ",\n".join(members) + "\n}\n")


def _json(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(f" {json.dumps(each, ensure_ascii=False)}" for each in value) + "\n]"


def read(file: Path = FILE) -> Result:
    """What was kept."""
    kept = json.loads(file.read_text())
    kept["answers"] = [Answer(**each) for each in kept["answers"]]
    kept["outcomes"] = [Outcome(**each) for each in kept["outcomes"]]
    kept["audits"] = {of: Audit(**each) for of, each in kept["audits"].items()}
    return Result(**kept)
