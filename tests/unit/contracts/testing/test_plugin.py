"""The fixture, as pytest finds it by itself, and the page about it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from zeebe_amqp import Topology
from zeebe_amqp.testing import FakeConsumer, answer

PAGE = Path(__file__).parents[4] / "docs" / "client" / "test.md"
TESTS = """
from zeebe_amqp import CreateInstance, Topology
from zeebe_amqp.testing import answer

def test_forgets_a_script(zeebe_consumer):
    zeebe_consumer.script(Topology, answer())

def test_swallows_an_error(zeebe_consumer):
    with zeebe_consumer.sync_client() as zeebe:
        try:
            zeebe.call(CreateInstance(bpmn_process_id="a"))
        except AssertionError:
            pass
"""


def run(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False).stdout


def test_the_fixture_is_a_fresh_service_without_habits(zeebe_consumer: FakeConsumer) -> None:
    assert type(zeebe_consumer) is FakeConsumer
    zeebe_consumer.script(Topology, answer(cluster_size=3))
    with zeebe_consumer.sync_client() as zeebe:  # which needs no event loop
        assert zeebe.call(Topology()).cluster_size == 3
    assert zeebe_consumer.of(Topology) == [Topology()]


def test_the_fixture_fails_tests_whose_scripts_and_requests_differ(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    told = run(tmp_path, "-p", "no:asyncio")
    assert "2 passed, 2 errors" in told
    assert "any topology: 1 more scripted, and not asked for" in told
    assert "create-instance was not expected" in told


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for number, program in enumerate(programs):
        (tmp_path / f"test_{number}.py").write_text(program)
    told = run(tmp_path, "-W", "error", "--asyncio-mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    assert re.search(rf"\n{sum(program.count('def test_') for program in programs)} passed in", told), told
