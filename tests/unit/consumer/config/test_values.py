"""Every setting, one row: its default, good values and what they become, bad values that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from consumer.config import ARGUMENTS, VARIABLES, ConfigurationError, Settings, as_argument, component, load
from consumer.config.settings import JobType
from consumer.config.urls import hidden
from consumer.config.values import AuditSink
from consumer.config.variables import Variable
from tests.cases import for_each
from tests.unit.consumer.config.documents import document, write

OAUTH = {"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET": "secret"}
BASIC = {"CAMUNDA_BASIC_AUTH_USERNAME": "user", "CAMUNDA_BASIC_AUTH_PASSWORD": "secret"}
OF_GATEWAY = ("ZEEBE_CLIENT_CERT_PATH", "ZEEBE_CLIENT_KEY_PATH")
CLIENT_CERTIFICATES = (("AMQP_CERT", "AMQP_KEY"), OF_GATEWAY)
CAMUNDA7 = {"CAMUNDA7_REST_URL": "https://c7", "CAMUNDA7_USER": "user", "CAMUNDA7_PASSWORD": "secret"}
LEDGERS = ("memory://", "sqlite:///x", "sqlite:////var/lib/x/ledger.db", "redis://host", "redis://host/",
           "redis://:word@host:6379/15", "rediss://user:word@[::1]:6380/0",
           "postgresql://", "postgres://user:word@a:1,b:2/db?sslmode=verify-full")  # fmt: skip
REFUSED_PARAMETERS = (
    "no_verify_ssl=1", "no%5Fverify_ssl=1", "NO_VERIFY_SSL=1", "verify_ssl=0", "ssl=0", "ssl_options=x", "capath=/",
    "cadata=x", "timeout=1", "interleave=1", "happy_eyeballs_delay=1", "connection_attempts=3", "heartbeat=5&verify=no",
    "auth=amqplain", "auth=", "heartbeat=soon", "heartbeat=65535", "heartbeat=-1", "heartbeat=5&heartbeat=6",
    "auth=plain&auth=external", "cafile=", "certfile=x", "keyfile=x", "certfile=x&keyfile=", "=1", "x",
)  # fmt: skip
"""Those that the AMQP library would take, or drop without a word, and values that it would take for others."""


class Row(NamedTuple):
    """Where a setting is found, its default, good texts and what they become, and texts that are refused."""

    attribute: str
    default: Any
    good: dict[str, Any]
    bad: tuple[str, ...]
    beside: Mapping[str, str] = MappingProxyType({})
    """Variables that it has no meaning without."""


ROWS: dict[str, Row] = {
    "AMQP_URL": Row(
        "amqp.urls", ("amqp://guest:guest@127.0.0.1:5672",),
        {"amqps://user:p%2Cw@host/vhost?heartbeat=10": ("amqps://user:p%2Cw@host/vhost?heartbeat=10",),
         "amqps://a?auth=EXTERNAL&name=x&cafile=c.pem&certfile=c.pem&keyfile=k.pem": (
             "amqps://a?auth=EXTERNAL&name=x&cafile=c.pem&certfile=c.pem&keyfile=k.pem",),
         "amqp://a:1/, amqp://[::1]:5672": ("amqp://a:1/", "amqp://[::1]:5672")},
        (*(f"amqps://user:secret@a?{query}" for query in REFUSED_PARAMETERS), "amqp://a?cafile=x",
         "http://host", "host:5672", "amqp://", "amqp://a,b", "amqp://a:port", "amqp://a:0", "amqp://a b", "amqp://[::",
         "amqp://a,amqps://b", "amqp://a,", "amqp://a#b")),
    "AMQP_CA": Row("amqp.ca", None, {}, ("/nowhere.pem", "/", "/dev/null")),
    "AMQP_CERT": Row("amqp.cert", None, {}, ("/nowhere.pem", "/dev/null")),
    "AMQP_KEY": Row("amqp.key", None, {}, ("/nowhere.pem", "/dev/null")),
    "AMQP_QUEUES": Row("amqp.queues", ("zeebe.commands", "zeebe.polls"),
                       {"one": ("one",), " one , two ": ("one", "two"), "one,\n two": ("one", "two")},
                       ("one,", "one,one", "o\ne", "amq.gen-x", "x" * 256, "ü" * 128)),
    "AMQP_PREFETCH": Row("amqp.prefetch", 128, {"1": 1, "65535": 65535}, ("65536", "0", "-1", "many", "1.5", "²")),
    "AMQP_MAX_HELD_BYTES": Row("amqp.max_held_bytes", 2**26, {"1048576": 2**20, "1099511627776": 2**40},
                               ("0", "1048575", "1099511627777", "64 MiB")),
    "AMQP_DECLARE": Row("amqp.declare", "active", {"passive": "passive", "ACTIVE": "active"}, ("none",)),
    "DEAD_LETTER_BOUND": Row("amqp.dead_letter_bound", 10_000, {"1": 1, "1000000000": 1_000_000_000},
                             ("0", "-1", "1000000001", "none")),
    "POLLS_CONCURRENCY": Row("amqp.polls", 1000, {"1": 1, "65535": 65535}, ("0", "65536", "all")),
    "REPLY_RETRY": Row("reply_retry", 30.0, {"0s": 0.0, "10m": 600.0}, ("30", "11m", "-1s")),
    "CONCURRENCY": Row("concurrency", 64, {"1": 1, " 100 ": 100}, ("0", "32768", "1e3", "9" * 5000)),
    "ZEEBE_ADDRESS": Row(
        "zeebe.address", "127.0.0.1:26500",
        {"zeebe:26500": "zeebe:26500", "zeebe": "zeebe:26500", "[::1]:1": "[::1]:1", "[::1]": "[::1]:26500",
         "dns:///zeebe:26500": "dns:///zeebe:26500", "dns://8.8.8.8/zeebe:26500": "dns://8.8.8.8/zeebe:26500",
         "grpc://zeebe:1": "zeebe:1", "https://zeebe.example:443/": "zeebe.example:443"},
        ("zeebe:0", "zeebe:65536", "zeebe:port", "a:1,b:1", "ftp://a:1", "https://a", "https://a:1/x", "dns:///a",
         "dns://a:1", "grpc://user:pw@a:1", "a b", "a:1:2")),
    "ZEEBE_INSECURE_CONNECTION": Row(
        "zeebe.plaintext", False,
        {**dict.fromkeys(["y", "yes", "true", "t", "on", "1", "TRUE"], True),
         **dict.fromkeys(["n", "no", "false", "f", "off", "0"], False)},
        ("maybe", "2")),
    "ZEEBE_CA_CERTIFICATE_PATH": Row("zeebe.ca_certificate_path", None, {}, ("/nowhere.pem", "/dev/null")),
    "ZEEBE_CLIENT_CERT_PATH": Row("zeebe.client_cert_path", None, {}, ("/nowhere.pem", "/dev/null")),
    "ZEEBE_CLIENT_KEY_PATH": Row("zeebe.client_key_path", None, {}, ("/nowhere.pem", "/dev/null")),
    "ZEEBE_OVERRIDE_AUTHORITY": Row("zeebe.override_authority", None, {"zeebe.local": "zeebe.local"}, ("a\nb", "\t")),
    "ZEEBE_KEEP_ALIVE": Row("zeebe.keep_alive", 45.0, {"30000": 30.0, "1m30s": 90.0, "PT45S": 45.0},
                            ("29s", "29999", "30", "0", "-45s", "soon", "45 s", "9" * 5000)),
    "ZEEBE_REQUEST_TIMEOUT": Row("zeebe.request_timeout", 20.0, {"1500ms": 1.5, "15m": 900.0},
                                 ("20", "0s", "15m1s", "-1s")),
    "ZEEBE_CLIENT_ID": Row("zeebe.credentials.client_id", None, {"me": "me"}, ("a\nb",), OAUTH),
    "ZEEBE_CLIENT_SECRET": Row("zeebe.credentials.client_secret", None, {" s ": " s "}, ("topsecret\x00",), OAUTH),
    "ZEEBE_AUTHORIZATION_SERVER_URL": Row(
        "zeebe.credentials.authorization_server_url", "https://login.cloud.camunda.io/oauth/token/",
        {"http://keycloak:8080/token": "http://keycloak:8080/token"},
        ("keycloak:8080", "ftp://keycloak", "https://", "https://u:p@h/", "https://a b", "https://h:x/", "https://[::"),
        OAUTH),
    "ZEEBE_TOKEN_AUDIENCE": Row("zeebe.credentials.audience", "127.0.0.1", {"zeebe.camunda.io": "zeebe.camunda.io"},
                                ("\n",), OAUTH),
    "ZEEBE_TOKEN_SCOPE": Row("zeebe.credentials.scope", None, {"a b": "a b"}, ("a\tb",), OAUTH),
    "CAMUNDA_BASIC_AUTH_USERNAME": Row("zeebe.credentials.username", None, {"me": "me"}, ("a:b", "a\nb"), BASIC),
    "CAMUNDA_BASIC_AUTH_PASSWORD": Row("zeebe.credentials.password", None, {"a:b": "a:b"}, ("topsecret\rx",), BASIC),
    "SIGNAL_ENGINE": Row("camunda7.every", False, {"zeebe": False, "Camunda7": True}, ("both",), CAMUNDA7),
    "CAMUNDA7_REST_URL": Row(
        "camunda7.url", None,
        {"http://c7:8080/engine-rest/": "http://c7:8080/engine-rest", "https://[::1]/": "https://[::1]"},
        ("c7:8080", "ftp://c7", "http://", "http://c7:0", "http://c7:x", "http://c 7", "http://c7?a", "http://c7#a")),
    "CAMUNDA7_USER": Row("camunda7.credentials.username", None, {"me": "me"}, ("a:b", "a\nb"), CAMUNDA7),
    "CAMUNDA7_PASSWORD": Row("camunda7.credentials.password", None, {"a:b": "a:b"}, ("topsecret\rx",), CAMUNDA7),
    "STATE_DIR": Row("state_dir", Path(".state"), {"/var/lib/x": Path("/var/lib/x")}, ("a\0b",)),
    "REQUIRE_USER_ID": Row("require_user_id", False, {"true": True, "no": False}, ("maybe",)),
    "POLICY_FILE": Row("policy_file", None, {}, ("/nowhere.toml", "/")),
    "JOBS": Row("jobs", (), {"ship-order": (JobType("ship-order"),)}, ("a,,b", "a,a", ",")),
    "JOBS_FILE": Row("jobs", (), {}, ("/nowhere.toml", "/")),
    "TRACE_VARIABLE": Row("trace_variable", None, {"trace": "trace"}, ("1x", "a b", "x" * 101)),
    "AUDIT": Row(
        "audit", None,
        {"off": None, "stdout": AuditSink("stdout"), "./audit.jsonl": AuditSink("file", "audit.jsonl"),
         "stream:zeebe.audit": AuditSink("stream", "zeebe.audit"), "exchange:a:b": AuditSink("exchange", "a:b")},
        ("audit.jsonl", "stream:", "queue:x", "exchange:" + "x" * 256)),
    "SIGNING_KEYS": Row(
        "signing_keys", (), {"k" * 32: (b"k" * 32,), f"{'k' * 32}, {'l' * 40}": (b"k" * 32, b"l" * 40)},
        ("k" * 31, f"{'k' * 32},short")),
    "LEDGER": Row(
        "ledger", "sqlite:///.state/ledger.db", {text: text for text in LEDGERS},
        ("memory", "memory:///x", "sqlite://x", "sqlite:///", "sqlite:///x/", "sqlite:///a\0b", "redis://",
         "redis://host/x", "redis://host:0", "redis://host:x", "redis://ho st", "redis://host/0?db=1", "rediss://host/0?ssl_cert_reqs=none",
         "rediss://host/0?ssl_check_hostname=false", "http://host",
         "postgresql://host/db?nonsense=1", "postgresql://host/%zz", "postgresqls://host"),
        {"SIGNING_KEYS": "k" * 32}),
    "LEDGER_CREATE": Row("ledger_create", True, {"false": False}, ("maybe",), {
        "LEDGER": "postgresql://host", "SIGNING_KEYS": "k" * 32}),
    "LEDGER_TTL": Row("ledger_ttl", 3600.0, {"90s": 90.0, "720h": 2592000.0}, ("0s", "60", "721h")),
    "LEDGER_MAX_ENTRIES": Row("ledger_max_entries", 1_000_000, {"1": 1}, ("0", "-1", "1k", "1000000001")),
    "LEDGER_MAX_BYTES": Row("ledger_max_bytes", 2**29, {"1": 1}, ("0", "-1", "1G", str(2**40 + 1))),
    "ON_UNKNOWN": Row("on_unknown", "report", {"run": "run"}, ("ask",)),
    "FORGET_RETRY": Row("forget_retry", 900.0, {"0s": 0.0, "1h": 3600.0}, ("900", "25h", "-1s")),
    "MAX_DEPTH": Row("max_depth", 500, {"1": 1, "900": 900}, ("0", "901", "deep")),
    "SHUTDOWN_GRACE": Row("shutdown_grace", 25.0, {"0": 0.0, "2m": 120.0}, ("25", "61m")),
    "REPLY_EXCHANGE": Row("amqp.reply_exchange", None, {"zeebe.replies": "zeebe.replies", "a-b_c:d": "a-b_c:d"},
                          ("amq.topic", "a b", "ä", "a/b", "#", "x" * 128)),
    "REPLY_ALLOW": Row("reply_allow", ("*reply*", "*replies*", "*response*"),
                       {"a.*, b": ("a.*", "b"), "a.*,\n b": ("a.*", "b")},
                       ("a,,b", "a,", ",", "a\nb")),
    "HTTP_ADDRESS": Row("http_address", ("127.0.0.1", 8080),
                        {"0.0.0.0:0": ("0.0.0.0", 0), "[::]:80": ("::", 80), "off": None, "OFF": None},
                        ("8080", ":8080", "host:65536", "none", "http://host:1")),
    "CONSOLE": Row("console", False, {"on": True, "off": False}, ("maybe",)),
    "CONSOLE_TOKEN": Row("console_token", None, {"t" * 32: "t" * 32}, ("t" * 31, "t " * 20, "ü" * 32, "t" * 32 + "\n"),
                         {"CONSOLE": "on"}),
    "LOG_LEVEL": Row("log_level", "info", {"DEBUG": "debug", "error": "error"}, ("verbose",)),
    "LOG_FORMAT": Row("log_format", "json", {"text": "text", "json": "json"}, ("xml",)),
}  # fmt: skip


def found(settings: Settings, name: str) -> Any:
    """The value of a setting; None where the part that has it is none."""
    value: Any = settings
    for each in ROWS[name].attribute.split("."):
        value = value and getattr(value, each)
    return value


def beside(name: str) -> dict[str, str]:
    """What a setting needs, without itself."""
    return {each: text for each, text in ROWS[name].beside.items() if each != name} if name in ROWS else {}


def test_every_variable_has_a_row_with_a_bad_value_and_but_for_files_a_good_one() -> None:
    assert {each.name for each in VARIABLES} - {"COMPONENT_FILE"} == set(ROWS)
    files = {"AMQP_CA", "AMQP_CERT", "AMQP_KEY", "JOBS_FILE", "POLICY_FILE", "ZEEBE_CA_CERTIFICATE_PATH"}
    files |= {"ZEEBE_CLIENT_CERT_PATH", "ZEEBE_CLIENT_KEY_PATH"}
    assert {name for name, row in ROWS.items() if not row.good} == files
    assert all(row.bad for row in ROWS.values())


@for_each(ROWS)
def test_a_variable_that_is_not_set_has_its_default(name: str, loaded: Any) -> None:
    row = ROWS[name]
    assert found(loaded({} if name in row.beside else row.beside).settings, name) == row.default
    assert loaded({}).settings == Settings(), "the defaults of the dataclasses are those of the table"


@for_each([(name, *pair) for name, row in ROWS.items() for pair in row.good.items()])
def test_a_good_value_is_taken(name: str, text: str, value: Any, loaded: Any) -> None:
    assert found(loaded({**ROWS[name].beside, name: text}).settings, name) == value


@for_each([(name, text) for name, row in ROWS.items() for text in row.bad])
def test_a_bad_value_is_refused_with_its_name_and_what_is_accepted(name: str, text: str, problems: Any) -> None:
    [problem] = problems({**ROWS[name].beside, name: text})
    assert problem.startswith(f"{name}: found ")
    assert "; accepted: " in problem
    assert "secret" not in problem


@for_each(VARIABLES)
def test_control_characters_are_refused_and_every_bound_is_written_as_people_do(variable: Variable) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*\de[+-]).{4,}$"):
        variable.parse("\0,")


def test_a_bad_value_is_named_as_its_user_wrote_it(tmp_path: Path, problems: Any) -> None:
    options = {name: option for option, name in ARGUMENTS.items()}
    seen = set()
    for name, spelling in [(each.name, spelling) for each in VARIABLES for spelling in each.spellings]:
        bad = ROWS[name].bad[0] if name in ROWS else "/nowhere.yaml"
        (content := tmp_path / "content").write_bytes(bad.encode())
        is_file = spelling.endswith("_FILE") and spelling != name
        for text in (str(content), "/nowhere") if is_file else (bad,):
            more = beside(name)
            (dotenv := tmp_path / ".env").write_text(f"{spelling}='{text}'\n")
            told = {f"{spelling} in .env": problems(more)}
            dotenv.unlink()
            told[spelling] = problems({**more, spelling: text})
            if spelling in options:
                told[options[spelling]] = problems(more, {spelling: text})
            for written, [problem] in told.items():
                assert problem.startswith(f"{written}: found "), problem
                assert "; accepted: " in problem
            seen |= told.keys()
    spellings = {each for variable in VARIABLES for each in variable.spellings}
    assert seen == spellings | {f"{each} in .env" for each in spellings} | set(ARGUMENTS)


@for_each([(kind, *each) for kind, keys in component.KEYS.items() for each in keys.items()])
def test_a_bad_value_of_a_component_is_named(kind: str, key: str, name: str, tmp_path: Path, problems: Any) -> None:
    bad = ROWS[name].bad[0]
    for value in (bad, {"secretKeyRef": {"name": "SECRET"}}, {"secretKeyRef": {"name": "ABSENT"}}):
        values: dict[str, dict[str, Any]] = {component.COMMAND: {"gatewayAddr": "a:1"}, component.BROKER: {}}
        values[kind][key] = value
        file = write(tmp_path, *(document(*each) for each in values.items()))
        [problem] = problems({**beside(name), "SECRET": bad, "COMPONENT_FILE": str(file)})
        assert problem.startswith(f"{key} in {file}: found "), value
        assert "; accepted: " in problem


def test_certificates_are_taken_and_without_tls_warned_about(pems: Any, loaded: Any) -> None:
    tls = {"AMQP_CA": pems["ca"], "AMQP_CERT": pems["cert"], "AMQP_KEY": pems["key"]}
    tls["ZEEBE_CA_CERTIFICATE_PATH"] = pems["ca"]
    client = {"ZEEBE_CLIENT_CERT_PATH": pems["cert"], "ZEEBE_CLIENT_KEY_PATH": pems["key"]}
    with_tls = loaded({**tls, **client, "AMQP_URL": "amqps://host"})
    assert {name: str(found(with_tls.settings, name)) for name in (*tls, *client)} == tls | client
    assert with_tls.warnings == []
    assert loaded({**tls, "ZEEBE_ADDRESS": "grpc://a:1"}).warnings == [
        *(f"{name}: no effect, AMQP_URL asks for no TLS" for name in ("AMQP_CA", "AMQP_CERT", "AMQP_KEY")),
        "ZEEBE_CA_CERTIFICATE_PATH: no effect, the connection to the gateway is plaintext",
    ]


def test_a_key_of_another_certificate_or_with_a_password_is_refused(pems: Any, tmp_path: Path, problems: Any) -> None:
    key = serialization.load_pem_private_key(Path(pems["key"]).read_bytes(), None)
    form, locking = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    (locked := tmp_path / "locked.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locking))
    for cert, wrong in CLIENT_CERTIFICATES:
        for file in (pems["other"], str(locked)):
            told = f"{wrong}: found '{file}'; accepted: the private key, without password, of {cert}"
            assert problems({cert: pems["cert"], wrong: file}) == [told]


def test_half_a_client_certificate_and_one_of_the_gateway_without_tls_is_refused(pems: Any, problems: Any) -> None:
    files = {"cert": pems["cert"], "key": pems["key"]}
    for pair in CLIENT_CERTIFICATES:
        for (one, file), other in zip(zip(pair, files.values(), strict=True), reversed(pair), strict=True):
            assert problems({one: file}) == [f"{other}: missing; accepted: together with {one}, or neither of the two"]
    both = dict(zip(OF_GATEWAY, files.values(), strict=True))
    for plaintext in ({"ZEEBE_INSECURE_CONNECTION": "true"}, {"ZEEBE_ADDRESS": "grpc://a:1"}):
        told = "set, but the connection to the gateway is plaintext; accepted: with TLS"
        assert problems({**both, **plaintext}) == [f"{name}: {told}" for name in OF_GATEWAY]


def test_a_file_without_certificate_is_refused(pems: Any, tmp_path: Path, loaded: Any, problems: Any) -> None:
    """One with comments in any language is not."""
    file = tmp_path / "ca.pem"
    for text in ("", "not a certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"):
        file.write_text(text)
        [problem] = problems({"ZEEBE_CA_CERTIFICATE_PATH": str(file)})
        assert "a readable PEM file with at least one certificate" in problem, text
    file.write_bytes("# Autorité\n".encode("latin-1") + Path(pems["ca"]).read_bytes() * 2)
    assert loaded({"ZEEBE_CA_CERTIFICATE_PATH": str(file)}).settings.zeebe.ca_certificate_path == file


@for_each([
    ("amqp://user:pw@host/v", "amqp://***@host/v"), ("amqp://user:p@w@host", "amqp://***@host"),
    ("amqp://user:p/w@host,amqps://a:b@c", "amqp://***@host,amqps://***@c"), ("user:pw@host", "***@host"),
    ("amqp://host", "amqp://host"), ("host:1", "host:1"),
    ("postgresql://a:b@c,d/e?sslpassword=f&password=g&user=h", "postgresql://***@c,d/e?sslpassword=***&password=***&user=h"),
])  # fmt: skip
def test_user_and_password_in_urls_are_hidden(text: str, shown: str) -> None:
    assert hidden(text) == shown


def test_every_variable_is_explained_and_has_an_option_of_its_name_and_secrets_only_as_files() -> None:
    assert (ARGUMENTS["--amqp-url"], ARGUMENTS["--component"]) == ("AMQP_URL", "COMPONENT_FILE")
    assert [each.name for each in VARIABLES if as_argument(each.name) not in ARGUMENTS] == []
    secrets = [
        "ZEEBE_CLIENT_SECRET",
        "CAMUNDA_BASIC_AUTH_PASSWORD",
        "CAMUNDA7_PASSWORD",
        "SIGNING_KEYS",
        "CONSOLE_TOKEN",
    ]
    assert [each.name for each in VARIABLES if each.secret] == secrets
    assert {name for name in ARGUMENTS.values() if name.endswith(("_SECRET", "_PASSWORD"))} == set()
    assert ARGUMENTS["--zeebe-client-secret-file"] == "ZEEBE_CLIENT_SECRET_FILE"
    assert [each.name for each in VARIABLES if not each.meaning or not each.group] == []


@given(st.text(), st.sampled_from([each.name for each in VARIABLES if each.name != "COMPONENT_FILE"]))
def test_no_text_ends_in_anything_but_settings_or_problems(text: str, name: str) -> None:
    try:
        told = [value for _, value, _ in load({name: text}, directory=Path("/nonexistent")).sources]
    except ConfigurationError as error:
        told = error.problems
    assert told


def test_parameters_are_refused_with_those_that_are_accepted_in_each_of_several_addresses(problems: Any) -> None:
    for url in ("amqps://a?no_verify_ssl=1", "amqps://a,amqps://b?no_verify_ssl=1"):
        accepted = "the parameters auth, cafile, certfile, keyfile, heartbeat, name, each once"
        assert problems({"AMQP_URL": url}) == [f"AMQP_URL: found '{url}'; accepted: {accepted}"]


def test_files_of_certificates_in_settings_and_in_the_address_are_refused(pems: Any, problems: Any) -> None:
    url = f"amqps://a?cafile={pems['ca']}"
    told = problems({"AMQP_URL": url, "AMQP_CERT": pems["cert"], "AMQP_KEY": pems["key"]})
    assert told == ["AMQP_CERT, AMQP_KEY: set, but AMQP_URL names cafile, too; accepted: one of the two"]
