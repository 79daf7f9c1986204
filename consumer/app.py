"""The composition root: builds every part, runs until a signal, drains. Reads top to bottom."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import Final

from consumer import telemetry
from consumer.audit import service_audit
from consumer.camunda7 import Camunda7Engine, accepts, reach
from consumer.config import Settings
from consumer.config.urls import hidden
from consumer.console import Watched, open_console
from consumer.core.access import Authorizer, Unrestricted
from consumer.core.call import Engine, RoutedEngine
from consumer.core.delivery import Decoder, Delivery, Handler
from consumer.core.key_file import own_keys
from consumer.core.limiter import AimdLimit
from consumer.core.seal import Seal
from consumer.core.shares import Shares
from consumer.health import Health
from consumer.inquiry import Fact, InquirySocket, Senders, list_held, list_known, list_known_of
from consumer.jobs.signed_id import SignedIds
from consumer.ledger import Ledger, Limits, open_ledger
from consumer.pipeline.authorization import DENIALS, authorized
from consumer.pipeline.backlog import Backlog
from consumer.pipeline.chain import inner_chain, request_chain
from consumer.pipeline.handler import executing
from consumer.pipeline.idempotency import REFUSALS, idempotent
from consumer.pipeline.middleware import compose, recovered
from consumer.pipeline.monitor import AUDIT, LEDGER, Monitor, Writable
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.pipeline.refused_replies import RefusedReplies
from consumer.pipeline.trace_variable import TraceVariable
from consumer.pipeline.waits import LIMIT, LIMITS, QueuePlaces, Waits
from consumer.pipeline.worker import REPLY_FAILURES, QueueWorker
from consumer.rabbitmq import Broker, DeadLetterCount, reply_route
from consumer.security.rights import Rights
from consumer.telemetry import Telemetry
from consumer.telemetry.calls import server
from consumer.telemetry.request_log import RequestLog
from consumer.work import Work, answer_decoders, answer_handlers
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.hints import add_hint
from zeebe_amqp import __version__
from zeebe_amqp.jobs.names import RESULTS

__all__ = ["CLOSING", "Service", "run"]

log = logging.getLogger(__name__)

CLOSING: Final = 5.0
"""Seconds beyond SHUTDOWN_GRACE for closing connections and files, at most."""


class Service:
    """The whole service: parts that are started in order and stopped in the opposite one.

    Args:
        settings: the effective configuration.
        watch: telemetry; its exporters are chosen by the OTEL_* variables.

    Raises:
        PolicyError: there is a policy that cannot be used.
        KeyFileError: the signing key or the console's token in STATE_DIR is not to be believed.
    """

    def __init__(self, settings: Settings, watch: Telemetry) -> None:
        self._settings = settings
        self._telemetry = watch
        self._route = reply_route(settings)
        self.authorizer = self._authorizer()
        self._reloads: set[asyncio.Task[None]] = set()
        self.zeebe = ZeebeEngine(settings.zeebe, watch.calling)
        self.engine = self._engine()
        self.ledger = self._ledger()
        self.dead_letters = DeadLetterCount(settings.amqp.dead_letter_bound)
        keys = own_keys(settings)
        ids = SignedIds(keys)
        decoders = answer_decoders(ids, settings.jobs)
        queues = (*settings.amqp.queues, *decoders)
        self.broker = self._broker(Seal(keys), decoders)
        self.audit = service_audit(settings, self.broker, watch, self.authorizer)
        self.monitor = self._monitor()
        self.backlog = Backlog(self.broker.backlog, lambda: self.monitor.is_paused)
        # A limit per queue: long polls that the engine refuses must not slow down short commands, nor be slowed down.
        self._limits = {queue: AimdLimit(self._places(queue)) for queue in queues}
        self._refused = RefusedReplies(self._refused_replies, settings.reply_retry, self._route.address)
        self._redeliveries = RedeliveryMatcher()
        self._request_log = RequestLog(watch.trace_id)
        self.console = open_console(
            settings, Watched(watch, self.problems, self._request_log, watch.trace_id, tuple(queues))
        )
        handlers = self._handlers(queues)
        self._workers = {
            queue: self._worker(handlers[queue], limit, queue in decoders) for queue, limit in self._limits.items()
        }
        http = settings.http_address
        self.health = None if http is None else Health(http, self.problems, watch.prometheus, self.console.mount)
        self.work = self._work(ids)
        self._senders = Senders()
        self._inquiries = InquirySocket(settings.state_dir, self._inquire)
        self._stopping = False
        self._show()

    def _show(self) -> None:
        """What the metrics say beside what is counted with each request; every series exists from the start."""
        watch, gauge, queues = self._telemetry, self._telemetry.gauge, tuple(self._workers)
        watch.expect(queues)
        watch.start_at_zero("dead_lettered", "queue", queues)
        watch.start_at_zero("requeued", "queue", queues)
        watch.start_at_zero("reply.failures", "reason", REPLY_FAILURES)
        watch.start_at_zero("refused", "reason", (*REFUSALS, *DENIALS, *LIMITS))
        watch.start_at_zero("ledger.failures")
        watch.counted("ledger.evicted", lambda: float(self.ledger.evicted.bodies), kind="body")
        watch.counted("ledger.evicted", lambda: float(self.ledger.evicted.entries), kind="entry")
        watch.counted("audit.records", lambda: float(self.audit.records) if self.audit else 0.0)
        watch.counted("audit.failures", lambda: float(self.audit.failures) if self.audit else 0.0)
        watch.facts("gateway.info", self._gateway)
        gauge("ready", lambda: float(not self.problems()))
        for part in self.monitor.parts:
            gauge("paused", partial(self.monitor.paused, part), part=part)
        gauge("oldest_request.age", self._oldest)
        gauge("dead_letters.age", self.dead_letters.age)
        gauge("in_flight", self.in_flight)
        gauge("circuit.state", lambda: float(self.zeebe.circuit.is_open))
        gauge("ledger.size", lambda: float(self.ledger.size))
        gauge("ledger.bytes", lambda: float(self.ledger.kept_bytes))
        gauge("held_bytes", lambda: float(self.broker.held_bytes))
        gauge("dead_letters", lambda: self.dead_letters.waiting)
        for queue, limit in self._limits.items():
            gauge("limit", partial(getattr, limit, "value"), queue=queue)
            gauge("queue.messages", partial(self.backlog.waiting, queue), queue=queue)

    def _gateway(self) -> dict[str, str | int]:
        version = self.zeebe.last_version
        return {} if version is None else {**server(self._settings.zeebe.address), "version": version}

    def _oldest(self) -> float:
        """Age of the oldest request, seconds: of those that are held, or wait while nothing is consumed."""
        held = min((each.message.sent for each in self._held()), default=inf)
        return max(0.0, time.time() - held, self.backlog.age())

    def _engine(self) -> Engine:
        """Zeebe, and a Camunda 7 engine for what that takes, where one is set."""
        other = self._settings.camunda7
        if other is None:
            return self.zeebe
        return RoutedEngine(self.zeebe, Camunda7Engine(other, self._telemetry.calling), accepts(every=other.every))

    def _authorizer(self) -> Authorizer:
        """The policy, where one is set."""
        path, acts_on = self._settings.policy_file, reach(self._settings.camunda7)
        return Unrestricted(acts_on) if path is None else Rights(path, acts_on)

    def _ledger(self) -> Ledger:
        settings, watch = self._settings, self._telemetry
        return open_ledger(
            settings.ledger,
            Limits(settings.ledger_ttl, settings.ledger_max_entries, settings.ledger_max_bytes),
            watch.record,
            partial(watch.count, "ledger.failures"),
            lambda user: self.authorizer.limits(user).ledger_bytes,
            create=settings.ledger_create,
        )

    def _broker(self, seal: Seal, decoders: Mapping[str, Decoder]) -> Broker:
        return Broker(
            self._settings.amqp,
            max_depth=self._settings.max_depth,
            accept=self._accept,
            publishing=self._telemetry.publishing,
            address=self._route.address,
            spill_to=self._settings.state_dir,
            connected=self.dead_letters.follow,
            seal=seal,
            decoders=decoders,
        )

    def _monitor(self) -> Monitor:
        """Of what must be there while anything is consumed: the gateway, the ledger, and the audit where one is set."""
        look = partial(add_hint, self.zeebe.look, self._settings.zeebe)
        written: dict[str, Writable] = {LEDGER: self.ledger}
        if self.audit is not None:
            written[AUDIT] = self.audit
        return Monitor(self._settings.zeebe.address, look, self.zeebe.circuit, written, self.broker)

    def _work(self, ids: SignedIds) -> Work:
        return Work(
            self._settings,
            zeebe=self.zeebe,
            broker=self.broker,
            ledger=self.ledger,
            ids=ids,
            answers=lambda: self._workers[RESULTS].deliveries,
            watch=self._telemetry,
        )

    def reload(self) -> None:
        """Read the policy again, soon; without one nothing happens."""
        if not isinstance(self.authorizer, Rights):
            log.info("there is no policy to read again", extra={"event": "policy.none"})
            return
        task = asyncio.get_running_loop().create_task(self.authorizer.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def _places(self, queue: str) -> int:
        """How many commands of a queue may run: a long-running one costs next to nothing."""
        amqp = self._settings.amqp
        return amqp.held(queue) if amqp.waits(queue) else self._settings.concurrency

    def _shared(self, queue: str) -> QueuePlaces:
        """What the users of a queue share while they wait; of the slots for short commands the half."""
        amqp, slots = self._settings.amqp, max(1, self._places(queue) // 2)
        return QueuePlaces(Shares(lambda: amqp.held(queue)), None if amqp.waits(queue) else Shares(lambda: slots))

    def _refused_replies(self) -> int:
        """How many refused replies may wait, over all queues: each holds a delivery of one of them."""
        return max(1, min(map(self.broker.prefetch, self._settings.amqp.queues)) // 8)

    def _handlers(self, queues: Sequence[str]) -> dict[str, Handler]:
        """What a request passes, by its queue, outermost first."""
        watch, amqp, settings = self._telemetry, self._settings.amqp, self._settings
        # Nobody asks for what a command acts on when neither a policy nor the audit wants to know.
        asks = settings.require_user_id or settings.policy_file is not None or settings.audit is not None
        rights = authorized(self.authorizer, require_user_id=settings.require_user_id, count=watch.count)
        shared = {queue: self._shared(queue) for queue in queues}
        waits = Waits(shared, amqp.max_held_bytes // 2, self.authorizer.limits, watch.count)
        run_again, recover = settings.on_unknown == "run", recovered(watch.trace_id)
        once = idempotent(self.ledger, self._redeliveries, run_again=run_again, waits=waits, count=watch.count)
        inner = inner_chain(once, recover, waits)
        asked = [rights] if asks else []
        trace = TraceVariable(watch.carried, settings.trace_variable, settings.max_depth)
        execute = executing(self.engine, self._limits, trace=trace)
        chain = request_chain(inner, recover, observed=(watch.traced, watch.measured), rights=asked)
        handler = compose(execute, *chain)
        answers = answer_handlers(self.engine, self.ledger, asked, inner, watch)
        return dict.fromkeys(amqp.queues, handler) | answers

    def _worker(self, handler: Handler, limit: AimdLimit, answers: bool) -> QueueWorker:
        return QueueWorker(
            handler,
            self.broker,
            limit=limit,
            forget_retry=self._settings.forget_retry,
            refusal=self._route.refusal,
            circuit=self.zeebe.circuit,
            refused=self._refused,
            acknowledged=self._redeliveries.record_ack,
            answers=answers,
            audit=None if self.audit is None else self.audit.record,
            report=self.console.report,
            count=self._telemetry.count,
        )

    def _accept(self, delivery: Delivery) -> None:
        self._senders.note(delivery.message.user_id)
        limit = self.authorizer.limits(delivery.message.user_id).body
        if limit is not None and limit < delivery.message.size:
            delivery.max_body = limit
            self._telemetry.count("refused", reason=LIMIT)
        self._workers[delivery.message.queue].accept(delivery)

    def in_flight(self) -> int:
        """Deliveries held now, over all workers."""
        return sum(worker.in_flight for worker in self._workers.values())

    def _held(self) -> list[Delivery]:
        return [delivery for worker in self._workers.values() for delivery in worker.deliveries]

    async def _inquire(self, user: str | None, request_id: str) -> list[Fact]:
        held = list_held(self._held(), user, request_id)
        if user is None:
            return [*held, *await list_known_of(self.ledger, ("", *self._senders.names), request_id)]
        return [*held, *await list_known(self.ledger, user, request_id)]

    def place(self) -> str:
        """Where it has what: for the log of a start, without passwords."""
        host, _ = self._settings.http_address or ("", 0)
        http = "off" if self.health is None else f"at {host}:{self.health.port}"
        return f"ledger {hidden(self._settings.ledger)}, HTTP {http}, gateway {self._settings.zeebe.address}"

    def problems(self) -> dict[str, str]:
        """Why it is not ready, by part; empty when it is."""
        problems = {**self.broker.problems(), **self.monitor.problems(), **self.work.problems()}
        if self._stopping:
            problems["service"] = "stopping"
        return problems

    async def start(self) -> None:
        """Start every part; connections are made and kept in the background.

        Raises:
            AuditError: nothing can be recorded, so nothing may run.
            LedgerError: the ledger cannot be used, so nothing may run.
        """
        if self.audit is not None:
            await self.audit.start()
        await self.ledger.start()
        if self.health is not None:
            await self.health.start()
            self.console.start(self.health.port)
        await self._inquiries.start()
        loop = asyncio.get_running_loop()
        self._telemetry.gauge("tasks", lambda: float(len(asyncio.all_tasks(loop))))
        self.monitor.start()
        self.dead_letters.start()
        self.backlog.start()
        await self.broker.start()
        self.work.start()

    async def stop(self) -> bool:
        """Drain and stop; true when everything that ran could end within SHUTDOWN_GRACE."""
        # Not ready first, so that nobody counts on us; then take nothing new, give back what has not started and
        # let the rest end while the connection is still open: replies and acks need it. Long polls end early, but
        # not before nothing new comes, or their callers would poll here again. The gateway closes after the last
        # command, telemetry last of all, so that it has seen everything.
        self._stopping = True
        self.work.stop_fetching()
        await self.broker.stop_consuming()
        grace = self._settings.shutdown_grace
        _, *drained = await asyncio.gather(
            self.zeebe.end_polls(grace),
            self.work.finish(grace),
            *(worker.stop(grace) for worker in self._workers.values()),
        )
        self.dead_letters.stop()
        self.backlog.stop()
        await self._inquiries.stop()
        self.console.stop()
        if self.audit is not None:
            await self.audit.close()
        await self.broker.close()
        self.monitor.stop()
        await self.engine.close()
        await self.ledger.close()
        if self.health is not None:
            await self.health.stop()
        self._request_log.close()
        self._telemetry.shutdown()
        return all(drained)


async def run(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Run the service until SIGTERM or SIGINT; a second one exits at once. SIGHUP reads the policy again.

    Returns:
        The exit code: 0 when everything was drained, 1 when something had to be given back.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(1)
        grace = settings.shutdown_grace
        fields = {"event": "service.draining", "signal": number.name, "seconds": grace}
        log.info("%s: draining for at most %g s", number.name, grace, extra=fields)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    service = Service(settings, telemetry.setup(environ, version=__version__))
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    # What is here now stays: the garbage collector need not look at it again with every large request.
    gc.freeze()
    await service.start()
    fields = {"event": "service.started", "version": __version__}
    log.info("zeebe-amqp-consumer %s: %s", __version__, service.place(), extra=fields)
    await stopping.wait()
    return await _stop(service, settings.shutdown_grace)


async def _stop(service: Service, grace: float) -> int:
    """Stop, within a bound of its own: whatever does not end by then ends with the process."""
    # Waited for, not cancelled: what hangs may not notice a cancellation either.
    stop = asyncio.ensure_future(service.stop())
    done, _ = await asyncio.wait({stop}, timeout=grace + CLOSING)
    if not done:
        words = "stopping took longer than %g s; the process ends as it is, and the broker delivers again"
        log.error(words, grace, extra={"event": "service.stuck", "seconds": grace})
        logging.shutdown()
        os._exit(1)
    drained = stop.result()
    words = "drained" if drained else "not drained: what ran was given back"
    log.info("stopped, %s", words, extra={"event": "service.stopped", "drained": drained})
    return 0 if drained else 1
