"""The operations: rows and mappings, by the same nouns as the contracts' commands."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.zeebe.operations import cluster, decisions, instances, jobs, messages, resources, signals
from consumer.zeebe.operations.row import Operation
from zeebe_amqp.commands import COMMANDS

__all__ = ["OPERATIONS", "Operation", "with_camunda7"]

_MODULES = (cluster, resources, instances, messages, jobs, decisions, signals)
_ROWS = {row.name: row for module in _MODULES for row in module.OPERATIONS}

OPERATIONS: dict[str, Operation] = {name: _ROWS[name] for name in COMMANDS}
"""Every operation by its name on the wire, in the contracts' order."""


def with_camunda7(*, every: bool) -> Mapping[str, Operation]:
    """The same where a Camunda 7 engine is connected: it gets signals to one execution, with `every` all signals."""
    row = signals.with_camunda7(every=every)
    return {**OPERATIONS, row.name: row}
