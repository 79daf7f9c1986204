"""The queues of jobs: there, as declared, with workers; and what answers and undone jobs need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from consumer.config import Amqp, Settings
from consumer.config.settings import JobType
from consumer.doctor.finding import Finding, Section
from consumer.doctor.queues import describe, failing, judge_arguments, judge_rights
from consumer.doctor.scrape import series
from consumer.ledger import is_shared
from consumer.rabbitmq.differences import Difference
from consumer.rabbitmq.job_examination import JobFacts
from consumer.rabbitmq.look import ExchangeFacts, QueueFacts
from zeebe_amqp import wire
from zeebe_amqp.jobs.names import DEAD, RESULTS, UNDONE

__all__ = ["judge_jobs", "unexamined"]

JOBS: Final = Section("jobs")

_OF_SETTINGS: Final = {
    "x-max-length": ("limit", 4),
    "x-max-length-bytes": ("", 1),
    "x-delivery-limit": ("delivery_limit", 1),
}
"""The key of a type's table that an argument of its queue comes from, and how many times its value that is. A queue
that differs in these alone does its work."""
MAX_SHARE: Final = 0.05
"""Of the jobs that were given out: how many may end badly before it is told. The alerts have the same number."""
MIN_BAD: Final = 5
"""So few are no share."""
_BAD_ENDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "zeebe_amqp_jobs_late_total": (
        "late answers",
        "raise the type's timeout above the time that its work takes, give workers a prefetch of 1, or let them extend",
        "the work is done twice: the engine gave out such a job again before its answer came",
    ),
    "zeebe_amqp_jobs_expired_total": (
        "expired",
        "start more workers, or lower the type's limit",
        "no worker took these jobs in time; the engine gave them out again",
    ),
    "zeebe_amqp_jobs_undone_total": (
        "undone",
        "see the log of the workers: they reject jobs, or die with them",
        "each has lost one retry; a job without retries becomes an incident",
    ),
}
"""What to say about jobs that end badly, by counter."""
_STANDS: Final = (
    "nobody takes these jobs: each one expires, the engine gives it out again, and its process stands still"
)
_ANSWERS: Final = "answers of workers are not executed, so their jobs come again after their deadline"
_UNDONE: Final = "jobs that a worker rejects or dies with come again only after their deadline, with all their retries"


def unexamined(problem: str) -> Finding:
    """The queues could not be looked at."""
    return JOBS.problem("queues", problem, "see what is said of the broker", "nothing is known of the jobs")


def judge_jobs(
    facts: JobFacts, settings: Settings, counts: Mapping[str, float] = MappingProxyType({})
) -> Iterator[Finding]:
    """Everything about jobs on queues.

    Args:
        facts: from the broker.
        settings: those of the service.
        counts: the values of a running service's series.
    """
    for job_type in settings.jobs:
        yield from _type(job_type, facts.queues[job_type.name], settings.amqp)
    yield from _own(facts.results, "answers", _ANSWERS, settings.amqp)
    yield from _own(facts.undone, "undone jobs", _UNDONE, settings.amqp)
    yield from _exchange(facts.exchange, settings.amqp)
    yield _ledger(facts.results.consumers, settings)
    yield from _forged(counts)
    for job_type in settings.jobs:
        yield from _shares(job_type.name, counts)


def _type(job_type: JobType, queue: QueueFacts, amqp: Amqp) -> Iterator[Finding]:
    subject = f"jobs.{job_type.name}"
    if not queue.there or queue.locked:
        yield _absent(subject, queue, amqp, "its jobs are not fetched")
        return
    for difference in queue.differences:
        yield _difference(queue, difference, amqp)
    if queue.declaring and amqp.declare == "active":
        yield JOBS.problem(
            f"{queue.name}: rights",
            queue.declaring,
            "grant the right, or declare the queue yourself and set AMQP_DECLARE=passive",
            "the service declares the queue; without the right it fetches no jobs of this type",
        )
    yield _workers(subject, job_type, queue)


def _difference(queue: QueueFacts, difference: Difference, amqp: Amqp) -> Finding:
    subject, found = f"{queue.name}: {difference.argument}", describe(difference)
    change = (
        f"an argument cannot be changed: delete the queue (`rabbitmqctl delete_queue {queue.name}`), and the service "
        "declares it anew; the engine gives out its jobs again after their deadline"
    )
    if difference.argument in _OF_SETTINGS:
        key, times = _OF_SETTINGS[difference.argument]
        like = f"; or set `{key} = {difference.theirs // times}` for the type" if key and difference.theirs else ""
        why = "a queue keeps the arguments with which it was declared, whatever the setting says now"
        return JOBS.warning(subject, f"{found}; used as it is", change + like, why)
    if amqp.declare == "active":
        why = "the broker refuses our declaration, so no jobs of this type are fetched"
        return JOBS.problem(subject, found, change, why)
    why = "jobs may be lost with the queue until their deadline, or never fail when workers die with them"
    return JOBS.warning(subject, f"{found}; taken as it is with AMQP_DECLARE=passive", change, why)


def _workers(subject: str, job_type: JobType, queue: QueueFacts) -> Finding:
    full = ", so no more are fetched" if queue.messages >= job_type.limit else ""
    waiting = f"{queue.messages} of at most {job_type.limit} jobs wait in {queue.name}{full}"
    if not queue.consumers:
        change = (
            f"start workers that read {queue.name} (`rabbitmqctl list_consumers` shows who reads what), or remove "
            f"the type from {job_type.source}"
        )
        return JOBS.warning(subject, f"{waiting}; no worker", change, _STANDS)
    return JOBS.ok(subject, f"{waiting}; {queue.consumers} workers")


def _own(queue: QueueFacts, subject: str, why: str, amqp: Amqp) -> Iterator[Finding]:
    """A queue that the service reads."""
    if not queue.there or queue.locked:
        yield _absent(subject, queue, amqp, why)
        return
    yield from (each for each in judge_arguments(JOBS, queue, amqp, wire.REQUEST_QUEUE) if queue.differences)
    yield from judge_rights(JOBS, queue, amqp)
    found = f"{queue.messages} wait in {queue.name}, {queue.consumers} consumers"
    if not queue.consumers:
        yield JOBS.warning(subject, found, "start the service; if it runs, see its log and /readyz", why)
    elif queue.messages:
        yield JOBS.warning(
            subject,
            f"{found}; they waited for at least a second",
            "see /readyz and `zeebe_amqp_in_flight`; if all places are always taken, start another replica",
            why,
        )
    else:
        yield JOBS.ok(subject, found)


def _absent(subject: str, queue: QueueFacts, amqp: Amqp, why: str) -> Finding:
    """A queue that is not there, or of which nothing is known."""
    if queue.locked:
        return JOBS.problem(
            subject,
            f"{queue.name} belongs exclusively to another connection",
            "end that connection (`rabbitmqctl list_queues name exclusive owner_pid`)",
            why,
        )
    if queue.failing:
        return failing(JOBS, queue)
    if queue.there is None:
        look = f"`rabbitmqctl list_queues name type arguments messages consumers` must show {queue.name!r}"
        return JOBS.unseen(subject, f"not allowed to look at {queue.name}", look, why)
    if amqp.declare == "passive":
        return JOBS.problem(
            subject,
            f"{queue.name} is not there, and AMQP_DECLARE=passive",
            "declare it, or set AMQP_DECLARE=active; `python -m consumer doctor` then says with which arguments",
            why,
        )
    return JOBS.warning(subject, f"{queue.name} is not there yet; the service declares it", "start the service", why)


def _exchange(exchange: ExchangeFacts, amqp: Amqp) -> Iterator[Finding]:
    subject = f"exchange {DEAD!r}"
    if not exchange.there and amqp.declare == "passive":
        change = f"declare a durable fanout exchange {DEAD!r} and bind the queue {UNDONE!r} to it"
        yield JOBS.problem(subject, "it is not there, and AMQP_DECLARE=passive", change, _UNDONE)
    elif not exchange.there:
        yield JOBS.warning(subject, "it is not there yet; the service declares it", "start the service", _UNDONE)
    elif amqp.declare == "passive":
        # Publishing would show it, and fail a job with everybody who is bound there.
        look = f"`rabbitmqctl list_bindings source_name destination_name` must show {DEAD} with {UNDONE}"
        yield JOBS.unseen(subject, "it is there; AMQP does not show what is bound to it", look, _UNDONE)
    elif exchange.declaring:
        change = "grant the right, or delete an exchange of another kind"
        yield JOBS.problem(
            subject, exchange.declaring, change, "the service declares it, and fetches no jobs without it"
        )
    else:
        yield JOBS.ok(subject, "it is there")


def _ledger(consumers: int, settings: Settings) -> Finding:
    """Whether all who take answers know which activation of a job is the newest."""
    if consumers > 1 and not is_shared(settings.ledger):
        return JOBS.problem(
            "ledger",
            f"{consumers} services read {RESULTS}, and the ledger of this one is its own",
            "give all of them one ledger in Redis or PostgreSQL (LEDGER) and the same SIGNING_KEYS, or run a single "
            "service",
            "a service does not know the jobs of another: it drops answers, or executes late ones",
        )
    if settings.ledger.startswith("memory:"):
        return JOBS.warning(
            "ledger",
            "it is in memory",
            "use a file, Redis or PostgreSQL (LEDGER)",
            "after a restart it does not know the newest activation of a job: a late answer may be executed",
        )
    return JOBS.ok("ledger", "it knows the newest activation of each job, also after a restart")


def _forged(counts: Mapping[str, float]) -> Iterator[Finding]:
    forged = counts.get(series("zeebe_amqp_jobs_refused_total", reason="forged"), 0)
    if forged > 0:
        yield JOBS.warning(
            "forged answers",
            f"{forged:.0f} messages in {RESULTS} had no id that this service signed, since its start",
            "check that workers send back the correlation_id of the job, and that all services have the same "
            "SIGNING_KEYS",
            "the service drops such answers, and their jobs come again after their deadline",
        )


def _shares(name: str, counts: Mapping[str, float]) -> Iterator[Finding]:
    """What too many jobs of a type come to, since the service started."""
    out = counts.get(series("zeebe_amqp_jobs_out_total", type=name), 0)
    label = series("", type=name).strip("{}")
    for metric, (words, change, why) in _BAD_ENDS.items():
        number = sum(value for each, value in counts.items() if each.startswith(metric) and label in each and value > 0)
        if number > MIN_BAD and number > MAX_SHARE * out:
            yield JOBS.warning(f"jobs.{name}: {words}", f"{number:.0f} of {out:.0f} since the start", change, why)
