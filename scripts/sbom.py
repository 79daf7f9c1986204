"""What each package needs, as CycloneDX lists in build/sbom, and the licences of it all beside them: `make sbom`.

The same lock files give the same bytes: a list's serial number is made from what it lists, and it has a time only if
`SOURCE_DATE_EPOCH` gives one. It describes what the image gets, whatever machine writes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import distribution
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import orjson
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import dist, environment
from scripts.licences import python, system, terms
from scripts.licences.artefact import Artefact, table
from scripts.locks import IMAGE, Locked, locked
from scripts.process import ServerError

TARGET = environment.ROOT / "build" / "sbom"


class Package(NamedTuple):
    """A package of ours."""

    name: str
    lock: str
    """The lock file with the versions of what it needs."""
    extras: frozenset[str] = frozenset()


CLIENT = Package("zeebe-amqp", "dev", frozenset({"asyncapi", "cli", "client", "testing"}))
SERVICE = Package("zeebe-amqp-consumer", "run")
PACKAGES = (CLIENT, SERVICE)


def graph(name: str, extras: frozenset[str] = frozenset()) -> dict[str, set[str]]:
    """What a package needs, itself and those in turn: for each name, the names that it needs directly."""
    found: dict[str, set[str]] = {}
    waiting, seen = [(name, extras)], set()
    while waiting:
        if (each := waiting.pop()) in seen:
            continue
        seen.add(each)
        needed = needs(*each)
        found.setdefault(each[0], set()).update({other for other, _ in needed} - {each[0]})
        waiting += needed
    return found


def needs(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """The names that an installed package with these extras asks for, with the extras that it asks of them."""
    wanted = [Requirement(line) for line in distribution(name).requires or ()]
    environments = [{**IMAGE, "extra": extra} for extra in ("", *extras)]
    return [
        (canonicalize_name(each.name), frozenset(each.extras))
        for each in wanted
        if not each.marker or any(each.marker.evaluate(environment) for environment in environments)
    ]


def bill(package: Package) -> str:
    """The list of what a package needs, in JSON.

    Raises:
        ServerError: something that it needs is not locked, or not installed in the locked version.
    """
    needed, required = graph(package.name, package.extras), graph(package.name)
    entries = {each.name: each for each in locked(package.lock)}
    components = {name: component(name, entries.get(name), optional=name not in required) for name in needed}
    root = components.pop(package.name)
    root.type, root.scope = ComponentType.APPLICATION if package is SERVICE else ComponentType.LIBRARY, None
    bom = Bom(components=components.values(), metadata=BomMetaData(component=root))
    for name, others in needed.items():
        bom.register_dependency(components.get(name, root), [components[other] for other in others])
    return written(bom)


def component(name: str, entry: Locked | None, *, optional: bool) -> Component:
    """An entry of the list; ours have no hash in it.

    Raises:
        ServerError: it is not locked, or not installed in the locked version.
    """
    if name in {package.name for package in PACKAGES}:
        entry = Locked(name, dist.version())
    if entry is None:
        raise ServerError(f"{name} is needed and not locked: make lock")
    installed = distribution(name)
    if installed.version != entry.version:
        raise ServerError(f"{name} {installed.version} is installed, expected {entry.version}: make venv")
    licences = terms.join(python.declared(installed)).split(", ")
    purl = PackageURL("pypi", name=name, version=entry.version)
    return Component(
        name=name,
        version=entry.version,
        bom_ref=str(purl),
        purl=purl,
        scope=ComponentScope.OPTIONAL if optional else ComponentScope.REQUIRED,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in entry.hashes],
        licenses=[LicenseFactory().make_from_string(each) for each in licences],
    )


def written(bom: Bom) -> str:
    """A list as JSON, always the same for the same list."""
    document: dict[str, Any] = orjson.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    document["serialNumber"] = uuid5(NAMESPACE_URL, orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()).urn
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        document["metadata"]["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode() + "\n"


def shipped() -> Iterable[Artefact]:
    """Everything that ships, with its licence."""
    return (each for kind in (python, system) for each in kind.artefacts() if each.ships)


def main() -> int:
    """Write everything; the exit status."""
    TARGET.mkdir(parents=True, exist_ok=True)
    try:
        texts = {f"{package.name}.cdx.json": bill(package) for package in PACKAGES}
    except ServerError as problem:
        print(f"make sbom: {problem}", file=sys.stderr)
        return 1
    for name, text in {**texts, "licences.md": table(shipped())}.items():
        (TARGET / name).write_text(text)
        print(TARGET / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
