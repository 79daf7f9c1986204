"""Jobs pushed to queues, wired: what fetches them, where they are published, and what waits for what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from consumer.config import Settings
from consumer.config.settings import JobType
from consumer.core.activation import Leases
from consumer.core.call import Engine
from consumer.core.clock import Clock
from consumer.core.delivery import Decoder, Delivery, Handler, Middleware
from consumer.jobs.answering import answer_handler, attested
from consumer.jobs.answers import AnswerDecoder
from consumer.jobs.draining import drain_answers
from consumer.jobs.fetcher import Fetcher
from consumer.jobs.handout import JobParts
from consumer.jobs.readiness import Need, Readiness
from consumer.jobs.signed_id import SignedIds
from consumer.jobs.tally import BACK, OUTCOMES, REFUSALS
from consumer.ledger import Ledger
from consumer.rabbitmq import Broker
from consumer.rabbitmq.jobs import JobPublisher
from consumer.telemetry import Telemetry
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.jobs import ZeebeJobs
from zeebe_amqp import trace_variable
from zeebe_amqp.jobs.names import RESULTS, UNDONE

__all__ = ["Work", "answer_decoders", "answer_handlers"]

log = logging.getLogger(__name__)


def answer_decoders(ids: SignedIds, types: Sequence[JobType]) -> dict[str, Decoder]:
    """What reads the messages about jobs that were given out, by their queue; nothing where no jobs are.

    Args:
        ids: reads the ids of jobs.
        types: the types.
    """
    if not types:
        return {}
    answers = AnswerDecoder(ids, types)
    return {RESULTS: answers.results, UNDONE: answers.undone}


def answer_handlers(
    engine: Engine, leases: Leases, asked: Sequence[Middleware], inner: Sequence[Middleware], watch: Telemetry
) -> dict[str, Handler]:
    """What these messages pass, by their queue, outermost first.

    Args:
        engine: executes.
        leases: knows the newest activation of each job.
        asked: asks for rights; of a job that came back the broker says it, and nobody is asked.
        inner: what comes after that.
        watch: telemetry.
    """
    watched = partial(
        answer_handler,
        engine,
        leases,
        traced=watch.traced,
        measured=watch.measured,
        trace_id=watch.trace_id,
        count=watch.count,
    )
    return {RESULTS: watched(*asked, *inner), UNDONE: watched(attested, *inner)}


class Work:
    """Fetches the jobs of all types and gives them out. Without types it does nothing.

    Args:
        settings: the types, and the broker.
        zeebe: gives the jobs, and takes back those that cannot be given out.
        broker: measures the queues.
        ledger: knows the activations.
        ids: writes the ids of jobs.
        answers: the answers of workers that are being handled now.
        watch: telemetry.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        zeebe: ZeebeEngine,
        broker: Broker,
        ledger: Ledger,
        ids: SignedIds,
        answers: Callable[[], Collection[Delivery]],
        watch: Telemetry,
    ) -> None:
        clock = Clock()
        self._queues = JobPublisher(settings.amqp, broker.measure)
        self._readiness = Readiness(
            (
                Need(lambda: self._queues.is_ready, self._queues.ready, lambda: self._queues.openings),
                Need(lambda: ledger.problem is None, ledger.ready),
                Need(lambda: not zeebe.circuit.is_open, zeebe.circuit.wait_closed),
            ),
            partial(drain_answers, broker.measure, answers, clock),
            clock,
        )
        trace = settings.trace_variable or trace_variable.DEFAULT
        publishing = partial(watch.publishing_job, trace)
        parts = JobParts(self._queues, ledger, ids, zeebe, publishing, watch.count, clock)
        source = ZeebeJobs(zeebe)
        self._fetchers = [Fetcher(_traced(each, trace), source, self._readiness, parts) for each in settings.jobs]
        self._connection: asyncio.Task[None] | None = None
        self._show(watch)

    def _show(self, watch: Telemetry) -> None:
        names = [fetcher.job_type.name for fetcher in self._fetchers]
        for counter in ("jobs.out", "jobs.returned", "jobs.late", "jobs.expired"):
            watch.start_at_zero(counter, "type", names)
        for name in names:
            watch.start_at_zero("jobs.answered", "outcome", OUTCOMES, type=name)
            watch.start_at_zero("jobs.undone", "reason", BACK, type=name)
        watch.start_at_zero("jobs.refused", "reason", REFUSALS if names else ())
        for name, fetcher in zip(names, self._fetchers, strict=True):
            watch.gauge("jobs.limit", partial(float, fetcher.job_type.limit), type=name)
            watch.gauge("jobs.waiting", partial(getattr, fetcher, "waiting"), type=name)
            watch.gauge("jobs.workers", partial(getattr, fetcher, "workers"), type=name)
            watch.gauge("jobs.oldest.age", partial(getattr, fetcher, "oldest_age"), type=name)

    def problems(self) -> Mapping[str, str]:
        """What keeps jobs from being given out, by part; empty when all is well."""
        if not self._fetchers:
            return {}
        parts = {f"jobs.{fetcher.job_type.name}": fetcher.problem for fetcher in self._fetchers}
        parts["broker.publish.jobs"] = self._queues.problem
        return {name: problem for name, problem in parts.items() if problem is not None}

    def start(self) -> None:
        """Begin to fetch, as soon as there is everything for it."""
        if not self._fetchers:
            return
        self._connection = asyncio.get_running_loop().create_task(self._queues.run())
        for fetcher in self._fetchers:
            fetcher.start()

    def stop_fetching(self) -> None:
        """Ask for no more jobs. Polls that are out are answered when the engine ends them."""
        if self._fetchers:
            fields = {"event": "jobs.ended", "types": len(self._fetchers)}
            log.info("stopped fetching jobs; types: %d", len(self._fetchers), extra=fields)
        for fetcher in self._fetchers:
            fetcher.stop()
        self._readiness.close()

    async def finish(self, grace: float) -> bool:
        """Give out what has come; false when that took longer than `grace` seconds, and the rest times out."""
        if self._connection is None:
            return True
        ends = {asyncio.create_task(fetcher.finish()) for fetcher in self._fetchers}
        _, late = await asyncio.wait(ends, timeout=grace)
        for each in late:
            each.cancel()
        if late:
            for fetcher in self._fetchers:
                fetcher.cancel()
        self._connection.cancel()
        await asyncio.gather(self._connection, return_exceptions=True)
        return not late


def _traced(job_type: JobType, variable: str) -> JobType:
    """The type, with the variable that carries the trace among those that are fetched."""
    return replace(job_type, fetch_variables=trace_variable.with_name(job_type.fetch_variables, variable))
