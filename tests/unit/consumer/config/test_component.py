"""Component files: every key, every rule of form, secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.config import ConfigurationError, Loaded, OAuth, component, load
from consumer.config.component import BROKER, COMMAND, ENVIRONMENT_STORE, FILE_STORE
from tests.cases import for_each
from tests.unit.consumer.config.documents import document, write

ADDRESS = {"gatewayAddr": "zeebe:26500"}
URL = "amqp://u:p@broker"
NOT_ONE = "it has {} components of type bindings.zeebe.command; accepted: one"
NO_COMPONENT = "a document is no component; accepted: apiVersion dapr.io/v1alpha1, kind Component"
NO_TYPE = "spec.type: missing; accepted: bindings.zeebe.command, bindings.rabbitmq"
NO_LIST = "spec.metadata: accepted: a list of entries with name and value"
MISSING = "gatewayAddr: missing; required by bindings.zeebe.command"
EMPTY = "gatewayAddr: empty; a value is required"
ITEM = {"name": "gatewayAddr", "value": "zeebe:26500"}
FILES = document(FILE_STORE, {"secretsFile": "secrets.json"}, name="files")
KEYS = st.sampled_from(["name", "value", "type", "version", "secretKeyRef", "key"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def command(**values: Any) -> dict[str, Any]:
    """The component of the gateway."""
    return document(COMMAND, {**ADDRESS, **values})


def read(folder: Path, *documents: object, **environ: str) -> Loaded:
    """What is loaded with a component file of these documents."""
    return load(environ, {"COMPONENT_FILE": str(write(folder, *documents))}, folder)


def problems(folder: Path, *documents: object) -> list[str]:
    """What is told of such a file, without its name."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, *documents)
    file = folder / "component.yaml"
    return [each.replace(f" in {file}: ", ": ").removeprefix(f"{file}: ") for each in caught.value.problems]


def documented() -> list[object]:
    """The component file on the page of the configuration."""
    page = Path(__file__).parents[4] / "docs" / "configuration.md"
    [text] = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return list(yaml.safe_load_all(text))


EXAMPLE = {
    **command(gatewayKeepAlive="45s", usePlainTextConnection=True, caCertificatePath="/path/to/ca-cert"),
    "metadata": {"name": "zeebe", "namespace": "default"},
}
"""The example of the binding's documentation, with an address in its place."""


def test_all_keys_of_the_command_binding_are_taken_in_any_case(tmp_path: Path) -> None:
    secrets = {"clientId": "id", "clientSecret": "hush", "authorizationServerUrl": "https://idp.example/token"}
    secrets |= {"tokenAudience": "audience", "tokenScope": "scope"}
    binding = command(GATEWAYKEEPALIVE="50s", usePlainTextConnection="true", direction="output", **secrets)
    zeebe = read(tmp_path, binding).settings.zeebe
    assert (zeebe.address, zeebe.keep_alive, zeebe.plaintext) == ("zeebe:26500", 50.0, True)
    assert zeebe.credentials == OAuth("id", "hush", "https://idp.example/token", "audience", "scope")


@for_each([[EXAMPLE], documented()])
def test_a_component_file_and_its_variables_say_the_same(documents: list[object], tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"zeebe": {"secret": "hush"}}))
    settings = read(tmp_path, *documents, RABBITMQ_URL=URL).settings
    if len(documents) > 1:
        assert settings.zeebe.credentials, "the page shows credentials, a broker and secrets"
        assert vars(settings.zeebe.credentials)["client_secret"] == "hush"
        assert (settings.amqp.urls, settings.amqp.prefetch) == ((URL,), 128)
    # The second component of the page names no store: its secret is in the environment.
    said = component.read(tmp_path / "component.yaml", {"RABBITMQ_URL": URL})
    assert not said.problems
    assert load(said.variables, directory=tmp_path).settings == settings


@for_each([(kind, key) for kind, keys in component.IGNORED.items() for key in keys])
def test_what_has_no_effect_is_warned_about(kind: str, key: str, tmp_path: Path) -> None:
    values = {COMMAND: ADDRESS, BROKER: {}}
    values[kind] = {**values[kind], key.upper(): "7"}
    [other, warning] = read(tmp_path, *(document(*each) for each in values.items()), document("state.redis")).warnings
    file = tmp_path / "component.yaml"
    assert other == f"{file}: a component of type state.redis is ignored"
    assert warning.startswith(f"{key.upper()} in {file}: no effect; ")


@for_each([
    *(
        ({"usePlainTextConnection": value}, True, 45)
        for value in ("y", "yes", "true", "t", "on", "1", "TRUE", True, 1)
    ),
    *(({"usePlainTextConnection": value}, False, 45) for value in ("no", "false", False, 0, "", None)),
    *(({"gatewayKeepAlive": value}, False, 45) for value in ("45s", 45, "PT45S", 0, "0s", "")),
    *(({"gatewayKeepAlive": value}, False, seconds) for value, seconds in (("60", 60), ("1m30s", 90))),
])  # fmt: skip
def test_yes_and_durations_are_the_binding_s(given: Any, plaintext: bool, seconds: int, tmp_path: Path) -> None:
    zeebe = read(tmp_path, command(**given)).settings.zeebe
    assert (zeebe.plaintext, zeebe.keep_alive) == (plaintext, seconds)


@for_each(["-1s", -45, "29s", 29, "soon", 45.5])
def test_keep_alive_that_is_negative_or_too_short_is_refused(value: object, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, command(gatewayKeepAlive=value))
    assert problem.startswith("gatewayKeepAlive: found ")
    assert "; accepted: a duration from 30s" in problem


def test_the_authority_of_the_gateway_is_checked_but_not_beside_plaintext(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, command(caCertificatePath="/nowhere.pem"))
    assert problem.startswith("caCertificatePath: found '/nowhere.pem'")
    loaded = read(tmp_path, command(usePlainTextConnection="true", caCertificatePath="/nowhere.pem"))
    [warning] = loaded.warnings
    assert loaded.settings.zeebe.ca_certificate_path is None
    assert warning.endswith("component.yaml: no effect, the connection to the gateway is plaintext")


@for_each([("7", 7), ("0", 128)])
def test_a_second_document_gives_the_broker(given: str, prefetch: int, tmp_path: Path) -> None:
    values = {**dict.fromkeys(component.IGNORED[BROKER], "false"), **dict.fromkeys(component.INSTEAD[BROKER], "null")}
    broker = document(BROKER, {**values, "host": URL, "queueName": "commands", "prefetchCount": given})
    amqp = read(tmp_path, command(), broker).settings.amqp
    assert (amqp.urls, amqp.queues, amqp.prefetch) == ((URL,), ("commands",), prefetch)


@for_each([
    ([], [NOT_ONE.format(0)]),
    ([command(), command()], [NOT_ONE.format(2)]),
    (["text"], [NO_COMPONENT, NOT_ONE.format(0)]),
    ([[1]], [NO_COMPONENT, NOT_ONE.format(0)]),
    ([{**command(), "apiVersion": "v1"}], [NO_COMPONENT, NOT_ONE.format(0)]),
    ([{**command(), "kind": "Configuration"}], [NO_COMPONENT, NOT_ONE.format(0)]),
    ([{**command(), "spec": None}], [NO_TYPE, NOT_ONE.format(0)]),
    ([{**command(), "spec": {"type": ["x"]}}], [NO_TYPE, NOT_ONE.format(0)]),
    ([{**command(), "spec": {"type": COMMAND, "version": "v2", "metadata": [ITEM]}}],
     ["spec.version of bindings.zeebe.command: found 'v2'; accepted: v1"]),
    ([document(COMMAND, "x")], [NO_LIST, MISSING]),
    ([document(COMMAND, [ITEM, {"value": "x"}])], [NO_LIST]),
    ([document(COMMAND, [ITEM, "x"])], [NO_LIST]),
    ([document(COMMAND, [])], [MISSING]),
    ([document(COMMAND, [{"name": "gatewayAddr"}])], [EMPTY]),
    ([command(gatewayAddr="")], [EMPTY]),
    ([command(gatewayAddr=["a"])], ["gatewayAddr: found a list; accepted: text"]),
    ([command(gatewayAddr={})], ["gatewayAddr: found a map; accepted: text"]),
])  # fmt: skip
def test_a_file_of_the_wrong_form_is_an_error(documents: list[object], expected: list[str], tmp_path: Path) -> None:
    assert problems(tmp_path, *documents) == expected


@for_each([
    (COMMAND, "gatewayAdr", "unknown key; did you mean gatewayAddr?"),
    (COMMAND, "durable", "unknown key; accepted: gatewayAddr, usePlainTextConnection"),
    (COMMAND, "xyz", "unknown key; accepted: gatewayAddr, usePlainTextConnection"),
    *((BROKER, key, f"PEM text is not accepted here; set {name} to the path of a PEM file")
      for key, name in component.INSTEAD[BROKER].items()),
])  # fmt: skip
def test_a_key_that_cannot_be_honoured_is_an_error(kind: str, key: str, expected: str, tmp_path: Path) -> None:
    values = {COMMAND: ADDRESS, BROKER: {}}
    values[kind] = {**values[kind], key: "-----BEGIN CERTIFICATE-----"}
    [problem] = problems(tmp_path, *(document(*each) for each in values.items()))
    assert problem.startswith(f"{key}: {expected}")


ODD = ("!!bool s3cret", "!!timestamp s3cret", "!!int +", "!!float _", '"\\UFFFFFFFF"', "[" * 2_000)
"""Values that the library takes for one of its types, and trips over."""


@for_each([(b"a: [", "no YAML, line 2"), (b"\xff", "no YAML in UTF-8"), (b"a: 2026-13-45", "no"),
           *((f"a: {odd}".encode(), "no YAML)") for odd in ODD)])  # fmt: skip
def test_a_file_that_is_no_yaml_is_an_error_without_its_content(content: bytes, reason: str, tmp_path: Path) -> None:
    (file := tmp_path / "component.yaml").write_bytes(content + b"\n")
    accepted = f"--component: found '{file}'; accepted: a readable YAML file of type bindings.zeebe.command ({reason}"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(accepted)}[^\n]*$"):
        load({}, {"COMPONENT_FILE": str(file)}, tmp_path)


def secret(reference: object, store: str) -> dict[str, Any]:
    """The component of the gateway, with a secret that is in a store."""
    binding = command(clientId="id", clientSecret={"secretKeyRef": reference})
    return {**binding, "auth": {"secretStore": store}} if store else binding


@for_each([
    *((store, {"S": "hush"}, {"name": "S", "key": "S"}) for store in ("", "local-env", "mine")),
    ("files", {"S": "hush"}, {"name": "S"}), ("files", {"S": {"key": "hush"}}, {"name": "S", "key": "key"}),
    ("files", {"S": "hush", "list": [1], "none": None}, {"name": "S", "key": "S"}),
    ("files", {"zeebe": {"secret": "hush"}}, {"name": "zeebe:secret"}),
])  # fmt: skip
def test_a_secret_is_taken_from_where_it_is(store: str, content: Any, reference: Any, tmp_path: Path) -> None:
    file = write(tmp_path, secret(reference, store), FILES, document(ENVIRONMENT_STORE, name="mine"))
    for mark in ("", "\ufeff"):
        (tmp_path / "secrets.json").write_text(mark + json.dumps(content if store == "files" else {}))
        read = component.read(file, {} if store == "files" else content)
        assert read.variables["ZEEBE_CLIENT_SECRET"] == "hush", mark


@for_each([
    ("", {"name": "ABSENT"}, "found secret 'ABSENT', which is not in the environment; accepted: one that is"),
    ("vault", {"name": "X"}, "found secret store 'vault'; accepted: one of this file, files, broken"),
    ("files", {"name": "X"}, "found secret 'X', which is not in the secrets file; accepted: one that is"),
    ("broken", {"name": "X"}, "found secretsFile ''; accepted: a readable JSON file"),
    ("", "X", "secretKeyRef; accepted: a map with name and key"),
    ("", {"key": "X"}, "secretKeyRef; accepted: a map with name and key"),
])  # fmt: skip
def test_a_secret_that_cannot_be_found_is_an_error(store: str, reference: Any, expected: str, tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{}")
    documents = secret(reference, store), FILES, document(FILE_STORE, name="broken")
    assert problems(tmp_path, *documents) == [f"clientSecret: {expected}"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=JSON, spec=JSON, auth=JSON)
def test_a_component_ends_in_variables_or_problems(metadata: Any, spec: Any, auth: Any, tmp_path: Path) -> None:
    base = {"apiVersion": component.API_VERSION, "kind": "Component", "metadata": metadata, "auth": auth}
    specs = {"type": COMMAND, "metadata": spec}, {"type": FILE_STORE, "metadata": metadata}, spec
    found = component.read(write(tmp_path, *({**base, "spec": each} for each in specs)), {})
    assert set(found.keys) == set(found.variables)
    assert found.problems
