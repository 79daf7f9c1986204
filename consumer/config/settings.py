"""What the service is told: typed settings, durations in seconds.

What a field means is said once, in the table of `consumer.config.variables`; here is only what it does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from consumer.config.values import AuditSink
from zeebe_amqp.jobs.names import DELIVERY_LIMIT, LIMIT, job_queue

__all__ = [
    "Amqp",
    "Basic",
    "Camunda7",
    "JobType",
    "Names",
    "OAuth",
    "Settings",
    "Zeebe",
]

MAX_PREFETCH: Final = 65535
"""The largest one that AMQP can tell."""


class Names(dict[str, str]):
    """Variables as the user wrote them, by name: a component file says `clientId` for ZEEBE_CLIENT_ID.

    Messages while the service runs name settings by it. They also go to callers, so no path of a file is in it.
    """

    def __missing__(self, variable: str) -> str:
        return variable


@dataclass(frozen=True)
class OAuth:
    """Client credentials for the gateway (OAuth 2, grant type `client_credentials`)."""

    client_id: str
    client_secret: str = field(repr=False)
    authorization_server_url: str
    """The token endpoint, an http(s) URL."""
    audience: str
    scope: str | None = None
    names: Names = field(default_factory=Names, repr=False, compare=False)


@dataclass(frozen=True)
class Basic:
    """User name and password for an engine."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Amqp:
    """The broker and what is read from it."""

    urls: tuple[str, ...] = field(default=("amqp://guest:guest@127.0.0.1:5672",), repr=False)
    """The nodes of one broker, tried in turn; all `amqp://` or all `amqps://`. With passwords: never log them."""
    queues: tuple[str, ...] = ("zeebe.commands", "zeebe.polls")
    """The request queues, each with a worker of its own; see `waits`."""
    prefetch: int = 128
    """Deliveries that a worker holds at a time, 1..65535."""
    polls: int = 1000
    """Long-running requests that a user alone may have waiting in a queue of theirs."""
    max_held_bytes: int = 64 * 1024 * 1024
    declare: str = "active"
    dead_letter_bound: int = 10_000
    reply_exchange: str | None = None
    """The topic exchange of strict replies; None = replies go to queues."""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    names: Names = field(default_factory=Names, repr=False, compare=False)

    def waits(self, queue: str) -> bool:
        """Whether a queue is for long-running requests: its name is `polls`, or ends in `.polls`."""
        return queue.rpartition(".")[2] == "polls"

    def held(self, queue: str) -> int:
        """How many deliveries of a queue are held at a time."""
        # Twice of what one user may take: the share of each is less than what is free.
        return min(2 * self.polls, MAX_PREFETCH) if self.waits(queue) else self.prefetch


@dataclass(frozen=True)
class Zeebe:
    """The gateway and how it is reached."""

    address: str = "127.0.0.1:26500"
    """A gRPC target: `host:port` or `dns:///host:port`."""
    plaintext: bool = False
    ca_certificate_path: Path | None = None
    client_cert_path: Path | None = None
    client_key_path: Path | None = None
    override_authority: str | None = None
    keep_alive: float = 45.0
    request_timeout: float = 20.0
    credentials: OAuth | Basic | None = None
    names: Names = field(default_factory=Names, repr=False, compare=False)

    @property
    def host(self) -> str:
        """The host of the address, an IPv6 address without its brackets."""
        return self.address.rpartition("/")[2].rpartition(":")[0].strip("[]")


@dataclass(frozen=True)
class Camunda7:
    """A Camunda 7 engine and what it gets."""

    url: str
    """Where its REST API begins, without user and password."""
    every: bool = False
    """Whether it gets all signals; false: only those that name an execution."""
    request_timeout: float = 20.0
    credentials: Basic | None = None


@dataclass(frozen=True)
class JobType:
    """Jobs of one type that are published to a queue."""

    name: str
    """The type, as the process models name it."""
    timeout: float = 300.0
    """Seconds for which the engine locks a job."""
    limit: int = LIMIT
    """Jobs that may wait in the queue before this service stops fetching."""
    fetch_variables: tuple[str, ...] = ()
    """The variables that are fetched; empty = all."""
    tenant_ids: tuple[str, ...] = ()
    """Whose jobs are fetched; empty = those of the default tenant."""
    queue_name: str | None = None
    delivery_limit: int = DELIVERY_LIMIT
    """How often a job is delivered again after workers died with it; with 3, four times in all."""
    answers: str = "plain"
    """How its workers write answers; see `zeebe_amqp.jobs.readings`."""
    source: str = field(default="JOBS", compare=False)
    """The setting that names it."""

    @property
    def queue(self) -> str:
        """The queue of its jobs."""
        return self.queue_name or job_queue(self.name)


@dataclass(frozen=True)
class Settings:
    """Everything the service is told at start."""

    amqp: Amqp = field(default_factory=Amqp)
    zeebe: Zeebe = field(default_factory=Zeebe)
    camunda7: Camunda7 | None = None
    """None = no such engine."""
    concurrency: int = 64
    reply_retry: float = 30.0
    max_depth: int = 500
    shutdown_grace: float = 25.0
    forget_retry: float = 900.0
    state_dir: Path = Path(".state")
    ledger: str = field(default="sqlite:///.state/ledger.db", repr=False)
    """`sqlite:///path`, `redis://…`, `postgresql://…` or `memory://`. May hold a password: never log it."""
    ledger_create: bool = True
    ledger_ttl: float = 3600.0
    ledger_max_entries: int = 1_000_000
    ledger_max_bytes: int = 2**29
    on_unknown: str = "report"
    reply_allow: tuple[str, ...] = ("*reply*", "*replies*", "*response*")
    require_user_id: bool = False
    policy_file: Path | None = None
    """None = no policy: everybody may do everything."""
    audit: AuditSink | None = None
    """None = no audit."""
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """The first signs, all verify; empty = one is made in `state_dir`."""
    jobs: tuple[JobType, ...] = ()
    """The jobs that are published to queues; empty = none, and nothing for jobs runs."""
    trace_variable: str | None = None
    """The variable that gets the trace context of new instances, messages and signals; None = where a request asks."""
    http_address: tuple[str, int] | None = ("127.0.0.1", 8080)
    """Host and port of health and metrics; None = off."""
    console: bool = False
    console_token: str | None = field(default=None, repr=False)
    """None = one is made in `state_dir`."""
    log_level: str = "info"
    log_format: str = "json"
