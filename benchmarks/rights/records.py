"""The audit as it stands in its file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Record: TypeAlias = Mapping[str, Any]


def read(file: Path) -> list[Record]:
    """The records, in their order; none where there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def distinct(records: Iterable[Record]) -> list[Record]:
    """The records without their repetitions."""
    return list({each.get("id", number): each for number, each in enumerate(records)}.values())


def by_trace(records: Iterable[Record]) -> dict[str, Record]:
    """The records by the trace of their request, which a record may share only with its own repetition."""
    return {str(each["trace_id"]): each for each in records if each.get("trace_id")}


def examples(records: Iterable[Record]) -> dict[str, Record]:
    """One record of each decision: the last one with a process in its target, if there is one."""
    found: dict[str, Record] = {}
    for each in records:
        decision = str(each.get("decision"))
        if decision not in found or each.get("target", {}).get("processes"):
            found[decision] = each
    return found


def contains(file: Path, text: str) -> bool:
    """Whether a text is anywhere in a file."""
    return file.exists() and text.encode() in file.read_bytes()
