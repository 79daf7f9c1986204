"""Every metric of the service: its kind, unit, labels and meaning. The page of metrics is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consumer.telemetry import names

__all__ = ["COUNTER", "GAUGE", "HISTOGRAM", "METRICS", "Metric"]

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric. `labels` are all that its series may have; a histogram counts seconds."""

    kind: str
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    """As OpenTelemetry writes it: "s", "By", "{message}"."""


_MESSAGING: Final = (names.SYSTEM, names.OPERATION_NAME)
_RPC: Final = (names.RPC_SYSTEM, names.RPC_METHOD, names.SERVER_ADDRESS, names.SERVER_PORT)

METRICS: Final[Mapping[str, Metric]] = {
    "zeebe_amqp.ready": Metric(GAUGE, "1 while the service is ready, as /readyz says; else 0"),
    "zeebe_amqp.paused": Metric(
        GAUGE, "How long consuming has been paused because this part is away; 0 while it is not", ("part",), "s"
    ),
    "zeebe_amqp.circuit.state": Metric(GAUGE, "1 while no gateway can be reached; else 0"),
    "zeebe_amqp.gateway.info": Metric(
        GAUGE,
        "Always 1; its labels are the gateway's address and version; not there before its first answer",
        (names.SERVER_ADDRESS, names.SERVER_PORT, "version"),
    ),
    names.COMMANDS: Metric(
        COUNTER,
        "Commands handled, by what the caller was told; code OK has no source and no outcome",
        ("operation", "code", "source", "outcome"),
    ),
    names.OUTCOMES: Metric(
        COUNTER,
        "Commands handled, by outcome (executed, not-executed, unknown); every series exists from the start",
        ("operation", "outcome"),
    ),
    names.COMMAND_DURATION: Metric(
        HISTOGRAM,
        "Time of handling a request, by operation; waiting for a slot or a confirm is not in it",
        ("operation",),
        "s",
    ),
    names.PROCESS_DURATION: Metric(
        HISTOGRAM,
        "Time of handling a request, by queue and error; waiting for a slot or a confirm is not in it",
        (*_MESSAGING, names.DESTINATION, names.ERROR_TYPE),
        "s",
    ),
    names.CALL_DURATION: Metric(
        HISTOGRAM,
        "Time of a call to the gateway, with all its attempts; high when the engine is slow",
        (*_RPC, names.RPC_STATUS, names.ERROR_TYPE),
        "s",
    ),
    names.RETRIES: Metric(
        COUNTER, "Attempts at the gateway that were followed by another", (names.RPC_METHOD, names.RPC_STATUS)
    ),
    names.OPERATION_DURATION: Metric(
        HISTOGRAM,
        "Time until the broker confirmed a reply; high when the broker is slow",
        (*_MESSAGING, names.DESTINATION_TEMPLATE, names.ERROR_TYPE),
        "s",
    ),
    names.CONSUMED: Metric(COUNTER, "Requests taken from the queues", (*_MESSAGING, names.DESTINATION), "{message}"),
    names.SENT: Metric(
        COUNTER, "Replies published", (*_MESSAGING, names.DESTINATION_TEMPLATE, names.ERROR_TYPE), "{message}"
    ),
    names.QUEUE_WAIT: Metric(
        HISTOGRAM,
        "Time from a request's timestamp to its delivery; callers give whole seconds",
        (names.DESTINATION,),
        "s",
    ),
    names.REDELIVERED_MESSAGES: Metric(COUNTER, "Requests that the broker delivered again", (names.DESTINATION,)),
    names.REPLAYED_REPLIES: Metric(COUNTER, "Answers taken from an earlier run of the same request", ("operation",)),
    "zeebe_amqp.reply.failures": Metric(
        COUNTER,
        "Replies that did not reach their queue: it does not exist (unroutable), it refused too long (refused), or the "
        "broker did not confirm in time and the reply was published again (not confirmed)",
        ("reason",),
    ),
    "zeebe_amqp.requeued": Metric(
        COUNTER,
        "Requests given back to their queue while the service runs, for the broker to deliver again",
        ("queue",),
    ),
    "zeebe_amqp.dead_lettered": Metric(COUNTER, "Requests sent to the dead-letter queue", ("queue",)),
    "zeebe_amqp.dead_letters": Metric(GAUGE, "Letters in the dead-letter queue, counted once a minute"),
    "zeebe_amqp.dead_letters.age": Metric(
        GAUGE,
        "How long letters have waited in the dead-letter queue, as far as this process has counted; the oldest may be "
        "older",
        unit="s",
    ),
    "zeebe_amqp.queue.messages": Metric(GAUGE, "Requests that wait in their queue, counted every 15 s", ("queue",)),
    "zeebe_amqp.oldest_request.age": Metric(
        GAUGE,
        "Age of the oldest request that is held, or that waits while nothing is consumed; 0 without one",
        unit="s",
    ),
    "zeebe_amqp.in_flight": Metric(GAUGE, "Requests that are held: running, or waiting for a slot or a confirm"),
    "zeebe_amqp.limit": Metric(
        GAUGE, "Requests that may run at a time; it sinks when the engine refuses load", ("queue",)
    ),
    "zeebe_amqp.held_bytes": Metric(GAUGE, "Bytes of requests in memory", unit="By"),
    "zeebe_amqp.ledger.size": Metric(GAUGE, "Requests in the ledger that have been answered"),
    "zeebe_amqp.ledger.bytes": Metric(
        GAUGE,
        "Bytes of the answers that are kept; with Redis or PostgreSQL counted every ten seconds, of all replicas",
        unit="By",
    ),
    "zeebe_amqp.ledger.evicted": Metric(
        COUNTER,
        "Forgotten before LEDGER_TTL because the ledger is full: answers whose requests stay known, so that nothing "
        "runs again (body), or requests with their answers (entry)",
        ("kind",),
    ),
    "zeebe_amqp.ledger.duration": Metric(
        HISTOGRAM,
        "Time that the ledger took, by what it was asked (claim, finish, release, activations)",
        ("operation",),
        "s",
    ),
    "zeebe_amqp.ledger.failures": Metric(COUNTER, "Times that the ledger could not be used"),
    "zeebe_amqp.audit.records": Metric(COUNTER, "Records written to the audit"),
    "zeebe_amqp.audit.failures": Metric(COUNTER, "Writes to the audit that failed, or took longer than 5 s"),
    "zeebe_amqp.audit.duration": Metric(
        HISTOGRAM, "Time of a write to the audit, with all records that waited; absent without AUDIT", unit="s"
    ),
    "zeebe_amqp.refused": Metric(
        COUNTER,
        "Requests not run, by reason. Their id: it belongs to another request (conflict), an earlier run was cut off "
        "(interrupted), its answer was not kept (not kept), or too many wait for it (crowded). Their sender: the "
        "policy does not allow the command (denied), user_id is missing (anonymous), the share of places or memory "
        "is used up (share), or a limit of the policy is reached (limit)",
        ("reason",),
    ),
    "zeebe_amqp.jobs.out": Metric(COUNTER, "Jobs published to the queue of their type", ("type",)),
    "zeebe_amqp.jobs.answered": Metric(
        COUNTER,
        "Answers of workers that the engine accepted: complete, fail, error, extend; unusable: the job failed because "
        "of its answer",
        ("type", "outcome"),
    ),
    "zeebe_amqp.jobs.late": Metric(
        COUNTER, "Answers not executed because the engine had given out the job again", ("type",)
    ),
    "zeebe_amqp.jobs.refused": Metric(
        COUNTER,
        "Messages about jobs that were not executed: without an id that this service signed (forged), a second and "
        "different answer (doubled), refused by the engine or the policy, or a job that came back without a reason "
        "(rejected)",
        ("reason",),
    ),
    "zeebe_amqp.jobs.expired": Metric(
        COUNTER, "Jobs that no worker took in time; the engine gives them out again", ("type",)
    ),
    "zeebe_amqp.jobs.undone": Metric(
        COUNTER,
        "Jobs that came back without an answer and failed: a worker rejected them (rejected), or workers died with "
        "them too often (delivery_limit)",
        ("type", "reason"),
    ),
    "zeebe_amqp.jobs.returned": Metric(
        COUNTER, "Jobs returned to the engine because their queue did not take them", ("type",)
    ),
    "zeebe_amqp.jobs.waiting": Metric(GAUGE, "Jobs that wait in the queue of their type", ("type",)),
    "zeebe_amqp.jobs.limit": Metric(GAUGE, "Jobs that may wait there before the service stops fetching", ("type",)),
    "zeebe_amqp.jobs.workers": Metric(GAUGE, "Consumers of the queue of a type", ("type",)),
    "zeebe_amqp.jobs.oldest.age": Metric(
        GAUGE, "Age of the oldest job that waits, of those that this process published; 0 without one", ("type",), "s"
    ),
    "zeebe_amqp.tasks": Metric(GAUGE, "Tasks of the event loop"),
    names.UPTIME: Metric(GAUGE, "Time since the start", unit="s"),
    names.CPU_TIME: Metric(COUNTER, "Processor time of the process", unit="s"),
    names.MEMORY: Metric(GAUGE, "Memory of the process (resident)", unit="By"),
    names.DESCRIPTORS: Metric(GAUGE, "Open file descriptors"),
}
"""By OpenTelemetry's name."""
