"""Every event of the log: how loud it is, its fields and its meaning. The page of monitoring is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["EVENTS", "REQUEST", "Event"]

_DEBUG: Final = "debug"
_INFO: Final = "info"
_WARNING: Final = "warning"
_ERROR: Final = "error"


@dataclass(frozen=True)
class Event:
    """One event. A line has its name as `event` and these fields, those that are known."""

    level: str
    meaning: str
    fields: tuple[str, ...] = ()
    bound: str = ""
    """What bounds the lines of such an event where the bound of all others does not; empty for that."""


REQUEST: Final[Mapping[str, str]] = {
    "request_id": "header `request-id`, else `message_id`",
    "correlation_id": "as the request had it",
    "operation": "what it asked for",
    "queue": "the queue that it came from",
    "code": "of the error; OK without one",
    "outcome": "of the error: `not-executed` or `unknown`",
    "attempts": "how often it was tried at the engine",
    "duration": "seconds from its arrival to its end",
    "replayed": "true: the answer is that of an earlier run",
    "app_id": "as the request had it",
    "user_id": "as the request had it; the broker validates it",
    "reply_to": "as the request had it",
    "trace_id": "of the trace it belongs to",
}
"""Fields of the lines about how a request ended."""
_REQUEST: Final = tuple(REQUEST)
_KINDS: Final = "ten a minute for each code"

EVENTS: Final[Mapping[str, Event]] = {
    "service.started": Event(_INFO, "The service starts; the text says where it has what", ("version",)),
    "service.draining": Event(_INFO, "A signal came; what runs may finish within `seconds`", ("signal", "seconds")),
    "polls.ended": Event(
        _INFO, "The service stops, and answers so many long polls with the jobs that have arrived", ("polls",)
    ),
    "service.stopped": Event(_INFO, "The service ends; `drained` is false when requests were given back", ("drained",)),
    "service.stuck": Event(_ERROR, "Stopping took too long; the process ends as it is", ("seconds",)),
    "signing_key.unsaved": Event(
        _WARNING,
        "STATE_DIR takes no signing key: no other process can verify the dead letters of this one",
        ("path", "error"),
    ),
    "config.note": Event(_INFO, "Something about the configuration worth knowing"),
    "config.warning": Event(_WARNING, "A setting that is accepted but has no effect, or a risk"),
    "policy.loaded": Event(_INFO, "A policy is in force, from the start or after SIGHUP", ("digest", "roles", "users")),
    "policy.refused": Event(
        _ERROR, "SIGHUP came, but the file cannot be used: the old policy stays in force", ("problems", "digest")
    ),
    "policy.none": Event(_INFO, "SIGHUP came, but there is no policy to read again"),
    "broker.connecting": Event(_INFO, "The first attempt to connect begins", ("connection", "hosts")),
    "broker.connected": Event(_INFO, "A connection to RabbitMQ is there", ("connection", "host")),
    "broker.unreached": Event(
        _WARNING,
        "A connection to RabbitMQ was lost, or could not be made; the next attempt follows in `seconds`",
        ("connection", "error", "seconds"),
    ),
    "broker.defect": Event(_ERROR, "Connecting failed for a reason of our own", ("connection",)),
    "broker.message_size": Event(
        _WARNING,
        "A message had more than the `limit` bytes that RabbitMQ takes; a larger reply becomes RESOURCE_EXHAUSTED",
        ("limit",),
    ),
    "broker.silent": Event(_DEBUG, "The broker confirms nothing", ("error",)),
    "broker.unclosed": Event(_DEBUG, "A broken connection could not be closed"),
    "consuming.started": Event(_INFO, "Requests are taken from these queues, for the first time or again", ("queues",)),
    "consuming.careful": Event(
        _WARNING,
        "The broker could not hand over a request, probably one in AMQP 1.0: they are taken one at a time",
        ("queues", "error"),
    ),
    "consuming.unchanged": Event(_DEBUG, "Consumers could not be changed; the connection is going", ("error",)),
    "prefetch.changed": Event(
        _INFO,
        "Another number of requests is held: because of their size, or since the broker hands all over again",
        ("queue", "prefetch", "before"),
    ),
    "queue.differs": Event(_WARNING, "A queue exists with other arguments, and is used as it is", ("queue", "error")),
    "queue.unchecked": Event(_INFO, "A queue's arguments cannot be compared without a right", ("queue",)),
    "queue.unmeasured": Event(_DEBUG, "The messages of a queue could not be counted", ("queue", "error")),
    "dead_letters.many": Event(_WARNING, "From 80 % of DEAD_LETTER_BOUND on, once", ("waiting", "bound")),
    "dead_letters.fewer": Event(_INFO, "There are fewer again", ("waiting", "bound")),
    "gateway.problem": Event(_WARNING, "The gateway answers, but refuses or fails", ("address", "error")),
    "gateway.silent": Event(
        _WARNING, "Nothing comes over the connection to the gateway any more; a new one is opened", ("address",)
    ),
    "gateway.broke_off": Event(
        _WARNING,
        "An answer broke off after some jobs, which are handed out all the same",
        ("rpc", "jobs", "code", "error"),
    ),
    "engine.said": Event(
        _INFO, "What an engine or a proxy said of a command, where callers are told other words", ("code", "error")
    ),
    "gateway.attempt": Event(_DEBUG, "An attempt failed, and another follows", ("rpc", "attempt", "code", "error")),
    "gateway.defect": Event(_DEBUG, "Asking the gateway failed for a reason of our own"),
    "token.failed": Event(
        _WARNING, "The authorization server gave no token; it is asked again in `seconds`", ("error", "seconds")
    ),
    "camunda7.away": Event(_WARNING, "The Camunda 7 engine cannot be reached", ("address", "error")),
    "camunda7.back": Event(_INFO, "It is reached again", ("address",)),
    "camunda7.broke_off": Event(_DEBUG, "The body of its answer broke off", ("status",)),
    "outage.began": Event(
        _WARNING,
        "`part` (gateway, ledger or audit) is away: nothing is consumed",
        ("part", "address", "seconds", "error"),
    ),
    "outage.lasts": Event(
        _WARNING,
        "It is still away, after `seconds`; `waiting` has the number of waiting requests, by queue",
        ("part", "address", "seconds", "error", "waiting"),
        "one a minute for each part",
    ),
    "outage.over": Event(_WARNING, "It is back after `seconds`; consuming resumes", ("part", "address", "seconds")),
    "jobs.fetching": Event(_INFO, "The service begins to fetch jobs of a type, or resumes", ("type", "queue")),
    "jobs.ended": Event(_INFO, "The service stops, and fetches no more jobs", ("types",)),
    "jobs.unfetched": Event(_WARNING, "The service cannot fetch jobs of a type at the moment", ("type", "error")),
    "jobs.undrained": Event(
        _WARNING, "Answers of workers still wait after `seconds`; the service fetches jobs nevertheless", ("seconds",)
    ),
    "jobs.unpublished": Event(
        _WARNING,
        "A job was fetched but not published; it goes back to the engine, or times out",
        ("type", "key", "error"),
    ),
    "jobs.unreturned": Event(
        _WARNING, "A job could not be returned to the engine, and times out", ("type", "key", "error")
    ),
    "jobs.overdue": Event(
        _WARNING,
        "A job came with less than a second left, and is not published: the clocks may differ",
        ("type", "key", "seconds"),
    ),
    "jobs.unusable": Event(
        _WARNING, "A worker's answer was none; the job failed with one retry fewer", ("type", "key", "error")
    ),
    "jobs.stream_broken": Event(
        _WARNING, "The stream of jobs of a type broke; the service opens another", ("type", "error")
    ),
    "ledger.failed": Event(_ERROR, "The ledger cannot be used; no command runs until it can", ("ledger", "error")),
    "ledger.lost": Event(_ERROR, "The service ends, and answers could not be remembered", ("ledger", "answers")),
    "ledger.unreadable": Event(_ERROR, "A remembered answer is broken; it counts as not kept", ("error",)),
    "ledger.unclosed": Event(_WARNING, "Closing the ledger failed", ("ledger", "error")),
    "ledger.created": Event(_INFO, "The tables of a ledger in PostgreSQL were made", ("ledger",)),
    "ledger.forgetful": Event(
        _WARNING, "Redis or PostgreSQL has settings with which it may forget answers", ("ledger",)
    ),
    "ledger.unchecked": Event(_INFO, "Redis does not show its settings", ("ledger", "error")),
    "ledger.anonymous": Event(
        _INFO, "PostgreSQL does not say which server it is, so a failover is not noticed", ("ledger",)
    ),
    "ledger.moved": Event(_WARNING, "`--reset-ledger` moved the file aside", ("path",)),
    "jobs.unrecorded": Event(
        _WARNING,
        "A worker got more time for a job, but the ledger could not record it: from a day after the job's first "
        "deadline, a late answer of an earlier worker counts",
        ("key", "error"),
    ),
    "audit.failed": Event(
        _ERROR, "No record can be written; the service acknowledges no request until it can", ("sink", "error")
    ),
    "request.done": Event(_DEBUG, "It was executed", _REQUEST),
    "request.failed": Event(_INFO, "It was answered with an error, not executed", _REQUEST, _KINDS),
    "request.unknown": Event(_WARNING, "It was answered with an error, and may have been executed", _REQUEST, _KINDS),
    "request.dead_lettered": Event(
        _WARNING, "It failed, nobody waited for an answer, and it is in the dead-letter queue", _REQUEST, _KINDS
    ),
    "reply.dropped": Event(
        _WARNING,
        "It was handled, and its reply could not be delivered: the queue is gone, or refuses",
        _REQUEST,
        "ten a minute for each code and reply queue",
    ),
    "request.requeued": Event(_INFO, "It was given back to its queue; `error` says why", ("queue", "error")),
    "request.defect": Event(_ERROR, "The service failed on it; it is answered INTERNAL", ("queue", "trace_id")),
    "request.unsettled": Event(_ERROR, "The service failed to settle it; it is given back", ("queue",)),
    "request.unspilled": Event(_ERROR, "A large request cannot wait in a file, and waits in memory", ("path", "error")),
    "request.unwritten": Event(_ERROR, "The rest of a large request cannot be written to its file", ("error",)),
    "publish.unconfirmed": Event(
        _WARNING,
        "The broker did not confirm a reply (`what` is reply) or a dead letter (dead); it is tried again",
        ("what", "attempt", "error"),
    ),
    "signal.transient": Event(_INFO, "A signal has a field without a meaning in Zeebe", (), "once"),
    "inquiry.off": Event(_WARNING, "`consumer request` cannot ask this process", ("path", "error")),
    "doctor.unexamined": Event(_DEBUG, "A part of `consumer doctor` failed"),
    "doctor.unjudged": Event(_DEBUG, "What `consumer doctor` found could not be judged"),
    "inquiry.unanswered": Event(_DEBUG, "No service answers `consumer request`", ("path", "error")),
    "http.failed": Event(_ERROR, "The port of health and metrics cannot be opened", ("address", "error")),
    "console.on": Event(_INFO, "The web console answers at `url`; `token` says where its token is", ("url", "token")),
    "console.login": Event(_INFO, "Somebody who knew the token of the console begins a session", ("session",)),
    "console.denied": Event(
        _WARNING,
        "The console refused a request: not from this machine, a wrong token, a form of another page",
        ("reason", "peer"),
    ),
    "console.replayed": Event(
        _INFO,
        "Somebody sent dead letters again from the console; `results` says what became of them",
        ("session", "letters", "results"),
        "none",
    ),
    "console.dropped": Event(
        _INFO, "Somebody dropped dead letters from the console", ("session", "letters", "results"), "none"
    ),
    "console.sent": Event(
        _INFO,
        "Somebody sent a request from the console; `code` is OK, that of the error, or `no reply`",
        ("session", "operation", "request_id", "trace_id", "code"),
        "none",
    ),
    "console.failed": Event(_ERROR, "A page of the console could not be made"),
    "readiness.failed": Event(_ERROR, "/readyz could not be answered"),
    "metrics.failed": Event(_ERROR, "/metrics could not be answered"),
    "metric.failed": Event(_WARNING, "One metric could not be read; the others are shown", ("metric",)),
    "telemetry.late": Event(_WARNING, "What OTLP had not sent within `seconds` of the end is lost", ("seconds",)),
    "telemetry.failed": Event(_WARNING, "OTLP could not be ended"),
}
"""By name."""
