"""What a command acts on: the names, tenants and keys in it that rules about rights can limit."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["ANY", "DEFAULT_TENANT", "KINDS", "Target"]

ANY: Final = "*"
"""In the place of a name: whichever there are. Only a rule for all names allows it."""
DEFAULT_TENANT: Final = "<default>"
"""The tenant of what names none."""
KINDS: Final = ("processes", "messages", "signals", "decisions", "job_types", "resources")
"""The kinds of names; also fields of `Target`."""


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command acts on. Each kind has the names in the command; `ANY` stands for whichever there are."""

    processes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    job_types: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Names of files."""
    tenants: tuple[str, ...] = ()
    """Empty for a command that has no tenant."""
    keys: tuple[str, ...] = ()
    """Keys, and ids of executions: they name nothing that a rule could know."""
