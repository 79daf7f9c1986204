"""Getting servers: what is found, what is said when it is not, and that half a download is none."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts import cache, engine, packages, servers, transfer, zeebe
from scripts.maven import Progress, largest, partial_folder
from scripts.process import PORTS, ServerError, free_port, next_port
from scripts.rabbitmq import RabbitMQ, executable
from scripts.zeebe import Zeebe
from scripts.zeebe_in_memory import ZeebeInMemory


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEEBE_AMQP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def runtime(home: Path, release: str) -> Path:
    """A folder that looks like a Java runtime."""
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(release)
    (home / "bin" / "java").touch(mode=0o755)
    return home


def test_cache_is_the_users_own_unless_told_otherwise(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.folder() == cache_folder
    monkeypatch.delenv("ZEEBE_AMQP_CACHE")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.folder() == Path("/home/somebody/.cache/zeebe-amqp")


def test_java_version_is_read_from_its_release_file(tmp_path: Path) -> None:
    assert cache.java_version(tmp_path) == 0, "a folder without Java"
    for release, version in (
        ('JAVA_VERSION="21.0.4"\n', 21),
        ('IMPLEMENTOR="x"\nJAVA_VERSION="25"\n', 25),
        ('JAVA_VERSION="1.8.0_402"\n', 8),
        ("nothing", 0),
    ):
        assert cache.java_version(runtime(tmp_path / f"java{version}", release)) == version, release


def test_old_java_is_passed_over(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = runtime(tmp_path / "old", 'JAVA_VERSION="17.0.1"')
    new = runtime(cache_folder / "java", 'JAVA_VERSION="21.0.4"')
    monkeypatch.setattr(cache, "java_candidates", lambda: [old, new])
    assert cache.java_home() == new


def test_given_java_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert cache.java_candidates()[0] == tmp_path


def test_missing_java_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "java_candidates", list)
    with pytest.raises(ServerError, match="make servers"):
        cache.java_home()


@pytest.mark.parametrize("given", ["", "/nowhere"])
def test_a_distribution_is_the_users_own_and_is_named_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    home = runtime(tmp_path / "java", 'JAVA_VERSION="21"')
    monkeypatch.setattr(cache, "java_candidates", lambda: [home])
    monkeypatch.setenv("ZEEBE_HOME", given)
    with pytest.raises(ServerError, match=rf"ZEEBE_HOME: found '{given}', expected the folder of a Zeebe distribution"):
        Zeebe(tmp_path / "zeebe").start()


def test_a_distribution_is_taken_from_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "broker").touch()
    monkeypatch.setenv("ZEEBE_HOME", str(tmp_path))
    assert zeebe.home() == tmp_path
    assert isinstance(engine.private(tmp_path), Zeebe)


def test_the_engine_is_in_memory_unless_a_distribution_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZEEBE_HOME", raising=False)
    started = engine.private(tmp_path, 26500)
    assert isinstance(started, ZeebeInMemory)
    assert started.address == "127.0.0.1:26500"


def test_missing_rabbitmq_says_how_to_get_it() -> None:
    with pytest.raises(ServerError, match=r"make servers.*AMQP_URL"):
        executable("rabbitmq-that-nobody-has")


def test_two_nodes_share_no_port_and_no_data(tmp_path: Path) -> None:
    first, second = RabbitMQ(tmp_path / "a"), RabbitMQ(tmp_path / "b")
    assert first.url != second.url
    assert first.directory != second.directory


def test_ports_are_not_given_twice_in_a_row_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: free_port(), range(100)))
    assert len(set(given)) == 100
    assert set(given) <= set(PORTS)


def test_after_the_last_port_comes_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"zeebe-amqp-port-{os.getuid()}").write_text(str(len(PORTS) - 1))
    assert [next_port(), next_port()] == [PORTS[-1], PORTS[0]]


def test_engine_listens_on_this_machine_only(tmp_path: Path) -> None:
    settings = Zeebe(tmp_path)._settings
    assert [value for name, value in settings.items() if name.endswith(("HOST", "ADDRESS"))] == ["127.0.0.1"] * 3
    ports = [value for name, value in settings.items() if name.endswith("PORT")]
    assert len(set(ports)) == len(ports) == 5


@pytest.mark.parametrize("content", [b"", b"half of it"])
def test_download_with_another_hash_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "archive"
    file.write_bytes(content)
    with pytest.raises(ServerError, match=r"archive has SHA-256 \w+, expected"):
        servers.check(file, servers.COMPILER_SHA256)


def test_interrupted_download_leaves_nothing_that_counts(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(artifact: str, target: Path) -> list[Path]:
        (target / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("scripts.maven.fetch_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        servers.ensure_in_memory()
    assert list(cache_folder.iterdir()) == []
    with pytest.raises(ServerError):
        cache.in_memory_class_path()


def test_finished_folder_replaces_an_older_one(tmp_path: Path) -> None:
    for name in ("new", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    servers.publish(tmp_path / "new", tmp_path / "target")
    assert [file.name for file in (tmp_path / "target").iterdir()] == ["new"]


def test_installed_programs_need_no_package_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "install", pytest.fail)
    packages.ensure([("sh", "dash"), ("/bin/sh", "dash")])


def test_missing_programs_are_installed_together_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(packages, "install", asked.append)
    packages.ensure([("no-such-b", "b"), ("no-such-a", "a"), ("no-such-c", "a")])
    assert asked == [["a", "b"]]


@pytest.mark.parametrize(
    ("tools", "user", "words"),
    [
        ([], 0, "no apt-get: please install a b yourself"),
        (["apt-get"], 1000, "not root, and sudo is missing: please install a b yourself"),
    ],
)
def test_impossible_installation_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tools: list[str], user: int, words: str
) -> None:
    monkeypatch.setattr("scripts.packages.shutil.which", lambda name: name if name in tools else None)
    monkeypatch.setattr("scripts.packages.os.geteuid", lambda: user)
    with pytest.raises(ServerError, match=words):
        packages.install(["a", "b"])


@pytest.mark.parametrize(("user", "prefix"), [(0, []), (1000, ["sudo"])])
def test_packages_are_installed_as_root_or_through_sudo(
    monkeypatch: pytest.MonkeyPatch, user: int, prefix: list[str]
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 100)

    monkeypatch.setattr("scripts.packages.shutil.which", lambda name: name)
    monkeypatch.setattr("scripts.packages.os.geteuid", lambda: user)
    monkeypatch.setattr("scripts.packages.subprocess.run", run)
    with pytest.raises(ServerError, match=r"apt-get failed .*: please install a yourself"):
        packages.install(["a"])
    assert commands == [[*prefix, "sh", "-c", packages.INSTALL, "install", "a"]]


def test_progress_tells_bytes_share_and_time() -> None:
    for size, share in ((200_000_000, " of 200 MB (25%)"), (0, ""), (10, " of 0 MB (100%)")):
        assert Progress("x", size, io.StringIO()).line(50_000_000, 3.2) == f"x: 50 MB{share}, 3 s"


def test_progress_follows_a_download_to_its_end(tmp_path: Path) -> None:
    waits = iter([subprocess.TimeoutExpired("mvn", 1), subprocess.TimeoutExpired("mvn", 1), None])

    class Download:
        def wait(self, timeout: float) -> None:
            if (outcome := next(waits)) is not None:
                raise outcome

    output = io.StringIO()
    Progress("x", 0, output).follow(Download(), [tmp_path])
    assert [line.partition(",")[0] for line in output.getvalue().splitlines()] == ["x: 0 s"] * 2


def test_missing_in_memory_engine_says_how_to_get_it(tmp_path: Path, cache_folder: Path) -> None:
    with pytest.raises(ServerError, match="make servers"):
        ZeebeInMemory(tmp_path).start()
    cache.in_memory_libraries().mkdir(parents=True)
    with pytest.raises(ServerError, match="make servers"):
        ZeebeInMemory(tmp_path).start()


def test_a_changed_program_around_the_in_memory_engine_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cache.in_memory_program()
    monkeypatch.setattr(cache, "IN_MEMORY_SOURCE", tmp_path / "Program.java")
    (tmp_path / "Program.java").write_text("class Program {}")
    assert cache.in_memory_program() != before


def test_a_listing_changes_with_every_name_and_every_byte(tmp_path: Path) -> None:
    found = set()
    for name, content in [("a", "1"), ("b", "1"), ("a", "2")]:
        (tmp_path / name).write_text(content)
        found.add(servers.listing([tmp_path / name]))
    assert len(found) == 3
    assert servers.listing([tmp_path / "a", tmp_path / "b"]) == servers.listing([tmp_path / "b", tmp_path / "a"])


def test_libraries_that_are_not_the_known_ones_are_not_kept(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(artifact: str, target: Path) -> list[Path]:
        (target / "other.jar").touch()
        return [target / "other.jar"]

    monkeypatch.setattr("scripts.maven.fetch_all", other)
    with pytest.raises(ServerError, match=r"zeebe-process-test-engine:\S+ has SHA-256 \w+, expected"):
        servers.ensure_in_memory()
    assert list(cache_folder.iterdir()) == []


GIVEN = ("AMQP_URL", "ZEEBE_ADDRESS", "ZEEBE_HOME")
PREPARED: list[tuple[list[str], dict[str, str], list[str]]] = [
    ([], {}, ["rabbitmq-server", "redis-server", "java", "in_memory"]),
    ([], {"AMQP_URL": "amqp://a", "ZEEBE_ADDRESS": "b"}, ["rabbitmq-server", "redis-server", "java", "in_memory"]),
    (["--small"], {}, ["rabbitmq-server", "java", "in_memory"]),
    (["--small"], {"AMQP_URL": "amqp://a"}, ["java", "in_memory"]),
    (["--small"], {"ZEEBE_ADDRESS": "b"}, ["rabbitmq-server"]),
    (["--small"], {"ZEEBE_HOME": "c"}, ["rabbitmq-server", "java"]),
    (["--small"], {"AMQP_URL": "amqp://a", "ZEEBE_ADDRESS": "b"}, []),
]


@pytest.mark.parametrize(("arguments", "environment", "prepared"), PREPARED)
def test_only_what_is_needed_and_not_given_is_prepared(
    arguments: list[str],
    environment: dict[str, str],
    prepared: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done: list[str] = []
    monkeypatch.setattr(packages, "ensure", lambda programs: done.extend(package for _, package in programs))
    for name in ("java", "in_memory"):
        monkeypatch.setattr(servers, f"ensure_{name}", lambda name=name: done.append(name))
    assert servers.main(arguments) == 0
    assert done == prepared
    assert ("Zeebe Community License" in capsys.readouterr().out) == ("in_memory" in prepared)


def test_a_download_says_its_bytes_and_its_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "before").write_bytes(b"x" * 1_000_000)
    with transfer.told("libraries", lambda: transfer.size(tmp_path)):
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "file").write_bytes(b"x" * 2_500_000)
    assert re.fullmatch(r"libraries: 2\.5 MB in \d+\.\d s\n", capsys.readouterr().out)


def test_largest_file_stands_for_the_download(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "small").write_bytes(b"1")
    (tmp_path / "large.part").write_bytes(b"12345")
    assert largest([tmp_path, tmp_path / "absent"]) == 5


def test_partial_download_is_looked_for_where_maven_keeps_it() -> None:
    folder = partial_folder("org.eclipse.jdt:ecj:3.39.0:jar")
    assert folder.parts[-5:] == ("org", "eclipse", "jdt", "ecj", "3.39.0")
