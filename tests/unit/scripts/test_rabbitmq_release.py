"""Newer releases of RabbitMQ: what is locked, what is fetched and refused, and what is said when it cannot run."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from scripts import rabbitmq_release, servers
from scripts.process import ServerError
from scripts.rabbitmq_release import NEWER, NEWEST, Unpacked, release

PLAIN = Unpacked("9.9", "sid")


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of one small package, locked; where a mirror would have it."""
    made, mirror = tmp_path / "made", tmp_path / "mirror"
    (made / "DEBIAN").mkdir(parents=True)
    (made / "DEBIAN" / "control").write_text(
        "Package: rabbitmq-server\nVersion: 9.9.1-1\nArchitecture: all\nMaintainer: nobody\nDescription: nothing\n"
    )
    (made / "usr" / "lib" / "rabbitmq" / "bin").mkdir(parents=True)
    (made / "usr" / "lib" / "rabbitmq" / "bin" / "rabbitmqctl").touch()
    (made / "usr" / "bin").mkdir()
    package = mirror / "pool" / "rabbitmq-server_9.9.1-1_all.deb"
    package.parent.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(made), str(package)], check=True)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    (tmp_path / "requirements").mkdir()
    lock = f"# Debian sid on 2026-11-28\n{package.relative_to(mirror)} sha256:{digest}\n"
    (tmp_path / "requirements" / "rabbitmq-9.9.lock").write_text(lock)
    monkeypatch.setattr(rabbitmq_release, "ROOT", tmp_path)
    monkeypatch.setattr(rabbitmq_release, "ARCHIVE", f"copy:{tmp_path}/archive-{{day}}/")
    monkeypatch.setattr(rabbitmq_release, "mirrors", lambda: [f"copy:{mirror}/"])
    monkeypatch.setattr(rabbitmq_release, "may_mount", lambda: True)
    monkeypatch.setattr(rabbitmq_release.platform, "machine", lambda: "x86_64")
    return package


def test_every_release_is_locked_with_all_of_its_packages() -> None:
    assert {name: each.version for name, each in NEWER.items()} == {"4.0": "4.0.5", "4.3": "4.3.6"}
    assert list(NEWER)[-1] == NEWEST
    for each in NEWER.values():
        first, *lines = each.lock.read_text().splitlines()
        assert re.fullmatch(rf"# Debian {each.suite} on \d{{4}}-\d\d-\d\d, amd64; made by `make lock-brokers`", first)
        assert len(each.packages) == len(lines) > 50
        for path, digest in each.packages:
            assert path.startswith("pool/main/"), path
            assert len(digest) == 64, path


def test_what_is_wanted_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER", raising=False)
    assert release().name == ""
    monkeypatch.setenv("BROKER", "4.3")
    assert release() is NEWER["4.3"]
    assert release("").name == ""
    with pytest.raises(ServerError, match=r"BROKER: found '4\.4', accepted: 4\.0, 4\.3, or nothing"):
        release("4.4")
    monkeypatch.delenv("BROKER_NEWER", raising=False)
    assert servers.newer_brokers(tests=True) == list(NEWER.values())
    assert servers.newer_brokers(tests=False) == [NEWER["4.3"]]
    monkeypatch.setenv("BROKER_NEWER", "no")
    assert servers.newer_brokers(tests=True) == [NEWER["4.3"]]
    monkeypatch.setenv("BROKER", "")
    assert servers.newer_brokers(tests=True) == []


def test_the_mirror_is_the_one_that_the_machine_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    for listed, expected in (
        ("Ubuntu|http://a/ubuntu/\n", []),
        ("Debian|http://b/debian-security/\nDebian|http://c/debian\nDebian|http://d/debian/\n", ["http://c/debian/"]),
    ):
        done = subprocess.CompletedProcess((), 0, listed)
        monkeypatch.setattr(subprocess, "run", lambda *_, done=done, **__: done)
        assert rabbitmq_release.mirrors() == expected


def test_it_is_fetched_once_and_stands_in_the_place_of_usr(locked: Path) -> None:
    folder = PLAIN.ensure()
    assert (folder / "usr" / "bin" / "sh").readlink() == Path("bash")
    locked.unlink()
    assert PLAIN.ensure() == folder
    *_, usr, program = PLAIN.command("rabbitmqctl")
    assert (usr, program) == (str(folder / "usr"), "/usr/lib/rabbitmq/bin/rabbitmqctl")


def test_what_the_mirror_has_dropped_comes_from_the_archive(locked: Path, tmp_path: Path) -> None:
    archived = tmp_path / "archive-20261128" / "pool" / locked.name
    archived.parent.mkdir(parents=True)
    locked.rename(archived)
    assert PLAIN.ensure().exists()


def test_another_package_than_the_locked_one_is_refused(locked: Path) -> None:
    locked.write_bytes(locked.read_bytes() + b" ")
    with pytest.raises(ServerError, match=r"9\.9\.1 could not be downloaded.*make lock-brokers.*Hash Sum mismatch"):
        PLAIN.ensure()
    assert not PLAIN.folder.exists()


def test_who_is_not_root_may_not_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    may_mount = rabbitmq_release.may_mount.__wrapped__
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert may_mount() is False
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 1))
    assert may_mount() is False
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0))
    assert may_mount() is True


def test_without_root_or_the_packages_it_says_what_to_do(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerError, match=r"9\.9\.1 is not there: `make servers BROKER=9\.9` downloads it"):
        PLAIN.command("rabbitmqctl")
    PLAIN.ensure()
    monkeypatch.setattr(rabbitmq_release, "may_mount", lambda: False)
    for refused in (PLAIN.ensure, lambda: PLAIN.command("rabbitmqctl")):
        with pytest.raises(ServerError, match=r"9\.9 runs in a mount namespace.*root .*; `BROKER_NEWER=no make test`"):
            refused()
    monkeypatch.setattr(rabbitmq_release, "may_mount", lambda: True)
    monkeypatch.setattr(rabbitmq_release.platform, "machine", lambda: "aarch64")
    with pytest.raises(ServerError, match=r"needs Debian 12, Ubuntu 22\.04 or newer, on amd64"):
        PLAIN.ensure()
