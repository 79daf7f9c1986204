"""Every image that is named anywhere is pinned by one command, with the digest that Docker says."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts import images
from scripts.process import ServerError
from tests.yaml_reader import read_yaml

ROOT = Path(__file__).parents[3]
DOCKER = """#!/bin/sh
[ "$1 $2 $3" = "buildx imagetools inspect" ] && printf 'sha256:%s\\n' "$(printf '%s' "$6" | sha256sum | cut -d' ' -f1)"
"""


def expected(image: str) -> str:
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def strings(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    return [text for each in value for text in strings(each)] if isinstance(value, list) else [str(value)]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that name images, and a Docker that knows them."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    root = tmp_path / "root"
    for file in (*images.pinned_in_place(), ROOT / images.COMPOSE):
        (root / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / file.relative_to(ROOT))
    (root / "deploy").mkdir()
    return root


def test_no_image_is_left_without_its_digest_and_pinning_again_changes_nothing(copy: Path) -> None:
    pinned = images.pin(copy)
    bases = re.findall(r"^FROM (\S+)", (copy / "Dockerfile").read_text(), re.MULTILINE)
    assert set(bases) == {expected("python:3.12-slim")}
    in_workflows = [
        text
        for file in (copy / ".github" / "workflows").glob("*.yml")
        for text in strings(read_yaml(file.read_text()))
        if re.match(r"\w+:\d\S*$", text)
    ]
    assert {each.partition("@")[0] for each in in_workflows} == {"debian:12", "debian:13", "ubuntu:24.04"}
    assert all(each == expected(each.partition("@")[0]) for each in in_workflows)
    started = read_yaml((ROOT / images.COMPOSE).read_text())["services"]
    given = read_yaml((copy / images.DIGESTS).read_text())["services"]
    assert given.keys() == {name for name, each in started.items() if "image" in each}
    for name, each in given.items():
        image = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", started[name]["image"])
        assert each == {"image": expected(image)}
    before = {file: file.read_text() for file in copy.rglob("*.*") if file.is_file()}
    assert images.pin(copy) == pinned
    assert {file: file.read_text() for file in before} == before


def test_every_image_is_pinned_but_that_of_the_engine() -> None:
    named = [found for file in images.pinned_in_place() for found in images.REFERENCE.finditer(file.read_text())]
    assert named
    assert [found[0] for found in named if "@sha256:" not in found[0]] == []
    pinned = read_yaml((ROOT / images.DIGESTS).read_text())["services"]
    for name, image in images.services():
        if image.startswith("camunda/zeebe:"):
            assert name not in pinned
        else:
            assert re.fullmatch(rf"{re.escape(image)}@sha256:[0-9a-f]{{64}}", pinned[name]["image"])


def test_what_docker_does_not_say_is_not_written(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (copy / "Dockerfile").read_text()
    (copy.parent / "docker").write_text("#!/bin/sh\necho unauthorized\n")
    with pytest.raises(ServerError, match=r"does not say what camunda/zeebe:8\.6\.0 is:\nunauthorized"):
        images.pin(copy)
    monkeypatch.setenv("PATH", str(copy))
    with pytest.raises(ServerError, match="docker was not found"):
        images.pin(copy)
    assert (copy / "Dockerfile").read_text() == before
    assert not (copy / images.DIGESTS).exists()
