"""The permissions at RabbitMQ that the service and its users need, and no more; with strict replies and without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.config.values import AuditSink
from consumer.rabbitmq.topology import queue_names
from zeebe_amqp import strict, wire
from zeebe_amqp.jobs.names import DEAD, JOBS_EXCHANGE, PREFIX, RESULTS_EXCHANGE, UNDONE

__all__ = ["DEFAULT_EXCHANGE", "NOTHING", "Permissions", "commands", "of_service", "of_user"]

DEFAULT_EXCHANGE: Final = "amq.default"
"""What permissions call the default exchange."""
NOTHING: Final = "^$"
"""The pattern that permits nothing."""
_COPIES: Final = f"{wire.DEAD_LETTER}.copies."
"""How the queues begin in which `dead replay` sees what fails again."""


@dataclass(frozen=True)
class Permissions:
    """What a user may configure, write to and read from: patterns of the names of queues and exchanges."""

    user: str
    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING
    topics: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By topic exchange, patterns of the routing keys to publish with and to bind with."""


def of_user(user: str, amqp: Amqp, job_queues: Sequence[str] = ()) -> Permissions:
    """Those of somebody who sends requests and gets replies, and of a worker for the jobs of some queues."""
    if amqp.reply_exchange is None:
        return Permissions(user, write=_pattern([DEFAULT_EXCHANGE]), read=_pattern(job_queues))
    private = strict.private_queues(user)
    results = [RESULTS_EXCHANGE] if job_queues else []
    return Permissions(
        user,
        _pattern([], [private]),
        _pattern([wire.REQUESTS_EXCHANGE, *results], [private]),
        _pattern([amqp.reply_exchange, *job_queues], [private]),
        {amqp.reply_exchange: (NOTHING, _pattern([], [f"{strict.encoded(user)}."]))},
    )


def of_service(user: str, amqp: Amqp, jobs: Sequence[JobType] = (), audit: AuditSink | None = None) -> Permissions:
    """Those of the service, of its console and of `dead`."""
    declared, written = _of_audit(audit)
    names = [*queue_names(amqp, jobs), DEAD] if jobs else [*amqp.queues, wire.DEAD_LETTER]
    prefixes = [_COPIES, PREFIX] if jobs else [_COPIES]
    if amqp.reply_exchange is None:
        exchanges = [wire.DEAD_LETTER, *([DEAD, UNDONE] if jobs else [])]
        return Permissions(
            user,
            _pattern([*names, *declared], prefixes),
            _pattern([DEFAULT_EXCHANGE, *exchanges, *written], [_COPIES]),
            _pattern(names, prefixes),
        )
    exchanges = [amqp.reply_exchange, wire.REQUESTS_EXCHANGE, *([JOBS_EXCHANGE] if jobs else [])]
    # A queue is bound by who may write to it; and the console sends requests as any caller does.
    everything, prefixes = [*names, *exchanges], [*prefixes, strict.private_queues(user)]
    return Permissions(
        user,
        _pattern([*everything, *declared], prefixes),
        _pattern([*everything, *written], prefixes),
        _pattern(everything, prefixes),
    )


def _of_audit(audit: AuditSink | None) -> tuple[list[str], list[str]]:
    """What it declares, and where it writes to, at the broker."""
    if audit is None or audit.kind not in {"stream", "exchange"}:
        return [], []
    return ([audit.name], [DEFAULT_EXCHANGE]) if audit.kind == "stream" else ([], [audit.name])


def commands(permissions: Permissions, vhost: str) -> Iterator[list[str]]:
    """What gives them: the arguments of each call of `rabbitmqctl`."""
    patterns = permissions.configure, permissions.write, permissions.read
    yield ["set_permissions", "-p", vhost, permissions.user, *patterns]
    for exchange, (write, read) in permissions.topics.items():
        yield ["set_topic_permissions", "-p", vhost, permissions.user, exchange, write, read]


def _pattern(names: Iterable[str], prefixes: Sequence[str] = ()) -> str:
    """One that permits exactly these names, and those that begin so."""
    exact = {name for name in names if not name.startswith(tuple(prefixes))}
    accepted = [*map(_escape, sorted(exact)), *(f"{_escape(each)}.*" for each in sorted(prefixes))]
    if not accepted:
        return NOTHING
    return f"^{accepted[0]}$" if len(accepted) == 1 else f"^({'|'.join(accepted)})$"


def _escape(name: str) -> str:
    """A name in a pattern; outside of brackets a hyphen means nothing."""
    return re.escape(name).replace(r"\-", "-")
