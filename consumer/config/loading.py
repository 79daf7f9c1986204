"""Loading: every source is read once, what contradicts itself is refused, the rest becomes the settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from consumer.config import urls
from consumer.config.consistency import contradictions, is_plaintext, oddities
from consumer.config.exposure import exposures
from consumer.config.job_types import JobTypeErrors, job_types
from consumer.config.layers import Given, Report, read_layers, take
from consumer.config.settings import Amqp, Basic, Camunda7, JobType, Names, OAuth, Settings, Zeebe
from consumer.config.variables import BROKER, GATEWAY, VARIABLES, Values

__all__ = ["ConfigurationError", "Loaded", "load"]


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
    """Per variable: its name, the value as shown (secrets masked), where it came from. Then the same of each type of
    job, as `jobs.` and the type."""
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    """What was done to find the settings: which file was read."""


def load(
    environ: Mapping[str, str],
    arguments: Mapping[str, str] = MappingProxyType({}),
    directory: Path | None = None,
) -> Loaded:
    """Read the settings: command line over environment over `.env` over component file over default.

    Args:
        environ: the environment.
        arguments: texts from the command line, by the names that `ARGUMENTS` has for its options.
        directory: where `.env` is looked for; None = the working directory. It is read only when it belongs to the
            user who runs the process.

    Raises:
        ConfigurationError: with every problem, secrets masked.
    """
    report = Report()
    given = take(read_layers(environ, arguments, directory or Path.cwd(), report), report)
    problems = [*report.problems, *contradictions(given)]
    jobs = _jobs(given, problems)
    if problems:
        raise ConfigurationError(problems, report.warnings)
    settings = _build(given, jobs)
    warnings = [*report.warnings, *oddities(given), *exposures(settings)]
    return Loaded(settings, _sources(given, settings), warnings, report.notes)


def _jobs(given: Given, problems: list[str]) -> tuple[JobType, ...]:
    """The types of jobs; adds to the problems where they cannot be used."""
    try:
        return job_types(given.values)
    except JobTypeErrors as errors:
        problems += [f"{given.written(each.setting)}: {each.text}" for each in errors.problems]
        return ()


def _sources(given: Given, settings: Settings) -> list[tuple[str, str, str]]:
    derived = {
        "AMQP_PREFETCH": str(settings.amqp.prefetch),
        "LEDGER": urls.hidden(settings.ledger),
        "LOG_FORMAT": settings.log_format,
    }
    rows = [
        (each.name, each.shown(found.text), found.origin)
        if (found := given.found.get(each.name))
        else (each.name, derived.get(each.name, each.default) or "unset", "default")
        for each in VARIABLES
    ]
    return rows + [(f"jobs.{each.name}", _describe(each), each.source) for each in settings.jobs]


def _describe(job_type: JobType) -> str:
    parts = [
        f"queue {job_type.queue}",
        f"timeout {job_type.timeout:g}s",
        f"limit {job_type.limit}",
        f"delivery limit {job_type.delivery_limit}",
        f"answers {job_type.answers}",
        f"variables {', '.join(job_type.fetch_variables) or 'all'}",
        *([f"tenants {', '.join(job_type.tenant_ids)}"] if job_type.tenant_ids else []),
    ]
    return "; ".join(parts)


def _names(given: Given, group: str, beside: str) -> Names:
    """The variables of a group as the user wrote them, or would write them beside the one that says where it is."""
    return Names({each.name: given.key(each.name, beside) for each in VARIABLES if each.group == group})


def _build(given: Given, jobs: tuple[JobType, ...]) -> Settings:
    v = given.values
    return Settings(
        amqp=_amqp(v, _names(given, BROKER, "AMQP_URL")),
        zeebe=_zeebe(v, _names(given, GATEWAY, "ZEEBE_ADDRESS")),
        camunda7=_camunda7(v),
        concurrency=v.CONCURRENCY,
        reply_retry=v.REPLY_RETRY,
        max_depth=v.MAX_DEPTH,
        shutdown_grace=v.SHUTDOWN_GRACE,
        forget_retry=v.FORGET_RETRY,
        state_dir=v.STATE_DIR,
        ledger=v.LEDGER or f"sqlite:///{v.STATE_DIR / 'ledger.db'}",
        ledger_create=v.LEDGER_CREATE,
        ledger_ttl=v.LEDGER_TTL,
        ledger_max_entries=v.LEDGER_MAX_ENTRIES,
        ledger_max_bytes=v.LEDGER_MAX_BYTES,
        on_unknown=v.ON_UNKNOWN,
        reply_allow=v.REPLY_ALLOW,
        require_user_id=v.REQUIRE_USER_ID,
        policy_file=v.POLICY_FILE,
        audit=v.AUDIT,
        signing_keys=v.SIGNING_KEYS or (),
        jobs=jobs,
        trace_variable=v.TRACE_VARIABLE,
        http_address=v.HTTP_ADDRESS,
        console=v.CONSOLE,
        console_token=v.CONSOLE_TOKEN,
        log_level=v.LOG_LEVEL,
        # Logs go to standard error, so that is the terminal to ask.
        log_format=v.LOG_FORMAT or ("text" if sys.stderr.isatty() else "json"),
    )


def _amqp(v: Values, names: Names) -> Amqp:
    return Amqp(
        urls=v.AMQP_URL,
        queues=v.AMQP_QUEUES,
        # Twice the slots: while one batch runs, the next is already here.
        prefetch=v.AMQP_PREFETCH or 2 * v.CONCURRENCY,
        polls=v.POLLS_CONCURRENCY,
        max_held_bytes=v.AMQP_MAX_HELD_BYTES,
        declare=v.AMQP_DECLARE,
        dead_letter_bound=v.DEAD_LETTER_BOUND,
        reply_exchange=v.REPLY_EXCHANGE,
        ca=v.AMQP_CA,
        cert=v.AMQP_CERT,
        key=v.AMQP_KEY,
        names=names,
    )


def _zeebe(v: Values, names: Names) -> Zeebe:
    return Zeebe(
        address=v.ZEEBE_ADDRESS.address,
        plaintext=is_plaintext(v),
        ca_certificate_path=None if is_plaintext(v) else v.ZEEBE_CA_CERTIFICATE_PATH,
        client_cert_path=v.ZEEBE_CLIENT_CERT_PATH,
        client_key_path=v.ZEEBE_CLIENT_KEY_PATH,
        override_authority=v.ZEEBE_OVERRIDE_AUTHORITY,
        keep_alive=v.ZEEBE_KEEP_ALIVE,
        request_timeout=v.ZEEBE_REQUEST_TIMEOUT,
        credentials=_credentials(v, names),
        names=names,
    )


def _camunda7(v: Values) -> Camunda7 | None:
    if not v.CAMUNDA7_REST_URL:
        return None
    url, inside = urls.without_credentials(v.CAMUNDA7_REST_URL)
    given = (v.CAMUNDA7_USER, v.CAMUNDA7_PASSWORD or "") if v.CAMUNDA7_USER else inside
    return Camunda7(
        url=url,
        every=v.SIGNAL_ENGINE == "camunda7",
        request_timeout=v.ZEEBE_REQUEST_TIMEOUT,
        credentials=Basic(*given) if given else None,
    )


def _credentials(v: Values, names: Names) -> OAuth | Basic | None:
    if v.ZEEBE_CLIENT_ID and v.ZEEBE_CLIENT_SECRET:
        return OAuth(
            client_id=v.ZEEBE_CLIENT_ID,
            client_secret=v.ZEEBE_CLIENT_SECRET,
            authorization_server_url=v.ZEEBE_AUTHORIZATION_SERVER_URL,
            # The official clients ask for the gateway's host, too.
            audience=v.ZEEBE_TOKEN_AUDIENCE or v.ZEEBE_ADDRESS.host,
            scope=v.ZEEBE_TOKEN_SCOPE,
            names=names,
        )
    if v.CAMUNDA_BASIC_AUTH_USERNAME and v.CAMUNDA_BASIC_AUTH_PASSWORD:
        return Basic(v.CAMUNDA_BASIC_AUTH_USERNAME, v.CAMUNDA_BASIC_AUTH_PASSWORD)
    return None
