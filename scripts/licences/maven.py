"""Java libraries: the jars that were fetched, by their POMs in our folder of Maven and the parents of those."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache as once
from pathlib import Path
from xml.etree import ElementTree

from scripts import cache, callers, camunda7, maven, protocol, servers
from scripts.licences import terms
from scripts.licences.artefact import Artefact
from scripts.process import ServerError

FOLDERS: list[tuple[str, Callable[[], Path]]] = [
    ("servers", cache.in_memory_libraries),
    ("camunda7", lambda: camunda7.home() / "lib"),
    ("tools", lambda: callers.java_home() / "lib"),
    ("tools", lambda: callers.java_home(callers.SPRING) / "lib"),
]
"""Folders of jars, each after the target of make that fills it."""
ALONE = {
    protocol.ARTIFACT: "LicenseRef-Camunda-1.0",
    servers.COMPILER_ARTIFACT: "EPL-2.0",
    maven.PLUGIN: "Apache-2.0",
}
"""Those that are fetched alone, without their POMs, with what those say."""
UNSAID = {"net.jcip:jcip-annotations": "CC-BY-2.5"}
"""What says nothing in its POM; this is in its source."""


def artefacts() -> list[Artefact]:
    """Every library.

    Raises:
        ServerError: something has not been fetched; the text says by which target it is.
    """
    fetched = {artefact(pom(jar.stem)) for target, folder in FOLDERS for jar in jars(folder(), target)}
    return sorted(fetched | {alone(*each) for each in ALONE.items()}, key=lambda each: each.row)


def alone(artifact: str, licence: str) -> Artefact:
    """A library that is fetched by its name."""
    group, name, version, *_ = artifact.split(":")
    return Artefact(f"{group}:{name}", version, licence)


def jars(folder: Path, target: str) -> list[Path]:
    """The jars in a folder.

    Raises:
        ServerError: there are none.
    """
    if not (found := sorted(folder.glob("*.jar"))):
        raise ServerError(f"no libraries in {folder}: `make {target}` fetches them")
    return found


def pom(jar: str) -> str:
    """The path of the POM of a jar, from the name of its file, which may go on after the version with a classifier.

    Raises:
        ServerError: there is none, or there are several.
    """
    words = jar.split("-")
    names = ["-".join(words[:count]) for count in range(len(words), 0, -1)]
    found = next((known()[name] for name in names if name in known()), [])
    if len(found) != 1:
        raise ServerError(
            f"{jar}: expected one POM in {maven.repositories()}, found {len(found)}: remove {cache.folder()}"
        )
    return found[0]


@once
def files() -> dict[str, Path]:
    """All POMs that Maven has fetched for us, by their paths in a repository."""
    return {path: file for path, file in maven.artefacts().items() if path.endswith(".pom")}


@once
def known() -> dict[str, list[str]]:
    """The paths of all POMs, by name and version."""
    index = defaultdict(list)
    for path, file in files().items():
        index[file.stem].append(path)
    return dict(index)


def artefact(path: str) -> Artefact:
    """The library of a POM."""
    *group, name, version, _ = path.split("/")
    full = f"{'.'.join(group)}:{name}"
    return Artefact(full, version, terms.join(declared(path)) or UNSAID.get(full, ""))


def declared(path: str) -> list[str]:
    """The licences that a POM names, else those that its parent does."""
    # "{*}": POMs of old write no namespace.
    project = ElementTree.parse(files()[path]).getroot()
    licences = [text(each, "name") or text(each, "url") for each in project.findall("{*}licenses/{*}license")]
    if licences:
        return licences
    parent = project.find("{*}parent")
    if parent is None:
        return []
    group, name, version = (text(parent, each) for each in ("groupId", "artifactId", "version"))
    return declared("/".join((*group.split("."), name, version, f"{name}-{version}.pom")))


def text(element: ElementTree.Element, name: str) -> str:
    """The text of a part of an element; empty when there is none."""
    return " ".join((element.findtext(f"{{*}}{name}") or "").split())
