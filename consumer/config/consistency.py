"""What settings mean together: contradictions, which are refused, and oddities, which are warned about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consumer.config import certificates, urls
from consumer.config.layers import Given
from consumer.config.variables import Values
from zeebe_amqp import wire
from zeebe_amqp.amqp.address import file_parameters
from zeebe_amqp.jobs.names import DEAD, JOBS_EXCHANGE, RESULTS, RESULTS_EXCHANGE, UNDONE

__all__ = ["contradictions", "is_plaintext", "oddities"]

OF_CLIENT: Final = (("AMQP_CERT", "AMQP_KEY"), ("ZEEBE_CLIENT_CERT_PATH", "ZEEBE_CLIENT_KEY_PATH"))
"""Client certificates and their private keys."""
PAIRS: Final = (
    ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET"),
    ("CAMUNDA_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_PASSWORD"),
    ("CAMUNDA7_USER", "CAMUNDA7_PASSWORD"),
    *OF_CLIENT,
)
"""Variables that mean something only together."""

TLS_OF_BROKER: Final = ("AMQP_CA", "AMQP_CERT", "AMQP_KEY")
LOCAL_LEDGERS: Final = ("sqlite:", "memory:")
"""How URLs of ledgers begin that one process has for itself; whatever is to come is shared."""
_NEAR: Final = ("localhost", "::1", "0.0.0.0", "::")
"""Hosts to listen at that a connection from loopback reaches."""
OF_JOBS: Final = (RESULTS, UNDONE)
"""The queues of what is said of jobs."""
EXCHANGES: Final = (wire.DEAD_LETTER, DEAD, wire.REQUESTS_EXCHANGE, JOBS_EXCHANGE, RESULTS_EXCHANGE)
"""Exchanges of ours whose names nothing else may have."""
DETAILS_OF_OAUTH: Final = ("ZEEBE_AUTHORIZATION_SERVER_URL", "ZEEBE_TOKEN_AUDIENCE", "ZEEBE_TOKEN_SCOPE")


def contradictions(given: Given) -> Iterator[str]:
    """What cannot be honoured together. A variable that was refused for itself is not told again."""
    checks = (
        _half_pairs,
        _wrong_key,
        _certificate_without_tls,
        _files_twice,
        _unusable_authority,
        _two_credentials,
        _camunda7,
        _scheme,
        _queues_of_ours,
        _reply_exchange,
        _audit,
        _no_common_key,
        _console_without_port,
    )
    for check in checks:
        yield from check(given)


def _half_pairs(given: Given) -> Iterator[str]:
    for pair in PAIRS:
        for one, other in (pair, pair[::-1]):
            if one in given.accepted and other not in given.accepted | given.refused:
                missing, there = given.written(other, beside=one), given.written(one)
                yield f"{missing}: missing; accepted: together with {there}, or neither of the two"


def _wrong_key(given: Given) -> Iterator[str]:
    for names in OF_CLIENT:
        cert, key = (getattr(given.values, name) for name in names)
        if cert and key and not certificates.is_pair(cert, key):
            accepted = f"the private key, without password, of {given.written(names[0])}"
            yield f"{given.written(names[1])}: found '{key}'; accepted: {accepted}"


def _certificate_without_tls(given: Given) -> Iterator[str]:
    """Who has one relies on being known by it."""
    if is_plaintext(given.values):
        for name in OF_CLIENT[1]:
            if name in given.accepted:
                yield f"{given.written(name)}: set, but the connection to the gateway is plaintext; accepted: with TLS"


def _files_twice(given: Given) -> Iterator[str]:
    """One of the two would silently not count."""
    named = [name for name in TLS_OF_BROKER if name in given.accepted]
    for url in given.values.AMQP_URL:
        if named and (inside := file_parameters(url)):
            settings, address = ", ".join(map(given.written, named)), given.written("AMQP_URL")
            yield f"{settings}: set, but {address} names {', '.join(inside)}, too; accepted: one of the two"
            return


def _unusable_authority(given: Given) -> Iterator[str]:
    """Checked only here: component files name one beside plaintext, where it need not exist."""
    path = given.values.ZEEBE_CA_CERTIFICATE_PATH
    if path and not is_plaintext(given.values):
        try:
            certificates.certificates(str(path))
        except ValueError as error:
            yield f"{given.written('ZEEBE_CA_CERTIFICATE_PATH')}: found '{path}'; accepted: {error}"


def _two_credentials(given: Given) -> Iterator[str]:
    both = "ZEEBE_CLIENT_ID", "CAMUNDA_BASIC_AUTH_USERNAME"
    if given.accepted >= {*both}:
        yield f"{' and '.join(map(given.written, both))}: both are set; accepted: OAuth or Basic, not both"


def _camunda7(given: Given) -> Iterator[str]:
    url, engine, user = map(given.written, ("CAMUNDA7_REST_URL", "SIGNAL_ENGINE", "CAMUNDA7_USER"))
    if given.values.SIGNAL_ENGINE == "camunda7" and "CAMUNDA7_REST_URL" not in given.accepted | given.refused:
        missing = given.written("CAMUNDA7_REST_URL", beside="SIGNAL_ENGINE")
        yield f"{missing}: missing; accepted: with {engine}=camunda7 the URL of the engine's REST API"
    if given.values.CAMUNDA7_USER and urls.without_credentials(given.values.CAMUNDA7_REST_URL or "")[1]:
        yield f"{user}: set, but {url} names a user, too; accepted: one of the two"


def _scheme(given: Given) -> Iterator[str]:
    insecure, asked = given.values.ZEEBE_INSECURE_CONNECTION, given.values.ZEEBE_ADDRESS.plaintext
    if "ZEEBE_INSECURE_CONNECTION" in given.accepted and asked is not None and asked != insecure:
        switch, address = given.written("ZEEBE_INSECURE_CONNECTION"), given.written("ZEEBE_ADDRESS")
        yield (
            f"{switch}: found {str(insecure).lower()}, but the scheme of {address} says {str(asked).lower()}; "
            "accepted: one of the two, or both saying the same"
        )


def _queues_of_ours(given: Given) -> Iterator[str]:
    """What comes there is no request: read as one, it would be refused and be lost to who waits for it."""
    name = given.written("AMQP_QUEUES")
    for queue in given.values.AMQP_QUEUES:
        if queue in (wire.DEAD_LETTER, *OF_JOBS):
            yield f"{name}: found '{queue}', which takes dead letters or answers about jobs; accepted: request queues"


def _reply_exchange(given: Given) -> Iterator[str]:
    """A reply must not come back as a request, nor count as a dead letter."""
    exchange = given.values.REPLY_EXCHANGE
    if exchange in EXCHANGES:
        taken = "requests, dead letters, or jobs and their answers"
        name = given.written("REPLY_EXCHANGE")
        yield f"{name}: found '{exchange}', which takes {taken}; accepted: an exchange of its own"


def _audit(given: Given) -> Iterator[str]:
    """A record must not come back as a request, nor count as a dead letter, nor as a reply."""
    sink, name = given.values.AUDIT, given.written("AUDIT")
    ours = {
        "stream": (*given.values.AMQP_QUEUES, wire.DEAD_LETTER, *OF_JOBS),
        "exchange": (*EXCHANGES, given.values.REPLY_EXCHANGE),
    }
    if sink is not None and sink.name in ours.get(sink.kind, ()):
        taken = "requests, replies, dead letters, or jobs and their answers"
        yield f"{name}: found '{sink}', which takes {taken}; accepted: a {sink.kind} of its own"


def _no_common_key(given: Given) -> Iterator[str]:
    """Each process would sign with a key of its own, and refuse what the others signed."""
    ledger = given.values.LEDGER
    shared = ledger is not None and not ledger.startswith(LOCAL_LEDGERS)
    if shared and "SIGNING_KEYS" not in given.accepted | given.refused:
        why = f"{given.written('LEDGER')} is shared, so each process must verify the others' signatures"
        yield f"SIGNING_KEYS: missing; accepted: a key from `openssl rand -base64 32`, the same for all: {why}"


def _console_without_port(given: Given) -> Iterator[str]:
    if given.values.CONSOLE and given.values.HTTP_ADDRESS is None:
        yield f"{given.written('CONSOLE')}: needs a port; accepted: with {given.written('HTTP_ADDRESS')} not off"


def oddities(given: Given) -> Iterator[str]:
    """What is probably not meant: settings without effect."""
    for name, why in _without_effect(given):
        if name in given.accepted:
            yield f"{given.written(name)}: no effect{why}"
    yield from _console_out_of_reach(given)
    prefetch, concurrency = given.values.AMQP_PREFETCH, given.values.CONCURRENCY
    if prefetch and prefetch < concurrency:
        name = given.written("AMQP_PREFETCH")
        yield f"{name}: {prefetch} is below CONCURRENCY ({concurrency}), which is never reached"


def _without_effect(given: Given) -> Iterator[tuple[str, str]]:
    v = given.values
    if not v.AMQP_URL[0].startswith("amqps://"):
        yield from ((name, f", {given.written('AMQP_URL')} asks for no TLS") for name in TLS_OF_BROKER)
    if is_plaintext(v):
        yield "ZEEBE_CA_CERTIFICATE_PATH", ", the connection to the gateway is plaintext"
    if not v.ZEEBE_CLIENT_ID:
        yield from ((name, " without ZEEBE_CLIENT_ID") for name in DETAILS_OF_OAUTH)
    if not (v.LEDGER or "").startswith("postgres"):
        yield "LEDGER_CREATE", f", {given.written('LEDGER')} names no PostgreSQL"
    if v.REPLY_EXCHANGE:
        yield "REPLY_ALLOW", f" with {given.written('REPLY_EXCHANGE')}: replies go to no queue by its name"
    if not v.CONSOLE:
        yield "CONSOLE_TOKEN", f" without {given.written('CONSOLE')}"
    if not v.CAMUNDA7_REST_URL:
        yield "CAMUNDA7_USER", " without CAMUNDA7_REST_URL"


def _console_out_of_reach(given: Given) -> Iterator[str]:
    """It answers this machine alone, as the peer's address says: that of another interface is no such one."""
    host, _ = given.values.HTTP_ADDRESS or ("localhost", 0)
    if given.values.CONSOLE and host not in _NEAR and not host.startswith("127."):
        address = given.written("HTTP_ADDRESS")
        yield f"{given.written('CONSOLE')}: no effect, {address} is not reached at 127.0.0.1; use that or 0.0.0.0"


def is_plaintext(v: Values) -> bool:
    """Whether the connection to the gateway is plaintext: its address says so, or else the switch."""
    asked = v.ZEEBE_ADDRESS.plaintext
    return v.ZEEBE_INSECURE_CONNECTION if asked is None else asked
