"""What is published: both wheels, installed into a fresh environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = {"zeebe_amqp": ROOT / "contracts", "zeebe_amqp_consumer": ROOT}
EXTRAS = sorted(tomllib.loads((ROOT / "contracts" / "pyproject.toml").read_text())["project"]["optional-dependencies"])
HEAVY = ("aio_pika", "aiormq", "grpc", "google.protobuf", "opentelemetry", "pydantic", "pytest", "consumer")
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
    wheels = {}
    for name, source in PACKAGES.items():
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        [wheels[name]] = folder.glob(f"{name}-*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-cache"]
    subprocess.run([*uv, "--python", str(environment / "bin" / "python"), *map(str, wheels.values())], check=True)
    return Installed(environment, wheels)


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
        ("zeebe_amqp_consumer", "consumer/gateway/protocol/since.json"),
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
    [information] = installed.packages.glob("zeebe_amqp-*.dist-info/METADATA")
    metadata = Parser().parsestr(information.read_text())
    assert extra in metadata.get_all("Provides-Extra", [])
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    wanted = [each for each in needed if each.marker and each.marker.evaluate({"extra": extra})]
    assert wanted
    assert all(version(each.name) in each.specifier for each in wanted)


def test_the_program_starts_from_its_script(installed: Installed) -> None:
    script = installed.folder / "bin" / "zeebe-amqp-consumer"
    assert script.read_text().startswith("#!")
    assert "consumer.__main__" in script.read_text()
