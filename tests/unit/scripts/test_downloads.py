"""Whatever a tool downloads has a hash that is committed here; more in `test_repository.py` and `test_maven.py`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from scripts import asyncapi_tools, mermaid, servers, workflow_lint
from scripts.rabbitmq_release import NEWER
from tests.cases import check_all

ROOT = Path(__file__).parents[3]
SCRIPTS = {file.relative_to(ROOT / "scripts").as_posix(): file.read_text() for file in (ROOT / "scripts").rglob("*.py")}
LIBRARIES = ("urllib.request", "http.client", "aiohttp", "requests", "httpx")
ASKING = {"advisories.py"}
"""They ask a question of which nothing is run or kept."""
LOCAL = {"camunda7.py", "consumer.py", "prometheus.py", "stack.py", "zeebe.py", "zeebe_in_memory.py"}
"""They ask servers of this machine that they have started."""


def imported(text: str) -> set[str]:
    """The modules that a script imports."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def words(text: str) -> set[str]:
    """The texts of a script that are one word: of commands, for example."""
    constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {each for each in constants if isinstance(each, str) and " " not in each}


def test_no_script_downloads_by_itself() -> None:
    assert {name for name, text in SCRIPTS.items() if imported(text) & {*LIBRARIES}} == LOCAL | ASKING
    assert {name for name, text in SCRIPTS.items() if words(text) & {"curl", "wget"}} == set()


def test_pip_installs_by_hashes() -> None:
    installing = {
        name for name, text in SCRIPTS.items() if {"pip"} & words(text) and {"install", "download"} & words(text)
    }
    assert installing == {"callers.py", "dist.py", "environment.py", "servers.py"}
    assert {name for name in installing if "--require-hashes" in words(SCRIPTS[name])} == installing
    makefile = (ROOT / "Makefile").read_text()
    by_make = [line for line in makefile.splitlines() if "uv pip install" in line]
    assert by_make
    assert all("--require-hashes" in line for line in by_make)


def test_what_is_fetched_alone_has_its_hash_beside_its_name() -> None:
    of_npm = (
        mermaid.SHA256,
        workflow_lint.SHA256,
        asyncapi_tools.SCHEMA_SHA256,
        asyncapi_tools.VIEWER_SHA256,
    )
    hashes = (servers.COMPILER_SHA256, servers.IN_MEMORY_SHA256, *of_npm)
    assert [each for each in hashes if not re.fullmatch(r"[0-9a-f]{64}", each)] == []
    assert sum(text.count("npm.fetch(") for text in SCRIPTS.values()) == len(of_npm)


def test_every_module_of_go_has_its_hash() -> None:
    def is_locked(module: Path) -> None:
        hashes = (module.parent / "go.sum").read_text()
        wanted = re.findall(r"^\t(\S+\.\S+/\S+) (v\S+)", module.read_text(), re.MULTILINE)
        assert len(wanted) > 10
        assert [each for each in wanted if f"{each[0]} {each[1]} h1:" not in hashes] == []

    check_all(sorted((ROOT / "scripts").rglob("go.mod")), is_locked)


def test_every_package_of_another_debian_has_its_hash() -> None:
    def is_locked(name: str) -> None:
        lines = NEWER[name].lock.read_text().splitlines()[1:]
        assert len(lines) > 30
        assert [line for line in lines if not re.fullmatch(r"pool/\S+\.deb sha256:[0-9a-f]{64}", line)] == []

    check_all([*NEWER], is_locked)
