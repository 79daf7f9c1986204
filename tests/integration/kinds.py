"""The engines that the tests run on, and in what they differ: asserted by the tests, never hidden."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One engine and what is its own."""

    version: str
    """What its gateway and its broker call themselves."""
    host: str
    """What its broker calls its machine."""
    tenant: str
    """The tenant that most of its answers name, where there is only one."""
    checks_tenants: bool
    """Whether it refuses other tenants; if not, it ignores them."""
    waits: bool
    """Whether it lets a poll wait for jobs, and ends a wait for a result; if not, it answers at once, or never."""
    keeps_variables_of_failures: bool
    """Whether the variables of a failed job are kept."""


REAL = Kind("8.6.0", "127.0.0.1", tenant="<default>", checks_tenants=True, waits=True, keeps_variables_of_failures=True)
"""A broker with its gateway, as it is installed."""

IN_MEMORY = Kind("8.8.21", "0.0.0.0", tenant="", checks_tenants=False, waits=False, keeps_variables_of_failures=False)
"""The newer engine without disk and cluster, behind a gateway that was made for tests."""

ENGINES = (REAL, IN_MEMORY)
