"""The examination: all facts at once, each with a time limit of its own, then the judgements in a fixed order."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from consumer.camunda7 import Camunda7Engine
from consumer.config import Camunda7, OAuth, Settings
from consumer.config.urls import hidden
from consumer.core.foreign_text import operators_text
from consumer.doctor import broker, gateway, jobs, ledger, replies, rights, service
from consumer.doctor.clients import SERVICE, installed, judge_versions
from consumer.doctor.clocks import Reading, judge_clocks
from consumer.doctor.dead_letters import judge_dead_letters
from consumer.doctor.finding import Finding, Section
from consumer.doctor.http import get
from consumer.doctor.identity import look_at_identity, unanswered
from consumer.doctor.management import ManagementError, ManagementFacts, ask_management
from consumer.doctor.queues import judge_queues
from consumer.doctor.rights import look_at_rights
from consumer.doctor.scrape import MAX_PAGE, read_series
from consumer.doctor.service import Page, ServiceFacts
from consumer.doctor.strict import look_at_replies
from consumer.inquiry import ask
from consumer.ledger import Facts, LedgerError, PostgresFacts, RedisFacts, examine_ledger
from consumer.rabbitmq import BrokerFacts, JobFacts, examine_broker, examine_jobs
from consumer.zeebe.examination import ask_gateway
from consumer.zeebe.protocol.gateway_pb2 import TopologyResponse
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import BrokerError
from zeebe_amqp.errors import CommandError

__all__ = ["LIMIT", "Failed", "examine"]

log = logging.getLogger(__name__)

T = TypeVar("T")

LIMIT: Final = 60.0
"""Seconds for each part of the examination; they run side by side."""
_NOBODY: Final = "zeebe-amqp.doctor"
"""The id of a request that nobody sends."""
_EXPECTED: Final = (BrokerError, CommandError, LedgerError, ManagementError, OSError)
"""What says in words what is wrong, and nothing secret."""


@dataclass(frozen=True)
class Failed:
    """A part of the examination that told nothing, and why."""

    problem: str


@dataclass(frozen=True)
class _Found:
    """All facts."""

    broker: BrokerFacts | Failed
    management: ManagementFacts | Failed | None
    identity: list[Finding] | Failed
    replies: list[Finding] | Failed
    jobs: JobFacts | Failed | None
    topology: TopologyResponse | Failed
    camunda7: str | Failed | None
    ledger: Facts | Failed
    rights: list[Finding] | Failed
    service: ServiceFacts | Failed
    readings: dict[str, Reading]


async def examine(
    settings: Settings,
    *,
    reply_queues: Sequence[str] = (),
    management: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Finding]:
    """Look at everything and judge it. Problems become findings, not exceptions.

    Args:
        settings: those of the service.
        reply_queues: names of queues to which callers want their replies.
        management: the URL of the broker's management API; None = do not ask it.
        environ: the environment, which tells the platform.
    """
    names, camunda7 = (*settings.amqp.queues, wire.DEAD_LETTER), settings.camunda7
    async with asyncio.TaskGroup() as group:
        start = group.create_task
        at_broker = start(_attempt(examine_broker(settings.amqp, reply_queues)))
        told = start(_attempt(ask_management(management, settings.amqp, names))) if management else None
        identity = start(_attempt(look_at_identity(settings.amqp, management)))
        mode = start(_attempt(look_at_replies(settings, management)))
        at_jobs = start(_attempt(examine_jobs(settings.amqp, settings.jobs))) if settings.jobs else None
        topology = start(_attempt(ask_gateway(settings.zeebe)))
        version = start(_attempt(_ask_camunda7(camunda7))) if camunda7 else None
        place = start(_attempt(examine_ledger(settings.ledger)))
        allowed = start(_attempt(look_at_rights(settings)))
        running = start(_attempt(_ask_service(settings, environ)))
        readings = start(_read_clocks(settings, management))
    found = _Found(
        at_broker.result(),
        None if told is None else told.result(),
        identity.result(),
        mode.result(),
        None if at_jobs is None else at_jobs.result(),
        topology.result(),
        None if version is None else version.result(),
        place.result(),
        allowed.result(),
        running.result(),
        readings.result(),
    )
    return list(_judge(found, settings, reply_queues))


async def _attempt(look: Coroutine[Any, Any, T]) -> T | Failed:
    """What `look` finds, within the limit; nothing that fails hides the rest."""
    try:
        async with asyncio.timeout(LIMIT):
            return await look
    except TimeoutError as error:
        return Failed(str(error) or f"no answer within {LIMIT:g} s")
    except _EXPECTED as error:
        return Failed(str(error))
    except Exception as error:
        # Of an error that nobody expected not the text: it may have anything in it.
        log.debug("a part of the examination failed", exc_info=True, extra={"event": "doctor.unexamined"})
        return Failed(f"could not be examined ({type(error).__name__})")


async def _ask_camunda7(settings: Camunda7) -> str:
    engine = Camunda7Engine(settings)
    try:
        return await engine.probe()
    except CommandError as error:
        error.message = operators_text(error) + engine.hint(error)
        raise
    finally:
        await engine.close()


async def _ask_service(settings: Settings, environ: Mapping[str, str]) -> ServiceFacts:
    address = settings.http_address
    pages = ("livez", "readyz", "metrics")
    live, ready, metrics = (
        (None, None, None)
        if address is None
        else await asyncio.gather(*(_page(f"{service.local_url(address)}/{each}") for each in pages))
    )
    folder = settings.state_dir
    answer = await ask(folder, "", _NOBODY)
    free = shutil.disk_usage(folder).free if folder.is_dir() else None
    return ServiceFacts(live, ready, metrics, answer is not None, free, environ)


async def _page(url: str) -> Page:
    try:
        answer = await get(url, direct=True, max_body=MAX_PAGE)
    except OSError as error:
        return Page(None, problem=str(error))
    return Page(answer.status, answer.body)


async def _read_clocks(settings: Settings, management: str | None) -> dict[str, Reading]:
    """The clocks of all that answer over HTTP, by whose they are. No credentials are sent: every answer has a time."""
    urls = {}
    if management is not None:
        urls["the broker"] = (management, True)
    if isinstance(settings.zeebe.credentials, OAuth):
        urls["the authorization server"] = (settings.zeebe.credentials.authorization_server_url, False)
    if settings.camunda7 is not None:
        urls["the Camunda 7 engine"] = (settings.camunda7.url, False)
    answers = await asyncio.gather(*(_attempt(get(url, direct=direct)) for url, direct in urls.values()))
    return {
        name: answer.clock
        for name, answer in zip(urls, answers, strict=True)
        if not isinstance(answer, Failed) and answer.clock is not None
    }


def _judge(found: _Found, settings: Settings, reply_queues: Sequence[str]) -> Iterator[Finding]:
    """All findings, in the order in which people read them."""
    sections: dict[str, Callable[[], Iterable[Finding]]] = {
        "broker": lambda: _at_broker(found, settings),
        "jobs": lambda: _jobs(found, settings),
        "gateway": lambda: _engines(found, settings),
        "ledger": lambda: _ledger(found, settings),
        "replies": lambda: _replies(found, settings, reply_queues),
        "rights": lambda: _rights(found),
        "service": lambda: _service(found, settings),
        "clients": lambda: _clients(found),
    }
    for name, judge in sections.items():
        try:
            yield from list(judge())
        except Exception as error:
            log.debug("a judgement failed", exc_info=True, extra={"event": "doctor.unjudged"})
            yield Section(name).problem(
                "doctor",
                f"what was found could not be judged ({type(error).__name__})",
                "report it, with what LOG_LEVEL=debug says",
                "nothing is known of this section",
            )


def _at_broker(found: _Found, settings: Settings) -> Iterator[Finding]:
    facts = found.broker
    if isinstance(facts, Failed):
        yield broker.unreached(facts.problem)
        return
    yield from broker.judge_broker(facts, settings)
    if isinstance(found.management, Failed):
        yield broker.untold(found.management.problem, facts.login)
    if isinstance(found.identity, Failed):
        yield unanswered(found.identity.problem, settings.amqp)
    else:
        yield from found.identity
    told = found.management if isinstance(found.management, ManagementFacts) else None
    yield from judge_queues(facts, settings.amqp, told.policies if told else {})
    yield from judge_dead_letters(facts, settings.amqp, told)


def _jobs(found: _Found, settings: Settings) -> Iterator[Finding]:
    if isinstance(found.jobs, Failed):
        yield jobs.unexamined(found.jobs.problem)
    elif found.jobs is not None:
        yield from jobs.judge_jobs(found.jobs, settings, _counts(found.service))


def _counts(running: ServiceFacts | Failed) -> Mapping[str, float]:
    """The values of the running service's series; none where it does not say."""
    page = None if isinstance(running, Failed) else running.metrics
    return {} if page is None or page.status != HTTPStatus.OK else read_series(page.body)


def _engines(found: _Found, settings: Settings) -> Iterator[Finding]:
    topology = found.topology
    if isinstance(topology, Failed):
        yield gateway.unreached(settings.zeebe, topology.problem)
    else:
        yield from gateway.judge_gateway(topology, settings.zeebe)
    camunda7, version = settings.camunda7, found.camunda7
    if camunda7 is None or version is None:
        return
    if isinstance(version, Failed):
        yield gateway.unreached_camunda7(camunda7, version.problem)
    else:
        yield gateway.judge_camunda7(camunda7, version)


def _ledger(found: _Found, settings: Settings) -> Iterator[Finding]:
    facts = found.ledger
    if isinstance(facts, Failed):
        yield ledger.unreached(hidden(settings.ledger), facts.problem)
    else:
        yield from ledger.judge_ledger(facts, settings)
        yield ledger.judge_entries(_entries(facts, found.service), settings)
    yield ledger.judge_sharing(settings.ledger, _consumers(found.broker))


def _entries(facts: Facts, running: ServiceFacts | Failed) -> int | None:
    if isinstance(facts, RedisFacts | PostgresFacts):
        return facts.entries
    return None if isinstance(running, Failed) else service.ledger_entries(running)


def _consumers(facts: BrokerFacts | Failed) -> int | None:
    """How many consumers the request queue with the most of them has."""
    if isinstance(facts, Failed):
        return None
    return max(each.consumers for each in facts.queues)


def _replies(found: _Found, settings: Settings, names: Sequence[str]) -> Iterator[Finding]:
    if isinstance(found.replies, Failed):
        yield replies.unexamined(found.replies.problem)
    else:
        yield from found.replies
    if settings.amqp.reply_exchange is None:
        yield from replies.judge_policy(settings)
    looked_at = None if isinstance(found.broker, Failed) else found.broker.reply_queues
    yield from replies.judge_reply_queues(names, settings, looked_at)


def _rights(found: _Found) -> Iterable[Finding]:
    return [rights.unexamined(found.rights.problem)] if isinstance(found.rights, Failed) else found.rights


def _service(found: _Found, settings: Settings) -> Iterator[Finding]:
    if isinstance(found.service, Failed):
        yield service.unseen(found.service.problem)
    else:
        yield from service.judge_service(found.service, settings)


def _clients(found: _Found) -> Iterator[Finding]:
    yield from judge_versions(installed(SERVICE))
    readings = dict(found.readings)
    if isinstance(found.ledger, RedisFacts | PostgresFacts):
        server = found.ledger
        name = "Redis" if isinstance(server, RedisFacts) else "PostgreSQL"
        readings[name] = Reading(server.sent, server.came, server.time, server.time)
    yield from judge_clocks(readings)
