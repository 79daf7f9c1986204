"""Loading: which layer wins, which spelling counts, what is reported and how."""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from consumer.config import VARIABLES, Basic, Camunda7, ConfigurationError, Loaded, component, layers, load
from consumer.config.component import COMMAND
from consumer.zeebe.credentials import credentials_for
from consumer.zeebe.failures import Failure
from consumer.zeebe.hints import hint
from tests.cases import for_each
from tests.unit.consumer.config.documents import document, write

OAUTH = {"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET": "hush"}
NEAR = {"ZEEBE_ADDRES": "ZEEBE_ADDRESS", "zeebe_address": "ZEEBE_ADDRESS", "AMQP_PREFETC": "AMQP_PREFETCH",
        "AMQP_URLS": "AMQP_URL", "LOGLEVEL": "LOG_LEVEL"}  # fmt: skip
OTHERS = """
PATH HOME WORKERS LANG AMQP_HOST OTEL_EXPORTER_OTLP_ENDPOINT ZEEBE_REST_ADDRESS ZEEBE_LOG_LEVEL CAMUNDA_REST_ADDRESS
CAMUNDA_TOKEN_RESOURCE CAMUNDA_DEFAULT_TENANT_ID CAMUNDA_CLIENT_WORKER_STREAM_ENABLED
"""
PAIRS = [("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET"), ("CAMUNDA_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_PASSWORD"),
         ("CAMUNDA7_USER", "CAMUNDA7_PASSWORD"), ("AMQP_CERT", "AMQP_KEY")]  # fmt: skip


def source(loaded: Loaded, variable: str) -> tuple[str, str]:
    return next((value, origin) for name, value, origin in loaded.sources if name == variable)


def test_command_line_over_environment_over_dotenv_over_component_over_default(tmp_path: Path, loaded: Any) -> None:
    file = write(tmp_path, document(component.COMMAND, {"gatewayAddr": "component:1"}))
    (dotenv := tmp_path / ".env").write_text("ZEEBE_ADDRESS=dotenv:1\n")
    environ = {"ZEEBE_ADDRESS": "environ:1", "COMPONENT_FILE": str(file)}
    arguments = {"ZEEBE_ADDRESS": "argument:1"}
    strongest_first = {
        ("argument:1", "command line --zeebe-address"): arguments.clear,
        ("environ:1", "environment"): partial(environ.pop, "ZEEBE_ADDRESS"),
        ("dotenv:1", ".env"): dotenv.unlink,
        ("component:1", f"component file {file} gatewayAddr"): environ.clear,
        ("127.0.0.1:26500", "default"): arguments.clear,
    }
    for expected, take_away in strongest_first.items():
        found = loaded(environ, arguments)
        assert (source(found, "ZEEBE_ADDRESS"), found.settings.zeebe.address) == (expected, expected[0])
        take_away()


def test_an_empty_text_means_not_set_and_no_other_environment_counts(loaded: Any, monkeypatch: Any) -> None:
    nothing = loaded({})
    assert loaded(dict.fromkeys((each.name for each in VARIABLES), "")) == nothing
    monkeypatch.setenv("CONCURRENCY", "5")
    assert loaded({}) == nothing


@for_each([*NEAR, *OTHERS.split()])
def test_a_near_miss_is_warned_about_and_no_other_name(name: str, tmp_path: Path, loaded: Any) -> None:
    (dotenv := tmp_path / ".env").unlink(missing_ok=True)
    said = [f"no setting of this name; did you mean {NEAR[name]}?"] if name in NEAR else []
    assert loaded({name: "x"}).warnings == [f"{name}: {each}" for each in said]
    dotenv.write_text(f"{name}=1\n")
    assert loaded({}).warnings == [f"{name} in .env: {each}" for each in said]


@for_each(["stream:zeebe.commands", "stream:b", "stream:zeebe.dead", "exchange:zeebe.dead", "stream:zeebe.jobs.results",
           "stream:zeebe.jobs.undone", "exchange:zeebe.jobs.dead", "exchange:zeebe.requests", "exchange:zeebe.jobs",
           "exchange:zeebe.jobs.results", "exchange:replies"])  # fmt: skip
def test_records_of_the_audit_never_come_back_as_requests(sink: str, problems: Any, loaded: Any) -> None:
    queues = {"AMQP_QUEUES": "zeebe.commands,b", "REPLY_EXCHANGE": "replies"}
    kind = sink.partition(":")[0]
    taken = "requests, replies, dead letters, or jobs and their answers"
    assert problems({"AUDIT": sink, **queues}) == [
        f"AUDIT: found '{sink}', which takes {taken}; accepted: a {kind} of its own"
    ]
    assert loaded({"AUDIT": f"{kind}:audit", **queues}).settings.audit.name == "audit"


@for_each(["zeebe.dead", "zeebe.jobs.results", "zeebe.jobs.undone"])
def test_what_is_no_request_is_not_read_as_one(queue: str, problems: Any) -> None:
    assert problems({"AMQP_QUEUES": f"zeebe.commands,{queue}"}) == [
        f"AMQP_QUEUES: found '{queue}', which takes dead letters or answers about jobs; accepted: request queues"
    ]


@for_each(["zeebe.dead", "zeebe.jobs.dead", "zeebe.requests", "zeebe.jobs", "zeebe.jobs.results"])
def test_replies_never_come_back_as_requests_letters_or_jobs(exchange: str, problems: Any) -> None:
    taken = "requests, dead letters, or jobs and their answers"
    assert problems({"REPLY_EXCHANGE": exchange}) == [
        f"REPLY_EXCHANGE: found '{exchange}', which takes {taken}; accepted: an exchange of its own"
    ]


def test_with_strict_replies_no_name_of_a_queue_is_allowed_or_not(loaded: Any) -> None:
    assert loaded({"REPLY_EXCHANGE": "zeebe.replies", "REPLY_ALLOW": "*"}).warnings == [
        "REPLY_ALLOW: no effect with REPLY_EXCHANGE: replies go to no queue by its name"
    ]
    assert loaded({"REPLY_ALLOW": "*"}).warnings == []


@for_each([(each.name, spelling) for each in VARIABLES for spelling in each.spellings[1:]])
def test_the_own_name_wins_over_another_and_that_is_told(name: str, spelling: str, loaded: Any) -> None:
    for other, told in (("two", True), ("one", False)):
        try:
            warnings = loaded({name: "one", spelling: other}).warnings
        except ConfigurationError as error:
            warnings = error.warnings
        assert (f"{spelling}: ignored, {name} is used instead" in warnings) == told


def test_dotenv_is_read_where_it_is_a_file_of_text(tmp_path: Path, problems: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    nothing, dotenv = load({}), tmp_path / ".env"
    dotenv.mkdir()
    assert [(each.warnings, each.notes) for each in (nothing, load({}))] == [([], [])] * 2
    dotenv.rmdir()
    dotenv.write_text("CONCURRENCY=5\nALONE\n")
    assert (load({}).settings.concurrency, load({}).notes) == (5, [f"{dotenv}: read"])
    dotenv.write_bytes(b"AMQP_URL=\xff\n")
    assert problems({}) == [f"{dotenv}: cannot be read; accepted: lines of the form NAME=value in UTF-8"]


def test_dotenv_that_somebody_else_linked_or_wrote_is_not_read(tmp_path: Path, loaded: Any, monkeypatch: Any) -> None:
    (tmp_path / "settings").write_text("CONCURRENCY=5\nAMQP_PREFETC=1\n")
    (dotenv := tmp_path / ".env").symlink_to(tmp_path / "settings")
    me, stranger = os.geteuid(), os.geteuid() + 1
    assert loaded({}).settings.concurrency == 5
    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", lambda _: os.stat_result([0, 0, 0, 0, stranger, 0, 0, 0, 0, 0]))
        linked = loaded({})
    monkeypatch.setattr(layers.os, "geteuid", lambda: stranger)
    for found, owner, reader in ((linked, stranger, me), (loaded({}), me, stranger)):
        assert (found.settings.concurrency, found.notes) == (64, [])
        assert found.warnings == [f"{dotenv}: not read; it is user {owner}'s, and this is user {reader}"]


@for_each(product(["grpcs", "https", "grpc", "http"], ["true", "false"]))
def test_the_scheme_of_the_address_decides_about_tls(scheme: str, insecure: str, loaded: Any, problems: Any) -> None:
    address, plaintext = {"ZEEBE_ADDRESS": f"{scheme}://a:1"}, not scheme.endswith("s")
    switched = {**address, "ZEEBE_INSECURE_CONNECTION": insecure}
    assert loaded(address).settings.zeebe.plaintext is plaintext
    if plaintext == (insecure == "true"):
        assert loaded(switched).settings.zeebe.plaintext is plaintext
    else:
        [problem] = problems(switched)
        assert problem.startswith(f"ZEEBE_INSECURE_CONNECTION: found {insecure}, but")


def test_two_kinds_of_credentials_are_refused(problems: Any) -> None:
    basic = {"CAMUNDA_BASIC_AUTH_USERNAME": "user", "CAMUNDA_BASIC_AUTH_PASSWORD": "hush"}
    names = "ZEEBE_CLIENT_ID and CAMUNDA_BASIC_AUTH_USERNAME"
    assert problems({**OAUTH, **basic}) == [f"{names}: both are set; accepted: OAuth or Basic, not both"]


@for_each(["cluster.example:443", "dns:///cluster.example:443", "grpcs://cluster.example:443"])
def test_the_audience_defaults_to_the_gateways_host(address: str, loaded: Any) -> None:
    assert loaded({**OAUTH, "ZEEBE_ADDRESS": address}).settings.zeebe.credentials.audience == "cluster.example"


def test_the_camunda_7_engine_has_one_user_who_may_be_in_its_url(loaded: Any, problems: Any) -> None:
    url = {"CAMUNDA7_REST_URL": "https://us%40er:h%3Aush@c7/engine-rest"}
    found = loaded({**url, "ZEEBE_REQUEST_TIMEOUT": "3s"}).settings.camunda7
    assert found == Camunda7("https://c7/engine-rest", request_timeout=3, credentials=Basic("us@er", "h:ush"))
    assert "h:ush" not in repr(found)
    [problem] = problems({"SIGNAL_ENGINE": "camunda7"})
    assert problem.startswith("CAMUNDA7_REST_URL: missing; accepted: ")
    said = "CAMUNDA7_USER: set, but CAMUNDA7_REST_URL names a user, too; accepted: one of the two"
    assert problems({**url, "CAMUNDA7_USER": "b", "CAMUNDA7_PASSWORD": "hush"}) == [said]


@for_each(["ZEEBE_CLIENT_SECRET_FILE", "CAMUNDA_CLIENT_SECRET_FILE"])
def test_a_secret_is_read_from_a_file_without_its_line_end(spelling: str, tmp_path: Path, loaded: Any) -> None:
    (file := tmp_path / "secret").write_text(" hush \r\n")
    found = loaded({"ZEEBE_CLIENT_ID": "id", spelling: str(file)})
    assert found.settings.zeebe.credentials.client_secret == " hush "
    assert source(found, "ZEEBE_CLIENT_SECRET") == ("***", f"environment {spelling}")


@for_each([(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "not UTF-8")])
def test_a_file_without_a_secret_is_a_problem(content: bytes | None, said: str, tmp_path: Path, problems: Any) -> None:
    (file := tmp_path / "secret").unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    [problem] = problems({"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET_FILE": str(file)})
    assert problem.startswith(f"ZEEBE_CLIENT_SECRET_FILE: found '{file}'; accepted: the path of a readable")
    assert said in problem


def test_a_byte_order_mark_before_a_file_is_no_part_of_it(tmp_path: Path, loaded: Any) -> None:
    """Nobody sees one: a setting without effect, or a password that is refused."""
    file = write(tmp_path, document(component.COMMAND, {"gatewayAddr": "component:1"}))
    file.write_text("\ufeff" + file.read_text())
    (tmp_path / ".env").write_text(f"\ufeffCOMPONENT_FILE={file}\n")
    (secret := tmp_path / "secret").write_text("\ufeffhush\n")
    zeebe = loaded({"ZEEBE_CLIENT_SECRET_FILE": str(secret), "ZEEBE_CLIENT_ID": "id"}).settings.zeebe
    assert (zeebe.address, zeebe.credentials.client_secret) == ("component:1", "hush")


def test_secrets_are_masked_in_sources_and_problems(loaded: Any, problems: Any) -> None:
    urls = {"AMQP_URL": "amqp://{}host", "LEDGER": "redis://{}host/0", "CAMUNDA7_REST_URL": "https://{}c7/engine-rest"}
    key = {"SIGNING_KEYS": "hush" * 8}
    found = loaded({**OAUTH, **key, **{name: url.format("user:hush@") for name, url in urls.items()}})
    shown = {name: url.format("***@") for name, url in urls.items()}
    shown |= {"ZEEBE_CLIENT_SECRET": "***", "SIGNING_KEYS": "***"}
    assert {name: source(found, name) for name in shown} == {
        name: (text, "environment") for name, text in shown.items()
    }
    assert "hush" not in str(found)
    urls = {"AMQP_URL": "http://user:hush@host", "LEDGER": "redis://:hush@host:x", "ZEEBE_ADDRESS": "user:hush@host"}
    told = problems({**OAUTH, **urls, "CAMUNDA7_REST_URL": "ftp://user:hush@c7", "ZEEBE_CLIENT_SECRET": "hush\x00"})
    assert (len(told), "hush" in str(told)) == (5, False)


@for_each([*PAIRS, *(pair[::-1] for pair in PAIRS)])
def test_half_a_pair_is_refused(given: str, missing: str, pems: Any, problems: Any) -> None:
    text = {"AMQP_CERT": pems["cert"], "AMQP_KEY": pems["key"]}.get(given, "hush")
    assert problems({given: text}) == [f"{missing}: missing; accepted: together with {given}, or neither of the two"]


@for_each(["redis://host", "rediss://:word@host:6379/15", "postgresql://a,b/db"])
def test_a_shared_ledger_needs_a_key_of_all_that_share_it(ledger: str, loaded: Any, problems: Any) -> None:
    [told] = problems({"LEDGER": ledger})
    assert told.startswith("SIGNING_KEYS: missing; accepted: a key from `openssl rand -base64 32`, the same for all")
    assert "LEDGER" in told
    [told] = problems({"LEDGER": ledger, "SIGNING_KEYS": "short"})
    assert "at least 32 bytes" in told
    assert loaded({"LEDGER": ledger, "SIGNING_KEYS": "k" * 32}).settings.signing_keys == (b"k" * 32,)
    for alone in ("memory://", "sqlite:///x"):
        assert loaded({"LEDGER": alone}).settings.signing_keys == ()


def test_a_console_needs_a_port_of_this_machine(loaded: Any, problems: Any) -> None:
    told = ["CONSOLE: needs a port; accepted: with HTTP_ADDRESS not off"]
    assert problems({"CONSOLE": "on", "HTTP_ADDRESS": "off"}) == told
    for host in ("127.0.0.1", "127.0.0.9", "localhost", "0.0.0.0", "[::]", "[::1]"):
        found = loaded({"CONSOLE": "on", "HTTP_ADDRESS": f"{host}:8080"})
        assert (found.settings.console, found.warnings) == (True, []), host


def test_a_missing_half_is_named_as_the_user_of_the_other_writes_it(tmp_path: Path, pems: Any, problems: Any) -> None:
    file = write(tmp_path, document(component.COMMAND, {"gatewayAddr": "a:1", "clientId": "id"}))
    for environ, arguments, missing, given in (
        ({"COMPONENT_FILE": str(file)}, {}, f"clientSecret in {file}", f"clientId in {file}"),
        ({}, {"AMQP_CERT": pems["cert"]}, "--amqp-key", "--amqp-cert"),
        ({}, {"ZEEBE_CLIENT_ID": "id"}, "--zeebe-client-secret-file", "--zeebe-client-id"),
        ({"CAMUNDA_CLIENT_SECRET": "x"}, {}, "ZEEBE_CLIENT_ID", "CAMUNDA_CLIENT_SECRET"),
    ):
        said = f"{missing}: missing; accepted: together with {given}, or neither of the two"
        assert problems(environ, arguments) == [said]


def test_a_refused_value_is_told_once_and_a_near_miss_beside_its_effect(loaded: Any, problems: Any) -> None:
    [problem] = problems({"ZEEBE_CLIENT_ID": "a\nb", "ZEEBE_CLIENT_SECRET": "hush"})
    assert problem.startswith("ZEEBE_CLIENT_ID: found ")
    with pytest.raises(ConfigurationError) as caught:
        loaded({"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRT": "hush"})
    told = caught.value.problems, caught.value.warnings
    assert ([len(each) for each in told], "hush" in str(told)) == ([1, 1], False)


@for_each([
    ({"ZEEBE_TOKEN_SCOPE": "x"}, "ZEEBE_TOKEN_SCOPE: no effect without ZEEBE_CLIENT_ID"),
    ({**OAUTH, "ZEEBE_INSECURE_CONNECTION": "true"}, "credentials are sent to the gateway in plaintext"),
    ({"CAMUNDA7_USER": "user", "CAMUNDA7_PASSWORD": "hush"}, "CAMUNDA7_USER: no effect without CAMUNDA7_REST_URL"),
    ({"CAMUNDA7_REST_URL": "http://user:hush@c7"}, "CAMUNDA7_REST_URL: credentials are sent to the Camunda 7 engine"),
    ({"ZEEBE_CLIENT_CONFIG_PATH": "/x"}, "ZEEBE_CLIENT_CONFIG_PATH: no effect; tokens are kept in memory only"),
    ({"CAMUNDA_CLIENT_CONFIG_PATH": "/x"}, "CAMUNDA_CLIENT_CONFIG_PATH: no effect; tokens are kept in memory only"),
    ({"AMQP_PREFETCH": "1"}, "AMQP_PREFETCH: 1 is below CONCURRENCY (64)"),
    ({"CONSOLE_TOKEN": "t" * 32}, "CONSOLE_TOKEN: no effect without CONSOLE"),
    ({"CONSOLE": "on", "HTTP_ADDRESS": "192.0.2.7:80"}, "CONSOLE: no effect, HTTP_ADDRESS is not reached at 127.0.0.1"),
])  # fmt: skip
def test_what_is_probably_not_meant_is_warned_about(environ: dict[str, str], warning: str, loaded: Any) -> None:
    [found] = loaded(environ).warnings
    assert found.startswith(warning)


@for_each([(True, "text"), (False, "json")])
def test_what_follows_from_others_is_told_as_a_default(terminal: bool, log_format: str, loaded: Any) -> None:
    sys.stderr.isatty = lambda: terminal  # type: ignore[method-assign]
    found = loaded({"STATE_DIR": "/var/lib/x"})
    ledger = "sqlite:////var/lib/x/ledger.db"
    assert (found.settings.log_format, found.settings.ledger) == (log_format, ledger)
    assert [source(found, name) for name in ("LOG_FORMAT", "LEDGER")] == [(log_format, "default"), (ledger, "default")]


# --- names while the service runs: as the user wrote them ---


NOWHERE = "127.0.0.1:1"

KEYS = {"gatewayAddr": NOWHERE, "clientId": "me", "clientSecret": "secret"}
KEYS |= {"authorizationServerUrl": f"http://{NOWHERE}/token"}


async def test_of_a_component_file_by_its_keys_and_without_its_path(tmp_path: Path) -> None:
    file = write(tmp_path, document(COMMAND, KEYS))
    zeebe = load({"COMPONENT_FILE": str(file)}, directory=tmp_path).settings.zeebe
    credentials = credentials_for(zeebe.credentials)
    with pytest.raises(Failure) as raised:
        await credentials.authorization(5)
    await credentials.close()
    assert raised.value.text.startswith("authorizationServerUrl: the authorization server did not answer")
    assert hint("Connection refused", zeebe).startswith("nothing listens at gatewayAddr:")
    # What nobody set is named as its user would write it beside the address.
    assert "usePlainTextConnection=true" in hint("WRONG_VERSION_NUMBER", zeebe)
    assert str(tmp_path) not in raised.value.text


def test_of_the_command_line_and_the_environment_as_written_there(tmp_path: Path) -> None:
    loaded = load({"ZEEBE_KEEP_ALIVE": "40s"}, {"ZEEBE_ADDRESS": NOWHERE, "AMQP_URL": "amqp://h"}, tmp_path)
    zeebe, amqp = loaded.settings.zeebe, loaded.settings.amqp
    assert hint("Connection refused", zeebe).startswith("nothing listens at --zeebe-address:")
    assert (zeebe.names["ZEEBE_KEEP_ALIVE"], amqp.names["AMQP_URL"]) == ("ZEEBE_KEEP_ALIVE", "--amqp-url")
