"""The settings: one row each, read by the service, the command line, the component files and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from consumer.config import certificates, urls, values
from consumer.config.ledger_url import ledger_url
from consumer.config.values import AuditSink, Target
from zeebe_amqp import reply_queue, wire
from zeebe_amqp.amqp.address import PARAMETERS

__all__ = [
    "ARGUMENTS",
    "BROKER",
    "BY_SPELLING",
    "FILE",
    "GATEWAY",
    "VARIABLES",
    "Values",
    "Variable",
    "as_argument",
]

T = TypeVar("T")

FILE: Final = "_FILE"
"""The ending of a variable that names a file with the value."""

BROKER: Final = "Broker"
GATEWAY: Final = "Gateway"


@dataclass(frozen=True)
class Variable:
    """One row of the table."""

    name: str
    parse: Callable[[str], Any]
    """Text to value; its ValueError says what is accepted."""
    default: str
    """As the documentation shows it; empty = unset."""
    meaning: str
    aliases: tuple[str, ...]
    """The official clients' names for it."""
    group: str
    """What it is about: a heading of the documentation."""
    key: str = ""
    """Its key in a component file: of the broker's binding in the group of the broker, else of the command binding."""
    secret: bool = False
    file: bool = False
    """Whether it has a `_FILE` form, as every secret has."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names it is read from, the first one set wins: its own, the official clients', their `_FILE` forms."""
        names = (self.name, *self.aliases)
        return (*names, *(name + FILE for name in names)) if self.file or self.secret else names

    def shown(self, text: str) -> str:
        """`text` without secrets."""
        if self.secret:
            return "***"
        return urls.hidden(text) if "://" in text or self.name.endswith(("_URL", "_ADDRESS")) else text


def _row(
    parse: Callable[[str], T], default: str | None, meaning: str, *aliases: str, shown: str = "", **more: Any
) -> T:
    """A row of the table below: the default is a text, parsed like all others; `more` are fields of `Variable`."""
    row = {"parse": parse, "default": shown or default or "", "meaning": meaning, "aliases": aliases, **more}
    # The field has the type of the value, so that a type checker compares it with the parser's.
    made: T = field(default=default and parse(default), metadata=row)  # type: ignore[assignment]
    return made


@dataclass(frozen=True)
class Values:
    """The table: a row per setting, each in the group of the row above if it does not begin one.

    An instance has their values, by the names of their variables.
    """

    AMQP_URL: tuple[str, ...] = _row(
        urls.broker_urls,
        "amqp://guest:guest@127.0.0.1:5672",
        "the broker; several hosts separated by commas; `amqps://` for TLS; accepted parameters: "
        f"{', '.join(f'`{each}`' for each in PARAMETERS)}",
        key="host",
        file=True,
        group=BROKER,
    )
    AMQP_CA: Path | None = _row(
        certificates.certificates, None, "PEM file of the authorities trusted for `amqps://`", shown="the system's"
    )
    AMQP_CERT: Path | None = _row(
        certificates.certificates, None, "PEM file of the client certificate, with `AMQP_KEY`"
    )
    AMQP_KEY: Path | None = _row(
        certificates.private_key, None, "PEM file of the client certificate's private key, without password"
    )
    AMQP_QUEUES: tuple[str, ...] = _row(
        values.queues,
        f"{wire.COMMANDS_QUEUE},{wire.POLLS_QUEUE}",
        "request queues; one named `polls`, or ending in `.polls`, is for long-running requests",
        key="queueName",
    )
    AMQP_PREFETCH: int | None = _row(
        values.whole(1, 65535), None, "deliveries held per request queue", key="prefetchCount", shown="2 x CONCURRENCY"
    )
    AMQP_MAX_HELD_BYTES: int = _row(
        values.whole(2**20, 2**40),
        str(64 * 2**20),
        "how many bytes of requests are held in memory, over all queues; above it, or if one user's take more than is "
        "free, those of more than 64 KiB wait in files in `STATE_DIR`",
    )
    AMQP_DECLARE: str = _row(
        values.choice("active", "passive"),
        "active",
        "`active` declares queues and exchanges, `passive` only checks them",
    )
    DEAD_LETTER_BOUND: int = _row(
        values.whole(1, 1_000_000_000),
        "10000",
        f"how many letters may wait in `{wire.DEAD_LETTER}`: from 80 % on the log warns, at the bound `check` fails; "
        "only a policy at the broker enforces it",
    )
    ZEEBE_ADDRESS: Target = _row(
        values.gateway_address,
        "127.0.0.1:26500",
        "the gateway: `host:port`, `dns:///host:port` for several; `grpc://` and `http://` mean plaintext, "
        "`grpcs://` and `https://` TLS",
        "CAMUNDA_GRPC_ADDRESS",
        "ZEEBE_GRPC_ADDRESS",
        key="gatewayAddr",
        group=GATEWAY,
    )
    ZEEBE_INSECURE_CONNECTION: bool = _row(
        values.switch, "false", "plaintext to the gateway", "CAMUNDA_INSECURE_CONNECTION", key="usePlainTextConnection"
    )
    ZEEBE_CA_CERTIFICATE_PATH: Path | None = _row(
        values.path,
        None,
        "PEM file of the authorities trusted for the gateway",
        "CAMUNDA_CA_CERTIFICATE_PATH",
        key="caCertificatePath",
        shown="the system's",
    )
    ZEEBE_CLIENT_CERT_PATH: Path | None = _row(
        certificates.certificates,
        None,
        "PEM file of the client certificate for the gateway, with `ZEEBE_CLIENT_KEY_PATH`",
        key="clientCertPath",
    )
    ZEEBE_CLIENT_KEY_PATH: Path | None = _row(
        certificates.private_key,
        None,
        "PEM file of that certificate's private key, without password",
        key="clientKeyPath",
    )
    ZEEBE_OVERRIDE_AUTHORITY: str | None = _row(
        values.words, None, "the host name expected in the gateway's certificate", "CAMUNDA_OVERRIDE_AUTHORITY"
    )
    ZEEBE_KEEP_ALIVE: float = _row(
        values.seconds(30, 86400, bare=0.001),
        "45000",
        "time between keep-alive pings, milliseconds or a duration; gateways refuse less than 30 s",
        "CAMUNDA_KEEP_ALIVE",
        key="gatewayKeepAlive",
    )
    ZEEBE_REQUEST_TIMEOUT: float = _row(
        values.seconds(0.001, 900), "20s", "deadline of one attempt, also of one at a Camunda 7 engine"
    )
    ZEEBE_CLIENT_ID: str | None = _row(
        values.words, None, "OAuth client id", "CAMUNDA_CLIENT_ID", key="clientId", file=True
    )
    ZEEBE_CLIENT_SECRET: str | None = _row(
        values.words, None, "OAuth client secret", "CAMUNDA_CLIENT_SECRET", key="clientSecret", secret=True
    )
    ZEEBE_AUTHORIZATION_SERVER_URL: str = _row(
        urls.token_url,
        "https://login.cloud.camunda.io/oauth/token/",
        "the endpoint that OAuth tokens come from",
        "CAMUNDA_AUTHORIZATION_SERVER_URL",
        "CAMUNDA_OAUTH_URL",
        key="authorizationServerUrl",
        file=True,
    )
    ZEEBE_TOKEN_AUDIENCE: str | None = _row(
        values.words,
        None,
        "audience of the OAuth token",
        "CAMUNDA_TOKEN_AUDIENCE",
        key="tokenAudience",
        shown="the gateway's host",
        file=True,
    )
    ZEEBE_TOKEN_SCOPE: str | None = _row(
        values.words, None, "scope of the OAuth token", "CAMUNDA_TOKEN_SCOPE", key="tokenScope", file=True
    )
    CAMUNDA_BASIC_AUTH_USERNAME: str | None = _row(values.user_name, None, "user name for the gateway", file=True)
    CAMUNDA_BASIC_AUTH_PASSWORD: str | None = _row(values.words, None, "password for the gateway", secret=True)
    SIGNAL_ENGINE: str = _row(
        values.choice("zeebe", "camunda7"),
        "zeebe",
        "who gets signals that name no execution; `camunda7` needs `CAMUNDA7_REST_URL`",
        group="Camunda 7 engine",
    )
    CAMUNDA7_REST_URL: str | None = _row(
        urls.rest_url,
        None,
        "the REST API of a Camunda 7 engine, such as `http://camunda:8080/engine-rest`, for signals to one execution",
        file=True,
    )
    CAMUNDA7_USER: str | None = _row(values.user_name, None, "user name for the Camunda 7 engine", file=True)
    CAMUNDA7_PASSWORD: str | None = _row(values.words, None, "password for the Camunda 7 engine", secret=True)
    CONCURRENCY: int = _row(
        values.whole(1, 32767), "64", "commands in flight per request queue", group="Requests and replies"
    )
    POLLS_CONCURRENCY: int = _row(
        values.whole(1, 65535),
        "1000",
        "long-running requests that a single user may have waiting in a queue for them; over all users twice as many, "
        "at most 65535",
    )
    MAX_DEPTH: int = _row(
        values.whole(1, 900), str(wire.MAX_DEPTH), "nesting of variables; deeper documents can stop an engine"
    )
    FORGET_RETRY: float = _row(values.seconds(0, 86400), "15m", "how long a request without `reply_to` is tried again")
    REPLY_RETRY: float = _row(
        values.seconds(0, 600),
        "30s",
        "how long a reply that the caller's queue refuses is tried again before it is dropped",
    )
    REPLY_ALLOW: tuple[str, ...] = _row(
        values.globs,
        ",".join(reply_queue.ALLOWED),
        "patterns of the queue names that replies may go to, in capitals or not",
    )
    REPLY_EXCHANGE: str | None = _row(
        values.exchange,
        None,
        f"strict replies: the topic exchange that they go to, such as `{wire.REPLIES_EXCHANGE}`, each under a routing "
        "key that only its user may bind",
    )
    REQUIRE_USER_ID: bool = _row(
        values.switch,
        "false",
        "refuse requests without the property `user_id`, which the broker validates",
        group="Rights",
    )
    POLICY_FILE: Path | None = _row(
        values.file,
        None,
        "TOML file of the policy: which user may run what; without it, everybody who can publish may run everything",
    )
    AUDIT: AuditSink | None = _row(
        values.audit_sink,
        "off",
        "where the service records every command before it acknowledges the message: `off`, `stdout`, a file such as "
        "`/var/log/zeebe-amqp/audit.jsonl`, `stream:NAME` for a RabbitMQ stream, `exchange:NAME`",
    )
    SIGNING_KEYS: tuple[bytes, ...] = _row(
        values.signing_keys,
        None,
        "keys that sign dead letters and the ids of jobs, of at least 32 bytes, separated by commas; the first one "
        "signs, all verify",
        shown="<STATE_DIR>/signing.key, unless the ledger is shared",
        secret=True,
    )
    JOBS: tuple[str, ...] | None = _row(
        values.job_types,
        None,
        "types of jobs that the service fetches and publishes to queues, separated by commas",
        group="Jobs",
    )
    JOBS_FILE: Path | None = _row(
        values.file,
        None,
        "TOML file with a table for each type of job: timeout, limit, variables, tenants, queue, answers",
    )
    TRACE_VARIABLE: str | None = _row(
        values.variable_name,
        None,
        "variable that carries the trace context into each process that is started, and to its jobs",
    )
    LEDGER: str | None = _row(
        ledger_url,
        None,
        "where answers are remembered: `sqlite:///path` for one process, `redis://host:port/database` or "
        "`postgresql://host:port/database` for several, `memory://` to remember nothing after the process ends",
        shown="sqlite:///<STATE_DIR>/ledger.db",
        file=True,
        group="Ledger",
    )
    LEDGER_CREATE: bool = _row(
        values.switch,
        "true",
        "the service makes the tables of a ledger in PostgreSQL; otherwise `consumer ledger ddl` prints how to",
    )
    LEDGER_TTL: float = _row(values.seconds(1, 2592000), "1h", "how long an answer is remembered")
    LEDGER_MAX_ENTRIES: int = _row(
        values.whole(1, 1_000_000_000),
        "1000000",
        "how many answered requests are remembered; above it the user with the most loses the oldest",
    )
    LEDGER_MAX_BYTES: int = _row(
        values.whole(1, 2**40),
        "536870912",
        "how many bytes of answers, compressed, are remembered; above it the user with the most loses the oldest: a "
        "repetition then gets an error, and does not run again",
    )
    ON_UNKNOWN: str = _row(
        values.choice("report", "run"), "report", "what happens to a repeated request whose first outcome is unknown"
    )
    STATE_DIR: Path = _row(values.path, "./.state", "folder of what survives a restart", group="Service")
    SHUTDOWN_GRACE: float = _row(values.seconds(0, 3600), "25s", "time for commands in flight when the service stops")
    HTTP_ADDRESS: tuple[str, int] | None = _row(
        values.http_address, "127.0.0.1:8080", "address of /livez, /readyz and /metrics, and of the console; `off`"
    )
    CONSOLE: bool = _row(
        values.switch, "false", "the web console at /console, for this machine only; it needs `HTTP_ADDRESS`"
    )
    CONSOLE_TOKEN: str | None = _row(
        values.console_token,
        None,
        "what opens the console, at least 32 characters",
        shown="<STATE_DIR>/console.token",
        secret=True,
    )
    LOG_LEVEL: str = _row(
        values.choice("debug", "info", "warning", "error"), "info", "the least severe records that are logged"
    )
    LOG_FORMAT: str | None = _row(
        values.choice("text", "json"),
        None,
        "`text` for people, `json` for machines",
        shown="text on a terminal, json otherwise",
    )
    COMPONENT_FILE: Path | None = _row(values.path, None, "component file of type `bindings.zeebe.command`")


def _variables() -> Iterator[Variable]:
    group = ""
    for each in fields(Values):
        group = each.metadata.get("group", group)
        yield Variable(each.name, **{**each.metadata, "group": group})


VARIABLES: Final = tuple(_variables())
"""All rows, in the order of the documentation."""
BY_SPELLING: Final[Mapping[str, Variable]] = {name: each for each in VARIABLES for name in each.spellings}
"""The row that a name stands for."""


def as_argument(name: str) -> str:
    """The option that sets `name`: `--amqp-url` for `AMQP_URL`.

    No secret is taken from the command line, where every user of the machine can read it: its option names a file.
    """
    if BY_SPELLING[name].secret:
        name = name.removesuffix(FILE) + FILE
    return "--component" if name == "COMPONENT_FILE" else "--" + name.lower().replace("_", "-")


ARGUMENTS: Final[Mapping[str, str]] = {
    as_argument(name): name for each in VARIABLES for name in (each.name, each.name + FILE) if name in each.spellings
}
"""Command line option to the name that it sets."""
