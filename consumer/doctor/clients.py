"""What callers have to agree with: the contract's version, and the time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from consumer.doctor.clocks import CLIENTS
from consumer.doctor.finding import Finding
from zeebe_amqp import __version__

__all__ = ["SERVICE", "installed", "judge_versions"]

SERVICE: Final = "zeebe-amqp-consumer"
CONTRACTS: Final = "zeebe-amqp"


def installed(name: str) -> str | None:
    """The version of an installed package; None for one that runs from its sources."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def judge_versions(service: str | None, contracts: str = __version__) -> Iterator[Finding]:
    """Whether service and contracts are of one release; `service` is None when it runs from its sources."""
    if service is not None and service != contracts:
        yield CLIENTS.problem(
            "versions",
            f"{SERVICE} {service} runs with {CONTRACTS} {contracts}; accepted: the same version of both",
            f"`pip install {SERVICE}=={service} {CONTRACTS}=={service}`",
            "both are released together: the one may say what the other does not know",
        )
        return
    sources = " (from its sources)" if service is None else ""
    yield CLIENTS.ok(
        "versions",
        f"{SERVICE}{sources} and {CONTRACTS} {contracts}; callers should have {CONTRACTS} {contracts}, too",
    )
