"""The variables: one row each, read by the service, the command line and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from consumer.config import values
from consumer.config.values import Target
from zeebe_amqp import reply_queue, wire

FILE = "_FILE"
"""The ending of a variable that names a file with the value."""


def _row(
    default: str | None, meaning: str, *aliases: str, shown: str = "", secret: bool = False, file: bool = False
) -> Any:
    """A field with what documentation and command line need to know; `file`: has a `_FILE` form, as every secret."""
    extra: Any = {"aliases": aliases, "shown": shown or default or "", "secret": secret, "file": file or secret}
    # The type of a field is that of its parsed value, which a type checker cannot see in a text.
    parsed: Any = default
    return Field(parsed, validate_default=parsed is not None, description=meaning, json_schema_extra=extra)


_Broker = Annotated[tuple[str, ...], BeforeValidator(values.broker_urls)]
_Certificates = Annotated[Path | None, BeforeValidator(values.certificates)]
_Key = Annotated[Path | None, BeforeValidator(values.private_key)]
_Path = Annotated[Path, BeforeValidator(values.path)]
_Words = Annotated[str | None, BeforeValidator(values.words)]
_Switch = Annotated[bool, BeforeValidator(values.switch)]


class Variables(BaseModel):
    """Every variable by its name, parsed; the defaults are texts and parsed like all others."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    AMQP_URL: _Broker = _row(
        "amqp://guest:guest@127.0.0.1:5672",
        "the broker; several hosts separated by commas; `amqps://` for TLS",
        file=True,
    )
    AMQP_CA: _Certificates = _row(None, "PEM file of the authorities trusted for `amqps://`", shown="the system's")
    AMQP_CERT: _Certificates = _row(None, "PEM file of the client certificate, with `AMQP_KEY`")
    AMQP_KEY: _Key = _row(None, "PEM file of the client certificate's private key, without password")
    AMQP_QUEUES: Annotated[tuple[str, ...], BeforeValidator(values.queues)] = _row(
        f"{wire.COMMANDS_QUEUE},{wire.POLLS_QUEUE}",
        "request queues; one named `polls`, or ending in `.polls`, is for requests that wait on purpose",
    )
    AMQP_PREFETCH: Annotated[int | None, BeforeValidator(values.whole(1, 65535))] = _row(
        None, "deliveries held per request queue", shown="2 x CONCURRENCY"
    )
    AMQP_MAX_HELD_BYTES: Annotated[int, BeforeValidator(values.whole(2**20, 2**40))] = _row(
        str(64 * 2**20),
        "how many bytes of requests are held in memory, over all queues; above it those of more than 64 KiB wait in "
        "files in `STATE_DIR`",
    )
    AMQP_DECLARE: Annotated[str, BeforeValidator(values.choice("active", "passive"))] = _row(
        "active", "`active` declares queues and exchanges, `passive` only checks them"
    )
    DEAD_LETTER_BOUND: Annotated[int, BeforeValidator(values.whole(1, 1_000_000_000))] = _row(
        "10000",
        f"how many letters may wait in `{wire.DEAD_LETTER}`: from 80 % on the log warns, at the bound `check` fails; "
        "only a policy at the broker enforces it",
    )
    CONCURRENCY: Annotated[int, BeforeValidator(values.whole(1, 32767))] = _row(
        "64", "commands in flight per request queue"
    )
    POLLS_CONCURRENCY: Annotated[int, BeforeValidator(values.whole(1, 65535))] = _row(
        "1000", "requests held at a time from a queue of requests that wait on purpose"
    )
    REPLY_RETRY: Annotated[float, BeforeValidator(values.seconds(0, 600))] = _row(
        "30s", "how long a reply that the caller's queue refuses is tried again before it is dropped"
    )
    ZEEBE_ADDRESS: Annotated[Target, BeforeValidator(values.gateway_address)] = _row(
        "127.0.0.1:26500",
        "the gateway: `host:port`, `dns:///host:port` for several; `grpc://` and `http://` mean plaintext, "
        "`grpcs://` and `https://` TLS",
        "CAMUNDA_GRPC_ADDRESS",
        "ZEEBE_GRPC_ADDRESS",
    )
    ZEEBE_INSECURE_CONNECTION: _Switch = _row("false", "plaintext to the gateway", "CAMUNDA_INSECURE_CONNECTION")
    ZEEBE_CA_CERTIFICATE_PATH: Annotated[Path | None, BeforeValidator(values.path)] = _row(
        None,
        "PEM file of the authorities trusted for the gateway",
        "CAMUNDA_CA_CERTIFICATE_PATH",
        shown="the system's",
    )
    ZEEBE_OVERRIDE_AUTHORITY: _Words = _row(
        None, "the host name expected in the gateway's certificate", "CAMUNDA_OVERRIDE_AUTHORITY"
    )
    ZEEBE_KEEP_ALIVE: Annotated[float, BeforeValidator(values.seconds(30, 86400, bare=0.001))] = _row(
        "45000",
        "time between keep-alive pings, milliseconds or a duration; gateways refuse less than 30 s",
        "CAMUNDA_KEEP_ALIVE",
    )
    ZEEBE_REQUEST_TIMEOUT: Annotated[float, BeforeValidator(values.seconds(0.001, 900))] = _row(
        "20s", "deadline of one attempt, also of one at a Camunda 7 engine"
    )
    ZEEBE_CLIENT_ID: _Words = _row(None, "OAuth client id", "CAMUNDA_CLIENT_ID", file=True)
    ZEEBE_CLIENT_SECRET: _Words = _row(None, "OAuth client secret", "CAMUNDA_CLIENT_SECRET", secret=True)
    ZEEBE_AUTHORIZATION_SERVER_URL: Annotated[str, BeforeValidator(values.token_url)] = _row(
        "https://login.cloud.camunda.io/oauth/token/",
        "the endpoint that OAuth tokens come from",
        "CAMUNDA_AUTHORIZATION_SERVER_URL",
        "CAMUNDA_OAUTH_URL",
        file=True,
    )
    ZEEBE_TOKEN_AUDIENCE: _Words = _row(
        None, "audience of the OAuth token", "CAMUNDA_TOKEN_AUDIENCE", shown="the gateway's host", file=True
    )
    ZEEBE_TOKEN_SCOPE: _Words = _row(None, "scope of the OAuth token", "CAMUNDA_TOKEN_SCOPE", file=True)
    ZEEBE_CLIENT_CONFIG_PATH: Annotated[Path | None, BeforeValidator(values.path)] = _row(
        None, "the official clients' token file; accepted, without effect", "CAMUNDA_CLIENT_CONFIG_PATH"
    )
    CAMUNDA_BASIC_AUTH_USERNAME: Annotated[str | None, BeforeValidator(values.user_name)] = _row(
        None, "user name for the gateway", file=True
    )
    CAMUNDA_BASIC_AUTH_PASSWORD: _Words = _row(None, "password for the gateway", secret=True)
    SIGNAL_ENGINE: Annotated[str, BeforeValidator(values.choice("zeebe", "camunda7"))] = _row(
        "zeebe", "who gets signals that name no execution; `camunda7` needs `CAMUNDA7_REST_URL`"
    )
    CAMUNDA7_REST_URL: Annotated[str | None, BeforeValidator(values.rest_url)] = _row(
        None,
        "the REST API of a Camunda 7 engine, such as `http://camunda:8080/engine-rest`, for signals to one execution",
        file=True,
    )
    CAMUNDA7_USER: Annotated[str | None, BeforeValidator(values.user_name)] = _row(
        None, "user name for the Camunda 7 engine", file=True
    )
    CAMUNDA7_PASSWORD: _Words = _row(None, "password for the Camunda 7 engine", secret=True)
    STATE_DIR: _Path = _row("./.state", "folder of what survives a restart")
    LEDGER: Annotated[str | None, BeforeValidator(values.ledger)] = _row(
        None,
        "where answers are remembered: `sqlite:///path` for one process, `redis://host:port/database` for several, "
        "`memory://` for none that ends",
        shown="sqlite:///<STATE_DIR>/ledger.db",
        file=True,
    )
    LEDGER_TTL: Annotated[float, BeforeValidator(values.seconds(1, 2592000))] = _row(
        "1h", "how long an answer is remembered"
    )
    LEDGER_MAX_ENTRIES: Annotated[int, BeforeValidator(values.whole(1, 1_000_000_000))] = _row(
        "1000000", "how many answers are remembered; the oldest go first"
    )
    LEDGER_MAX_BYTES: Annotated[int, BeforeValidator(values.whole(1, 2**40))] = _row(
        "536870912", "how many bytes of answers, compressed, are remembered; the oldest go first"
    )
    ON_UNKNOWN: Annotated[str, BeforeValidator(values.choice("report", "run"))] = _row(
        "report", "what happens to a repeated request whose first outcome is unknown"
    )
    FORGET_RETRY: Annotated[float, BeforeValidator(values.seconds(0, 86400))] = _row(
        "15m", "how long a request without `reply_to` is tried again"
    )
    MAX_DEPTH: Annotated[int, BeforeValidator(values.whole(1, 900))] = _row(
        str(wire.MAX_DEPTH), "nesting of variables; deeper documents can stop an engine"
    )
    SHUTDOWN_GRACE: Annotated[float, BeforeValidator(values.seconds(0, 3600))] = _row(
        "25s", "time for commands in flight when the service stops"
    )
    REPLY_ALLOW: Annotated[tuple[str, ...], BeforeValidator(values.globs)] = _row(
        ",".join(reply_queue.ALLOWED), "patterns of the queue names that replies may go to, in capitals or not"
    )
    HTTP_ADDRESS: Annotated[tuple[str, int] | None, BeforeValidator(values.http_address)] = _row(
        "127.0.0.1:8080", "address of /livez, /readyz and /metrics; `off`"
    )
    LOG_LEVEL: Annotated[str, BeforeValidator(values.choice("debug", "info", "warning", "error"))] = _row(
        "info", "the least severe records that are logged"
    )
    LOG_FORMAT: Annotated[str | None, BeforeValidator(values.choice("text", "json"))] = _row(
        None, "`text` for people, `json` for machines", shown="text on a terminal, json otherwise"
    )
    COMPONENT_FILE: Annotated[Path | None, BeforeValidator(values.path)] = _row(
        None, "component file of type `bindings.zeebe.command`"
    )


@dataclass(frozen=True)
class Variable:
    """One row of the table."""

    name: str
    default: str
    """As the documentation shows it; empty = unset."""
    meaning: str
    secret: bool
    spellings: tuple[str, ...]
    """The names it is read from, the first one set wins: its own, the official clients', their `_FILE` forms."""

    @property
    def argument(self) -> str:
        """Its option on the command line; for a secret the option that names a file."""
        return as_argument(self.name + FILE if self.secret else self.name)

    def shown(self, text: str) -> str:
        """`text` without secrets."""
        if self.secret:
            return "***"
        return values.hidden(text) if "://" in text or self.name.endswith(("_URL", "_ADDRESS")) else text


def as_argument(variable: str) -> str:
    """The command line option of `variable`: `--amqp-url` for `AMQP_URL`."""
    return "--component" if variable == "COMPONENT_FILE" else "--" + variable.lower().replace("_", "-")


def _variable(name: str, meaning: str, *, aliases: tuple[str, ...], shown: str, secret: bool, file: bool) -> Variable:
    names = (name, *aliases)
    spellings = (*names, *(each + FILE for each in names)) if file else names
    return Variable(name, shown, meaning, secret, spellings)


VARIABLES: tuple[Variable, ...] = tuple(
    _variable(name, field.description or "", **field.json_schema_extra)  # type: ignore[arg-type]
    for name, field in Variables.model_fields.items()
)
"""All variables, in the order of the documentation."""

BY_SPELLING: Mapping[str, Variable] = MappingProxyType({name: each for each in VARIABLES for name in each.spellings})
"""The variable that a name stands for."""


def _arguments() -> dict[str, str]:
    """No secret is taken from the command line, where every user of the machine can read it; its `_FILE` form is."""
    own = [name for each in VARIABLES for name in (each.name, each.name + FILE) if name in each.spellings]
    return {as_argument(name): name for name in own if not BY_SPELLING[name].secret or name.endswith(FILE)}


ARGUMENTS: Mapping[str, str] = MappingProxyType(_arguments())
"""Command line option to variable."""
