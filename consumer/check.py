"""Check the broker, a ledger with a server and each engine with one connection, and report the findings."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import click
import orjson

from consumer.camunda7 import Camunda7Engine
from consumer.config import Amqp, Camunda7, Settings
from consumer.config.exposure import exposures
from consumer.config.urls import hidden
from consumer.core.foreign_text import operators_text
from consumer.doctor import finding as diagnosis
from consumer.doctor import jobs as job_queues
from consumer.doctor.identity import look_at_identity
from consumer.doctor.ledger import judge_ledger, unreached
from consumer.doctor.rights import look_at_rights
from consumer.doctor.strict import look_at_replies
from consumer.ledger import LedgerError, examine_ledger, is_shared
from consumer.rabbitmq import BrokerReport, dead_letter_count, examine_jobs, inspect
from consumer.zeebe.examination import ask_gateway
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import BrokerError
from zeebe_amqp.errors import CommandError

__all__ = ["Finding", "check", "show"]

NO_BOUND: Final = (
    "a full disk is the bound, unless a policy sets one. AMQP does not show policies: see `rabbitmqctl list_policies`, "
    "or set one with `rabbitmqctl set_policy NAME '^QUEUE$' "
    """'{"max-length-bytes": BYTES, "overflow": "reject-publish"}' --apply-to queues`"""
)
"""What to say of queues without a bound."""


@dataclass(frozen=True)
class Finding:
    """The finding about one part."""

    part: str
    ok: bool
    found: str
    warning: bool = False
    """Whether it works, and should be changed all the same."""


async def check(settings: Settings, management: str | None = None) -> list[Finding]:
    """Check broker, ledger, rights and engines concurrently. Problems become findings, not exceptions.

    Args:
        settings: those of the service.
        management: the URL of the broker's management API; None = do not ask it.
    """
    looks = [_gateway(settings)]
    if settings.camunda7 is not None:
        looks.append(_camunda7(settings.camunda7))
    broker, replies, jobs, ledger, rights, engines = await asyncio.gather(
        _broker(settings.amqp, management),
        look_at_replies(settings, management),
        _jobs(settings),
        _ledger(settings),
        look_at_rights(settings),
        asyncio.gather(*looks),
    )
    exposed = [Finding("connections", True, each, warning=True) for each in exposures(settings)]
    told = [*map(_diagnosed, replies), *jobs, *ledger, *map(_diagnosed, rights)]
    return [*broker, *told, *exposed, *engines]


def show(findings: Sequence[Finding]) -> None:
    """Print them: for people on a terminal, else a line of JSON for each."""
    if not sys.stdout.isatty():
        for finding in findings:
            row = {"part": finding.part, "ok": finding.ok, "found": finding.found}
            click.echo(orjson.dumps({**row, "warning": True} if finding.warning else row))
        return
    from rich.console import Console

    console = Console()
    for finding in findings:
        mark = "[green]ok[/green]     " if finding.ok else "[red]failed[/red] "
        mark = "[yellow]warning[/yellow]" if finding.warning else mark
        console.print(f"{mark} [bold]{finding.part}[/bold]  ", end="")
        console.print(finding.found, markup=False, highlight=False)


async def _broker(amqp: Amqp, management: str | None) -> list[Finding]:
    try:
        report = await inspect(amqp)
    except BrokerError as error:
        return [Finding("broker", False, str(error))]
    queues = ", ".join(f"{name}: {each.state}" for name, each in report.queues.items())
    found = Finding("broker", True, f"{report.product} at {report.host}; {queues}")
    identity = map(_diagnosed, await look_at_identity(amqp, management))
    return [found, _bounds(report), _dead_letters(report, amqp.dead_letter_bound), *identity]


async def _jobs(settings: Settings) -> list[Finding]:
    """What the doctor says of the queues of jobs."""
    if not settings.jobs:
        return []
    try:
        facts = await examine_jobs(settings.amqp, settings.jobs)
    except (BrokerError, TimeoutError) as error:
        found = [job_queues.unexamined(str(error) or "no answer in time")]
    else:
        found = [*job_queues.judge_jobs(facts, settings)]
    return [_diagnosed(replace(each, subject=_part_of_jobs(each.subject))) for each in found]


async def _ledger(settings: Settings) -> list[Finding]:
    """What the doctor says of a ledger that has a server."""
    if not is_shared(settings.ledger):
        return []
    try:
        found = [*judge_ledger(await examine_ledger(settings.ledger), settings)]
    except (LedgerError, OSError) as error:
        found = [unreached(hidden(settings.ledger), str(error))]
    return [_diagnosed(replace(each, subject=f"ledger: {each.subject}")) for each in found]


def _part_of_jobs(subject: str) -> str:
    """What the doctor says under a heading of jobs, which nothing here has."""
    return subject if subject.startswith("jobs.") else f"jobs: {subject}"


def _diagnosed(found: diagnosis.Finding) -> Finding:
    """What the doctor says of it."""
    advice = f"; {found.change}" if found.change else ""
    works, warning = found.level is not diagnosis.Level.PROBLEM, found.level is diagnosis.Level.WARNING
    return Finding(found.subject, works, f"{found.found}{advice}", warning)


def _bounds(report: BrokerReport) -> Finding:
    """Which queues can grow until the disk is full, as far as AMQP tells: an argument it can, a policy it cannot."""
    bounded = [f"{name}: {each.bound}" for name, each in report.queues.items() if each.bound is not None]
    if open_ended := [name for name, each in report.queues.items() if each.bound is None]:
        bounded.append(f"{', '.join(open_ended)}: no x-max-length; {NO_BOUND}")
    return Finding("bounds", True, "; ".join(bounded))


def _dead_letters(report: BrokerReport, bound: int) -> Finding:
    waiting = report.queues[wire.DEAD_LETTER].messages
    if waiting is None:
        return Finding("dead letters", True, "not allowed to look")
    return Finding("dead letters", waiting < bound, dead_letter_count.describe(waiting, bound))


async def _gateway(settings: Settings) -> Finding:
    try:
        topology = await ask_gateway(settings.zeebe)
    except CommandError as error:
        return Finding("gateway", False, f"{settings.zeebe.address}: {error.message}")
    if not topology.brokers:
        return Finding("gateway", False, f"{settings.zeebe.address}: the gateway answers, but no broker is behind it")
    found = f"Zeebe {topology.gatewayVersion} at {settings.zeebe.address}; {len(topology.brokers)} brokers, "
    return Finding("gateway", True, f"{found}{topology.partitionsCount} partitions")


async def _camunda7(settings: Camunda7) -> Finding:
    engine = Camunda7Engine(settings)
    try:
        version = await engine.probe()
    except CommandError as error:
        return Finding("camunda7", False, f"{settings.url}: {operators_text(error)}{engine.hint(error)}")
    finally:
        await engine.close()
    gets = "all signals" if settings.every else "signals to one execution"
    return Finding("camunda7", True, f"Camunda {version or '7'} at {settings.url}; it gets {gets}")
