"""The fixture, as pytest finds it by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zeebe_amqp import Topology
from zeebe_amqp.testing import FakeConsumer, answer

TESTS = """
from zeebe_amqp import CreateInstance, Topology
from zeebe_amqp.testing import answer

def test_passes(zeebe_consumer):
    zeebe_consumer.script(Topology, answer())
    with zeebe_consumer.sync_client() as zeebe:
        zeebe.call(Topology())

def test_forgets_a_script(zeebe_consumer):
    zeebe_consumer.script(Topology, answer())

def test_swallows_an_error(zeebe_consumer):
    with zeebe_consumer.sync_client() as zeebe:
        try:
            zeebe.call(CreateInstance(bpmn_process_id="a"))
        except AssertionError:
            pass
"""


def test_the_fixture_is_a_fresh_service_without_habits(zeebe_consumer: FakeConsumer) -> None:
    assert type(zeebe_consumer) is FakeConsumer
    zeebe_consumer.script(Topology, answer())
    with zeebe_consumer.sync_client() as zeebe:
        zeebe.call(Topology())


def test_the_fixture_fails_tests_whose_scripts_and_requests_differ(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert "3 passed, 2 errors" in ended.stdout
    assert "any topology: 1 more scripted, and not asked for" in ended.stdout
    assert "create-instance was not expected" in ended.stdout
