"""What the service is told: typed settings from command line, environment, `.env` and component file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from consumer.config import values
from consumer.config.layers import Loading
from consumer.config.variables import ARGUMENTS, VARIABLES, Variable, Variables, as_argument

__all__ = [
    "ARGUMENTS",
    "VARIABLES",
    "Amqp",
    "Basic",
    "Camunda7",
    "ConfigurationError",
    "Loaded",
    "OAuth",
    "Settings",
    "Variable",
    "Zeebe",
    "as_argument",
    "load",
]

PAIRS = (
    ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET"),
    ("CAMUNDA_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_PASSWORD"),
    ("CAMUNDA7_USER", "CAMUNDA7_PASSWORD"),
    ("AMQP_CERT", "AMQP_KEY"),
)
"""Variables that mean something only together."""

TLS_OF_BROKER = ("AMQP_CA", "AMQP_CERT", "AMQP_KEY")
DETAILS_OF_OAUTH = (
    "ZEEBE_AUTHORIZATION_SERVER_URL",
    "ZEEBE_TOKEN_AUDIENCE",
    "ZEEBE_TOKEN_SCOPE",
    "ZEEBE_CLIENT_CONFIG_PATH",
)


@dataclass(frozen=True)
class OAuth:
    """Client credentials for the gateway (OAuth 2, grant type `client_credentials`)."""

    client_id: str
    client_secret: str = field(repr=False)
    authorization_server_url: str
    """The token endpoint, an http(s) URL."""
    audience: str
    scope: str | None = None
    client_config_path: Path | None = None
    """Where tokens are cached between starts; None = in memory only."""


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
    """The same for a queue of requests that wait on purpose."""
    max_held_bytes: int = 64 * 1024 * 1024
    """Bytes of requests in memory, over all queues, from which on large ones wait in files."""
    declare: str = "active"
    """`active` declares queues and exchanges, `passive` only checks them."""
    dead_letter_bound: int = 10_000
    """How many letters may wait in the dead-letter queue before somebody is told."""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def waits(self, queue: str) -> bool:
        """Whether a queue is for requests that wait on purpose: its name is `polls`, or ends in `.polls`."""
        return queue.rpartition(".")[2] == "polls"

    def held(self, queue: str) -> int:
        """How many deliveries of a queue are held at a time."""
        return self.polls if self.waits(queue) else self.prefetch


@dataclass(frozen=True)
class Zeebe:
    """The gateway and how it is reached."""

    address: str = "127.0.0.1:26500"
    """A gRPC target: `host:port` or `dns:///host:port`."""
    plaintext: bool = False
    ca_certificate_path: Path | None = None
    """PEM file of trusted roots; None = those of the system."""
    override_authority: str | None = None
    keep_alive: float = 45.0
    """Seconds between keep-alive pings, at least 30."""
    request_timeout: float = 20.0
    """Deadline of one attempt, seconds."""
    credentials: OAuth | Basic | None = None

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
    """Deadline of one attempt, seconds."""
    credentials: Basic | None = None


@dataclass(frozen=True)
class Settings:
    """Everything the service is told at start."""

    amqp: Amqp = field(default_factory=Amqp)
    zeebe: Zeebe = field(default_factory=Zeebe)
    camunda7: Camunda7 | None = None
    """None = no such engine."""
    concurrency: int = 64
    """Commands in flight per request queue."""
    reply_retry: float = 30.0
    """Seconds for which a reply that the caller's queue refuses is tried again."""
    max_depth: int = 500
    """Nesting of variables, at most 900."""
    shutdown_grace: float = 25.0
    """Seconds given to commands in flight when the service stops."""
    forget_retry: float = 900.0
    """Seconds for which a request without `reply_to` is tried again."""
    state_dir: Path = Path(".state")
    ledger: str = field(default="sqlite:///.state/ledger.db", repr=False)
    """`sqlite:///path`, `redis://…` or `memory://`. May hold a password: never log it."""
    ledger_ttl: float = 3600.0
    """Seconds for which an answer is remembered."""
    ledger_max_entries: int = 1_000_000
    ledger_max_bytes: int = 2**29
    on_unknown: str = "report"
    """`report` or `run` a command again whose earlier outcome is unknown."""
    reply_allow: tuple[str, ...] = ("*reply*", "*replies*", "*response*")
    """Globs of queue names that replies may go to."""
    http_address: tuple[str, int] | None = ("127.0.0.1", 8080)
    """Host and port of health and metrics; None = off."""
    log_level: str = "info"
    log_format: str = "json"
    """`text` or `json`."""


class ConfigurationError(Exception):
    """The service cannot start as configured; `problems` holds one line per problem, secrets masked."""

    def __init__(self, problems: list[str], warnings: list[str] | None = None) -> None:
        """Keep every problem, so that all can be put right at once, and the warnings: they may be the cause."""
        super().__init__("\n".join(problems))
        self.problems = problems
        self.warnings = warnings or []


@dataclass(frozen=True)
class Loaded:
    """The settings and where they came from."""

    settings: Settings
    sources: list[tuple[str, str, str]]
    """Per variable: its name, the value as shown (secrets masked), where it came from."""
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    """What was done to find the settings: which file was read."""


def load(
    environ: Mapping[str, str],
    arguments: Mapping[str, str] = MappingProxyType({}),
    component: Path | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Read the settings: command line over environment over `.env` over component file over default.

    Args:
        environ: the environment.
        arguments: texts by option (`--amqp-url`) or variable (`AMQP_URL`); those of `ARGUMENTS` are known.
        component: the component file, before any that the environment names.
        directory: where `.env` is looked for; None = the working directory. It is read only when it belongs to the
            user who runs the process.

    Raises:
        ConfigurationError: with every problem, secrets masked.
    """
    given = {**arguments, "COMPONENT_FILE": str(component)} if component else arguments
    loading = Loading()
    loading.pick(loading.layers(environ, given, directory or Path.cwd()))
    variables = loading.parse()
    contradictions = [text for names, text in _contradictions(variables) if not loading.refused & names]
    if problems := [*loading.problems, *contradictions]:
        raise ConfigurationError(problems, loading.warnings)
    settings = _settings(variables)
    warnings = [*loading.warnings, *_oddities(variables)]
    return Loaded(settings, _sources(loading, settings), warnings, loading.notes)


def _sources(loading: Loading, settings: Settings) -> list[tuple[str, str, str]]:
    derived = {
        "AMQP_PREFETCH": str(settings.amqp.prefetch),
        "LEDGER": values.hidden(settings.ledger),
        "LOG_FORMAT": settings.log_format,
    }
    return [
        (each.name, found.shown, found.origin)
        if (found := loading.found.get(each.name))
        else (each.name, derived.get(each.name, each.default) or "unset", "default")
        for each in VARIABLES
    ]


def _contradictions(v: Variables) -> Iterator[tuple[set[str], str]]:
    """What cannot be honoured together: the variables concerned and the problem."""
    for one, other in PAIRS:
        if bool(getattr(v, one)) != bool(getattr(v, other)):
            missing, given = (one, other) if getattr(v, other) else (other, one)
            yield {one, other}, f"{missing}: missing; accepted: {one} and {other} together, or neither ({given} is set)"
    if v.AMQP_CERT and v.AMQP_KEY and not values.is_pair(v.AMQP_CERT, v.AMQP_KEY):
        yield (
            {"AMQP_CERT", "AMQP_KEY"},
            f"AMQP_KEY: found '{v.AMQP_KEY}'; accepted: the private key, without password, of AMQP_CERT",
        )
    if v.ZEEBE_CA_CERTIFICATE_PATH and not _is_plaintext(v):
        # Checked only here: component files name one beside plaintext, where it need not exist.
        yield from _unusable("ZEEBE_CA_CERTIFICATE_PATH", v.ZEEBE_CA_CERTIFICATE_PATH)
    if v.ZEEBE_CLIENT_ID and v.CAMUNDA_BASIC_AUTH_USERNAME:
        names = "ZEEBE_CLIENT_ID", "CAMUNDA_BASIC_AUTH_USERNAME"
        yield set(names), f"{' and '.join(names)}: both are set; accepted: OAuth or Basic, not both"
    yield from _contradictions_about_camunda7(v)
    asked, explicit = v.ZEEBE_ADDRESS.plaintext, "ZEEBE_INSECURE_CONNECTION" in v.model_fields_set
    if explicit and asked is not None and asked != v.ZEEBE_INSECURE_CONNECTION:
        yield (
            {"ZEEBE_ADDRESS", "ZEEBE_INSECURE_CONNECTION"},
            f"ZEEBE_INSECURE_CONNECTION: found {str(v.ZEEBE_INSECURE_CONNECTION).lower()}, but the scheme of "
            f"ZEEBE_ADDRESS says {str(asked).lower()}; accepted: one of the two, or both saying the same",
        )


def _contradictions_about_camunda7(v: Variables) -> Iterator[tuple[set[str], str]]:
    if v.SIGNAL_ENGINE == "camunda7" and not v.CAMUNDA7_REST_URL:
        text = "CAMUNDA7_REST_URL: missing; accepted: with SIGNAL_ENGINE=camunda7 the URL of the engine's REST API"
        yield {"SIGNAL_ENGINE", "CAMUNDA7_REST_URL"}, text
    if v.CAMUNDA7_USER and v.CAMUNDA7_REST_URL and values.without_credentials(v.CAMUNDA7_REST_URL)[1]:
        text = "CAMUNDA7_USER: set, but CAMUNDA7_REST_URL names a user, too; accepted: one of the two"
        yield {"CAMUNDA7_USER", "CAMUNDA7_REST_URL"}, text


def _unusable(name: str, path: Path) -> Iterator[tuple[set[str], str]]:
    try:
        values.certificates(str(path))
    except ValueError as error:
        yield {name}, f"{name}: found '{path}'; accepted: {error}"


def _oddities(v: Variables) -> Iterator[str]:
    """What is probably not meant: settings without effect, credentials that can be overheard."""
    given = v.model_fields_set
    if not _is_tls(v):
        yield from (f"{name}: no effect, AMQP_URL asks for no TLS" for name in TLS_OF_BROKER if name in given)
    if _is_plaintext(v) and "ZEEBE_CA_CERTIFICATE_PATH" in given:
        yield "ZEEBE_CA_CERTIFICATE_PATH: no effect, the connection to the gateway is plaintext"
    if _is_plaintext(v) and (v.ZEEBE_CLIENT_ID or v.CAMUNDA_BASIC_AUTH_USERNAME):
        yield "credentials are sent to the gateway in plaintext, where they can be overheard; use TLS"
    if "ZEEBE_CLIENT_CONFIG_PATH" in given:
        yield "ZEEBE_CLIENT_CONFIG_PATH: no effect in this version, tokens are kept in memory only"
    if not v.ZEEBE_CLIENT_ID:
        yield from (f"{name}: no effect without ZEEBE_CLIENT_ID" for name in DETAILS_OF_OAUTH if name in given)
    if v.CAMUNDA7_USER and not v.CAMUNDA7_REST_URL:
        yield "CAMUNDA7_USER: no effect without CAMUNDA7_REST_URL"
    camunda7 = _camunda7(v)
    if camunda7 and camunda7.credentials and camunda7.url.startswith("http://"):
        yield "credentials are sent to the Camunda 7 engine in plaintext, where they can be overheard; use https://"
    if v.AMQP_PREFETCH and v.AMQP_PREFETCH < v.CONCURRENCY:
        yield f"AMQP_PREFETCH: {v.AMQP_PREFETCH} is below CONCURRENCY ({v.CONCURRENCY}), which is never reached"


def _is_tls(v: Variables) -> bool:
    return v.AMQP_URL[0].startswith("amqps://")


def _is_plaintext(v: Variables) -> bool:
    asked = v.ZEEBE_ADDRESS.plaintext
    return v.ZEEBE_INSECURE_CONNECTION if asked is None else asked


def _settings(v: Variables) -> Settings:
    return Settings(
        amqp=_amqp(v),
        zeebe=_zeebe(v),
        camunda7=_camunda7(v),
        concurrency=v.CONCURRENCY,
        reply_retry=v.REPLY_RETRY,
        max_depth=v.MAX_DEPTH,
        shutdown_grace=v.SHUTDOWN_GRACE,
        forget_retry=v.FORGET_RETRY,
        state_dir=v.STATE_DIR,
        ledger=v.LEDGER or f"sqlite:///{v.STATE_DIR / 'ledger.db'}",
        ledger_ttl=v.LEDGER_TTL,
        ledger_max_entries=v.LEDGER_MAX_ENTRIES,
        ledger_max_bytes=v.LEDGER_MAX_BYTES,
        on_unknown=v.ON_UNKNOWN,
        reply_allow=v.REPLY_ALLOW,
        http_address=v.HTTP_ADDRESS,
        log_level=v.LOG_LEVEL,
        # Logs go to standard error, so that is the terminal to ask.
        log_format=v.LOG_FORMAT or ("text" if sys.stderr.isatty() else "json"),
    )


def _amqp(v: Variables) -> Amqp:
    return Amqp(
        urls=v.AMQP_URL,
        queues=v.AMQP_QUEUES,
        # Twice the slots: while one batch runs, the next is already here.
        prefetch=v.AMQP_PREFETCH or 2 * v.CONCURRENCY,
        polls=v.POLLS_CONCURRENCY,
        max_held_bytes=v.AMQP_MAX_HELD_BYTES,
        declare=v.AMQP_DECLARE,
        dead_letter_bound=v.DEAD_LETTER_BOUND,
        ca=v.AMQP_CA,
        cert=v.AMQP_CERT,
        key=v.AMQP_KEY,
    )


def _zeebe(v: Variables) -> Zeebe:
    return Zeebe(
        address=v.ZEEBE_ADDRESS.address,
        plaintext=_is_plaintext(v),
        ca_certificate_path=None if _is_plaintext(v) else v.ZEEBE_CA_CERTIFICATE_PATH,
        override_authority=v.ZEEBE_OVERRIDE_AUTHORITY,
        keep_alive=v.ZEEBE_KEEP_ALIVE,
        request_timeout=v.ZEEBE_REQUEST_TIMEOUT,
        credentials=_credentials(v),
    )


def _camunda7(v: Variables) -> Camunda7 | None:
    if not v.CAMUNDA7_REST_URL:
        return None
    url, inside = values.without_credentials(v.CAMUNDA7_REST_URL)
    given = (v.CAMUNDA7_USER, v.CAMUNDA7_PASSWORD or "") if v.CAMUNDA7_USER else inside
    return Camunda7(
        url=url,
        every=v.SIGNAL_ENGINE == "camunda7",
        request_timeout=v.ZEEBE_REQUEST_TIMEOUT,
        credentials=Basic(*given) if given else None,
    )


def _credentials(v: Variables) -> OAuth | Basic | None:
    if v.ZEEBE_CLIENT_ID and v.ZEEBE_CLIENT_SECRET:
        return OAuth(
            client_id=v.ZEEBE_CLIENT_ID,
            client_secret=v.ZEEBE_CLIENT_SECRET,
            authorization_server_url=v.ZEEBE_AUTHORIZATION_SERVER_URL,
            # The official clients ask for the gateway's host, too.
            audience=v.ZEEBE_TOKEN_AUDIENCE or v.ZEEBE_ADDRESS.host,
            scope=v.ZEEBE_TOKEN_SCOPE,
            client_config_path=v.ZEEBE_CLIENT_CONFIG_PATH,
        )
    if v.CAMUNDA_BASIC_AUTH_USERNAME and v.CAMUNDA_BASIC_AUTH_PASSWORD:
        return Basic(v.CAMUNDA_BASIC_AUTH_USERNAME, v.CAMUNDA_BASIC_AUTH_PASSWORD)
    return None
