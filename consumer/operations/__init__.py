"""The operations: rows and mappings, by the same nouns as the contracts' commands."""

from __future__ import annotations

from consumer.operations import cluster, instances, jobs, messages, resources
from consumer.operations.row import Operation

__all__ = ["OPERATIONS", "Operation"]

OPERATIONS: dict[str, Operation] = {
    row.name: row for module in (cluster, resources, instances, messages, jobs) for row in module.OPERATIONS
}
"""Every operation by its name on the wire."""
