"""The operations: rows and mappings, by the same nouns as the contracts' commands."""

from __future__ import annotations

from typing import Final

from consumer.zeebe.operations import cluster, decisions, instances, jobs, messages, resources, signals
from consumer.zeebe.operations.row import Operation
from zeebe_amqp.commands import COMMANDS

__all__ = ["OPERATIONS", "Operation"]

_MODULES: Final = (cluster, resources, instances, messages, jobs, decisions, signals)
_ROWS: Final = {row.name: row for module in _MODULES for row in module.OPERATIONS}

OPERATIONS: Final[dict[str, Operation]] = {name: _ROWS[name] for name in COMMANDS}
"""Every operation by its name on the wire, in the contracts' order."""
