"""Every setting, one row: its default, good values and what they become, bad values that are refused."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.config import (
    ARGUMENTS,
    VARIABLES,
    Basic,
    ConfigurationError,
    OAuth,
    Settings,
    as_argument,
    component,
    load,
    values,
)
from tests.cases import for_each

OAUTH = {"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET": "secret"}
BASIC = {"CAMUNDA_BASIC_AUTH_USERNAME": "user", "CAMUNDA_BASIC_AUTH_PASSWORD": "secret"}
CAMUNDA7 = {"CAMUNDA7_REST_URL": "https://c7", "CAMUNDA7_USER": "user", "CAMUNDA7_PASSWORD": "secret"}


@dataclass(frozen=True)
class Row:
    """Where a setting is found, its default, pairs of text and value, and texts that are refused."""

    attribute: str
    default: Any
    good: tuple[tuple[str, Any], ...]
    bad: tuple[str, ...]
    beside: tuple[tuple[str, str], ...] = ()
    """Variables that it has no meaning without."""


YES, NO = ("y", "yes", "true", "t", "on", "1", "TRUE"), ("n", "no", "false", "f", "off", "0")
LEDGERS = ("memory://", "sqlite:///x", "sqlite:////var/lib/x/ledger.db", "redis://host", "redis://host/")
LEDGERS += ("redis://:word@host:6379/15", "rediss://user:word@[::1]:6380/0")
ROWS: dict[str, Row] = {
    "AMQP_URL": Row(
        "amqp.urls", ("amqp://guest:guest@127.0.0.1:5672",),
        (("amqps://user:p%2Cw@host/vhost?heartbeat=10", ("amqps://user:p%2Cw@host/vhost?heartbeat=10",)),
         ("amqp://a:1/, amqp://[::1]:5672", ("amqp://a:1/", "amqp://[::1]:5672"))),
        ("http://host", "host:5672", "amqp://", "amqp://a,b", "amqp://a:port", "amqp://a:0", "amqp://a b", "amqp://[::",
         "amqp://a,amqps://b", "amqp://a,", "amqp://a#b")
    ),
    "AMQP_CA": Row("amqp.ca", None, (), ("/nowhere.pem", "/", "/dev/null")),
    "AMQP_CERT": Row("amqp.cert", None, (), ("/nowhere.pem", "/dev/null")),
    "AMQP_KEY": Row("amqp.key", None, (), ("/nowhere.pem", "/dev/null")),
    "AMQP_QUEUES": Row(
        "amqp.queues", ("zeebe.commands", "zeebe.polls"), (("one", ("one",)), (" one , two ", ("one", "two"))),
        ("one,", "one,one", "amq.gen-x", "x" * 256, "ü" * 128)
    ),
    "AMQP_PREFETCH": Row("amqp.prefetch", 128, (("1", 1), ("65535", 65535)), ("65536", "0", "-1", "many", "1.5", "²")),
    "AMQP_MAX_HELD_BYTES": Row(
        "amqp.max_held_bytes", 67_108_864, (("1048576", 1_048_576), ("1099511627776", 1_099_511_627_776)),
        ("0", "1048575", "1099511627777", "64 MiB")
    ),
    "AMQP_DECLARE": Row("amqp.declare", "active", (("passive", "passive"), ("ACTIVE", "active")), ("none",)),
    "DEAD_LETTER_BOUND": Row(
        "amqp.dead_letter_bound", 10_000, (("1", 1), ("1000000000", 1_000_000_000)), ("0", "-1", "1000000001", "none")
    ),
    "POLLS_CONCURRENCY": Row("amqp.polls", 1000, (("1", 1), ("65535", 65535)), ("0", "65536", "all")),
    "REPLY_RETRY": Row("reply_retry", 30.0, (("0s", 0.0), ("10m", 600.0)), ("30", "11m", "-1s")),
    "CONCURRENCY": Row("concurrency", 64, (("1", 1), (" 100 ", 100)), ("0", "32768", "1e3", "9" * 5000)),
    "ZEEBE_ADDRESS": Row(
        "zeebe.address", "127.0.0.1:26500",
        (("zeebe:26500", "zeebe:26500"), ("zeebe", "zeebe:26500"), ("[::1]:1", "[::1]:1"), ("[::1]", "[::1]:26500"),
         ("dns:///zeebe:26500", "dns:///zeebe:26500"), ("dns://8.8.8.8/zeebe:26500", "dns://8.8.8.8/zeebe:26500"),
         ("grpc://zeebe:1", "zeebe:1"), ("https://zeebe.example:443/", "zeebe.example:443")),
        ("zeebe:0", "zeebe:65536", "zeebe:port", "a:1,b:1", "ftp://a:1", "https://a", "https://a:1/x", "dns:///a",
         "dns://a:1", "grpc://user:pw@a:1", "a b", "a:1:2")
    ),
    "ZEEBE_INSECURE_CONNECTION": Row(
        "zeebe.plaintext", False, (*((text, True) for text in YES), *((text, False) for text in NO)), ("maybe", "2")
    ),
    "ZEEBE_CA_CERTIFICATE_PATH": Row("zeebe.ca_certificate_path", None, (), ("/nowhere.pem", "/dev/null")),
    "ZEEBE_OVERRIDE_AUTHORITY": Row(
        "zeebe.override_authority", None, (("zeebe.local", "zeebe.local"),), ("a\nb", "\t")
    ),
    "ZEEBE_KEEP_ALIVE": Row(
        "zeebe.keep_alive", 45.0, (("30000", 30.0), ("1m30s", 90.0), ("PT45S", 45.0)),
        ("29s", "29999", "30", "0", "-45s", "soon", "45 s", "9" * 5000)
    ),
    "ZEEBE_REQUEST_TIMEOUT": Row(
        "zeebe.request_timeout", 20.0, (("1500ms", 1.5), ("15m", 900.0)), ("20", "0s", "15m1s", "-1s")
    ),
    "ZEEBE_CLIENT_ID": Row("zeebe.credentials.client_id", None, (("me", "me"),), ("a\nb",), tuple(OAUTH.items())),
    "ZEEBE_CLIENT_SECRET": Row(
        "zeebe.credentials.client_secret", None, ((" s ", " s "),), ("topsecret\x00",), tuple(OAUTH.items())
    ),
    "ZEEBE_AUTHORIZATION_SERVER_URL": Row(
        "zeebe.credentials.authorization_server_url", "https://login.cloud.camunda.io/oauth/token/",
        (("http://keycloak:8080/token", "http://keycloak:8080/token"),),
        ("keycloak:8080", "ftp://keycloak", "https://", "https://u:p@h/", "https://a b", "https://h:x/", "https://[::"),
        tuple(OAUTH.items())
    ),
    "ZEEBE_TOKEN_AUDIENCE": Row(
        "zeebe.credentials.audience", "127.0.0.1", (("zeebe.camunda.io", "zeebe.camunda.io"),), ("\n",),
        tuple(OAUTH.items())
    ),
    "ZEEBE_TOKEN_SCOPE": Row("zeebe.credentials.scope", None, (("a b", "a b"),), ("a\tb",), tuple(OAUTH.items())),
    "CAMUNDA_BASIC_AUTH_USERNAME": Row(
        "zeebe.credentials.username", None, (("me", "me"),), ("a:b", "a\nb"), tuple(BASIC.items())
    ),
    "CAMUNDA_BASIC_AUTH_PASSWORD": Row(
        "zeebe.credentials.password", None, (("a:b", "a:b"),), ("topsecret\rx",), tuple(BASIC.items())
    ),
    "SIGNAL_ENGINE": Row(
        "camunda7.every", False, (("zeebe", False), ("Camunda7", True)), ("both",), tuple(CAMUNDA7.items())
    ),
    "CAMUNDA7_REST_URL": Row(
        "camunda7.url", None,
        (("http://c7:8080/engine-rest/", "http://c7:8080/engine-rest"), ("https://[::1]/", "https://[::1]")),
        ("c7:8080", "ftp://c7", "http://", "http://c7:0", "http://c7:x", "http://c 7", "http://c7?a", "http://c7#a")
    ),
    "CAMUNDA7_USER": Row(
        "camunda7.credentials.username", None, (("me", "me"),), ("a:b", "a\nb"), tuple(CAMUNDA7.items())
    ),
    "CAMUNDA7_PASSWORD": Row(
        "camunda7.credentials.password", None, (("a:b", "a:b"),), ("topsecret\rx",), tuple(CAMUNDA7.items())
    ),
    "STATE_DIR": Row("state_dir", Path(".state"), (("/var/lib/x", Path("/var/lib/x")),), ("a\0b",)),
    "LEDGER": Row(
        "ledger", "sqlite:///.state/ledger.db", tuple((text, text) for text in LEDGERS),
        ("memory", "memory:///x", "sqlite://x", "sqlite:///", "sqlite:///x/", "sqlite:///a\0b", "redis://",
         "redis://host/x", "redis://host:0", "redis://host:x", "redis://ho st", "redis://host/0?db=1", "http://host")
    ),
    "LEDGER_TTL": Row("ledger_ttl", 3600.0, (("90s", 90.0), ("720h", 2592000.0)), ("0s", "60", "721h")),
    "LEDGER_MAX_ENTRIES": Row("ledger_max_entries", 1_000_000, (("1", 1),), ("0", "-1", "1k", "1000000001")),
    "LEDGER_MAX_BYTES": Row("ledger_max_bytes", 2**29, (("1", 1),), ("0", "-1", "1G", str(2**40 + 1))),
    "ON_UNKNOWN": Row("on_unknown", "report", (("run", "run"),), ("ask",)),
    "FORGET_RETRY": Row("forget_retry", 900.0, (("0s", 0.0), ("1h", 3600.0)), ("900", "25h", "-1s")),
    "MAX_DEPTH": Row("max_depth", 500, (("1", 1), ("900", 900)), ("0", "901", "deep")),
    "SHUTDOWN_GRACE": Row("shutdown_grace", 25.0, (("0", 0.0), ("2m", 120.0)), ("25", "61m")),
    "REPLY_ALLOW": Row(
        "reply_allow", ("*reply*", "*replies*", "*response*"), (("a.*, b", ("a.*", "b")),), ("a,,b", "a,", ",")
    ),
    "HTTP_ADDRESS": Row(
        "http_address", ("127.0.0.1", 8080),
        (("0.0.0.0:0", ("0.0.0.0", 0)), ("[::]:80", ("::", 80)), ("off", None), ("OFF", None)),
        ("8080", ":8080", "host:65536", "none", "http://host:1")
    ),
    "LOG_LEVEL": Row("log_level", "info", (("DEBUG", "debug"), ("error", "error")), ("verbose",)),
    "LOG_FORMAT": Row("log_format", "json", (("text", "text"), ("json", "json")), ("xml",)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of an authority, a certificate, its key and somebody else's key."""
    folder, authority = tmp_path_factory.mktemp("pems"), trustme.CA()
    mine, other = authority.issue_cert("localhost"), authority.issue_cert("elsewhere")
    blobs = {
        "ca": authority.cert_pem,
        "cert": mine.cert_chain_pems[0],
        "key": mine.private_key_pem,
        "other": other.private_key_pem,
    }
    for name, blob in blobs.items():
        blob.write_to_path(str(folder / name))
    return {name: str(folder / name) for name in blobs}


def found(settings: Settings, attribute: str) -> Any:
    value: Any = settings
    for name in attribute.split("."):
        value = getattr(value, name)
    return value


def problems(
    environ: dict[str, str], folder: Path, arguments: dict[str, str] | None = None, dotenv: dict[str, str] | None = None
) -> list[str]:
    (folder / ".env").write_text("".join(f"{name}='{text}'\n" for name, text in (dotenv or {}).items()))
    with pytest.raises(ConfigurationError) as caught:
        load(environ, arguments or {}, folder)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def test_every_variable_has_a_row_with_a_bad_value_and_but_for_files_a_good_one() -> None:
    assert {each.name for each in VARIABLES} - {"COMPONENT_FILE"} == set(ROWS)
    files = {"AMQP_CA", "AMQP_CERT", "AMQP_KEY", "ZEEBE_CA_CERTIFICATE_PATH"}
    assert {name for name, row in ROWS.items() if not row.good} == files
    assert all(row.bad for row in ROWS.values())


@for_each(ROWS)
def test_a_variable_that_is_not_set_has_its_default(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    if name in {**OAUTH, **BASIC}:
        assert load({}, directory=tmp_path).settings.zeebe.credentials is None
    elif name in CAMUNDA7:
        assert load({}, directory=tmp_path).settings.camunda7 is None
    else:
        assert found(load(dict(row.beside), directory=tmp_path).settings, row.attribute) == row.default


def test_the_defaults_of_the_dataclasses_are_those_of_the_table(tmp_path: Path) -> None:
    assert load({}, directory=tmp_path).settings == Settings()


@for_each([(name, *pair) for name, row in ROWS.items() for pair in row.good])
def test_a_good_value_is_taken(name: str, text: str, value: Any, tmp_path: Path) -> None:
    loaded = load({**dict(ROWS[name].beside), name: text}, directory=tmp_path)
    assert found(loaded.settings, ROWS[name].attribute) == value


@for_each([(name, text) for name, row in ROWS.items() for text in row.bad])
def test_a_bad_value_is_refused_with_its_name_and_what_is_accepted(name: str, text: str, tmp_path: Path) -> None:
    [problem] = problems({**dict(ROWS[name].beside), name: text}, tmp_path)
    assert problem.startswith(f"{name}: found ")
    assert "; accepted: " in problem
    assert "secret" not in problem


def bad_values(folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every setting in every way it can be given, with a bad value: its name, as its user writes it, what to set."""
    bad = {name: row.bad[0] for name, row in ROWS.items()} | {"COMPONENT_FILE": "/nowhere.yaml"}
    for variable in VARIABLES:
        text = bad[variable.name]
        (content := folder / variable.name).write_bytes(text.encode())
        for spelling in variable.spellings:
            is_file = spelling.endswith("_FILE") and spelling != "COMPONENT_FILE"
            for each in (str(content), "/nowhere") if is_file else (text,):
                yield variable.name, spelling, {spelling: each}


def beside(name: str) -> dict[str, str]:
    """What a setting needs, without itself."""
    return {each: text for each, text in ROWS[name].beside if each != name} if name in ROWS else {}


def test_a_bad_value_is_named_as_its_user_wrote_it(tmp_path: Path) -> None:
    options = {name: option for option, name in ARGUMENTS.items()}
    seen = set()
    for name, spelling, bad in bad_values(tmp_path):
        more = beside(name)
        told = {spelling: problems({**more, **bad}, tmp_path), f"{spelling} in .env": problems(more, tmp_path, {}, bad)}
        if spelling in options:
            told[options[spelling]] = problems(more, tmp_path, bad)
        for written, found in told.items():
            assert len(found) == 1, (written, found)
            assert found[0].startswith(f"{written}: found "), found
            assert "; accepted: " in found[0]
        seen |= told.keys()
    spellings = {each for variable in VARIABLES for each in variable.spellings}
    assert seen == spellings | {f"{each} in .env" for each in spellings} | set(ARGUMENTS)


def test_a_bad_value_of_a_component_file_is_named_by_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "component.yaml"
    for kind, keys in component.KEYS.items():
        for key, name in keys.items():
            bad = ROWS[name].bad[0]
            for source in ({"value": bad}, {"secretKeyRef": {"name": "SECRET"}}, {"secretKeyRef": {"name": "ABSENT"}}):
                items = {component.COMMAND: {"gatewayAddr": {"value": "a:1"}}, component.BROKER: {}}
                items[kind][key] = source
                file.write_text(yaml.safe_dump_all(document(each, items[each]) for each in items))
                environ = {**beside(name), "SECRET": bad, "COMPONENT_FILE": str(file)}
                [problem] = problems(environ, tmp_path)
                assert problem.startswith(f"{key} in {file}: found "), problem
                assert "; accepted: " in problem


def document(kind: str, items: dict[str, Any]) -> dict[str, Any]:
    metadata = [{"name": name, **each} for name, each in items.items()]
    spec = {"type": kind, "version": "v1", "metadata": metadata}
    return {"apiVersion": component.API_VERSION, "kind": "Component", "spec": spec}


def test_what_is_missing_is_named_as_the_user_of_its_other_half_writes_it(tmp_path: Path, pems: dict[str, str]) -> None:
    file = tmp_path / "component.yaml"
    items = {"gatewayAddr": {"value": "a:1"}, "clientId": {"value": "id"}}
    file.write_text(yaml.safe_dump(document(component.COMMAND, items)))
    missing = "missing; accepted: together with"
    assert problems({"COMPONENT_FILE": str(file)}, tmp_path, {"AMQP_CERT": pems["cert"]}) == [
        f"clientSecret in {file}: {missing} clientId in {file}, or neither of the two",
        f"--amqp-key: {missing} --amqp-cert, or neither of the two",
    ]
    assert problems({}, tmp_path, {"ZEEBE_CLIENT_ID": "id"}) == [
        f"--zeebe-client-secret-file: {missing} --zeebe-client-id, or neither of the two"
    ]
    assert problems({"CAMUNDA_CLIENT_SECRET": "x"}, tmp_path) == [
        f"ZEEBE_CLIENT_ID: {missing} CAMUNDA_CLIENT_SECRET, or neither of the two"
    ]


def test_all_bad_values_are_reported_at_once(tmp_path: Path) -> None:
    found = problems({name: row.bad[0] for name, row in ROWS.items()}, tmp_path)
    assert sorted(each.split(":")[0] for each in found) == sorted(ROWS)


def test_certificates_are_taken_and_checked(pems: dict[str, str], tmp_path: Path) -> None:
    tls = {"AMQP_URL": "amqps://host", "AMQP_CA": pems["ca"], "AMQP_CERT": pems["cert"], "AMQP_KEY": pems["key"]}
    loaded = load({**tls, "ZEEBE_CA_CERTIFICATE_PATH": pems["ca"]}, directory=tmp_path)
    amqp = loaded.settings.amqp
    assert (amqp.ca, amqp.cert, amqp.key) == (Path(pems["ca"]), Path(pems["cert"]), Path(pems["key"]))
    assert loaded.settings.zeebe.ca_certificate_path == Path(pems["ca"])
    assert loaded.warnings == []


def test_a_key_of_another_certificate_is_refused(pems: dict[str, str], tmp_path: Path) -> None:
    [problem] = problems({"AMQP_CERT": pems["cert"], "AMQP_KEY": pems["other"]}, tmp_path)
    assert problem.startswith("AMQP_KEY: found ")
    assert "of AMQP_CERT" in problem


def test_an_encrypted_key_is_refused_without_asking_for_its_password(pems: dict[str, str], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(Path(pems["key"]).read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    [problem] = problems({"AMQP_CERT": pems["cert"], "AMQP_KEY": str(locked)}, tmp_path)
    assert "without password" in problem


def test_a_file_without_a_readable_certificate_is_refused_and_one_with_comments_in_any_language_accepted(
    pems: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    for text in ("", "not a certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"):
        file.write_text(text)
        [problem] = problems({"ZEEBE_CA_CERTIFICATE_PATH": str(file)}, tmp_path)
        assert "a readable PEM file with at least one certificate" in problem, text
    file.write_bytes("# Autorité\n".encode("latin-1") + Path(pems["ca"]).read_bytes() * 2)
    assert load({"ZEEBE_CA_CERTIFICATE_PATH": str(file)}, directory=tmp_path).settings.zeebe.ca_certificate_path == file


def test_a_pair_that_openssl_cannot_read_is_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ssl.SSLError("no")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    assert not values.is_pair(Path("cert"), Path("key"))


def test_secrets_appear_in_no_repr(tmp_path: Path) -> None:
    for credentials in (OAUTH, BASIC):
        loaded = load({**credentials, "AMQP_URL": "amqp://u:hush@h"}, directory=tmp_path)
        assert isinstance(loaded.settings.zeebe.credentials, OAuth | Basic)
        assert "secret'" not in repr(loaded)
        assert "hush" not in repr(loaded)


@for_each(
    [
        ("amqp://user:pw@host/v", "amqp://***@host/v"),
        ("amqp://user:p@w@host", "amqp://***@host"),
        ("amqp://user:p/w@host,amqps://a:b@c", "amqp://***@host,amqps://***@c"),
        ("user:pw@host", "***@host"),
        ("amqp://host", "amqp://host"),
        ("host:1", "host:1"),
    ]
)
def test_user_and_password_in_urls_are_hidden(text: str, shown: str) -> None:
    assert values.hidden(text) == shown


def test_every_variable_is_explained_and_has_an_option_of_its_name_and_secrets_only_as_files() -> None:
    assert as_argument("AMQP_URL") == "--amqp-url"
    assert (ARGUMENTS["--amqp-url"], ARGUMENTS["--component"]) == ("AMQP_URL", "COMPONENT_FILE")
    assert [each.name for each in VARIABLES if as_argument(each.name) not in ARGUMENTS] == []
    secrets = ["ZEEBE_CLIENT_SECRET", "CAMUNDA_BASIC_AUTH_PASSWORD", "CAMUNDA7_PASSWORD"]
    assert [each.name for each in VARIABLES if each.secret] == secrets
    assert {name for name in ARGUMENTS.values() if name.endswith(("_SECRET", "_PASSWORD"))} == set()
    assert ARGUMENTS["--zeebe-client-secret-file"] == "ZEEBE_CLIENT_SECRET_FILE"
    assert [each.name for each in VARIABLES if not each.meaning or not each.group] == []


@settings(deadline=None)
@given(st.text(), st.sampled_from([each.name for each in VARIABLES if each.name != "COMPONENT_FILE"]))
def test_no_text_ends_in_anything_but_settings_or_problems(text: str, name: str) -> None:
    nowhere = Path("/nonexistent")
    try:
        problems = [value for _, value, _ in load({name: text}, directory=nowhere).sources]
    except ConfigurationError as error:
        problems = error.problems
    assert problems
