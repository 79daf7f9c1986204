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

from consumer.config import ConfigurationError, Loaded, OAuth, Settings, component, load
from tests.cases import for_each

ADDRESS = {"name": "gatewayAddr", "value": "zeebe:26500"}


def document(kind: str = component.COMMAND, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": more.pop("name", "zeebe")},
        "spec": {"type": kind, "version": "v1", "metadata": list(items)},
        **more,
    }


def write(folder: Path, *documents: object) -> Path:
    file = folder / "component.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return file


def read(file: Path, environ: dict[str, str] | None = None) -> Loaded:
    return load(environ or {}, {"COMPONENT_FILE": str(file)}, file.parent)


def loaded(folder: Path, *items: dict[str, Any], environ: dict[str, str] | None = None) -> Settings:
    return read(write(folder, document(component.COMMAND, ADDRESS, *items)), environ).settings


def problems(folder: Path, *documents: object, environ: dict[str, str] | None = None) -> list[str]:
    file = write(folder, *documents)
    with pytest.raises(ConfigurationError) as caught:
        read(file, environ)
    return [each.replace(f" in {file}: ", ": ").removeprefix(f"{file}: ") for each in caught.value.problems]


def test_all_keys_of_the_command_binding_are_taken_in_any_case(tmp_path: Path) -> None:
    texts = {
        "GATEWAYKEEPALIVE": "50s",
        "usePlainTextConnection": "true",
        "clientId": "id",
        "clientSecret": "hush",
        "authorizationServerUrl": "https://idp.example/token",
        "tokenAudience": "audience",
        "tokenScope": "scope",
        "direction": "output",
    }
    zeebe = loaded(tmp_path, *({"name": name, "value": text} for name, text in texts.items())).zeebe
    assert (zeebe.address, zeebe.keep_alive, zeebe.plaintext) == ("zeebe:26500", 50.0, True)
    assert zeebe.credentials == OAuth("id", "hush", "https://idp.example/token", "audience", "scope")


EXAMPLE = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: zeebe
  namespace: default
spec:
  type: bindings.zeebe.command
  version: v1
  metadata:
  - name: gatewayAddr
    value: zeebe:26500
  - name: gatewayKeepAlive
    value: 45s
  - name: usePlainTextConnection
    value: true
  - name: caCertificatePath
    value: /path/to/ca-cert
"""
"""The example of the binding's documentation, with an address in its place."""


def documented() -> str:
    """The component file on the page of the configuration."""
    page = Path(__file__).parents[4] / "docs" / "configuration.md"
    [text] = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return str(text)


@for_each([EXAMPLE, documented()])
def test_a_component_file_and_its_variables_say_the_same(text: str, tmp_path: Path) -> None:
    file = tmp_path / "component.yaml"
    file.write_text(text)
    secrets = {"zeebe": {"secret": "hush"}, "RABBITMQ_URL": "amqp://u:p@broker"}
    (tmp_path / "secrets.json").write_text(json.dumps(secrets))
    # The second component names no store: its secret is in the environment.
    environ = {"RABBITMQ_URL": "amqp://u:p@broker"}
    said = component.read(file, environ)
    assert not said.problems
    again = tmp_path / "again.yaml"
    items = [{"name": said.keys[name], "value": each} for name, each in said.variables.items()]
    kinds = {kind: [item for item in items if item["name"] in keys] for kind, keys in component.KEYS.items()}
    again.write_text(yaml.safe_dump_all([document(kind, *each) for kind, each in kinds.items() if each]))
    settings = read(file, environ).settings
    assert read(again).settings == settings
    assert load(said.variables, directory=tmp_path).settings == settings


def test_the_example_of_the_binding_is_taken_and_the_page_shows_credentials_a_broker_and_secrets(
    tmp_path: Path,
) -> None:
    file = tmp_path / "component.yaml"
    file.write_text(EXAMPLE)
    zeebe = read(file).settings.zeebe
    assert (zeebe.address, zeebe.keep_alive, zeebe.plaintext) == ("zeebe:26500", 45.0, True)
    file.write_text(documented())
    (tmp_path / "secrets.json").write_text(json.dumps({"zeebe": {"secret": "hush"}}))
    settings = read(file, {"RABBITMQ_URL": "amqp://u:p@broker"}).settings
    assert isinstance(settings.zeebe.credentials, OAuth)
    assert settings.zeebe.credentials.client_secret == "hush"
    assert (settings.amqp.urls, settings.amqp.prefetch) == (("amqp://u:p@broker",), 128)


@for_each([(kind, key) for kind, keys in component.IGNORED.items() for key in keys])
def test_a_key_without_effect_and_a_component_of_another_type_are_warned_about(
    kind: str, key: str, tmp_path: Path
) -> None:
    items = {component.COMMAND: [ADDRESS], component.BROKER: []}
    items[kind].append({"name": key.upper(), "value": "7"})
    file = write(tmp_path, *(document(name, *each) for name, each in items.items()), document("state.redis"))
    [other, warning] = read(file).warnings
    assert other == f"{file}: a component of type state.redis is ignored"
    assert warning.startswith(f"{key.upper()} in {file}: no effect; ")


def test_every_key_sets_a_variable_of_its_own() -> None:
    targets = [variable for keys in component.KEYS.values() for variable in keys.values()]
    assert len(set(targets)) == len(targets)


@for_each(
    [
        *((value, True) for value in ("y", "yes", "true", "t", "on", "1", "TRUE", True, 1)),
        *((value, False) for value in ("no", "false", False, 0, "", None)),
    ]
)
def test_plaintext_is_asked_for_in_the_words_of_the_binding_and_not_used_otherwise(
    value: object, used: bool, tmp_path: Path
) -> None:
    assert loaded(tmp_path, {"name": "usePlainTextConnection", "value": value}).zeebe.plaintext is used


@for_each([("45s", 45), (45, 45), ("60", 60), ("1m30s", 90), ("PT45S", 45), (0, 45), ("0s", 45), ("", 45)])
def test_keep_alive_is_a_duration_or_whole_seconds(value: object, seconds: float, tmp_path: Path) -> None:
    assert loaded(tmp_path, {"name": "gatewayKeepAlive", "value": value}).zeebe.keep_alive == seconds


@for_each(["-1s", -45, "29s", 29, "soon", 45.5])
def test_keep_alive_that_is_negative_or_too_short_is_refused(value: object, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, document(component.COMMAND, ADDRESS, {"name": "gatewayKeepAlive", "value": value}))
    assert problem.startswith("gatewayKeepAlive: found ")
    assert "; accepted: a duration from 30s" in problem


def test_the_authority_of_the_gateway_is_checked_but_beside_plaintext_need_not_exist(tmp_path: Path) -> None:
    authority = {"name": "caCertificatePath", "value": "/nowhere.pem"}
    [problem] = problems(tmp_path, document(component.COMMAND, ADDRESS, authority))
    assert problem.startswith("caCertificatePath: found '/nowhere.pem'")
    plaintext = {"name": "usePlainTextConnection", "value": "true"}
    file = write(tmp_path, document(component.COMMAND, ADDRESS, plaintext, authority))
    loaded = read(file)
    assert loaded.settings.zeebe.ca_certificate_path is None
    assert loaded.warnings == [f"caCertificatePath in {file}: no effect, the connection to the gateway is plaintext"]


def test_a_second_document_gives_the_broker(tmp_path: Path) -> None:
    items = [{"name": "host", "value": "amqp://u:p@broker"}, {"name": "queueName", "value": "commands"}]
    items += [{"name": "prefetchCount", "value": "7"}, {"name": "durable", "value": "true"}]
    file = write(tmp_path, document(component.COMMAND, ADDRESS), document(component.BROKER, *items))
    amqp = read(file, {"CONCURRENCY": "1"}).settings.amqp
    assert (amqp.urls, amqp.queues, amqp.prefetch) == (("amqp://u:p@broker",), ("commands",), 7)


def test_the_example_of_the_brokers_binding_is_accepted(tmp_path: Path) -> None:
    items = [{"name": name, "value": "false"} for name in sorted(component.IGNORED[component.BROKER])]
    items += [{"name": name, "value": "null"} for name in component.INSTEAD[component.BROKER]]
    items += [{"name": "host", "value": "amqp://broker"}, {"name": "prefetchCount", "value": "0"}]
    file = write(tmp_path, document(component.COMMAND, ADDRESS), document(component.BROKER, *items))
    assert read(file).settings.amqp.prefetch == 128


@for_each(component.INSTEAD[component.BROKER].items())
def test_certificates_as_text_are_refused_with_the_variable_to_use(key: str, variable: str, tmp_path: Path) -> None:
    broker = document(component.BROKER, {"name": key, "value": "-----BEGIN CERTIFICATE-----"})
    [problem] = problems(tmp_path, document(component.COMMAND, ADDRESS), broker)
    assert problem == f"{key}: PEM text is not accepted here; set {variable} to the path of a PEM file"


@for_each(
    [
        ("gatewayAdr", "gatewayAdr: unknown key; did you mean gatewayAddr?"),
        ("durable", "durable: unknown key; accepted: gatewayAddr, usePlainTextConnection"),
        ("xyz", "xyz: unknown key; accepted: gatewayAddr, usePlainTextConnection"),
    ]
)
def test_an_unknown_key_is_an_error(key: str, expected: str, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, document(component.COMMAND, ADDRESS, {"name": key, "value": "x"}))
    assert problem.startswith(expected)


@for_each(
    [
        ([], "gatewayAddr: missing; required by bindings.zeebe.command"),
        ([{"name": "gatewayAddr", "value": ""}], "gatewayAddr: empty; a value is required"),
        ([{"name": "gatewayAddr"}], "gatewayAddr: empty; a value is required"),
        ([{"name": "gatewayAddr", "value": ["a"]}], "gatewayAddr: found a list; accepted: text"),
        ([{"name": "gatewayAddr", "value": {}}], "gatewayAddr: found a map; accepted: text"),
        ([ADDRESS, {"value": "x"}], "spec.metadata: accepted: a list of entries with name and value"),
        ([ADDRESS, "x"], "spec.metadata: accepted: a list of entries with name and value"),
    ]
)
def test_metadata_of_the_wrong_form_is_an_error(items: list[Any], expected: str, tmp_path: Path) -> None:
    assert problems(tmp_path, document(component.COMMAND, *items)) == [expected]


@for_each([
    ({"apiVersion": "v1"}, "a document is no component; accepted: apiVersion dapr.io/v1alpha1, kind Component"),
    ({"kind": "Configuration"}, "a document is no component; accepted: apiVersion"),
    ({"spec": None}, "spec.type: missing; accepted: bindings.zeebe.command"),
    ({"spec": {"type": ["x"]}}, "spec.type: missing; accepted: bindings.zeebe.command"),
    ({"spec": {"type": component.COMMAND, "version": "v2", "metadata": [ADDRESS]}},
     "spec.version of bindings.zeebe.command: found 'v2'; accepted: v1"),
    ({"spec": {"type": component.COMMAND, "metadata": "x"}}, "spec.metadata: accepted: a list"),
])  # fmt: skip
def test_a_document_of_the_wrong_form_is_an_error(change: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert problems(tmp_path, {**document(component.COMMAND, ADDRESS), **change})[0].startswith(expected)


def test_a_file_without_the_command_binding_or_with_two_is_an_error(tmp_path: Path) -> None:
    documents: list[object]
    for documents in ([], ["text"], [[1]]):
        found = problems(tmp_path, *documents)
        assert "it has 0 components of type bindings.zeebe.command; accepted: one" in found, documents
    one = document(component.COMMAND, ADDRESS)
    assert problems(tmp_path, one, one) == ["it has 2 components of type bindings.zeebe.command; accepted: one"]


@for_each([(b"a: [", "no YAML, line 2"), (b"\xff", "no YAML"), (b"a: 2026-13-45", "no")])
def test_a_file_that_is_no_yaml_is_an_error_without_its_content(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "component.yaml"
    file.write_bytes(content + b"\n")
    with pytest.raises(ConfigurationError) as caught:
        read(file)
    [problem] = caught.value.problems
    accepted = f"--component: found '{file}'; accepted: a readable YAML file of type bindings.zeebe.command ({reason}"
    assert problem.startswith(accepted)


def secret(name: str = "ZEEBE_SECRET", **more: str) -> list[dict[str, Any]]:
    reference = {"name": "clientSecret", "secretKeyRef": {"name": name, **more}}
    return [ADDRESS, {"name": "clientId", "value": "id"}, reference]


def found_secret(folder: Path, *documents: object, environ: dict[str, str] | None = None) -> str:
    credentials = read(write(folder, *documents), environ).settings.zeebe.credentials
    assert isinstance(credentials, OAuth)
    return credentials.client_secret


@for_each([None, "local-env", "mine"])
def test_a_secret_is_taken_from_the_environment(store: str | None, tmp_path: Path) -> None:
    more = {"auth": {"secretStore": store}} if store else {}
    documents = [document(component.COMMAND, *secret(key="ZEEBE_SECRET"), **more)]
    documents.append(document(component.ENVIRONMENT_STORE, name="mine"))
    assert found_secret(tmp_path, *documents, environ={"ZEEBE_SECRET": "hush"}) == "hush"


@for_each(
    [
        ({"ZEEBE_SECRET": "hush"}, {}),
        ({"ZEEBE_SECRET": {"key": "hush"}}, {"key": "key"}),
        ({"zeebe": {"secret": "hush"}}, {"name": "zeebe:secret"}),
        ({"ZEEBE_SECRET": "hush", "list": [1], "none": None}, {"key": "ZEEBE_SECRET"}),
    ]
)
def test_a_secret_is_taken_from_a_file_beside_the_component_also_after_a_byte_order_mark(
    content: object, reference: dict[str, str], tmp_path: Path
) -> None:
    store = document(component.FILE_STORE, {"name": "secretsFile", "value": "secrets.json"}, name="files")
    keys = secret(**{"name": "ZEEBE_SECRET", **reference})
    binding = document(component.COMMAND, *keys, auth={"secretStore": "files"})
    for mark in ("", "\ufeff"):
        (tmp_path / "secrets.json").write_text(mark + json.dumps(content))
        assert found_secret(tmp_path, binding, store) == "hush", mark


@for_each(
    [
        (
            "",
            {"name": "ABSENT"},
            "clientSecret: found secret 'ABSENT', which is not in the environment; accepted: one that is",
        ),
        ("vault", {"name": "X"}, "clientSecret: found secret store 'vault'; accepted: one of this file, files, broken"),
        (
            "files",
            {"name": "X"},
            "clientSecret: found secret 'X', which is not in the secrets file; accepted: one that is",
        ),
        ("broken", {"name": "X"}, "clientSecret: found secretsFile ''; accepted: a readable JSON file"),
        ("", "X", "clientSecret: secretKeyRef; accepted: a map with name and key"),
        ("", {"key": "X"}, "clientSecret: secretKeyRef; accepted: a map with name and key"),
    ]
)
def test_a_secret_that_cannot_be_found_is_an_error(store: str, reference: Any, expected: str, tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{}")
    item = {"name": "clientSecret", "secretKeyRef": reference}
    client = {"name": "clientId", "value": "id"}
    stores = [
        document(component.FILE_STORE, {"name": "secretsFile", "value": "secrets.json"}, name="files"),
        document(component.FILE_STORE, name="broken"),
    ]
    binding = document(component.COMMAND, ADDRESS, client, item, auth={"secretStore": store})
    assert problems(tmp_path, binding, *stores) == [expected]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "value", "type", "version", "secretKeyRef", "key"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=JSON, spec=JSON, auth=JSON)
def test_no_component_ends_in_anything_but_variables_or_problems(
    metadata: Any, spec: Any, auth: Any, tmp_path: Path
) -> None:
    body = {"type": component.COMMAND, "metadata": spec}
    store = {"type": component.FILE_STORE, "metadata": metadata}
    base = {"apiVersion": component.API_VERSION, "kind": "Component", "metadata": metadata, "auth": auth}
    file = write(tmp_path, {**base, "spec": body}, {**base, "spec": store}, {**base, "spec": spec})
    found = component.read(file, {})
    assert set(found.keys) == set(found.variables)
    assert found.problems
