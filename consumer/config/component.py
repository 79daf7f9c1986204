"""Component files: the YAML of the Zeebe command binding (and of the RabbitMQ binding beside it) as variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from consumer.config.variables import BROKER as OF_BROKER
from consumer.config.variables import GATEWAY, VARIABLES

__all__ = [
    "API_VERSION",
    "BROKER",
    "COMMAND",
    "ENVIRONMENT_STORE",
    "FILE_STORE",
    "IGNORED",
    "INSTEAD",
    "IN_MEMORY",
    "KEYS",
    "Component",
    "Resolve",
    "read",
]

API_VERSION: Final = "dapr.io/v1alpha1"
COMMAND: Final = "bindings.zeebe.command"
BROKER: Final = "bindings.rabbitmq"
ENVIRONMENT_STORE: Final = "secretstores.local.env"
FILE_STORE: Final = "secretstores.local.file"

KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    COMMAND: {each.key: each.name for each in VARIABLES if each.key and each.group == GATEWAY},
    BROKER: {each.key: each.name for each in VARIABLES if each.key and each.group == OF_BROKER},
}
"""Per type of component: its metadata keys and the variables they set."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {COMMAND: ("gatewayAddr",), BROKER: ()}

INSTEAD: Final[Mapping[str, Mapping[str, str]]] = {
    COMMAND: {},
    BROKER: {"caCert": "AMQP_CA", "clientCert": "AMQP_CERT", "clientKey": "AMQP_KEY"},
}
"""Keys that hold PEM text, and the variables that take a file instead."""

IN_MEMORY: Final = "tokens are kept in memory only"
"""Why a file for tokens has no meaning here."""
_OWN: Final = "queues, replies and reconnecting are the service's own"

IGNORED: Final[Mapping[str, Mapping[str, str]]] = {
    COMMAND: {"direction": _OWN, "clientConfigPath": IN_MEMORY},
    BROKER: dict.fromkeys(
        (
            "clientName",
            "contentType",
            "deleteWhenUnused",
            "direction",
            "durable",
            "exclusive",
            "externalSasl",
            "maxPriority",
            "publishMessagePropertiesToMetadata",
            "reconnectWaitInSeconds",
            "route",
            "saslExternal",
            "ttlInSeconds",
        ),
        _OWN,
    ),
}
"""Keys of the bindings that have no meaning here, and why not."""

UNSAID: Final = frozenset({"", "null", "false", "0", "input", "output", "input, output"})
"""Values of such keys that ask for nothing."""

Resolve: TypeAlias = Callable[[str, Mapping[str, Any]], str]
"""(name of the store, secretKeyRef) -> the secret; ValueError says why there is none."""


@dataclass
class Component:
    """What a component file says."""

    variables: dict[str, str] = field(default_factory=dict)
    """Texts by variable name."""
    keys: dict[str, str] = field(default_factory=dict)
    """The metadata key that each variable was written under, as it was written."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """The key as it was written, "" for the file as a whole, and what is wrong with it."""
    warnings: list[tuple[str, str]] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Variables that were written there, and of which it gives no text."""


def read(path: Path, environ: Mapping[str, str]) -> Component:
    """Read the component file at `path`; secrets come from `environ` or the stores that the file describes.

    Raises:
        ValueError: it cannot be read; the text says what is accepted.
    """
    import yaml  # most installations have no such file

    component = Component()
    try:
        documents = [each for each in yaml.safe_load_all(path.read_text("utf-8-sig")) if each is not None]
    except Exception as error:  # the library raises whatever it trips over, and some of that quotes the file
        raise ValueError(f"a readable YAML file of type {COMMAND} ({_reason(error)})") from None
    known = [each for each in documents if _is_known(each, component)]
    stores = [each for each in known if _type(each).startswith("secretstores.")]
    resolve = _resolver(stores, environ, path.parent)
    for kind in KEYS:
        found = [each for each in known if _type(each) == kind]
        if len(found) > 1 or (kind == COMMAND and not found):
            component.problems.append(("", f"it has {len(found)} components of type {kind}; accepted: one"))
        for document in found:
            _take(document, kind, resolve, component)
    return component


def _reason(error: Exception) -> str:
    """Why reading failed, in one line and without quoting the file: it may hold secrets."""
    if isinstance(error, OSError):
        return error.strerror or "unknown"
    mark = getattr(error, "problem_mark", None)
    if mark:
        return f"no YAML, line {mark.line + 1}"
    return "no YAML in UTF-8" if isinstance(error, UnicodeError) else "no YAML"


def _type(document: Mapping[str, Any]) -> str:
    return str(document["spec"]["type"])


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    return _word(metadata.get("name")) if isinstance(metadata, dict) else ""


def _is_known(document: object, component: Component) -> bool:
    """Whether the document is a component of ours; says so when it is not."""
    form = {"apiVersion": API_VERSION, "kind": "Component"}
    if not isinstance(document, dict) or not form.items() <= document.items():
        component.problems.append(
            ("", f"a document is no component; accepted: apiVersion {API_VERSION}, kind Component")
        )
        return False
    spec = document.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("type"), str):
        component.problems.append(("", f"spec.type: missing; accepted: {', '.join(KEYS)}"))
        return False
    if spec["type"] not in {*KEYS, ENVIRONMENT_STORE, FILE_STORE}:
        component.warnings.append(("", f"a component of type {spec['type']} is ignored"))
        return False
    if spec.get("version", "v1") != "v1":
        component.problems.append(
            ("", f"spec.version of {spec['type']}: found {_word(spec['version'])!r}; accepted: v1")
        )
    return True


def _take(document: Mapping[str, Any], kind: str, resolve: Resolve, component: Component) -> None:
    """Add the metadata of one component to the variables."""
    spelled = {key.lower(): key for key in (*KEYS[kind], *IGNORED[kind], *INSTEAD[kind])}
    auth = document.get("auth")
    store = _word(auth.get("secretStore")) if isinstance(auth, dict) else ""
    given = set()
    for item in _items(document, component):
        # The binding's own decoder does not look at the case of a key.
        key = spelled.get(item["name"].lower(), item["name"])
        given.add(key)
        try:
            text = resolve(store, item["secretKeyRef"]) if "secretKeyRef" in item else _scalar(item.get("value"))
            _set(key, item["name"], text, kind, component)
        except ValueError as error:
            component.problems.append((item["name"], str(error)))
            component.unread |= {KEYS[kind][key]} if key in KEYS[kind] else set()
    component.problems += [(key, f"missing; required by {kind}") for key in REQUIRED[kind] if key not in given]


def _items(document: Mapping[str, Any], component: Component) -> Iterable[Mapping[str, Any]]:
    """The entries of spec.metadata that have the right form."""
    metadata = document["spec"].get("metadata") or []
    items = metadata if isinstance(metadata, list) else [metadata]
    good = [item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)]
    if len(good) < len(items):
        component.problems.append(("", "spec.metadata: accepted: a list of entries with name and value"))
    return good


def _scalar(value: object) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"found a {'map' if isinstance(value, dict) else 'list'}; accepted: text")
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _word(value: object) -> str:
    """The same for a name; "" for what is none: a few lines with aliases can be lists of gigabytes."""
    try:
        return _scalar(value)
    except ValueError:
        return ""


def _set(key: str, written: str, text: str, kind: str, component: Component) -> None:
    """Set the variable of `key`, which stands there as `written`; ValueError when it cannot be honoured."""
    # The binding's documentation shows "null" where there is no certificate.
    if key in INSTEAD[kind] and text in {"", "null"}:
        return
    if key in IGNORED[kind]:
        if text.lower() not in UNSAID:
            component.warnings.append((written, f"no effect; {IGNORED[kind][key]}"))
        return
    if key in INSTEAD[kind]:
        raise ValueError(f"PEM text is not accepted here; set {INSTEAD[kind][key]} to the path of a PEM file")
    if key not in KEYS[kind]:
        near = get_close_matches(key, KEYS[kind], n=1)
        raise ValueError(f"unknown key; {f'did you mean {near[0]}?' if near else 'accepted: ' + ', '.join(KEYS[kind])}")
    if text := _translated(key, text):
        component.variables[KEYS[kind][key]] = text
        component.keys[KEYS[kind][key]] = written
    elif key in REQUIRED[kind]:
        raise ValueError("empty; a value is required")


def _translated(key: str, text: str) -> str:
    """The text as our variable takes it; empty for "not given"."""
    if key == "gatewayKeepAlive" and text.lstrip("+").isdecimal():
        return f"{int(text)}s" if int(text) else ""
    # Both say "no limit of mine" in the bindings.
    return "" if (key, text) in {("prefetchCount", "0"), ("gatewayKeepAlive", "0s")} else text


def _resolver(stores: list[dict[str, Any]], environ: Mapping[str, str], folder: Path) -> Resolve:
    """How secrets are found: in the environment, or in the JSON file of a described store."""
    named = {_name(each): each for each in stores}

    def resolve(store: str, reference: Mapping[str, Any]) -> str:
        if not isinstance(reference, dict) or not isinstance(reference.get("name"), str):
            raise ValueError("secretKeyRef; accepted: a map with name and key")
        name, key = reference["name"], _word(reference.get("key")) or reference["name"]
        document = named.get(store)
        if document is None and store not in {"", "local-env", "env"}:
            raise ValueError(f"found secret store {store!r}; accepted: one of this file, {', '.join(named) or 'none'}")
        secrets = _secrets(document, folder) if document and _type(document) == FILE_STORE else environ
        secret = secrets.get(name) or secrets.get(f"{name}:{key}")
        if not secret:
            place = "environment" if secrets is environ else "secrets file"
            raise ValueError(f"found secret {name!r}, which is not in the {place}; accepted: one that is")
        return secret

    return resolve


def _secrets(document: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
    """The secrets of a file store, nested names joined by colons."""
    metadata = {item["name"]: _scalar(item.get("value")) for item in _items(document, Component())}
    try:
        content = json.loads((folder / metadata.get("secretsFile", "")).read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"found secretsFile {metadata.get('secretsFile', '')!r}; accepted: a readable JSON file"
        ) from error
    return dict(_flat(content, ""))


def _flat(value: object, name: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, nested in value.items():
            yield from _flat(nested, f"{name}:{key}" if name else str(key))
    elif not isinstance(value, list) and value is not None:
        yield name, str(value)
