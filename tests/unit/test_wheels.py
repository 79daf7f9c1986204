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
from typing import Any

import pytest
from packaging.requirements import Requirement

from scripts import dist
from scripts.dist import PACKAGES, ROOT
from scripts.process import ServerError
from scripts.pythons import VERSIONS

CONTENTS = {
    "zeebe_amqp": {
        "zeebe_amqp/py.typed",
        "zeebe_amqp/examples/parcel.bpmn",
        "zeebe_amqp/testing/consumer.py",
        "pytest_zeebe_amqp.py",
    },
    "zeebe_amqp_consumer": {
        "consumer/py.typed",
        "consumer/zeebe/protocol/since.json",
        "consumer/console/templates/base.html",
        "consumer/console/static/console.css",
        "consumer/console/static/console.js",
    },
}
"""What a wheel has beside modules, among others; nothing else is at its top."""
ALONE = """
import importlib, importlib.util, pkgutil, sys, zeebe_amqp
from zeebe_amqp import CreateInstance, Reply, envelope
envelope.encode(CreateInstance(bpmn_process_id="order"))
for module in pkgutil.walk_packages(zeebe_amqp.__path__, "zeebe_amqp."):
    if not {*module.name.split(".")} & {"amqp", "client", "cli", "help", "testing", "__main__"}:
        importlib.import_module(module.name)
heavy = {"aio_pika", "aiormq", "grpc", "google.protobuf", "opentelemetry", "pytest", "consumer"} & set(sys.modules)
assert not heavy, heavy
assert importlib.util.find_spec("grpc") is None
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
    packages: Path
    """Where they are installed."""

    def run(self, program: str, *needs: Path) -> str:
        """What a program prints there, with further folders of packages."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, needs))}
        command = [self.folder / "bin" / "python", "-c", program]
        ended = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def metadata(self, name: str) -> Message:
        """What a wheel says of itself."""
        said = zipfile.ZipFile(self.wheels[name]).read(f"{name}-{dist.version()}.dist-info/METADATA")
        return Parser().parsestr(said.decode())


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
    return Installed(environment, wheels, files, next(environment.glob("lib/python*/site-packages")))


def test_each_package_is_published_as_source_and_wheel_with_all_that_belongs_to_it(installed: Installed) -> None:
    names = {name: f"{name}-{dist.version()}" for name in PACKAGES}
    expected = {f"{name}{suffix}" for name in names.values() for suffix in (".tar.gz", "-py3-none-any.whl")}
    assert {file.name for file in installed.files} == expected
    licence = (ROOT / "LICENSE").read_bytes()
    for name, top in names.items():
        wheel = zipfile.ZipFile(installed.wheels[name])
        assert set(wheel.namelist()) >= CONTENTS[name]
        tops = {each.partition("/")[0] for each in CONTENTS[name]} | {f"{top}.dist-info"}
        assert {each.partition("/")[0] for each in wheel.namelist()} == tops
        assert wheel.read(f"{top}.dist-info/licenses/LICENSE") == licence
        with tarfile.open(installed.wheels[name].with_name(f"{top}.tar.gz")) as archive:
            found = archive.extractfile(f"{top}/LICENSE")
            assert found is not None
            assert found.read() == licence


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_says_of_itself_is_complete(installed: Installed, name: str) -> None:
    """Its extras ask for what the tests ran with."""
    said = installed.metadata(name)
    assert said["Summary"]
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Description-Content-Type"] == "text/markdown"
    assert str(said.get_payload()).strip() == (PACKAGES[name] / "README.md").read_text().strip()
    assert {f"Programming Language :: Python :: {number}" for number in VERSIONS} <= {*said.get_all("Classifier", [])}
    needed = [Requirement(line) for line in said.get_all("Requires-Dist", [])]
    assert name == "zeebe_amqp" or f"zeebe-amqp=={dist.version()}" in map(str, needed)
    project = tomllib.loads((PACKAGES[name] / "pyproject.toml").read_text())["project"]
    extras = sorted(project.get("optional-dependencies", {}))
    assert sorted(said.get_all("Provides-Extra", [])) == extras
    for extra in extras:
        wanted = [each for each in needed if each.marker and each.marker.evaluate({"extra": extra})]
        assert wanted, extra
        assert all(version(each.name) in each.specifier for each in wanted), extra


def test_the_contracts_need_no_library_of_the_client_or_the_service(installed: Installed, tmp_path: Path) -> None:
    """All their modules but those of the extras can be imported beside nothing but the two packages that they need."""
    for name in ("msgspec", "orjson"):
        (tmp_path / name).symlink_to(Path(str(__import__(name).__file__)).parent)
    installed.run(ALONE, tmp_path)


def test_with_their_extras_both_work_from_where_they_are_installed(installed: Installed) -> None:
    # The development environment has everything that they need; its own copies of both come later in the path.
    packages = Path(str(pytest.__file__)).parents[1]
    size, files = installed.run(COMPLETE, installed.packages, packages).splitlines()
    assert size == "1"
    assert files.count(str(installed.packages)) == 3
    script = (installed.folder / "bin" / "zeebe-amqp-consumer").read_text()
    assert script.startswith("#!")
    assert "consumer.__main__" in script


def test_the_checker_of_the_index_finds_nothing_and_is_asked_strictly(installed: Installed, tmp_path: Path) -> None:
    """A wheel without a page is only a warning to it."""
    dist.check(installed.files)
    wheel = tmp_path / "empty-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("empty-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: empty\nVersion: 1\n")
    with pytest.raises(ServerError, match="twine check"):
        dist.check([wheel])


def test_a_tag_is_the_version_and_packages_of_two_versions_are_not_published(tmp_path: Path, monkeypatch: Any) -> None:
    dist.compare(f"v{dist.version()}")
    for tag in ("v9.9.9", dist.version(), ""):
        with pytest.raises(ServerError, match=f"expected 'v{dist.version()}'"):
            dist.compare(tag)
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
