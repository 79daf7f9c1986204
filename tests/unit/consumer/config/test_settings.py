"""Loading: which layer wins, which spelling counts, what is reported and how."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

from consumer.config import VARIABLES, Basic, Camunda7, ConfigurationError, Loaded, OAuth, layers, load
from tests.cases import for_each

COMPONENT = """\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: zeebe}
spec:
  type: bindings.zeebe.command
  version: v1
  metadata:
  - {name: gatewayAddr, value: "component:1"}
"""
OAUTH = {"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET": "hush"}


@pytest.fixture
def component(tmp_path: Path) -> Path:
    file = tmp_path / "component.yaml"
    file.write_text(COMPONENT)
    return file


def refusal(environ: dict[str, str], folder: Path, arguments: dict[str, str] | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, arguments or {}, directory=folder)
    return caught.value


def source(loaded: Loaded, variable: str) -> tuple[str, str]:
    return next((value, origin) for name, value, origin in loaded.sources if name == variable)


def test_command_line_over_environment_over_dotenv_over_component_over_default(component: Path, tmp_path: Path) -> None:
    seen = []
    steps: list[tuple[dict[str, str], dict[str, str], str, Path | None]] = [
        ({"ZEEBE_ADDRESS": "argument:1"}, {"ZEEBE_ADDRESS": "environ:1"}, "ZEEBE_ADDRESS=dotenv:1\n", component),
        ({}, {"ZEEBE_ADDRESS": "environ:1"}, "ZEEBE_ADDRESS=dotenv:1\n", component),
        ({}, {}, "ZEEBE_ADDRESS=dotenv:1\n", component),
        ({}, {}, "", component),
        ({}, {}, "", None),
    ]
    for arguments, environ, dotenv, file in steps:
        (tmp_path / ".env").write_text(dotenv)
        named = {"COMPONENT_FILE": str(file)} if file else {}
        loaded = load(environ, {**arguments, **named}, tmp_path)
        assert loaded.settings.zeebe.address == source(loaded, "ZEEBE_ADDRESS")[0]
        seen.append(source(loaded, "ZEEBE_ADDRESS"))
    assert seen == [
        ("argument:1", "command line --zeebe-address"),
        ("environ:1", "environment"),
        ("dotenv:1", ".env"),
        ("component:1", f"component file {component} gatewayAddr"),
        ("127.0.0.1:26500", "default"),
    ]


def test_the_component_file_can_be_named_in_every_way(component: Path, tmp_path: Path) -> None:
    by_environment = load({"COMPONENT_FILE": str(component)}, directory=tmp_path)
    by_argument = load({"COMPONENT_FILE": "/nowhere"}, {"COMPONENT_FILE": str(component)}, directory=tmp_path)
    (tmp_path / ".env").write_text(f"COMPONENT_FILE={component}\n")
    for loaded in (by_environment, by_argument, load({}, directory=tmp_path)):
        assert loaded.settings.zeebe.address == "component:1"
        assert source(loaded, "COMPONENT_FILE")[0] == str(component)


@for_each(
    [
        ("ZEEBE_ADDRES", "ZEEBE_ADDRESS"),
        ("zeebe_address", "ZEEBE_ADDRESS"),
        ("AMQP_PREFETC", "AMQP_PREFETCH"),
        ("AMQP_URLS", "AMQP_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
    ]
)
def test_a_near_miss_is_warned_about_wherever_it_stands(unset: str, meant: str, tmp_path: Path) -> None:
    [warning] = load({unset: "x"}, directory=tmp_path).warnings
    assert warning == f"{unset}: no setting of this name; did you mean {meant}?"
    folder = tmp_path / unset
    folder.mkdir()
    (folder / ".env").write_text(f"{unset}=1\n")
    assert load({}, directory=folder).warnings == [warning.replace(f"{unset}:", f"{unset} in .env:", 1)]


OTHERS = """
PATH HOME WORKERS LANG AMQP_HOST OTEL_EXPORTER_OTLP_ENDPOINT ZEEBE_REST_ADDRESS ZEEBE_LOG_LEVEL CAMUNDA_REST_ADDRESS
CAMUNDA_TOKEN_RESOURCE CAMUNDA_DEFAULT_TENANT_ID CAMUNDA_CLIENT_WORKER_STREAM_ENABLED
ZEEBE_CLIENT_CONFIG_PATH CAMUNDA_CLIENT_CONFIG_PATH
"""


@for_each(OTHERS.split())
def test_other_variables_are_nobodys_business(name: str, tmp_path: Path) -> None:
    assert load({name: "x"}, directory=tmp_path).warnings == []


@for_each(
    [
        ("CAMUNDA_GRPC_ADDRESS", "https://cluster.example:443", "cluster.example:443", False),
        ("CAMUNDA_GRPC_ADDRESS", "grpc://zeebe:26500", "zeebe:26500", True),
        ("ZEEBE_GRPC_ADDRESS", "http://zeebe:26500", "zeebe:26500", True),
        ("ZEEBE_GRPC_ADDRESS", "grpcs://zeebe:26500", "zeebe:26500", False),
    ]
)
def test_the_scheme_of_the_address_decides_about_tls(
    alias: str, text: str, address: str, plaintext: bool, tmp_path: Path
) -> None:
    loaded = load({alias: text}, directory=tmp_path)
    assert (loaded.settings.zeebe.address, loaded.settings.zeebe.plaintext) == (address, plaintext)
    assert source(loaded, "ZEEBE_ADDRESS") == (text, f"environment {alias}")


@for_each(product(["grpcs", "https", "grpc", "http"], ["true", "false"]))
def test_a_scheme_that_contradicts_the_insecure_connection_is_refused(
    scheme: str, insecure: str, tmp_path: Path
) -> None:
    environ = {"ZEEBE_ADDRESS": f"{scheme}://a:1", "ZEEBE_INSECURE_CONNECTION": insecure}
    if scheme.endswith("s") == (insecure == "true"):
        [problem] = refusal(environ, tmp_path).problems
        assert problem.startswith(f"ZEEBE_INSECURE_CONNECTION: found {insecure}, but")
    else:
        assert load(environ, directory=tmp_path).settings.zeebe.plaintext == (insecure == "true")


def test_the_camunda_names_of_credentials_are_read(tmp_path: Path) -> None:
    environ = {
        "CAMUNDA_CLIENT_ID": "id",
        "CAMUNDA_CLIENT_SECRET": "hush",
        "CAMUNDA_OAUTH_URL": "https://idp.example/token",
        "CAMUNDA_TOKEN_AUDIENCE": "zeebe-api",
        "CAMUNDA_TOKEN_SCOPE": "scope",
    }
    expected = OAuth("id", "hush", "https://idp.example/token", "zeebe-api", "scope")
    assert load(environ, directory=tmp_path).settings.zeebe.credentials == expected


def test_the_audience_defaults_to_the_gateways_host(tmp_path: Path) -> None:
    for address in ("cluster.example:443", "dns:///cluster.example:443", "grpcs://cluster.example:443"):
        credentials = load({**OAUTH, "ZEEBE_ADDRESS": address}, directory=tmp_path).settings.zeebe.credentials
        assert isinstance(credentials, OAuth)
        assert credentials.audience == "cluster.example", address


ALIASES = [(each.name, spelling) for each in VARIABLES for spelling in each.spellings[1:]]


@for_each(ALIASES)
def test_the_own_name_wins_over_another_and_the_loser_is_told(name: str, spelling: str, tmp_path: Path) -> None:
    warnings = []
    try:
        warnings = load({name: "one", spelling: "two"}, directory=tmp_path).warnings
    except ConfigurationError as error:
        warnings = error.warnings
    assert f"{spelling}: ignored, {name} is used instead" in warnings


def test_two_names_that_agree_are_no_reason_to_warn(tmp_path: Path) -> None:
    assert load({"ZEEBE_ADDRESS": "a:1", "CAMUNDA_GRPC_ADDRESS": "a:1"}, directory=tmp_path).warnings == []


FILES = [(each.name, spelling) for each in VARIABLES for spelling in each.spellings if spelling.endswith("_FILE")]


def test_every_credential_and_what_may_hold_one_can_be_read_from_files() -> None:
    assert {name for name, _ in FILES} - {"COMPONENT_FILE"} == {
        *("AMQP_URL", "LEDGER", "ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET", "ZEEBE_AUTHORIZATION_SERVER_URL"),
        *("ZEEBE_TOKEN_AUDIENCE", "ZEEBE_TOKEN_SCOPE", "CAMUNDA_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_PASSWORD"),
        *("CAMUNDA7_REST_URL", "CAMUNDA7_USER", "CAMUNDA7_PASSWORD"),
    }


@for_each(["ZEEBE_CLIENT_SECRET_FILE", "CAMUNDA_CLIENT_SECRET_FILE"])
def test_a_secret_is_read_from_a_file_without_its_line_end(spelling: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" hush \r\n")
    loaded = load({"ZEEBE_CLIENT_ID": "id", spelling: str(file)}, directory=tmp_path)
    assert isinstance(loaded.settings.zeebe.credentials, OAuth)
    assert loaded.settings.zeebe.credentials.client_secret == " hush "
    assert source(loaded, "ZEEBE_CLIENT_SECRET") == ("***", f"environment {spelling}")


@for_each(
    [
        (None, "No such file or directory"),
        (b"", "this one is empty"),
        (b"\n", "this one is empty"),
        (b"\xff", "not UTF-8"),
    ]
)
def test_a_file_without_a_secret_is_one_problem(content: bytes | None, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    [problem] = refusal({"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET_FILE": str(file)}, tmp_path).problems
    assert problem.startswith(f"ZEEBE_CLIENT_SECRET_FILE: found '{file}'; accepted: the path of a readable")
    assert reason in problem


@for_each(
    [
        ({"ZEEBE_CLIENT_ID": "id"}, "ZEEBE_CLIENT_SECRET"),
        ({"ZEEBE_CLIENT_SECRET": "hush"}, "ZEEBE_CLIENT_ID"),
        ({"CAMUNDA_BASIC_AUTH_USERNAME": "user"}, "CAMUNDA_BASIC_AUTH_PASSWORD"),
        ({"CAMUNDA_BASIC_AUTH_PASSWORD": "hush"}, "CAMUNDA_BASIC_AUTH_USERNAME"),
        ({"CAMUNDA7_USER": "user"}, "CAMUNDA7_PASSWORD"),
        ({"CAMUNDA7_PASSWORD": "hush"}, "CAMUNDA7_USER"),
        ({"SIGNAL_ENGINE": "camunda7"}, "CAMUNDA7_REST_URL"),
    ]
)
def test_half_a_pair_is_refused(environ: dict[str, str], missing: str, tmp_path: Path) -> None:
    [problem] = refusal(environ, tmp_path).problems
    assert problem.startswith(f"{missing}: missing; accepted: ")
    assert "hush" not in problem


def test_basic_credentials_are_read_and_two_kinds_are_refused(tmp_path: Path) -> None:
    basic = {"CAMUNDA_BASIC_AUTH_USERNAME": "user", "CAMUNDA_BASIC_AUTH_PASSWORD": "hush"}
    assert load(basic, directory=tmp_path).settings.zeebe.credentials == Basic("user", "hush")
    assert refusal({**OAUTH, **basic}, tmp_path).problems == [
        "ZEEBE_CLIENT_ID and CAMUNDA_BASIC_AUTH_USERNAME: both are set; accepted: OAuth or Basic, not both"
    ]


def test_a_refused_value_is_not_reported_again_as_a_contradiction_but_a_near_miss_that_may_have_caused_it_is(
    tmp_path: Path,
) -> None:
    [problem] = refusal({"ZEEBE_CLIENT_ID": "a\nb", "ZEEBE_CLIENT_SECRET": "hush"}, tmp_path).problems
    assert problem.startswith("ZEEBE_CLIENT_ID: found ")
    error = refusal({"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRT": "hush"}, tmp_path)
    assert len(error.problems) == len(error.warnings) == 1
    assert "hush" not in f"{error.problems}{error.warnings}"


def test_secrets_are_masked_in_sources_and_problems(tmp_path: Path) -> None:
    engine, ledger = "https://user:hush@c7/engine-rest", "redis://user:hush@host/0"
    urls = {"AMQP_URL": "amqp://user:hush@host", "LEDGER": ledger, "CAMUNDA7_REST_URL": engine}
    loaded = load({**OAUTH, **urls}, directory=tmp_path)
    assert source(loaded, "AMQP_URL") == ("amqp://***@host", "environment")
    assert source(loaded, "LEDGER") == ("redis://***@host/0", "environment")
    assert source(loaded, "CAMUNDA7_REST_URL") == ("https://***@c7/engine-rest", "environment")
    assert source(loaded, "ZEEBE_CLIENT_SECRET") == ("***", "environment")
    assert "hush" not in str(loaded)
    urls = {"AMQP_URL": "http://user:hush@host", "LEDGER": "redis://:hush@host:x", "ZEEBE_ADDRESS": "user:hush@host"}
    urls |= {"CAMUNDA7_REST_URL": "ftp://user:hush@c7"}
    problems = refusal({**OAUTH, **urls, "ZEEBE_CLIENT_SECRET": "hush\x00"}, tmp_path).problems
    assert len(problems) == 5
    assert "hush" not in str(problems)


def test_every_variable_has_one_source_in_the_order_of_the_table(tmp_path: Path) -> None:
    loaded = load({"CONCURRENCY": "10"}, directory=tmp_path)
    assert [name for name, _, _ in loaded.sources] == [each.name for each in VARIABLES]
    assert source(loaded, "AMQP_PREFETCH") == ("20", "default")
    assert loaded.settings.amqp.prefetch == 20


def test_logs_are_text_on_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, log_format in ((True, "text"), (False, "json")):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        loaded = load({}, directory=tmp_path)
        assert (loaded.settings.log_format, source(loaded, "LOG_FORMAT")) == (log_format, (log_format, "default"))


@for_each(
    [
        ({"ZEEBE_TOKEN_SCOPE": "x"}, "ZEEBE_TOKEN_SCOPE: no effect without ZEEBE_CLIENT_ID"),
        ({**OAUTH, "ZEEBE_INSECURE_CONNECTION": "true"}, "credentials are sent to the gateway in plaintext"),
        ({"CAMUNDA7_USER": "user", "CAMUNDA7_PASSWORD": "hush"}, "CAMUNDA7_USER: no effect without CAMUNDA7_REST_URL"),
        ({"CAMUNDA7_REST_URL": "http://user:hush@c7"}, "credentials are sent to the Camunda 7 engine in plaintext"),
        ({"AMQP_PREFETCH": "1"}, "AMQP_PREFETCH: 1 is below CONCURRENCY (64)"),
    ]
)
def test_what_is_probably_not_meant_is_warned_about(environ: dict[str, str], warning: str, tmp_path: Path) -> None:
    [found] = load(environ, directory=tmp_path).warnings
    assert found.startswith(warning)


def test_certificates_without_tls_are_warned_about(tmp_path: Path) -> None:
    import trustme

    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    environ = {"AMQP_CA": str(file), "ZEEBE_CA_CERTIFICATE_PATH": str(file), "ZEEBE_ADDRESS": "grpc://a:1"}
    assert load(environ, directory=tmp_path).warnings == [
        "AMQP_CA: no effect, AMQP_URL asks for no TLS",
        "ZEEBE_CA_CERTIFICATE_PATH: no effect, the connection to the gateway is plaintext",
    ]


def test_a_dotenv_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"AMQP_URL=\xff\n")
    said = f"{tmp_path / '.env'}: cannot be read; accepted: lines of the form NAME=value in UTF-8"
    assert refusal({}, tmp_path).problems == [said]


def test_a_byte_order_mark_before_a_file_is_no_part_of_it(component: Path, tmp_path: Path) -> None:
    """Nobody sees one: a setting without effect, or a password that is refused."""
    (tmp_path / ".env").write_text(f"\ufeffCOMPONENT_FILE={component}\n")
    secret = tmp_path / "secret"
    secret.write_text("\ufeffhush\n")
    component.write_text("\ufeff" + component.read_text())
    loaded = load({"ZEEBE_CLIENT_SECRET_FILE": str(secret), "ZEEBE_CLIENT_ID": "id"}, directory=tmp_path)
    assert loaded.settings.zeebe.address == "component:1"
    assert isinstance(loaded.settings.zeebe.credentials, OAuth)
    assert loaded.settings.zeebe.credentials.client_secret == "hush"


def test_dotenv_is_looked_for_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CONCURRENCY=5\nALONE\n")
    monkeypatch.chdir(tmp_path)
    loaded = load({})
    assert loaded.settings.concurrency == 5
    assert loaded.notes == [f"{tmp_path / '.env'}: read"]


def test_dotenv_of_somebody_else_is_not_read_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CONCURRENCY=5\nAMQP_PREFETC=1\n")
    owner, me = os.geteuid(), os.geteuid() + 1
    monkeypatch.setattr(layers.os, "geteuid", lambda: me)
    loaded = load({}, directory=tmp_path)
    assert (loaded.settings.concurrency, loaded.notes) == (64, [])
    assert loaded.warnings == [f"{tmp_path / '.env'}: not read; it is user {owner}'s, and this is user {me}"]


def test_a_link_that_somebody_else_made_to_a_file_of_ours_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings").write_text("CONCURRENCY=5\n")
    (tmp_path / ".env").symlink_to(tmp_path / "settings")
    assert load({}, directory=tmp_path).settings.concurrency == 5
    stranger = os.geteuid() + 1
    monkeypatch.setattr(Path, "lstat", lambda _: os.stat_result([0, 0, 0, 0, stranger, 0, 0, 0, 0, 0]))
    loaded = load({}, directory=tmp_path)
    assert loaded.settings.concurrency == 64
    assert f"it is user {stranger}'s" in loaded.warnings[0]


def test_without_a_dotenv_file_nothing_is_said(tmp_path: Path) -> None:
    nothing = load({}, directory=tmp_path)
    (tmp_path / ".env").mkdir()
    for loaded in (nothing, load({}, directory=tmp_path)):
        assert (loaded.warnings, loaded.notes) == ([], [])


def test_an_empty_text_means_not_set_and_the_process_environment_is_not_read_behind_the_callers_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = load({}, directory=tmp_path)
    assert load(dict.fromkeys((each.name for each in VARIABLES), ""), directory=tmp_path) == nothing
    monkeypatch.setenv("CONCURRENCY", "5")
    assert load({}, directory=tmp_path) == nothing


@for_each(layers.NOT_YET)
def test_a_setting_that_this_version_cannot_honour_is_refused_not_ignored(name: str, tmp_path: Path) -> None:
    said = f"{name}: set, but this version cannot honour it; accepted: not set"
    assert refusal({name: "x"}, tmp_path).problems == [said]


def test_the_camunda_7_engine_has_the_time_of_requests_and_one_user_who_may_be_in_its_url(tmp_path: Path) -> None:
    url = {"CAMUNDA7_REST_URL": "https://us%40er:h%3Aush@c7/engine-rest"}
    found = load({**url, "ZEEBE_REQUEST_TIMEOUT": "3s"}, directory=tmp_path).settings.camunda7
    assert found == Camunda7("https://c7/engine-rest", request_timeout=3, credentials=Basic("us@er", "h:ush"))
    assert "h:ush" not in repr(found)
    assert refusal({**url, "CAMUNDA7_USER": "b", "CAMUNDA7_PASSWORD": "hush"}, tmp_path).problems == [
        "CAMUNDA7_USER: set, but CAMUNDA7_REST_URL names a user, too; accepted: one of the two"
    ]


def test_the_ledger_is_in_the_state_directory_unless_told_otherwise(tmp_path: Path) -> None:
    loaded = load({"STATE_DIR": "/var/lib/x"}, directory=tmp_path)
    assert loaded.settings.ledger == "sqlite:////var/lib/x/ledger.db"
    assert source(loaded, "LEDGER") == ("sqlite:////var/lib/x/ledger.db", "default")
