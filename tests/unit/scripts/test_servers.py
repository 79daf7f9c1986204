"""Getting servers: what is found, what is said when it is not, and that half a download is none."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts import cache, camunda7, engine, maven, packages, servers, zeebe, zeebe_in_memory
from scripts.camunda7 import Camunda7
from scripts.process import PORTS, ServerError, free_port, next_port, open_own
from scripts.rabbitmq_release import Packaged
from scripts.zeebe import Zeebe
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.cases import for_each


def runtime(home: Path, release: str) -> Path:
    """A folder that looks like a Java runtime."""
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(release)
    (home / "bin" / "java").touch(mode=0o755)
    return home


def test_java_is_looked_for_where_given_and_no_old_one(tmp_path: Path, cache_folder: Path, monkeypatch: Any) -> None:
    """Its version is in its release file."""
    versions = {'"21.0.4"\n': 21, '"25"\n': 25, '"1.8.0_402"\n': 8, '"17.0.1"': 17}
    homes = {n: runtime(tmp_path / str(n), f'A="x"\nJAVA_VERSION={text}') for text, n in versions.items()}
    assert {cache.java_version(home): home for home in homes.values()} == homes
    assert cache.java_version(tmp_path) == cache.java_version(runtime(tmp_path / "none", "nothing")) == 0
    monkeypatch.setenv("JAVA_HOME", str(homes[17]))
    assert cache.java_candidates()[0] == homes[17]
    monkeypatch.setattr(cache, "java_candidates", lambda: [homes[17], homes[21], homes[25]])
    assert cache.java_home() == homes[21]
    assert cache.folder() == cache_folder
    monkeypatch.delenv("ZEEBE_AMQP_CACHE")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.folder() == Path("/home/somebody/.cache/zeebe-amqp")


def test_what_is_missing_says_how_to_get_it(tmp_path: Path, cache_folder: Path, monkeypatch: Any) -> None:
    with pytest.raises(ServerError, match=r"make servers.*AMQP_URL"):
        Packaged().command("rabbitmq-that-nobody-has")
    engine_in_memory = ZeebeInMemory(tmp_path)
    with pytest.raises(ServerError, match="make servers"):
        engine_in_memory.start()
    cache.in_memory_libraries().mkdir(parents=True)
    with pytest.raises(ServerError, match="make servers"):
        engine_in_memory.start()
    monkeypatch.setattr(cache, "java_candidates", list)
    with pytest.raises(ServerError, match="make servers"):
        cache.java_home()


def test_a_distribution_is_the_users_own_and_is_named_by_its_folder(tmp_path: Path, monkeypatch: Any) -> None:
    home = runtime(tmp_path / "java", 'JAVA_VERSION="21"')
    monkeypatch.setattr(cache, "java_candidates", lambda: [home])
    for given in ("", "/nowhere"):
        monkeypatch.setenv("ZEEBE_HOME", given)
        with pytest.raises(ServerError, match=f"ZEEBE_HOME: found '{given}', expected the folder of a Zeebe distribut"):
            Zeebe(tmp_path / "zeebe").start()
    (home / "bin" / "broker").touch()
    monkeypatch.setenv("ZEEBE_HOME", str(home))
    assert zeebe.home() == home
    assert isinstance(engine.private(tmp_path), Zeebe)
    monkeypatch.delenv("ZEEBE_HOME")
    in_memory = engine.private(tmp_path, 26500)
    assert isinstance(in_memory, ZeebeInMemory)
    assert in_memory.address == "127.0.0.1:26500"


def test_an_engine_listens_on_this_machine_only(tmp_path: Path) -> None:
    settings = Zeebe(tmp_path)._settings
    assert [value for name, value in settings.items() if name.endswith(("HOST", "ADDRESS"))] == ["127.0.0.1"] * 3
    ports = [value for name, value in settings.items() if name.endswith("PORT")]
    assert len(set(ports)) == len(ports) == 5


def test_ports_are_not_given_twice_in_a_row_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: free_port(), range(100)))
    assert len(set(given)) == 100
    assert set(given) <= set(PORTS)
    counter = tmp_path / ".cache" / "zeebe-amqp-port"
    counter.write_text(str(len(PORTS) - 1))
    assert [next_port(), next_port()] == [PORTS[-1], PORTS[0]]
    assert stat.S_IMODE(counter.stat().st_mode) == 0o600


@for_each([Path.symlink_to, Path.hardlink_to])
def test_a_file_that_somebody_put_in_our_way_is_not_opened(
    link: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    (folder / "precious").write_text("precious")
    link(folder / "file", folder / "precious")
    with pytest.raises(ServerError, match=r"file (cannot be opened|is no file of this user alone).*: remove it"):
        open_own(folder / "file")
    with monkeypatch.context() as context:
        context.setattr("scripts.process.os.geteuid", lambda: os.getuid() + 1)
        with pytest.raises(ServerError, match="is no file of this user alone"):
            open_own(folder / "other")
    assert (folder / "precious").read_text() == "precious"


def test_a_cache_that_others_can_write_to_is_not_used(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cache.workspace():
        assert stat.S_IMODE(cache_folder.stat().st_mode) == 0o700
    cache_folder.chmod(0o777)
    with pytest.raises(ServerError, match="or everybody may write to it: remove it"), cache.workspace():
        pass
    cache_folder.chmod(0o755)
    assert cache.folder() == cache_folder
    monkeypatch.setattr("scripts.cache.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ServerError, match="belongs to somebody else"):
        cache.java_candidates()


def test_download_with_another_hash_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    for content in (b"", b"half of it"):
        file.write_bytes(content)
        with pytest.raises(ServerError, match=r"archive has SHA-256 \w+, expected"):
            servers.check(file, servers.COMPILER_SHA256)


@for_each([(True, KeyboardInterrupt, "^$"), (False, ServerError, r"test-engine:\S+ has SHA-256 \w+, expected")])
def test_a_download_that_is_interrupted_or_another_one_leaves_nothing_that_counts(
    interrupted: bool, error: type[BaseException], told: str, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(artifact: str, target: Path) -> list[Path]:
        (target / "other.jar").write_text("half")
        if interrupted:
            raise KeyboardInterrupt
        return [target / "other.jar"]

    monkeypatch.setattr("scripts.maven.fetch_all", fetched)
    with pytest.raises(error, match=told):
        servers.ensure_in_memory()
    assert list(cache_folder.iterdir()) == []
    with pytest.raises(ServerError):
        cache.in_memory_class_path()


def test_an_engine_that_writes_no_classes_is_told_with_its_words(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = runtime(tmp_path / "java", 'JAVA_VERSION="21"')
    monkeypatch.setattr(cache, "java_candidates", lambda: [home])
    (home / "bin" / "java").write_text("#!/bin/sh\necho no room\nexec sleep 60\n")
    cache.in_memory_libraries().mkdir(parents=True)
    cache.in_memory_program().mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(ZeebeInMemory, "usable", lambda each: (each.directory / "output.log").read_text() != "")
    with pytest.raises(ServerError, match="no classes of the engine in memory:\nno room"):
        zeebe_in_memory.write_classes(tmp_path / "work", cache.in_memory_classes())
    assert not cache.in_memory_classes().exists()


def test_a_package_is_unpacked_without_being_installed_after_new_lists_if_need_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that stand for Debian's: the first download fails, as with lists that are too old."""
    programs = {
        "apt-get": f'echo "$*" >>{tmp_path}/calls; case "$*" in *update*) touch {tmp_path}/lists;; '
        f"*) [ -e {tmp_path}/lists ] && touch a.deb;; esac",
        "dpkg-deb": 'mkdir "$3" && touch "$3/$(basename "$2" .deb)"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "work").mkdir()
    assert packages.unpack("a", tmp_path / "work") == tmp_path / "work" / "unpacked"
    assert [file.name for file in (tmp_path / "work").rglob("*")] == ["unpacked", "a"]
    assert [line.split()[-2:] for line in (tmp_path / "calls").read_text().splitlines()] == [
        ["download", "a"],
        ["update", "-qq"],
        ["download", "a"],
    ]


def test_a_package_that_cannot_be_unpacked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ServerError, match=r"apt-get failed .*: please install a yourself"):
        packages.unpack("a", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ServerError, match="this machine has no apt-get: please install a yourself"):
        packages.unpack("a", tmp_path)


def test_what_is_kept_is_known_by_every_name_and_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for name, content in [("a", "1"), ("b", "1"), ("a", "2")]:
        (tmp_path / name).write_text(content)
        found.add(servers.listing([tmp_path / name]))
    assert len(found) == 3
    assert servers.listing([tmp_path / "a", tmp_path / "b"]) == servers.listing([tmp_path / "b", tmp_path / "a"])
    before = cache.in_memory_program()
    monkeypatch.setattr(cache, "IN_MEMORY_SOURCE", tmp_path / "a")
    assert cache.in_memory_program() != before


def test_missing_programs_are_installed_together_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(packages, "install", asked.append)
    packages.ensure([("sh", "dash"), ("/bin/sh", "dash")])
    assert asked == [], "installed programs need no package manager"
    packages.ensure([("no-such-b", "b"), ("no-such-a", "a"), ("no-such-c", "a")])
    assert asked == [["a", "b"]]


@for_each([
    ([], 0, "no apt-get: please install a b yourself", None),
    (["apt-get"], 1000, "not root, and sudo is missing: please install a b yourself", None),
    (["apt-get"], 0, r"apt-get failed .*: please install a b yourself", []),
    (["apt-get", "sudo"], 1000, r"apt-get failed .*: please install a b yourself", ["sudo"]),
])  # fmt: skip
def test_packages_are_installed_as_root_or_through_sudo_or_it_is_said_which(
    tools: list[str], user: int, words: str, prefix: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=100)

    monkeypatch.setattr("scripts.packages.shutil.which", lambda name: name if name in tools else None)
    monkeypatch.setattr("scripts.packages.os.geteuid", lambda: user)
    monkeypatch.setattr("scripts.packages.cache.locked", nullcontext)
    monkeypatch.setattr("scripts.packages.subprocess.run", run)
    with pytest.raises(ServerError, match=words):
        packages.install(["a", "b"])
    expected = [] if prefix is None else [[*prefix, "sh", "-c", packages.INSTALL, "install", "a", "b"]]
    assert commands == expected


BOTH = {"AMQP_URL": "amqp://a", "ZEEBE_ADDRESS": "b"}


@for_each([
    ([], {}, ["rabbitmq-server", "redis-server", "postgresql", "java", "in_memory"]),
    ([], BOTH, ["rabbitmq-server", "redis-server", "postgresql", "java", "in_memory"]),
    (["--small"], {}, ["rabbitmq-server", "java", "in_memory"]),
    (["--small"], {"AMQP_URL": "amqp://a"}, ["java", "in_memory"]),
    (["--small"], {"ZEEBE_ADDRESS": "b"}, ["rabbitmq-server"]),
    (["--small"], {"ZEEBE_HOME": "c"}, ["rabbitmq-server", "java"]),
    (["--small"], BOTH, []),
])  # fmt: skip
def test_only_what_is_needed_and_not_given_is_prepared(
    arguments: list[str], given: dict[str, str], prepared: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name in ("AMQP_URL", "ZEEBE_ADDRESS", "ZEEBE_HOME"):
        monkeypatch.setenv(name, given.get(name, ""))
    done: list[str] = []
    monkeypatch.setattr(packages, "ensure", lambda programs: done.extend(package for _, package in programs))
    for name in ("java", "in_memory"):
        monkeypatch.setattr(servers, f"ensure_{name}", lambda name=name: done.append(name))
    assert servers.main(arguments) == 0
    assert done == prepared
    assert ("Zeebe Community License" in capsys.readouterr().out) == ("in_memory" in prepared)


# --- a Camunda 7 engine ---


def test_a_changed_source_is_another_engine_and_one_that_is_there_is_used(tmp_path: Path, monkeypatch: Any) -> None:
    before = camunda7.home()
    assert before.parent == cache.folder()
    (before / "classes").mkdir(parents=True)
    assert camunda7.ensure() == before
    (tmp_path / "sources").mkdir()
    monkeypatch.setattr(camunda7, "SOURCES", tmp_path / "sources")
    assert camunda7.home() != before


def test_a_compiler_that_fails_leaves_nothing_behind(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "fetch_dependencies", lambda _, target: (target / "a.jar").touch())
    monkeypatch.setattr(maven, "fetch", lambda _, target: target / "no-compiler.jar")
    monkeypatch.setattr(servers, "check", lambda *_: None)
    with pytest.raises(ServerError, match="could not be compiled"):
        camunda7.ensure()
    assert list(cache_folder.iterdir()) == []


def test_the_engine_listens_on_this_machine_only_and_knows_one_user(tmp_path: Path) -> None:
    engine = Camunda7(tmp_path)
    listening = {"--server.address=127.0.0.1", f"--server.port={engine.port}"}
    assert listening | {"--camunda.bpm.authorization.enabled=true"} <= set(engine._command(tmp_path))
    assert not engine.ready()
