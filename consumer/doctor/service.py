"""The running service: is it alive, ready, open to questions, and does its platform let it end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import orjson

from consumer.app import CLOSING
from consumer.config import Settings
from consumer.doctor.finding import Finding, Section
from zeebe_amqp import wire

__all__ = ["Page", "ServiceFacts", "judge_service", "ledger_entries", "local_url", "unseen"]

SERVICE: Final = Section("service")
KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
"""The variable that every container there has."""
POD: Final = 30.0
"""Seconds that Kubernetes waits by default."""

_ANY: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_SIZE: Final = re.compile(rb"^zeebe_amqp_ledger_size(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """What a page of the service answered."""

    status: int | None
    """None when nobody answered."""
    body: bytes = b""
    problem: str = ""
    """Why nobody answered."""


@dataclass(frozen=True)
class ServiceFacts:
    """What was found of the service on this machine."""

    live: Page | None
    """None with HTTP_ADDRESS=off, and the same for the others."""
    ready: Page | None
    metrics: Page | None
    inquiries: bool
    """Whether it answers at its socket in STATE_DIR."""
    free: int | None
    """Bytes on the disk of STATE_DIR; None when there is no such folder yet."""
    environ: Mapping[str, str] = field(default_factory=dict)


def unseen(problem: str) -> Finding:
    """The service could not be looked at."""
    return SERVICE.unseen(
        "service", problem, "ask its /livez and /readyz yourself", "nothing is known of the running service"
    )


def local_url(address: tuple[str, int]) -> str:
    """Where a service that listens at `address` is asked from the same machine."""
    host, port = address
    host = _ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ledger_entries(facts: ServiceFacts) -> int | None:
    """How many answers the running service's ledger remembers; None when it does not say."""
    found = _SIZE.search(facts.metrics.body) if facts.metrics is not None else None
    try:
        return None if found is None else int(float(found[1]))
    except (ValueError, OverflowError):  # nan: it could not be counted
        return None


def judge_service(facts: ServiceFacts, settings: Settings) -> Iterator[Finding]:
    """Everything about the running service."""
    yield from _pages(facts, settings)
    yield _inquiries(facts, settings.state_dir)
    yield _disk(facts, settings)
    yield _grace(settings.shutdown_grace, facts.environ)


def _pages(facts: ServiceFacts, settings: Settings) -> Iterator[Finding]:
    if facts.live is None or facts.ready is None or settings.http_address is None:
        yield SERVICE.unseen(
            "HTTP",
            "HTTP_ADDRESS=off",
            "give it an address, and let the platform ask /livez and /readyz",
            "nobody else notices a service that hangs, or that is not ready",
        )
        return
    where = local_url(settings.http_address)
    if facts.live.status is None:
        yield SERVICE.warning(
            "alive",
            f"nothing answers at {where}/livez ({facts.live.problem})",
            "start the service; or run this command where it runs, with the same settings",
            "no service consumes with these settings on this machine",
        )
        return
    yield _alive(facts.live, where)
    yield _ready(facts.ready, where)


def _alive(page: Page, where: str) -> Finding:
    if page.status == HTTPStatus.OK and page.body == b"alive\n":
        return SERVICE.ok("alive", f"{where}/livez says so")
    return SERVICE.problem(
        "alive",
        f"{where}/livez answers {page.status}, and not as this service does",
        "see what listens there, and give the service another HTTP_ADDRESS",
        "the platform would restart a healthy service, or keep a broken one",
    )


def _ready(page: Page, where: str) -> Finding:
    if page.status == HTTPStatus.OK:
        return SERVICE.ok("ready", f"{where}/readyz says so")
    reasons = _reasons(page.body)
    told = "; ".join(f"{part}: {why}" for part, why in reasons.items()) or f"{page.status} {page.problem}".strip()
    return SERVICE.problem(
        "ready",
        f"{where}/readyz: {told}",
        "do what the reasons say; the sections above say more",
        "while it is not ready it consumes nothing, or cannot reply",
    )


def _reasons(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    reasons = found.get("reasons") if isinstance(found, dict) else None
    return reasons if isinstance(reasons, dict) else {}


def _inquiries(facts: ServiceFacts, folder: Path) -> Finding:
    if facts.inquiries:
        return SERVICE.ok("questions", f"it answers at its socket in {folder}")
    return SERVICE.warning(
        "questions",
        f"no service answers at a socket in STATE_DIR {folder}",
        "run this command as the service's user and with its STATE_DIR; its log says when it could make no socket",
        "`python -m consumer request` cannot ask it what became of a request",
    )


def _disk(facts: ServiceFacts, settings: Settings) -> Finding:
    needed = settings.amqp.prefetch * wire.MAX_BODY
    if facts.free is None:
        return SERVICE.ok("disk", f"STATE_DIR {settings.state_dir} is not there yet; the service makes it")
    found = f"{facts.free / 2**20:.0f} MiB free in STATE_DIR {settings.state_dir}"
    if facts.free < needed:
        return SERVICE.warning(
            "disk",
            f"{found}; {needed / 2**20:.0f} MiB are needed when all of AMQP_PREFETCH requests have 8 MiB",
            "make room there, lower AMQP_PREFETCH, or keep large requests rare",
            "above AMQP_MAX_HELD_BYTES large requests wait there in files; without room they take memory instead",
        )
    return SERVICE.ok("disk", found)


def _grace(grace: float, environ: Mapping[str, str]) -> Finding:
    needed = grace + CLOSING
    found = f"the service takes up to {needed:g} s to end (SHUTDOWN_GRACE {grace:g} s, and {CLOSING:g} s to close)"
    change = (
        f"give it {needed:g} s or more: terminationGracePeriodSeconds in Kubernetes (30 by default), TimeoutStopSec "
        "for systemd (90), stop_grace_period in Compose (10)"
    )
    why = "a service that is killed gives nothing back: its requests wait until the broker notices, and may run twice"
    if KUBERNETES in environ and needed > POD:
        return SERVICE.warning("grace", f"{found}; this is a pod, which has {POD:g} s by default", change, why)
    return SERVICE.unseen("grace", f"{found}; it does not see how long its platform waits", change, why)
