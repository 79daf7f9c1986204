"""The lists of what ships: complete, valid, and the same for the same lock files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import locks, sbom
from tests.unit.test_repository import FORBIDDEN

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bills() -> dict[str, str]:
    """The list of each package by its name, without a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        return {package.name: sbom.bill(package) for package in sbom.PACKAGES}


def test_the_lists_are_valid_and_name_neither_a_registry_nor_a_folder(bills: dict[str, str]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str("{}"), "it can say no"
    for text in bills.values():
        assert validator.validate_str(text) is None
        assert [each for each in (*FORBIDDEN, str(ROOT)) if each in text] == []


def test_the_list_of_the_service_has_every_locked_package_with_hashes_and_an_open_licence(bills: Any) -> None:
    """Each is needed by another, and a package that the image does not get is in no list."""
    listed = {each["name"]: each for each in json.loads(bills["zeebe-amqp-consumer"])["components"]}
    locked = {each.name: each for each in locks.locked("run")}
    assert listed.keys() == {*locked, "zeebe-amqp"}
    assert not {"async-timeout", "tzdata"} & locked.keys()
    for name, each in locked.items():
        hashes = {it["content"] for it in listed[name]["hashes"]}
        assert (listed[name]["version"], hashes) == (each.version, {*each.hashes})
        assert listed[name]["purl"] == f"pkg:pypi/{name}@{each.version}"
        assert hashes
    assert all(each["licenses"] and each["scope"] == "required" for each in listed.values())
    assert listed["orjson"]["licenses"] == [{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}]


def test_the_list_of_the_client_tells_what_every_caller_gets_from_what_an_extra_brings(bills: Any) -> None:
    bill = json.loads(bills["zeebe-amqp"])
    scopes = {each["name"]: each["scope"] for each in bill["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == {"msgspec", "orjson"}
    assert {"aio-pika", "rich", "pytest", "pyyaml"} <= scopes.keys()
    assert not {"grpcio", "zeebe-amqp", "mypy"} & scopes.keys()
    needed = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert any(each.startswith("pkg:pypi/aiormq@") for each in needed[bill["metadata"]["component"]["bom-ref"]])
    assert {each for others in needed.values() for each in others} <= needed.keys()


def test_the_same_lock_gives_the_same_list_and_a_time_only_from_outside(
    bills: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dated, undated = (json.loads(text) for text in (sbom.bill(sbom.CLIENT), bills["zeebe-amqp"]))
    assert dated["metadata"].pop("timestamp") == "2023-11-14T22:13:20+00:00"
    assert dated == undated
    assert undated["serialNumber"] != json.loads(bills["zeebe-amqp-consumer"])["serialNumber"]


def test_a_package_that_is_not_locked_or_of_another_version_is_told() -> None:
    with pytest.raises(sbom.ServerError, match="pytest is needed and not locked: make lock"):
        sbom.component("pytest", None, optional=False)
    with pytest.raises(sbom.ServerError, match=r"expected 0\.0: make venv"):
        sbom.component("pytest", locks.Locked("pytest", "0.0"), optional=False)


def test_all_lists_are_written_beside_the_licences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sbom, "TARGET", tmp_path / "sbom")
    monkeypatch.setattr(sbom, "bill", str)
    assert sbom.main() == 0
    files = {file.name: file.read_text() for file in (tmp_path / "sbom").iterdir()}
    assert files.keys() == {"zeebe-amqp.cdx.json", "zeebe-amqp-consumer.cdx.json", "licences.md"}
    assert "| orjson |" in files["licences.md"]
    assert "development |" not in files["licences.md"].partition("---")[2]
    assert capsys.readouterr().out.count(str(tmp_path)) == len(files)


def test_the_lists_describe_the_image_which_has_no_further_package_of_debian() -> None:
    """What its base holds, the builder of the image lists at the release."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM python:(\S+?)-slim", dockerfile, re.MULTILINE)
    assert set(bases) == {locks.IMAGE["python_version"]}
    assert not re.search(r"\b(apt|apt-get|dpkg)\b", dockerfile)
    assert re.search(r"^dist: .*\bsbom\b", (ROOT / "Makefile").read_text(), re.MULTILINE)
