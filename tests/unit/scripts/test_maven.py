"""What Maven fetches is what is locked, every file of it, or nothing comes of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

import pytest

from scripts import cache, maven, maven_lock, servers
from scripts.process import ServerError
from tests.cases import for_each

GOOD, EVIL = b"good", b"evil"
PLUGIN, ITS_NEED, JAR, POM = "org/p/1/p-1.jar", "org/q/1/q-1.jar", "a/b/1/b-1.jar", "a/b/1/b-1.pom"
LOCKED = PLUGIN, ITS_NEED, JAR, POM
NOTES = {"a/b/1/b-1.jar.sha1": b"x", "a/b/1/_remote.repositories": b"x"}
MAVEN = """\
#!/usr/bin/env python3
import sys
from pathlib import Path
given = dict(each[2:].split("=", 1) for each in sys.argv if each.startswith("-D") and "=" in each)
[goal] = [each.rpartition(":")[2] for each in sys.argv if each.startswith("org.apache.maven.plugins:")]
assert "-C" in sys.argv
for path, content in {files!r}.get(goal, {plugin!r}).items():
    file = Path(given["maven.repo.local"], path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
if goal == "copy":
    Path(given["outputDirectory"], "b-1.jar").write_bytes({copied!r})
elif goal != "help":
    sys.exit(f"[ERROR] Could not find goal '{{goal}}' in plugin p")
with Path(__file__).with_name("run").open("a") as run:
    run.write(goal + chr(10))
"""
"""A Maven that fetches some files, and copies one."""

Fetch: TypeAlias = Callable[[dict[str, bytes], bytes], str]


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Fetches `a:b:1:jar` with a Maven that also fetches other files, and copies something; the name of the copy."""
    programs, lock = tmp_path / "programs", tmp_path / "maven.lock"
    programs.mkdir()
    (programs / "mvn").touch(0o755)
    digest = hashlib.sha256(GOOD).hexdigest()
    lock.write_text("# Made\n" + "".join(f"{path} sha256:{digest}\n" for path in LOCKED))
    monkeypatch.setattr(cache, "MAVEN_LOCK", lock)
    monkeypatch.setattr("scripts.packages.ensure", lambda _: None)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def run(changed: dict[str, bytes], copied: bytes) -> str:
        files = {**dict.fromkeys(LOCKED, GOOD), **changed}
        plugin, needed = {PLUGIN: files[PLUGIN]}, {ITS_NEED: files[ITS_NEED]}
        of_goals = {"help": plugin | needed, "copy": files}
        (programs / "mvn").write_text(MAVEN.format(files=of_goals, copied=copied, plugin=plugin))
        with cache.workspace() as work:
            return maven.fetch("a:b:1:jar", work).name

    return run


def test_what_is_locked_is_taken(fetch: Fetch) -> None:
    assert fetch(NOTES, GOOD) == "b-1.jar"


@for_each([*LOCKED, "c/d/1/d-1.jar", "c/d/1/d-1.pom", "c/d/1/d-1.zip"])
def test_whatever_else_comes_is_refused_and_removed(path: str, fetch: Fetch) -> None:
    with pytest.raises(ServerError, match=f"^{path}: fetched, not the file of maven.lock, and removed again"):
        fetch({path: EVIL}, GOOD)
    assert not (maven.repository("b") / path).exists()
    assert (maven.repository("b") / PLUGIN).exists() == (path not in {PLUGIN, ITS_NEED})
    shutil.rmtree(maven.repositories(), ignore_errors=True)


@for_each([({}, ["help", "copy"]), ({PLUGIN: EVIL}, []), ({ITS_NEED: EVIL}, ["help"]), ({JAR: EVIL}, ["help", "copy"])])
def test_of_a_plugin_that_was_changed_nothing_runs(
    changed: dict[str, bytes], runs: list[str], fetch: Fetch, tmp_path: Path
) -> None:
    """Its help is in the plugin itself; what the plugin needs is compared before anything else of it runs."""
    run = tmp_path / "programs" / "run"
    run.write_text("")
    with suppress(ServerError):
        fetch(changed, GOOD)
    assert run.read_text().split() == runs
    shutil.rmtree(maven.repositories(), ignore_errors=True)


def test_a_maven_that_fails_is_told_with_its_words(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "NO_GOAL", "help")
    with pytest.raises(ServerError, match=r"^Maven failed with .*:help:\n$"):
        fetch({}, GOOD)


def test_what_was_changed_since_is_refused_before_maven_runs(fetch: Fetch) -> None:
    fetch({}, GOOD)
    (maven.repository("b") / PLUGIN).write_bytes(EVIL)
    (maven.repository("b") / JAR).unlink()
    with pytest.raises(ServerError, match=f"^{PLUGIN}: fetched, not the file"):
        fetch({}, EVIL)


def test_what_is_there_needs_no_maven_and_is_compared_again(fetch: Fetch) -> None:
    fetch({}, GOOD)
    assert fetch({PLUGIN: EVIL}, EVIL) == "b-1.jar", "or the plugin would be refused"
    (maven.repository("b") / JAR).write_bytes(EVIL)
    with pytest.raises(ServerError, match=r"^b-1\.jar: not the files of maven\.lock"):
        fetch({}, GOOD)


def test_a_copy_that_differs_is_refused(fetch: Fetch) -> None:
    with pytest.raises(ServerError, match=r"^b-1\.jar: not the files of maven\.lock"):
        fetch({}, EVIL)


def test_what_is_about_to_be_locked_is_taken_as_it_is(fetch: Fetch) -> None:
    with maven.unlocked():
        fetch({"c/d/1/d-1.jar": EVIL, **NOTES}, EVIL)
    assert set(maven.artefacts()) == {*LOCKED, "c/d/1/d-1.jar"}


def test_everything_that_a_project_names_is_locked() -> None:
    """What the others need in turn is in the same list, or Maven would be refused."""
    names = [*maven_lock.ALONE, f"{servers.IN_MEMORY_ARTIFACT}:jar", f"{maven.PLUGIN}:jar"]
    for project in maven_lock.PROJECTS:
        for each in ElementTree.parse(project / "pom.xml").getroot().iterfind("./{*}dependencies/{*}dependency"):
            group, name, version = (each.findtext(f"{{*}}{part}") for part in ("groupId", "artifactId", "version"))
            names.append(f"{group}:{name}:{version or ''}:jar")
    folders = ["/".join([*name.split(":")[0].split("."), *name.split(":")[1:3]]) for name in names]
    locked = [path for path in maven.locked() if path.endswith(".jar")]
    assert [folder for folder in folders if not any(path.startswith(folder) for path in locked)] == []
    assert len(folders) > 12
    assert all(len(digest) == 64 for digest in maven.locked().values())
