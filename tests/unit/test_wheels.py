"""What is published: both packages, built, and their wheels installed into a fresh environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import dist
from scripts.dist import PACKAGES, ROOT
from scripts.process import ServerError
from scripts.pythons import VERSIONS

EXTRAS = sorted(tomllib.loads((ROOT / "contracts" / "pyproject.toml").read_text())["project"]["optional-dependencies"])
HEAVY = ("aio_pika", "aiormq", "grpc", "google.protobuf", "opentelemetry", "pytest", "consumer")
ALONE = f"""
import sys, zeebe_amqp
from zeebe_amqp import CreateInstance, Reply, envelope
envelope.encode(CreateInstance(bpmn_process_id="order"))
assert not set(sys.modules) & set({HEAVY!r})
try:
    zeebe_amqp.Client
except ImportError as missing:
    print(missing)
"""
COMPLETE = """
import zeebe_amqp, zeebe_amqp.testing, consumer.cli, pytest_zeebe_amqp
from zeebe_amqp import Client, Topology
from zeebe_amqp.testing import FakeConsumer, answer
fake = FakeConsumer()
fake.script(Topology, answer())
with fake.sync_client() as zeebe:
    print(zeebe.call(Topology()).cluster_size)
print(zeebe_amqp.__file__, consumer.__file__, pytest_zeebe_amqp.__file__)
"""


@dataclass
class Installed:
    """A fresh environment with both wheels, and nothing that they need."""

    folder: Path
    wheels: Mapping[str, Path]
    files: list[Path]
    """Everything that is published."""

    @property
    def packages(self) -> Path:
        """Where they are installed."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, program: str, *needs: Path) -> subprocess.CompletedProcess[str]:
        """Run a program there, with further folders of packages."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, needs))}
        command = [str(self.folder / "bin" / "python"), "-c", program]
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built, installed without any index, and shared by the tests here."""
    folder = tmp_path_factory.mktemp("wheels")
    files = dist.build(folder / "dist")
    wheels = {name: next((folder / "dist").glob(f"{name}-*.whl")) for name in PACKAGES}
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-cache"]
    subprocess.run([*uv, "--python", str(environment / "bin" / "python"), *map(str, wheels.values())], check=True)
    return Installed(environment, wheels, files)


def metadata(wheel: Path) -> Message:
    """What a wheel says of itself."""
    archive = zipfile.ZipFile(wheel)
    [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
    return Parser().parsestr(archive.read(name).decode())


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """A folder with what the contracts need, and nothing else."""
    for name in ("msgspec", "orjson"):
        (tmp_path / name).symlink_to(Path(str(__import__(name).__file__)).parent)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("zeebe_amqp", "zeebe_amqp/py.typed"),
        ("zeebe_amqp", "zeebe_amqp/examples/parcel.bpmn"),
        ("zeebe_amqp", "zeebe_amqp/testing/consumer.py"),
        ("zeebe_amqp", "pytest_zeebe_amqp.py"),
        ("zeebe_amqp_consumer", "consumer/py.typed"),
        ("zeebe_amqp_consumer", "consumer/zeebe/protocol/since.json"),
    ],
)
def test_the_wheels_have_more_than_code(installed: Installed, name: str, file: str) -> None:
    assert file in zipfile.ZipFile(installed.wheels[name]).namelist()


@pytest.mark.parametrize("name", PACKAGES)
def test_the_wheels_have_the_package_and_nothing_beside_it(installed: Installed, name: str) -> None:
    tops = {each.partition("/")[0] for each in zipfile.ZipFile(installed.wheels[name]).namelist()}
    information = f"{name}-{version(name)}.dist-info"
    expected = {"zeebe_amqp": {"zeebe_amqp", "pytest_zeebe_amqp.py"}, "zeebe_amqp_consumer": {"consumer"}}
    assert tops == expected[name] | {information}


def test_the_contracts_need_no_library_of_the_client_or_the_service(installed: Installed, light: Path) -> None:
    ended = installed.run(ALONE, light)
    assert ended.stdout == "Client needs the extra `client`: pip install 'zeebe-amqp[client]'\n", ended.stderr


def test_with_their_extras_both_work_from_where_they_are_installed(installed: Installed) -> None:
    # The development environment has everything that they need; its own copies of both come later in the path.
    packages = Path(str(pytest.__file__)).parents[1]
    ended = installed.run(COMPLETE, installed.packages, packages)
    assert ended.returncode == 0, ended.stderr
    size, files = ended.stdout.splitlines()
    assert size == "1"
    assert files.count(str(installed.packages)) == 3


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_asks_for_is_what_the_tests_ran_with(installed: Installed, extra: str) -> None:
    information = metadata(installed.wheels["zeebe_amqp"])
    assert extra in information.get_all("Provides-Extra", [])
    needed = [Requirement(line) for line in information.get_all("Requires-Dist", [])]
    wanted = [each for each in needed if each.marker and each.marker.evaluate({"extra": extra})]
    assert wanted
    assert all(version(each.name) in each.specifier for each in wanted)


def test_the_program_starts_from_its_script(installed: Installed) -> None:
    script = installed.folder / "bin" / "zeebe-amqp-consumer"
    assert script.read_text().startswith("#!")
    assert "consumer.__main__" in script.read_text()


def test_each_package_is_published_as_source_and_as_wheel(installed: Installed) -> None:
    names = [f"{name}-{dist.version()}" for name in PACKAGES]
    expected = {f"{name}{suffix}" for name in names for suffix in (".tar.gz", "-py3-none-any.whl")}
    assert {file.name for file in installed.files} == expected


def test_the_checker_of_the_index_finds_nothing(installed: Installed) -> None:
    dist.check(installed.files)


def test_the_checker_of_the_index_is_asked_strictly(tmp_path: Path) -> None:
    """A wheel without a page is only a warning to it."""
    wheel = tmp_path / "empty-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("empty-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: empty\nVersion: 1\n")
    with pytest.raises(ServerError, match="twine check"):
        dist.check([wheel])


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_says_of_itself_is_complete(installed: Installed, name: str) -> None:
    said = metadata(installed.wheels[name])
    page = (PACKAGES[name] / "README.md").read_text()
    assert said["Summary"]
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Description-Content-Type"] == "text/markdown"
    assert str(said.get_payload()).strip() == page.strip()
    for number in VERSIONS:
        assert f"Programming Language :: Python :: {number}" in said.get_all("Classifier", [])


@pytest.mark.parametrize("name", PACKAGES)
def test_wheel_and_source_carry_the_licence(installed: Installed, name: str) -> None:
    licence = (ROOT / "LICENSE").read_bytes()
    top = f"{name}-{dist.version()}"
    assert zipfile.ZipFile(installed.wheels[name]).read(f"{top}.dist-info/licenses/LICENSE") == licence
    [source] = [file for file in installed.files if file.name == f"{top}.tar.gz"]
    with tarfile.open(source) as archive:
        found = archive.extractfile(f"{top}/LICENSE")
        assert found is not None
        assert found.read() == licence


def test_the_consumer_needs_the_contracts_of_its_own_version(installed: Installed) -> None:
    needed = metadata(installed.wheels["zeebe_amqp_consumer"]).get_all("Requires-Dist", [])
    assert f"zeebe-amqp=={dist.version()}" in needed


def test_a_tag_is_the_version() -> None:
    dist.compare(f"v{dist.version()}")
    for tag in ("v9.9.9", dist.version(), ""):
        with pytest.raises(ServerError, match=f"expected 'v{dist.version()}'"):
            dist.compare(tag)


def test_packages_of_different_versions_are_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1.0", "2.0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(f'[project]\nversion = "{name}"\n')
    monkeypatch.setattr(dist, "PACKAGES", {name: tmp_path / name for name in ("1.0", "2.0")})
    with pytest.raises(ServerError, match=r"1\.0 and 2\.0"):
        dist.version()


def test_a_program_that_prints_something_else_is_told(tmp_path: Path) -> None:
    dist.probe("echo right", "right", tmp_path)
    with pytest.raises(ServerError, match="printed 'wrong', expected 'right'"):
        dist.probe("echo wrong", "right", tmp_path)
